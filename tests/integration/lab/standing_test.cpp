// What an operator is told of a deployment: who votes, who does not, and why.
#include "daemons.hpp"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Told : public Daemons {
 protected:
  bool flat() const { return GetParam() == "bft"; }
  Outcome status() { return run({"lab", "status", "--out", dir_}); }
  Json status_json() {
    const Outcome outcome = run({"lab", "status", "--json", "--out", dir_});
    const Json json = Json::parse(outcome.text, nullptr, false);
    EXPECT_TRUE(json.is_object()) << outcome.text;
    EXPECT_EQ(json.value("good", false), outcome.code == 0);
    return json;
  }
  /// Of so many servers of a node, in the order of their names.
  void lose_logs(std::size_t node, std::size_t servers) {
    std::vector<fs::path> logs;
    for (const auto& entry : fs::recursive_directory_iterator(dir_ + "/data"))
      if (entry.is_directory() && on_node(node, entry.path().filename().string())) logs.push_back(entry.path());
    std::ranges::sort(logs);
    ASSERT_GE(logs.size(), servers);
    for (std::size_t i = 0; i < servers; ++i) fs::remove_all(logs[i]);
  }
  /// Asks until `expected` is said, which may take a link's time to be given up.
  Outcome status_until(const std::string& expected) {
    Outcome outcome;
    for (int i = 0; i < 100; ++i) {
      outcome = status();
      if (outcome.text.find(expected) != std::string::npos) break;
      ::usleep(200'000);
    }
    EXPECT_THAT(outcome.text, HasSubstr(expected));
    return outcome;
  }
};

TEST_P(Told, AllIsWell) {
  ASSERT_EQ(up().code, 0);
  const Outcome said = status();
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_THAT(said.text,
              HasSubstr(flat() ? "all sites: 4 of 4 vote, 3 needed" : "site 1 (s0): 4 of 4 vote, 3 needed"));
  EXPECT_THAT(said.text, Not(HasSubstr("! ")));
  const Json json = status_json();
  EXPECT_EQ(json["good"], true);
  EXPECT_EQ(json["nodes"].size(), sites());
  EXPECT_EQ(json["nodes"][0]["state"], "running");
  EXPECT_EQ(json["nodes"][0]["links_up"], sites() - 1);
  EXPECT_EQ(json["nodes"][0]["servers"][0]["votes"], true);
  EXPECT_EQ(json["faults"].size(), 0u);
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  const Outcome none = run({"lab", "status", "--json", "--out", dir_});
  EXPECT_EQ(none.code, 1);
  EXPECT_THAT(none.text, HasSubstr("\"good\": false"));
}

// The logs of some servers are gone: they learn and do not vote. That is said when it begins, and for as long.
TEST_P(Told, ServersThatLostTheirLogs) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "a", "1"}).code, 0);
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  lose_logs(2, flat() ? 1 : 2);
  const Outcome again = up();
  EXPECT_EQ(again.code, 1) << "it is not as well as it was";
  const std::string count = flat() ? "all sites: 3 of 4 vote, 3 needed" : "site 3 (s2): 2 of 4 vote, 3 needed";
  for (const std::string& text : {again.text, status().text}) {
    EXPECT_THAT(text, AllOf(HasSubstr(count), HasSubstr("at node 3 (s2) does not vote: its log is lost")));
  }
  if (!flat()) {
    EXPECT_THAT(again.text, HasSubstr("it can decide nothing"));
  }
  EXPECT_EQ(status().code, 1);
  EXPECT_EQ(client(1, {"put", "a", "2"}).code, 0) << "the others serve";
}

TEST_P(Told, ADaemonThatIsFrozen) {
  ASSERT_EQ(up().code, 0);
  const auto victim = load_state(dir_)->nodes[1].process;
  ASSERT_TRUE(send_signal(victim, SIGSTOP));
  const auto begin = std::chrono::steady_clock::now();
  const Outcome said = status();
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 15s);
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.text, AllOf(HasSubstr("node 2 (s1): not answering: it is stopped"),
                               HasSubstr(flat() ? "all sites: 3 of 4 vote" : "site 2 (s1): 0 of 4 vote, 3 needed")));
  EXPECT_EQ(status_json()["nodes"][1]["state"], "not answering");
  ASSERT_TRUE(send_signal(victim, SIGCONT));
  for (int i = 0; i < 100 && status().code != 0; ++i) ::usleep(100'000);
  EXPECT_EQ(status().code, 0);
  ASSERT_TRUE(send_signal(victim, SIGSTOP));
  const auto down_at = std::chrono::steady_clock::now();
  const Outcome down = run({"lab", "down", "--out", dir_});
  EXPECT_EQ(down.code, 0) << "also if it does not listen";
  EXPECT_THAT(down.text, HasSubstr("1 daemons had to be killed"));
  EXPECT_LT(std::chrono::steady_clock::now() - down_at, 15s) << "nobody waits for it as for a slow disk";
  EXPECT_THAT(processes_of_folder(), testing::IsEmpty());
}

TEST_P(Told, ADaemonWhoseSocketIsGone) {
  ASSERT_EQ(up().code, 0);
  fs::remove(load_state(dir_)->nodes[0].control);
  const Outcome said = status();
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.text, HasSubstr("node 1 (s0): not answering"));
  EXPECT_EQ(run({"lab", "restart", "1", "--out", dir_}).code, 0);
  EXPECT_EQ(status().code, 0);
}

TEST_P(Told, ADaemonThatNobodyReaches) {
  ASSERT_EQ(up().code, 0);
  const Cluster cluster = *load_state(dir_);
  for (const ClusterNode& other : cluster.nodes) {
    if (other.id == cluster.nodes[2].id) continue;
    for (const auto& [from, to] : {std::pair(cluster.nodes[2], other), std::pair(other, cluster.nodes[2])})
      ASSERT_EQ(run({"ctl", "--socket", from.control, "link", "set", std::to_string(from.id.value),
                     std::to_string(to.id.value), "loss_percent=100"})
                    .code,
                0);
  }
  const Outcome said = status_until("node 3 (s2): unreachable: none of its links is up");
  EXPECT_EQ(said.code, 1);
  status_until(flat() ? "all sites: 4 of 4 vote, 3 needed; no more than 3 of them reach each other"
                      : "2 of 3 sites can decide and reach each other, 2 needed");
}

// One server's key cannot be read: the others start, and the operator is told whose.
TEST_P(Told, OneServerThatCannotStartKeepsNoOther) {
  const std::string keys = dir_ + "/keys-made-before";
  ASSERT_EQ(run({"keygen", "--deployment", dir_ + "/up.toml", "--out", keys}).code, 0);
  const std::string broken = keys + (flat() ? "/site-0/server-2" : "/site-2/server-1") + "/signing.pem";
  fs::permissions(broken, fs::perms::others_read, fs::perm_options::add);
  const Outcome started = run({"lab", "up", dir_ + "/up.toml", "--out", dir_, "--keys", keys});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text,
              AllOf(HasSubstr("signing.pem"), HasSubstr("does not vote"),
                    HasSubstr(flat() ? "all sites: 3 of 4 vote, 3 needed" : "site 3 (s2): 3 of 4 vote, 3 needed")));
  EXPECT_EQ(client(1, {"put", "a", "1"}).code, 0);
  fs::permissions(broken, fs::perms(0600));
  EXPECT_EQ(run({"lab", "restart", "3", "--out", dir_}).code, 0);
  EXPECT_EQ(status().code, 0);
}

INSTANTIATE_TEST_SUITE_P(Protocols, Told, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });

}  // namespace
}  // namespace seneschal::lab
