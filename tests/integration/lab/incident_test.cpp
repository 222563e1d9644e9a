// An incident on a running deployment, as its operator lives through it: real daemons of either protocol, a client
// that lies, and what `seneschal graph` says and makes of it, against an oracle that is worked out here.
#include "crypto/signature.hpp"
#include "lab/cluster.hpp"
#include "lab/files.hpp"
#include "lab/process.hpp"
#include "replication/kv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>
#include <nlohmann/json.hpp>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
namespace kv = replication::kv;
using Json = nlohmann::ordered_json;
using testing::HasSubstr;

struct Said {
  int code = -1;
  std::string text;    // standard output
  std::string errors;  // of a command run by itself, the last lines of both
};

/// What each client does, in order: update i+1 of the graph.
struct Step {
  int client;
  std::vector<std::string> words;
  std::string depends;               // as given to --depends; empty: not given
  std::vector<std::vector<int>> on;  // oracle: AND over these, OR within each
};

const std::vector<Step>& steps() {
  static const std::vector<Step> all = {
      {1, {"put", "a", "1"}, "", {}},
      {2, {"put", "b", "1"}, "", {}},  // client 2 before it turns
      {3, {"cas", "b", "1", "2"}, "", {{2}}},
      {2, {"put", "a", "evil"}, "", {}},  // and after
      {1, {"cas", "a", "evil", "worse"}, "", {{4}}},
      {3, {"put", "c", "ok"}, "", {}},
      {4, {"put", "d", "either"}, "5 or 6", {{5, 6}}},
      {4, {"put", "e", "both"}, "5 and 6", {{5}, {6}}},
      {1, {"cas", "c", "ok", "fine"}, "", {{6}}},
      {2, {"put", "f", "more"}, "", {}},
      {5, {"get", "f"}, "", {{10}}},
      {5, {"put", "g", "blind"}, "", {}},
  };
  return all;
}
constexpr int kLiar = 2;
constexpr std::size_t kFirstLie = 4;

enum class Class { Clean, Suspect, Corrupt };

/// By the definition: a liar's updates from `from` on are corrupt; who needs only bad ones for something is suspect.
std::vector<Class> oracle_classes(std::size_t from) {
  std::vector<Class> classes;
  for (std::size_t i = 0; i < steps().size(); ++i) {
    const Step& step = steps()[i];
    bool fails = false;
    for (const auto& any : step.on)
      fails = fails || std::ranges::all_of(
                           any, [&](int id) { return classes[static_cast<std::size_t>(id - 1)] != Class::Clean; });
    const bool corrupt = step.client == kLiar && i + 1 >= from;
    classes.push_back(corrupt ? Class::Corrupt : fails ? Class::Suspect : Class::Clean);
  }
  return classes;
}

Digest oracle_state(const std::vector<Class>& classes, bool with_suspects) {
  kv::KvApplication state;
  for (std::size_t i = 0; i < steps().size(); ++i) {
    if (classes[i] == Class::Corrupt || (classes[i] == Class::Suspect && !with_suspects)) continue;
    const auto& w = steps()[i].words;
    if (w[0] == "put") state.apply(ClientId(1), kv::put(w[1], as_span(w[2])));
    if (w[0] == "cas") state.apply(ClientId(1), kv::compare_and_set(w[1], to_bytes(w[2]), to_bytes(w[3])));
  }
  return state.digest();
}

class Incident : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/seneschal-incident-XXXXXX";
    dir_ = ::mkdtemp(name);
    ASSERT_TRUE(write_file(
        dir_ + "/topology.toml",
        "name = \"near\"\n[link_default]\ndelay_ms = 2\n[[site]]\nname = \"a\"\n[[site]]\nname = \"b\"\n"));
    const bool steward = GetParam() == "steward";
    ASSERT_TRUE(
        write_file(dir_ + "/up.toml", "name = \"incident\"\nprotocol = \"" + GetParam() +
                                          "\"\ntopology = \"topology.toml\"\nclients = 6\naccountability = true\n" +
                                          (steward ? "" : "servers = [2, 2]\n") +
                                          "[options]\ngraph_epoch = 3\n[keys]\nsite_bits = 1024\n"));
    const Said up = run({"lab", "up", dir_ + "/up.toml", "--out", dir_});
    ASSERT_EQ(up.code, 0) << up.errors;
  }
  void TearDown() override {
    if (const auto cluster = load_state(dir_)) stop_cluster(*cluster);
    fs::remove_all(dir_);
  }

  Said run(std::vector<std::string> arguments) {
    const std::string out = dir_ + "/said";
    fs::remove(out);
    arguments.insert(arguments.begin(), {"/bin/sh", "-c", "exec \"$0\" \"$@\" 2>" + dir_ + "/errors",
                                         SENESCHAL_BINARY_DIR "/bin/seneschal"});
    Said said;
    if (const auto process = spawn(arguments, {.output = out})) {
      said.code = wait_for(*process, 60s).value_or(-1);
      end_all({*process}, 0s);
    }
    said.text = read_file(out).value_or("");
    said.errors = said.text + read_file(dir_ + "/errors").value_or("");
    return said;
  }
  Said graph(std::vector<std::string> words) {
    words.insert(words.begin(), "graph");
    words.insert(words.end(), {"--deployment", dir_});
    return run(words);
  }
  Json json(std::vector<std::string> words) {
    words.push_back("--json");
    const Said said = graph(std::move(words));
    EXPECT_EQ(said.code, 0) << said.errors;
    Json parsed = Json::parse(said.text, nullptr, false);
    EXPECT_FALSE(parsed.is_discarded()) << said.errors;
    return parsed;
  }
  void play() {
    for (std::size_t i = 0; i < steps().size(); ++i) {
      const Step& step = steps()[i];
      std::vector<std::string> words{
          "client", "--deployment", dir_, "--timeout", "20", "--id", std::to_string(step.client)};
      if (!step.depends.empty()) words.insert(words.end(), {"--depends", step.depends});
      words.insert(words.end(), step.words.begin(), step.words.end());
      const Said said = run(words);
      ASSERT_EQ(said.code, 0) << said.errors;
      if (!step.depends.empty()) {
        EXPECT_THAT(said.errors, HasSubstr("update " + std::to_string(i + 1) + "\n"))
            << "clients learn update names so";
      }
    }
  }
  void expect_classes(const std::vector<Class>& classes) {
    const Json all = json({"export"});
    std::map<std::size_t, std::string> said;
    for (const Json& one : all) said[one["update"].get<std::size_t>()] = one["class"].get<std::string>();
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const std::string expected = classes[i] == Class::Corrupt   ? "CORRUPT"
                                   : classes[i] == Class::Suspect ? "SUSPECT"
                                                                  : "NOT_AFFECTED";
      // The export holds what is bad and what that names; all else is not affected.
      EXPECT_EQ(said.contains(i + 1) ? said[i + 1] : "NOT_AFFECTED", expected) << "update " << i + 1;
    }
  }
  void expect_state(const std::string& which, const Digest& expected) {
    const std::string file = dir_ + "/state";
    const Said said = graph({"regenerate", which, "--out", file});
    ASSERT_EQ(said.code, 0) << said.errors;
    kv::KvApplication state;
    ASSERT_TRUE(state.restore(as_span(read_file(file).value_or(""))).has_value());
    EXPECT_EQ(state.digest(), expected) << which;
  }
  std::string dir_;
};

TEST_P(Incident, FromTheLieToTheCleanState) {
  play();
  if (HasFatalFailure()) return;

  // Every server builds it, and all have the same.
  const Said status = graph({"status"});
  ASSERT_EQ(status.code, 0) << status.errors;
  const std::size_t servers = GetParam() == "steward" ? 8 : 4;
  EXPECT_EQ(json({"status"})["servers"].size(), servers);
  EXPECT_THAT(status.errors, testing::Not(HasSubstr("warning")));
  EXPECT_THAT(status.text, HasSubstr("signed by"));
  EXPECT_EQ(json({"status"})["updates"], steps().size());

  // By update, by seq and by time.
  const auto classes = oracle_classes(kFirstLie);
  ASSERT_EQ(graph({"mark", "--client", "2", "--since", "u3"}).code, 0);
  expect_classes(classes);
  const Json first = json({"why", "4"});
  ASSERT_EQ(first.size(), 1u);
  ASSERT_EQ(graph({"mark", "--client", "2", "--withdraw"}).code, 0);
  expect_classes(std::vector<Class>(steps().size(), Class::Clean));
  ASSERT_EQ(graph({"mark", "--client", "2", "--since", "1h"}).code, 0);
  expect_classes(oracle_classes(1));
  ASSERT_EQ(graph({"mark", "--client", "2", "--withdraw"}).code, 0);
  ASSERT_EQ(graph({"mark", "--client", "2", "--since", first[0]["seq"].dump()}).code, 0);
  expect_classes(classes);

  // Questions.
  const Json why = json({"why", "8"});
  ASSERT_EQ(why.size(), 3u);
  EXPECT_EQ(why[0]["update"], 4);
  EXPECT_EQ(why[1]["update"], 5);
  EXPECT_EQ(why[2]["update"], 8);
  const Json blast = json({"blast", "4"});
  ASSERT_EQ(blast.size(), 2u);
  EXPECT_EQ(blast[0]["update"], 5);
  EXPECT_EQ(json({"whatif", "--client", "3"})["corrupt"], 4) << "client 3's two and the liar's two";
  EXPECT_EQ(json({"risk", "--top", "20"}).size(), 5u);

  // States.
  expect_state("--clean", oracle_state(classes, false));
  expect_state("--with-suspects", oracle_state(classes, true));
  std::set<std::string> differing;
  for (const Json& d : json({"diff", "--clean"})) differing.insert(d["key_hex"].get<std::string>());
  EXPECT_EQ(differing, (std::set<std::string>{"61", "65", "66"})) << "a, e and f";

  // An operator looks at update 5 and finds it good: 8 is good then, too.
  ASSERT_EQ(graph({"clear", "5"}).code, 0);
  auto cleared = classes;
  cleared[4] = cleared[7] = Class::Clean;
  expect_classes(cleared);
  EXPECT_EQ(graph({"clear", "4"}).code, 1) << "a liar's update cannot be cleared";
  ASSERT_EQ(graph({"clear", "5", "--withdraw"}).code, 0);

  // For other programs and people.
  EXPECT_THAT(graph({"export", "--dot"}).text, HasSubstr("u5 -> u4"));
  EXPECT_THAT(graph({"export", "--prov"}).text, HasSubstr("wasDerivedFrom"));
  const Said report = graph({"report"});
  ASSERT_EQ(report.code, 0) << report.errors;
  const Json signed_report = Json::parse(read_file(dir_ + "/graph/incident.json").value_or(""), nullptr, false);
  ASSERT_TRUE(signed_report.is_object());
  EXPECT_EQ(signed_report["report"]["corrupt"], 2);
  EXPECT_EQ(signed_report["report"]["evidence"].size(), 5u);
  EXPECT_FALSE(signed_report["report"]["evidence"][0]["digest"].get<std::string>().empty());
  const auto key = crypto::PublicKey::from_pem(signed_report["signature"]["public_key"].get<std::string>(),
                                               crypto::KeyStrength::Standard);
  ASSERT_TRUE(key) << key.error().message;
  const auto signature = from_hex(signed_report["signature"]["value"].get<std::string>());
  ASSERT_TRUE(signature);
  const std::string message = "seneschal/graph/incident/1\n" + signed_report["report"].dump();
  EXPECT_TRUE(key->verify(as_span(message), *signature));
  EXPECT_THAT(read_file(dir_ + "/graph/incident.html").value_or(""), HasSubstr("<svg"));

  // Servers that start again go on with their graphs, and with what they know about who wrote what.
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  const Said again = run({"lab", "up", dir_ + "/up.toml", "--out", dir_});
  ASSERT_EQ(again.code, 0) << again.errors;
  ASSERT_EQ(run({"client", "--deployment", dir_, "--id", "6", "--timeout", "20", "get", "e"}).code, 0);
  const Json later = json({"status"});
  EXPECT_EQ(later["updates"], steps().size() + 1);
  for (const Json& server : later["servers"]) EXPECT_EQ(server["trouble"], "");
  EXPECT_EQ(json({"why", std::to_string(steps().size() + 1)}).size(), 4u) << "4, 5, 8, and the read of what 8 wrote";

  // One server's graph is damaged: all start, and that one says what is wrong.
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  const std::string damaged = dir_ + "/graph/0.1/payloads-1.seg";
  fs::resize_file(damaged, fs::file_size(damaged) / 2);
  const Said third = run({"lab", "up", dir_ + "/up.toml", "--out", dir_});
  ASSERT_EQ(third.code, 0) << third.errors;
  EXPECT_THAT(third.text, HasSubstr("server 0/1 at node 1 (a) votes, but: no graph is built"));
  const Said among = graph({"status", "--json"});
  EXPECT_EQ(among.code, 0) << among.errors;
  const Json told = Json::parse(among.text, nullptr, false);
  for (const Json& server : told["servers"])
    EXPECT_EQ(server["trouble"] == "", server["server"] != "0.1") << server.dump();

  // The graph stays when the deployment is gone.
  const std::string keys = load_state(dir_).value().keys;
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  const Said after = run({"graph", "status", "--graph", dir_ + "/graph/0.0", "--keys", keys});
  EXPECT_EQ(after.code, 0) << after.errors;
  EXPECT_THAT(after.text, HasSubstr("updates 1 to " + std::to_string(steps().size() + 1)));
  // A time needs several servers' word: their graphs lie beside each other, and the keys tell whose they are.
  const std::vector<std::string> asked{"graph",   "whatif", "--client", "2",
                                       "--since", "1h",     "--graph",  dir_ + "/graph/0.0"};
  EXPECT_EQ(run(asked).code, 3) << "one server's word";
  auto with_keys = asked;
  with_keys.insert(with_keys.end(), {"--keys", keys});
  EXPECT_EQ(run(with_keys).code, 0) << run(with_keys).errors;
  EXPECT_TRUE(fs::exists(dir_ + "/graph/0.0/snapshot-3.snap")) << "an epoch ended there by itself";
}

TEST_P(Incident, WhatDoesNotExistIsToldAndNothingBreaks) {
  const Said future =
      run({"client", "--deployment", dir_, "--id", "1", "--timeout", "20", "--depends", "99", "put", "x", "y"});
  EXPECT_EQ(future.code, 0) << "it was executed";
  EXPECT_THAT(future.errors, HasSubstr("its dependencies were not taken: names an update that does not exist yet"));
  EXPECT_EQ(graph({"status", "--server", "9.9"}).code, 2);
  EXPECT_EQ(graph({"mark", "--client", "2"}).code, 1) << "it has done nothing";
  EXPECT_EQ(graph({"mark", "--client", "2", "--since", "yesterday"}).code, 2);
  EXPECT_EQ(graph({"why", "7"}).code, 1);
  EXPECT_EQ(run({"graph", "status", "--deployment", dir_ + "/nowhere"}).code, 2);
}

INSTANTIATE_TEST_SUITE_P(Protocols, Incident, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });

}  // namespace
}  // namespace seneschal::lab
