// Deployments by hand, as a user runs them: the real program, real daemons with plugins, real keys.
#include "program.hpp"

#include "lab/cluster.hpp"
#include "lab/files.hpp"
#include "lab/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A deployment's folder and file; whatever runs from it is ended and removed. Keys are made once per shape and kept
/// between tests, since dealing five site keys takes seconds.
class ByHand : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/seneschal-hand-XXXXXX";
    dir_ = ::mkdtemp(name);
  }
  void TearDown() override {
    if (const auto cluster = load_state(dir_)) stop_cluster(*cluster);
    fs::remove_all(dir_);
  }
  static void TearDownTestSuite() { fs::remove_all(cache()); }

  static std::string cache() { return "/tmp/seneschal-test-keys-" + std::to_string(::getpid()); }

  /// Five sites, 5 ms apart; f = 1.
  std::string file(const std::string& protocol, const std::string& more = "", const std::string& name = "/up.toml") {
    EXPECT_TRUE(write_file(
        dir_ + "/topology.toml",
        "name = \"near\"\n[link_default]\ndelay_ms = 5\nbandwidth_mbps = 50\n[[site]]\nname = \"a\"\n"
        "[[site]]\nname = \"b\"\n[[site]]\nname = \"c\"\n[[site]]\nname = \"d\"\n[[site]]\nname = \"e\"\n"));
    EXPECT_TRUE(write_file(dir_ + name, "name = \"test\"\nprotocol = \"" + protocol +
                                            "\"\ntopology = \"topology.toml\"\nclients = 10\n" + more));
    return dir_ + name;
  }
  std::string keys(const std::string& protocol) {
    const std::string folder = cache() + "/" + protocol;
    if (fs::exists(folder)) return folder;
    const Outcome made = run({"keygen", "--deployment", file(protocol, "", "/keygen.toml"), "--out", folder});
    EXPECT_EQ(made.code, 0) << made.text;
    return folder;
  }
  Outcome up(const std::string& protocol, const std::string& more = "") {
    return run({"lab", "up", file(protocol, more), "--out", dir_, "--keys", keys(protocol)});
  }
  Outcome client(int id, std::vector<std::string> words) {
    std::vector<std::string> all{"client", "--deployment", dir_, "--id", std::to_string(id), "--timeout", "20"};
    all.insert(all.end(), words.begin(), words.end());
    return run(all);
  }
  void expect_nothing_left(const Cluster& cluster) {
    for (const ClusterNode& node : cluster.nodes) {
      EXPECT_FALSE(alive(node.process));
      EXPECT_FALSE(fs::exists(node.session));
      EXPECT_FALSE(fs::exists(node.control));
    }
    EXPECT_FALSE(fs::exists(dir_ + "/state.json"));
    EXPECT_FALSE(fs::exists(cluster.sockets));
  }

  std::string dir_;
};

TEST_P(ByHand, ClientsOfAllSitesSeeOneStore) {
  const Outcome started = up(GetParam());
  ASSERT_EQ(started.code, 0) << started.text;
  const auto cluster = load_state(dir_);
  ASSERT_TRUE(cluster);
  EXPECT_EQ(client(1, {"put", "colour", "green"}).code, 0);
  EXPECT_EQ(client(4, {"get", "colour"}).text, "green\n");
  EXPECT_EQ(client(2, {"query", "colour"}).text, "green\n");
  EXPECT_EQ(client(3, {"cas", "colour", "green", "blue"}).code, 0);
  EXPECT_EQ(client(5, {"cas", "colour", "green", "red"}).code, 1);
  EXPECT_EQ(client(6, {"get", "colour"}).text, "blue\n");
  EXPECT_EQ(client(7, {"delete", "colour"}).code, 0);
  const Outcome gone = client(1, {"get", "colour"});
  EXPECT_EQ(gone.code, 1);
  EXPECT_THAT(gone.text, HasSubstr("no such key"));
  EXPECT_EQ(run({"lab", "status", "--out", dir_}).code, 0);
  const Outcome again = up(GetParam());
  EXPECT_EQ(again.code, 2);
  EXPECT_THAT(again.text, HasSubstr("already runs"));
  EXPECT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  expect_nothing_left(*cluster);
}

TEST_P(ByHand, ClientsOfAllSitesSeeOneDatabase) {
  const Outcome started = up(GetParam(), "[options]\napplication = \"sql\"\n");
  ASSERT_EQ(started.code, 0) << started.text;
  EXPECT_EQ(client(1, {"sql", "CREATE TABLE account(name TEXT PRIMARY KEY, cents INTEGER CHECK(cents >= 0))"}).code,
            0);
  EXPECT_EQ(client(2, {"sql", "INSERT INTO account VALUES('ann', 100), ('bob', 50)"}).text, "done, 2 rows written\n");
  EXPECT_EQ(client(3, {"sql", "UPDATE account SET cents = cents - 70 WHERE name = 'ann' RETURNING cents"}).text,
            "30\n1 rows\n");
  const Outcome broke = client(4, {"sql", "UPDATE account SET cents = cents - 70 WHERE name = 'ann'"});
  EXPECT_EQ(broke.code, 1);
  EXPECT_THAT(broke.text, HasSubstr("CHECK constraint failed"));
  EXPECT_EQ(client(5, {"sql", "SELECT name, cents FROM account ORDER BY name"}).text, "ann\t30\nbob\t50\n2 rows\n");
  EXPECT_EQ(client(5, {"sql-query", "SELECT sum(cents) FROM account"}).text, "80\n1 rows\n");
  for (std::string_view statement :
       {"INSERT INTO account VALUES(hex(randomblob(4)), 1)", "CREATE TABLE log(at DEFAULT CURRENT_TIMESTAMP)",
        "ATTACH 'x' AS y", "PRAGMA user_version = 1"}) {
    const Outcome refused = client(6, {"sql", std::string(statement)});
    EXPECT_EQ(refused.code, 1) << refused.text;
    EXPECT_THAT(refused.text, HasSubstr("not in the deterministic subset"));
  }
  const Outcome load = run(
      {"client", "load", "--deployment", dir_, "--clients", "3", "--seconds", "3", "--out", dir_ + "/load.jsonl"});
  EXPECT_EQ(load.code, 0) << load.text;
  const Outcome counted = client(7, {"sql", "SELECT count(*), min(length(v)) > 150 FROM work"});
  EXPECT_EQ(counted.text, "3\t1\n1 rows\n");
  const Outcome other = client(8, {"put", "colour", "green"});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.text, HasSubstr("the application of this deployment is sql"));
  EXPECT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
}

TEST_P(ByHand, LossAndADeadDaemonChangeNoResult) {
  ASSERT_EQ(up(GetParam()).code, 0);
  const auto cluster = load_state(dir_);
  ASSERT_TRUE(cluster);
  ASSERT_EQ(client(1, {"put", "n", "0"}).code, 0);
  for (const ClusterNode& a : cluster->nodes)
    for (const ClusterNode& b : cluster->nodes) {
      if (a.id == b.id) continue;
      const Outcome set = run({"ctl", "--socket", a.control, "link", "set", std::to_string(a.id.value),
                               std::to_string(b.id.value), "loss_percent=5"});
      ASSERT_EQ(set.code, 0) << set.text;
    }
  // Neither the leader's site nor the primary, and one of f.
  ASSERT_TRUE(send_signal(cluster->nodes[3].process, SIGKILL));
  for (int i = 0; i < 6; ++i) {
    const int id = std::array{1, 2, 3, 5, 6, 7}[static_cast<std::size_t>(i)];
    const Outcome swapped = client(id, {"cas", "n", std::to_string(i), std::to_string(i + 1)});
    EXPECT_EQ(swapped.code, 0) << swapped.text;
  }
  EXPECT_EQ(client(8, {"get", "n"}).text, "6\n");
  EXPECT_EQ(run({"lab", "status", "--out", dir_}).code, 1);  // one is gone
  EXPECT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  expect_nothing_left(*cluster);
}

INSTANTIATE_TEST_SUITE_P(Protocols, ByHand, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });

class BelowMajority : public ByHand {};

TEST_F(BelowMajority, UpdatesWaitTheirClientIsToldAndQueriesAreAnswered) {
  ASSERT_EQ(up("steward").code, 0);
  const auto cluster = load_state(dir_);
  ASSERT_TRUE(cluster);
  ASSERT_EQ(client(1, {"put", "n", "0"}).code, 0);
  for (std::size_t site : {2u, 3u, 4u}) ASSERT_TRUE(send_signal(cluster->nodes[site].process, SIGKILL));
  const Outcome waits = client(1, {"put", "n", "1"});
  EXPECT_EQ(waits.code, 1);
  EXPECT_THAT(waits.text, HasSubstr("the servers reach 2 sites and need 3"));
  EXPECT_THAT(waits.text, HasSubstr("may still be ordered"));
  EXPECT_EQ(client(2, {"query", "n"}).text, "0\n");
  EXPECT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  expect_nothing_left(*cluster);
}

class BadInput : public ByHand {};

TEST_F(BadInput, FilesAndFlags) {
  EXPECT_EQ(run({"lab", "up", dir_ + "/missing.toml"}).code, 2);
  EXPECT_THAT(run({"lab", "up", file("bft", "fautls = 1\n"), "--out", dir_}).text,
              HasSubstr("did you mean 'faults'"));
  EXPECT_EQ(run({"lab", "up", file("bft"), "--colour"}).code, 2);
  EXPECT_EQ(run({"lab", "upp"}).code, 2);
  EXPECT_EQ(run({"lab", "run", file("bft")}).code, 2);
  EXPECT_THAT(run({"lab", "down", "--out", dir_}).text, HasSubstr("nothing runs"));
  EXPECT_THAT(run({"client", "--deployment", dir_, "put", "a", "b"}).text, HasSubstr("nothing runs"));
  EXPECT_THAT(run({"client", "--deployment", dir_, "put", "a"}).text, HasSubstr("expected put KEY VALUE"));
  EXPECT_THAT(run({"client", "--deployment", dir_, "push", "a"}).text, HasSubstr("no operation 'push'"));
}

TEST_F(BadInput, PluginThatIsMissing) {
  const Outcome started = run({"lab", "up", file("bft"), "--out", dir_, "--keys", keys("bft"), "--plugins", dir_});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("libbft.so: the plugin is missing"));
}

TEST_F(BadInput, PluginThatDoesNotLoad) {
  ASSERT_TRUE(write_file(dir_ + "/libbft.so", "this is no library"));
  const Outcome started = run({"lab", "up", file("bft"), "--out", dir_, "--keys", keys("bft"), "--plugins", dir_});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("does not run"));
  EXPECT_FALSE(load_state(dir_));
}

TEST_F(BadInput, KeysOfAnotherDeployment) {
  const Outcome started = run({"lab", "up", file("bft", "id = 99\n"), "--out", dir_, "--keys", keys("bft")});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("deployment"));
}

TEST_F(BadInput, KeyFileThatOthersCanRead) {
  const std::string copy = dir_ + "/keys";
  fs::copy(keys("bft"), copy, fs::copy_options::recursive);
  fs::permissions(copy + "/site-0/server-1/signing.pem", fs::perms::others_read, fs::perm_options::add);
  const Outcome started = run({"lab", "up", file("bft"), "--out", dir_, "--keys", copy});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("signing.pem"));
}

TEST_F(BadInput, KeyOfAnotherServer) {
  const std::string copy = dir_ + "/keys";
  fs::copy(keys("bft"), copy, fs::copy_options::recursive);
  fs::copy(copy + "/site-0/server-2", copy + "/site-0/server-1",
           fs::copy_options::overwrite_existing | fs::copy_options::recursive);
  const Outcome started = run({"lab", "up", file("bft"), "--out", dir_, "--keys", copy});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("server"));
}

// Its own signing key, but the share of another site's key: the server must not start, let alone sign.
TEST_F(BadInput, ShareOfAnotherSitesKey) {
  const std::string copy = dir_ + "/keys";
  fs::copy(keys("steward"), copy, fs::copy_options::recursive);
  fs::copy(copy + "/site-1/server-2/threshold.txt", copy + "/site-0/server-2/threshold.txt",
           fs::copy_options::overwrite_existing);
  const Outcome started = run({"lab", "up", file("steward"), "--out", dir_, "--keys", copy});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("site-0/server-2/threshold.txt"));
  EXPECT_THAT(started.text, HasSubstr("this key is of server 1/2, but the key of server 0/2 is needed here"));
  EXPECT_THAT(started.text, HasSubstr("site 1 (a): 3 of 4 vote, 3 needed"));
}

TEST_F(BadInput, KeysOfAServerOfAnotherSite) {
  const std::string copy = dir_ + "/keys";
  fs::copy(keys("steward"), copy, fs::copy_options::recursive);
  fs::copy(copy + "/site-1/server-2", copy + "/site-0/server-2",
           fs::copy_options::overwrite_existing | fs::copy_options::recursive);
  const Outcome started = run({"lab", "up", file("steward"), "--out", dir_, "--keys", copy});
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("this key is of server 1/2, but the key of server 0/2 is needed here"));
  EXPECT_THAT(started.text, HasSubstr("site 1 (a): 3 of 4 vote, 3 needed"));
}

TEST_F(BadInput, PortThatIsInUse) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const int port = std::min<int>(ntohs(address.sin_port), 65000);
  const Outcome started = run(
      {"lab", "up", file("bft", "base_port = " + std::to_string(port) + "\n"), "--out", dir_, "--keys", keys("bft")});
  ::close(fd);
  EXPECT_EQ(started.code, 1);
  EXPECT_THAT(started.text, HasSubstr("in use"));
}

TEST_F(BadInput, ClientThatDoesNotBelong) {
  ASSERT_EQ(up("bft").code, 0);
  const Outcome stranger = client(77, {"get", "a"});
  EXPECT_EQ(stranger.code, 1);
  EXPECT_THAT(stranger.text, HasSubstr("clients 1 to 10"));
  const auto cluster = load_state(dir_);
  ASSERT_TRUE(cluster);
  send_signal(cluster->nodes[4].process, SIGKILL);
  for (int i = 0; i < 200 && alive(cluster->nodes[4].process); ++i) ::usleep(10'000);
  const Outcome unreachable = client(5, {"get", "a"});
  EXPECT_EQ(unreachable.code, 1);
  EXPECT_THAT(unreachable.text, HasSubstr("cannot connect"));
}

}  // namespace
}  // namespace seneschal::lab
