// Around the commands: output that cannot be written, Ctrl-C, and folders with unusual names.
#include "daemons.hpp"

#include <gmock/gmock.h>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class Console : public Daemons {
 protected:
  /// Runs `program arguments... > /dev/full`.
  Outcome into_full_device(const std::vector<std::string>& arguments) {
    const std::string log = "/tmp/seneschal-full-" + std::to_string(::getpid()) + ".log";
    ::unlink(log.c_str());
    std::vector<std::string> words{"/bin/sh", "-c", "exec \"$0\" \"$@\" > /dev/full", kProgram};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const auto process = spawn(words, {.output = log});
    EXPECT_TRUE(process);
    Outcome outcome{wait_for(*process, 90s).value_or(-1), ""};
    outcome.text = *read_file(log);
    ::unlink(log.c_str());
    return outcome;
  }
  /// An experiment whose second point takes minutes.
  std::string long_experiment() {
    const std::string source = SENESCHAL_SOURCE_DIR;
    const std::string path = dir_ + "/long.toml";
    EXPECT_TRUE(write_file(
        path,
        "name = \"long\"\n[defaults]\ntopology = \"" + source + "/configs/topologies/lan-4.toml\"\ncosts = \"" +
            source +
            "/configs/costs/today.toml\"\n"
            "warmup_s = 0.1\ncooldown_s = 0.1\n"
            "[[series]]\nid = \"short\"\nprotocol = \"bft\"\nruntime = \"sim\"\nclients = [2]\nmeasure_s = 0.5\n"
            "[[series]]\nid = \"long\"\nprotocol = \"bft\"\nruntime = \"sim\"\nclients = [400]\nmeasure_s = 3000\n"));
    return path;
  }
};

class FullDevice : public Console {
  std::string more_of_the_file() const override { return "administrator = 12\n"; }
};

TEST_P(FullDevice, OutputIsAnError) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "a", "1"}).code, 0);
  const std::string control = load_state(dir_)->nodes[0].control;
  std::string text = *read_file(long_experiment());
  text.resize(text.find("[[series]]\nid = \"long\""));
  const std::string experiment = dir_ + "/short.toml";
  ASSERT_TRUE(write_file(experiment, text));
  const std::vector<std::vector<std::string>> commands = {
      {"--help"},
      {"lab", "--help"},
      {"lab", "up", "--help"},
      {"lab", "up", "--version"},
      {"lab", "status", "--out", dir_},
      {"lab", "status", "--json", "--out", dir_},
      {"ctl", "--socket", control, "status"},
      {"ctl", "--socket", control, "links"},
      {"ctl", "--socket", control, "plugins", "--json"},
      {"client", "--deployment", dir_, "--id", "1", "get", "a"},
      {"client", "--deployment", dir_, "--id", "1", "query", "a"},
      {"client", "--deployment", dir_, "delete", "a"},
      {"client", "--deployment", dir_, "cas", "a", "", "1"},
      {"client", "--deployment", dir_, "scan"},
      {"client", "load", "--deployment", dir_, "--seconds", "0.5", "--out", dir_ + "/load.jsonl"},
      {"client", "enroll", "--deployment", dir_, "--home", "1"},
      {"client", "members", "--deployment", dir_},
      {"client", "members", "--deployment", dir_, "--json"},
      {"client", "revoke", "--deployment", dir_, "13"},
      {"client", "--help"},
      {"node", "--help"},
      {"lab", "stop", "2", "--out", dir_},
      {"lab", "start", "2", "--out", dir_},
      {"lab", "restart", "2", "--out", dir_},
      {"lab", "run", experiment, "--out", dir_ + "/run"},
      {"lab", "calibrate", "--help"},
      {"keygen", "--deployment", dir_ + "/up.toml", "--out", dir_ + "/more-keys"},
      {"sim", "--protocol", "bft", "--seeds", "1..1"},
      {"sim", "--protocol", "bft", "--seeds", "1..1", "--json"},
      {"sim", "--protocol", "bft", "--show-plan"},
      {"graph", "--help"},
      {"lab", "down", "--out", dir_},
  };
  for (const auto& command : commands) {
    std::string name;
    for (const std::string& word : command) name += word + " ";
    const Outcome outcome = into_full_device(command);
    EXPECT_EQ(outcome.code, 1) << name;
    EXPECT_THAT(outcome.text, HasSubstr("its output cannot be written")) << name;
  }
}

// "Timing": the bound is far above a second, for a busy machine, and far below the minutes that the work takes.
TEST_P(Console, AnInterruptedSimulationEndsAtOnceAndKeepsWhatItMeasured_TimingSensitive) {
  const std::string log = dir_ + "/run.log";
  const auto lab = spawn({kProgram, "lab", "run", long_experiment(), "--out", dir_ + "/out"}, {.output = log});
  ASSERT_TRUE(lab);
  for (int i = 0; i < 1500 && read_file(log).value_or("").find("short, 2 clients") == std::string::npos; ++i)
    ::usleep(20'000);
  ::usleep(200'000);
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(send_signal(*lab, SIGINT));
  EXPECT_EQ(wait_for(*lab, 60s), 130) << *read_file(log);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
  const std::string csv = *read_file(dir_ + "/out/results.csv");
  EXPECT_THAT(csv, HasSubstr("\nlong,short,sim,today,bft,lan-4,4,4,1,2,")) << "the short series' point";
  EXPECT_THAT(csv, Not(HasSubstr("\nlong,sim,today,bft,lan-4,4,4,1,400,")));
  EXPECT_TRUE(fs::exists(dir_ + "/out/report.html"));
}

TEST_P(Console, InterruptedKeyGenerationEndsAtOnceAndLeavesNothing_TimingSensitive) {
  std::string text = *read_file(dir_ + "/up.toml");
  if (GetParam() == "steward") text.replace(text.find("site_bits = 1024"), 16, "site_bits = 4096");
  ASSERT_TRUE(write_file(dir_ + "/up.toml", text));
  if (GetParam() == "bft") GTEST_SKIP() << "its keys are made within a second";
  const std::string log = dir_ + "/up.log";
  for (const int signal : {SIGINT, SIGTERM}) {
    const auto lab = spawn({kProgram, "lab", "up", dir_ + "/up.toml", "--out", dir_}, {.output = log});
    ASSERT_TRUE(lab);
    ::usleep(1'500'000);
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(send_signal(*lab, signal));
    EXPECT_EQ(wait_for(*lab, 60s), 130) << *read_file(log);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_TRUE(fs::is_empty(dir_ + "/keys"));
    EXPECT_THAT(processes_of_folder(), testing::IsEmpty());
  }
  // Killed, it can remove nothing; the next one does.
  const auto killed = spawn({kProgram, "lab", "up", dir_ + "/up.toml", "--out", dir_}, {.output = log});
  ASSERT_TRUE(killed);
  ::usleep(1'000'000);
  send_signal(*killed, SIGKILL);
  wait_for(*killed, 5s);
  const auto next = spawn({kProgram, "lab", "up", dir_ + "/up.toml", "--out", dir_}, {.output = log});
  ::usleep(1'000'000);
  send_signal(*next, SIGINT);
  wait_for(*next, 60s);
  EXPECT_TRUE(fs::is_empty(dir_ + "/keys"));
}

// What is forgotten goes before the new keys are made: keys first would leave logs that nothing can use any more.
TEST_P(Console, AnInterruptedFreshStartLeavesAFolderThatCanBegin_TimingSensitive) {
  if (GetParam() == "bft") GTEST_SKIP() << "its keys are made within a second";
  const std::string text = *read_file(dir_ + "/up.toml");
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "k", "v"}).code, 0);
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  std::string slow = text;
  slow.replace(slow.find("site_bits = 1024"), 16, "site_bits = 4096");
  ASSERT_TRUE(write_file(dir_ + "/up.toml", slow));
  const auto fresh =
      spawn({kProgram, "lab", "up", dir_ + "/up.toml", "--fresh", "--out", dir_}, {.output = dir_ + "/fresh.log"});
  ASSERT_TRUE(fresh);
  ::usleep(1'500'000);
  ASSERT_TRUE(send_signal(*fresh, SIGINT));
  EXPECT_EQ(wait_for(*fresh, 60s), 130) << *read_file(dir_ + "/fresh.log");
  ASSERT_TRUE(write_file(dir_ + "/up.toml", text));
  // Drafts of marks that somebody was killed over are no sign that anybody has run.
  fs::create_directories(dir_ + "/has-run/.draft-deployment_1");
  ASSERT_TRUE(write_file(dir_ + "/has-run/.draft-deployment_1/server_0.0", "half"));
  const Outcome again = up();
  EXPECT_EQ(again.code, 0) << again.text;
  EXPECT_EQ(client(1, {"put", "k", "w"}).code, 0);
}

TEST_P(Console, InterruptedKeygenEndsAtOnceAndLeavesNothing_TimingSensitive) {
  ASSERT_EQ(run({"keygen", "--deployment", dir_ + "/up.toml", "--out", dir_ + "/few"}).code, 0);
  std::string text = *read_file(dir_ + "/up.toml");
  text.replace(text.find("clients = 12"), 12, "clients = 4096");
  ASSERT_TRUE(write_file(dir_ + "/many.toml", text));
  const std::string log = dir_ + "/keygen.log", more = dir_ + "/more";
  for (const bool extends : {false, true}) {
    std::vector<std::string> words{kProgram, "keygen", "--deployment", dir_ + "/many.toml", "--out", more};
    if (extends) words.insert(words.end(), {"--from", dir_ + "/few"});
    const auto keygen = spawn(words, {.output = log});
    ASSERT_TRUE(keygen);
    for (int i = 0; i < 10'000 && !fs::exists(more); ++i) ::usleep(1'000);
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(send_signal(*keygen, SIGINT));
    EXPECT_EQ(wait_for(*keygen, 60s), 130) << *read_file(log);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_THAT(*read_file(log), HasSubstr("interrupted; no keys are left in " + more));
    EXPECT_FALSE(fs::exists(more)) << extends;
  }
}

TEST_P(Console, AnInterruptedLoadTellsTheRateOfTheTimeThatItRan) {
  ASSERT_EQ(up().code, 0);
  const std::string log = dir_ + "/load.log", out = dir_ + "/load.jsonl";
  const auto load =
      spawn({kProgram, "client", "load", "--deployment", dir_, "--seconds", "3600", "--out", out}, {.output = log});
  ASSERT_TRUE(load);
  for (int i = 0; i < 1500 && read_file(out).value_or("").find("\n{") == std::string::npos; ++i) ::usleep(20'000);
  ::usleep(1'000'000);
  ASSERT_TRUE(send_signal(*load, SIGINT));
  EXPECT_EQ(wait_for(*load, 60s), 130) << *read_file(log);
  EXPECT_THAT(*read_file(log),
              testing::ContainsRegex("interrupted after [0-9.]+ s: [1-9][0-9]* operations accepted, [1-9]"));
}

TEST_P(Console, InterruptedSeedsEndAtOnceAndTellWhatIsFinished_TimingSensitive) {
  for (const bool json : {false, true}) {
    const std::string log = dir_ + "/sim.log", errors = dir_ + "/sim-errors.log";
    std::vector<std::string> words{"/bin/sh",       "-c",        "exec \"$0\" \"$@\" 2> '" + errors + "'",
                                   kProgram,        "sim",       "--protocol",
                                   GetParam(),      "--seeds",   "1..100000",
                                   "--out",         dir_ + "/f", "--jobs",
                                   json ? "1" : "2"};
    if (json) words.emplace_back("--json");
    const auto sim = spawn(words, {.output = log});
    ASSERT_TRUE(sim);
    ::usleep(4'000'000);
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(send_signal(*sim, SIGINT));
    EXPECT_EQ(wait_for(*sim, 60s), 130) << *read_file(log);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
    EXPECT_THAT(*read_file(json ? errors : log),
                testing::ContainsRegex("interrupted: [1-9][0-9]* of 100000 seeds are finished\n$"));
    const std::string output = *read_file(log);
    if (json) {
      EXPECT_THAT(output, testing::AllOf(HasSubstr("\"interrupted\":true"), HasSubstr("\"failed\":0")));
    } else {
      EXPECT_THAT(output, testing::ContainsRegex("seeds=([1-9][0-9]*) passed=[1-9][0-9]* failed=0 trace="));
    }
  }
}

// "2" is the name of node 1's site: whichever daemon was meant, the other one must not be ended.
TEST_P(Console, ASitesNameThatIsAnotherNodesNumberNamesNobody) {
  std::string text = *read_file(dir_ + "/topology.toml");
  text.replace(text.find("\"s0\""), 4, "\"2\"");
  text.replace(text.find("\"s1\""), 4, "\"1\"");
  ASSERT_TRUE(write_file(dir_ + "/topology.toml", text));
  ASSERT_EQ(up().code, 0);
  const Outcome refused = run({"lab", "stop", "2", "--out", dir_});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, HasSubstr("is the number of one node and the name of another one's site"));
  EXPECT_EQ(run({"lab", "stop", "s2", "--out", dir_}).code, 0);
}

// A folder with another run's results is not written over unless that is asked for.
TEST_P(Console, ARunIntoAnotherRunsFolderAsksForForce) {
  std::string text = *read_file(long_experiment());
  text.resize(text.find("[[series]]\nid = \"long\""));
  ASSERT_TRUE(write_file(dir_ + "/short.toml", text));
  const auto lab = [&](std::vector<std::string> more) {
    std::vector<std::string> words{"lab", "run", dir_ + "/short.toml", "--out", dir_ + "/out"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  ASSERT_EQ(lab({}).code, 0);
  ASSERT_TRUE(write_file(dir_ + "/out/results.csv", "another's"));
  const Outcome refused = lab({});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, HasSubstr("--force"));
  EXPECT_EQ(*read_file(dir_ + "/out/results.csv"), "another's");
  EXPECT_EQ(lab({"--force"}).code, 0);
  EXPECT_NE(*read_file(dir_ + "/out/results.csv"), "another's");
}

// '#' begins a comment in many files; quotes, blanks and backslashes end or change a word.
class OddFolder : public Console {
 protected:
  void SetUp() override {
    Daemons::SetUp();
    const std::string odd = dir_ + "/a #b \"c\" d\\e'f#";
    fs::create_directory(odd);
    for (const char* name : {"topology.toml", "up.toml"}) fs::rename(dir_ + "/" + name, odd + "/" + name);
    whole_ = dir_;
    dir_ = odd;
  }
  void TearDown() override {
    Daemons::TearDown();
    fs::remove_all(whole_);
  }
  std::string more_of_the_file() const override { return "accountability = true\n"; }
  std::string whole_;
};

TEST_P(OddFolder, ADeploymentWithGraphsRunsFromIt) {
  const Outcome started = up();
  ASSERT_EQ(started.code, 0) << started.text;
  EXPECT_EQ(client(1, {"put", "a", "1"}).code, 0);
  EXPECT_EQ(client(2, {"get", "a"}).text, "1\n");
  EXPECT_EQ(run({"lab", "status", "--out", dir_}).code, 0);
  std::size_t graphs = 0;
  for (const auto& entry : fs::directory_iterator(dir_ + "/graph")) graphs += entry.is_directory() ? 1 : 0;
  EXPECT_EQ(graphs, GetParam() == "bft" ? 4u : 12u) << "each server's is where it belongs";
  const Outcome graph = run({"graph", "status", "--deployment", dir_});
  EXPECT_EQ(graph.code, 0) << graph.text;
  EXPECT_EQ(run({"lab", "restart", "2", "--out", dir_}).code, 0);
  EXPECT_EQ(client(2, {"get", "a"}).text, "1\n");
  EXPECT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  for (const auto& entry : fs::directory_iterator(whole_))
    EXPECT_EQ(entry.path().string(), dir_) << "nothing was made beside it";
}

TEST_P(OddFolder, AnExperimentRunsIntoIt) {
  const std::string source = SENESCHAL_SOURCE_DIR;
  ASSERT_TRUE(write_file(dir_ + "/e.toml", "name = \"odd\"\n[defaults]\ntopology = \"" + source +
                                               "/configs/topologies/lan-4.toml\"\ncosts = \"" + source +
                                               "/configs/costs/today.toml\"\nclients = [2]\n"
                                               "warmup_s = 0.3\nmeasure_s = 1\ncooldown_s = 0.2\n"
                                               "[[series]]\nid = \"live\"\nprotocol = \"bft\"\nruntime = \"live\"\n"
                                               "[[series]]\nid = \"sim\"\nprotocol = \"bft\"\nruntime = \"sim\"\n"));
  const Outcome outcome = run({"lab", "run", dir_ + "/e.toml", "--out", dir_ + "/out"});
  EXPECT_THAT(outcome.code, testing::AnyOf(0, 3)) << outcome.text;
  EXPECT_THAT(outcome.text, Not(HasSubstr("nothing measured")));
  EXPECT_THAT(outcome.text, Not(HasSubstr("warning")));
}

INSTANTIATE_TEST_SUITE_P(Protocols, Console, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });
INSTANTIATE_TEST_SUITE_P(Protocols, FullDevice, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });
INSTANTIATE_TEST_SUITE_P(Protocols, OddFolder, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });

}  // namespace
}  // namespace seneschal::lab
