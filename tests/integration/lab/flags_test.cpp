// What cannot be a number, a name or an operation is refused before anything is done, with the word that is wrong.
#include "daemons.hpp"

#include <gmock/gmock.h>

namespace seneschal::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Refused {
  std::vector<std::string> words;
  std::string flag;
};

TEST(CommandLines, NumbersThatAreNoneAreRefused) {
  const std::vector<std::string> no_numbers = {"-1",   "",   "nan",  "inf", "-inf",
                                               "1e30", "1x", "0x10", " 1",  "18446744073709551616"};
  const std::vector<Refused> commands = {
      {{"client", "put", "a", "b", "--id"}, "--id"},
      {{"client", "get", "a", "--timeout"}, "--timeout"},
      {{"client", "load", "--seconds"}, "--seconds"},
      {{"client", "load", "--clients"}, "--clients"},
      {{"client", "load", "--payload"}, "--payload"},
      {{"client", "load", "--update-percent"}, "--update-percent"},
      {{"client", "load", "--seed"}, "--seed"},
      {{"client", "enroll", "--home", "1", "--id"}, "--id"},
      {{"client", "enroll", "--home", "1", "--node"}, "--node"},
      {{"client", "members", "--timeout"}, "--timeout"},
      {{"sim", "--jobs"}, "--jobs"},
      {{"sim", "--seeds"}, "--seeds"},
      {{"node", "--config", "/nonexistent", "--node"}, "--node"},
      {{"node", "--config", "/nonexistent", "--handover"}, "--handover"},
      {{"graph", "blast", "1", "--top"}, "--top"},
      {{"graph", "blast", "1", "--most"}, "--most"},
      {{"graph", "risk", "--top"}, "--top"},
      {{"graph", "risk", "--candidates"}, "--candidates"},
      {{"graph", "export", "--dot", "--most"}, "--most"},
      {{"graph", "bench", "--updates"}, "--updates"},
      {{"graph", "bench", "--clients"}, "--clients"},
      {{"graph", "bench", "--deps"}, "--deps"},
      {{"graph", "bench", "--window"}, "--window"},
      {{"graph", "bench", "--seed"}, "--seed"},
      {{"graph", "bench", "--rounds"}, "--rounds"},
      {{"graph", "bench", "--queries"}, "--queries"},
      {{"graph", "case", "picture", "--graph", "/nonexistent", "--units"}, "--units"},
      {{"graph", "case", "picture", "--graph", "/nonexistent", "--minutes"}, "--minutes"},
      {{"graph", "case", "threads", "--graph", "/nonexistent", "--messages"}, "--messages"},
      {{"graph", "case", "threads", "--graph", "/nonexistent", "--per-day"}, "--per-day"},
      {{"graph", "case", "threads", "--graph", "/nonexistent", "--seed"}, "--seed"},
      {{"graph", "sweep", "--updates"}, "--updates"},
      {{"graph", "sweep", "--rounds"}, "--rounds"},
  };
  for (const Refused& command : commands)
    for (const std::string& number : no_numbers) {
      std::vector<std::string> words = command.words;
      words.push_back(number);
      const Outcome outcome = run(words);
      EXPECT_EQ(outcome.code, 2) << command.flag << " " << number;
      EXPECT_THAT(outcome.text, HasSubstr(command.flag + " is '" + number + "'; expected")) << command.words[0];
    }
  for (const auto& [words, text] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"client", "--id", "0", "get", "a"}, "--id is '0'"},
           {{"client", "--timeout", "0", "get", "a"}, "--timeout is '0'"},
           {{"client", "--timeout", "86401", "get", "a"}, "at most 86400"},
           {{"client", "load", "--update-percent", "101"}, "from 0 to 100"},
           {{"ctl", "--socket", "/nonexistent", "link", "set", "1", "70000", "delay_ms=1"}, "0 to 65535"},
           {{"ctl", "--socket", "/nonexistent", "link", "set", "1", "2", "delay_ms=nan"}, "'delay_ms' is nan"},
           {{"ctl", "--socket", "/nonexistent", "link", "set", "1", "2", "loss_percent=inf"},
            "'loss_percent' is inf"},
           {{"ctl", "--socket", "/nonexistent", "link", "set", "1", "2", "delay_ms=1", "delay_ms=2"},
            "given twice"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 2) << text;
    EXPECT_THAT(outcome.text, HasSubstr(text));
  }
}

TEST(CommandLines, TakeFlagsBeforeTheWordAndAfterIt) {
  // Nothing runs there: who answers shows which command was understood.
  const std::string none = "/nonexistent/deployment";
  for (const auto& [words, who] : std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"client", "-d", none, "enroll", "--home", "1"}, "seneschal client enroll: "},
           {{"client", "--timeout", "3", "--deployment", none, "revoke", "4"}, "seneschal client revoke: "},
           {{"client", "-d", none, "-t", "3", "members", "--json"}, "seneschal client members: "},
           {{"client", "members", "-d", none}, "seneschal client members: "},
           {{"client", "-d", none, "load", "--seconds", "1"}, none},
           {{"client", "-d", none, "put", "load", "enroll"}, none},
           {{"client", "put", "load", "enroll", "-d", none}, none},
           {{"client", "-d", none, "--id", "2", "query", "members"}, none}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 1) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(who));
    EXPECT_THAT(outcome.text, HasSubstr(none));
  }
  // A flag of another subcommand is not understood.
  EXPECT_EQ(run({"client", "--home", "1", "put", "a", "b"}).code, 2);
}

TEST(CommandLines, PathsThatNoConfigurationCanHoldAreRefused) {
  const std::string file = SENESCHAL_SOURCE_DIR "/configs/deployments/local-bft.toml";
  for (const auto& [path, shown] : {std::pair("/tmp/seneschal-\n", "\\x0a"),
                                    {"/tmp/seneschal-\x1b[31m", "\\x1b"},
                                    {"/tmp/seneschal-\xff", "\\xff"}}) {
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"lab", "up", file, "--out", path},
          {"lab", "up", file, "--out", "/tmp/seneschal-none", "--keys", path},
          {"lab", "up", file, "--out", "/tmp/seneschal-none", "--plugins", path},
          {"lab", "run", SENESCHAL_SOURCE_DIR "/configs/experiments/demo.toml", "--out", path}}) {
      const Outcome outcome = run(words);
      EXPECT_EQ(outcome.code, 2) << outcome.text;
      EXPECT_THAT(outcome.text, HasSubstr(shown));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists("/tmp/seneschal-none"));
}

TEST(CommandLines, AnUnknownOperationIsToldWhatThereIs) {
  const Outcome unknown = run({"client", "-d", "/nonexistent/deployment", "put\x1b", "a"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.text, HasSubstr("there is no operation 'put\\x1b'"));
  EXPECT_THAT(unknown.text, HasSubstr("put KEY VALUE"));
  EXPECT_THAT(unknown.text, HasSubstr("sql STATEMENT"));
}

}  // namespace
}  // namespace seneschal::lab
