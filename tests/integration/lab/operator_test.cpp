// What an operator does to the folder and the file of a deployment must not cost what was acknowledged, and never
// makes a server vote that does not know what it said.
#include "daemons.hpp"

#include "lab/keys.hpp"
#include "runtime/storage/segment.hpp"

#include <gmock/gmock.h>

#include <sstream>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Operator : public Daemons {
 protected:
  bool bft() const { return GetParam() == "bft"; }
  Outcome down() { return run({"lab", "down", "--out", dir_}); }
  /// Another text in the deployment's file.
  void edit(const std::string& from, const std::string& to) { edit_file(dir_ + "/up.toml", from, to); }
  static void edit_file(const std::string& path, const std::string& from, const std::string& to) {
    std::string text = *read_file(path);
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    ASSERT_TRUE(write_file(path, text));
  }
  /// The first server of node `i`.
  std::string server(std::size_t i) const {
    return bft() ? "server_0." + std::to_string(i) : "server_" + std::to_string(i) + ".0";
  }
  std::string log_of(std::size_t i) const { return dir_ + "/data/deployment_1/" + server(i); }
  std::string mark_of(std::size_t i) const { return dir_ + "/has-run/deployment_1/" + server(i); }
  std::string segment_of(std::size_t i) const {
    std::string newest;
    for (const auto& file : fs::directory_iterator(log_of(i)))
      if (file.path().extension() == ".wal") newest = std::max(newest, file.path().string());
    return newest;
  }
  std::size_t nodes() const { return bft() ? 4 : 3; }
  /// Of all servers of all nodes.
  std::vector<std::string> all_values(const std::string& name) {
    std::vector<std::string> values;
    const auto cluster = load_state(dir_);
    for (const ClusterNode& node : cluster->nodes) {
      const auto report = ask_node(node);
      if (!report) continue;
      for (const PluginReport& plugin : report->plugins) {
        const auto it = plugin.status.find(name);
        values.push_back(it == plugin.status.end() ? "-" : it->second);
      }
    }
    return values;
  }
  void expect_all_vote() {
    const auto said = all_values("participating");
    EXPECT_EQ(said.size(), bft() ? 4u : 12u);
    EXPECT_THAT(said, testing::Each("yes"));
  }
  /// The first server of this node abstains, and all others vote; what was acknowledged is there. What `lab up`
  /// thinks of that is its own business.
  void expect_one_abstains(std::size_t i) {
    ASSERT_TRUE(load_state(dir_)) << "nothing runs";
    EXPECT_THAT(value_of(i, "participating"), HasSubstr("no"));
    const auto said = all_values("participating");
    EXPECT_EQ(std::ranges::count(said, "yes"), bft() ? 3 : 11);
    EXPECT_EQ(client(1, {"get", "kept"}).text, "1\n");
    EXPECT_EQ(client(2, {"put", "more", "2"}).code, 0);
  }
  /// Runs, has something to lose, and is ended.
  void run_once() {
    ASSERT_EQ(up().code, 0);
    ASSERT_EQ(client(1, {"put", "kept", "1"}).code, 0);
    ASSERT_EQ(down().code, 0);
  }
  /// Runs, has something to lose, and all its daemons are killed.
  void run_and_kill() {
    ASSERT_EQ(up().code, 0);
    ASSERT_EQ(client(1, {"put", "kept", "1"}).code, 0);
    for (std::size_t i = 0; i < nodes(); ++i) kill_node(i);
    ASSERT_EQ(down().code, 0);
  }
  /// A second start is refused, says why, and leaves what is there alone.
  void expect_refused(const std::string& why) {
    const Outcome refused = up();
    EXPECT_EQ(refused.code, 2) << refused.text;
    EXPECT_THAT(refused.text, AllOf(HasSubstr(why), HasSubstr("--fresh")));
  }
  void expect_still_there() {
    const Outcome again = up();
    ASSERT_EQ(again.code, 0) << again.text;
    EXPECT_EQ(client(1, {"get", "kept"}).text, "1\n");
    expect_all_vote();
  }
  std::string keys_in_use() {
    const auto known = crypto::load_public_keys(load_state(dir_)->keys);
    return known ? crypto::servers_fingerprint(*known) : "?";
  }
};

class Moved : public Operator {};

TEST_P(Moved, ServersAreFoundAgainOnOtherNodesAndBack) {
  edit("clients = 12\n", "clients = 12\nservers = [1, 1, 1, 1]\n");
  run_once();
  std::string before = "[1, 1, 1, 1]";
  for (const std::string placed : {"[0, 4, 0, 0]", "[2, 0, 1, 1]", "[1, 1, 1, 1]"}) {
    edit("servers = " + before, "servers = " + placed);
    const Outcome again = up();
    ASSERT_EQ(again.code, 0) << again.text;
    EXPECT_EQ(client(1, {"get", "kept"}).text, "1\n") << placed;
    EXPECT_EQ(client(2, {"put", "more", "2"}).code, 0);
    expect_all_vote();
    ASSERT_EQ(down().code, 0);
    before = placed;
  }
}

// Another machine's folder, where one server of the deployment has run: those that come there must not begin.
TEST_P(Moved, ServersThatComeFromAnotherFolderAbstain) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "kept", "1"}).code, 0);
  ASSERT_EQ(down().code, 0);
  for (const std::size_t away : {1u, 2u}) {
    fs::remove_all(log_of(away));
    fs::remove(mark_of(away));
  }
  edit("clients = 12\n", "clients = 12\nservers = [0, 0, 0, 4]\n");
  (void)up();
  const auto said = all_values("participating");
  ASSERT_EQ(said.size(), 4u);
  EXPECT_EQ(std::ranges::count(said, "yes"), 2);
  EXPECT_THAT(*read_file(dir_ + "/nodes/node4.log"), HasSubstr("there is no mark of deployment 1 server 0.1"));
}

INSTANTIATE_TEST_SUITE_P(Protocols, Moved, testing::Values("bft"), [](const auto& p) { return p.param; });

TEST_P(Operator, AServerWhoseLogIsNotWhatItsMarkSaysAbstains) {
  run_and_kill();
  const std::string segment = segment_of(2);
  const std::string whole = *read_file(segment);
  const std::string empty, header = whole.substr(0, storage::header_size()), zeros(whole.size(), '\0');
  for (const std::string& content : {empty, header, zeros}) {
    ASSERT_TRUE(write_file(segment, content));
    (void)up();
    expect_one_abstains(2);
    EXPECT_EQ(*read_file(segment), content) << "the log is left alone";
    ASSERT_EQ(down().code, 0);
  }
  fs::remove(segment);
  (void)up();
  expect_one_abstains(2);
}

TEST_P(Operator, AnOlderCopyOfTheDataAbstains) {
  run_once();
  fs::copy(log_of(2), dir_ + "/copy", fs::copy_options::recursive);
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "later", "2"}).code, 0);
  ASSERT_EQ(down().code, 0);
  fs::remove_all(log_of(2));
  fs::rename(dir_ + "/copy", log_of(2));
  (void)up();
  expect_one_abstains(2);
  EXPECT_THAT(*read_file(dir_ + "/nodes/node3.log"), HasSubstr("it is an older copy, or a part of it is gone"));
  EXPECT_EQ(client(1, {"get", "later"}).text, "2\n");
}

TEST_P(Operator, AServerWithoutItsMarkAbstains) {
  run_once();
  fs::remove(mark_of(2));
  (void)up();
  expect_one_abstains(2);
  EXPECT_THAT(*read_file(dir_ + "/nodes/node3.log"), HasSubstr("there is no mark"));
}

TEST_P(Operator, SwappedMarksAndSwappedLogsDoNotVote) {
  run_once();
  const auto swap = [&](const std::string& a, const std::string& b) {
    fs::rename(a, dir_ + "/x");
    fs::rename(b, a);
    fs::rename(dir_ + "/x", b);
  };
  swap(log_of(1), log_of(2));
  const Outcome refused = up();
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.text, HasSubstr("is the log of deployment 1 server"));
  (void)down();  // the other daemons run
  swap(log_of(1), log_of(2));
  expect_still_there();
  ASSERT_EQ(down().code, 0);
  swap(mark_of(1), mark_of(2));
  (void)up();
  EXPECT_THAT(value_of(1, "participating"), HasSubstr("no"));
  EXPECT_THAT(value_of(2, "participating"), HasSubstr("no"));
  ASSERT_EQ(down().code, 0);
  swap(mark_of(1), mark_of(2));
  expect_still_there();
}

TEST_P(Operator, WithoutMarksNothingStarts) {
  run_once();
  fs::rename(dir_ + "/has-run", dir_ + "/away");
  expect_refused("no mark in");
  EXPECT_FALSE(load_state(dir_));
  // Without logs they would begin anew, under keys with which they have signed.
  fs::rename(dir_ + "/data", dir_ + "/away-too");
  expect_refused("no mark in");
  fs::rename(dir_ + "/away", dir_ + "/has-run");
  fs::rename(dir_ + "/away-too", dir_ + "/data");
  expect_still_there();
  ASSERT_EQ(down().code, 0);
  fs::remove_all(dir_ + "/has-run");
  fs::remove_all(dir_ + "/data");
  EXPECT_EQ(up("--fresh").code, 0);
  expect_all_vote();
}

TEST_P(Operator, WhatTheLogMeansIsNotChangedBehindItsBack) {
  run_once();
  const std::string topology = dir_ + "/topology.toml";
  const auto changed = [&](const std::string& from, const std::string& to, const std::string& why,
                           const std::string& file) {
    const std::string before = *read_file(file);
    edit_file(file, from, to);
    expect_refused(why);
    EXPECT_FALSE(load_state(dir_));
    ASSERT_TRUE(write_file(file, before));
  };
  const std::string file = dir_ + "/up.toml", options = "[options]\n";
  const std::string text = *read_file(file);
  ASSERT_TRUE(write_file(file, text + options));
  changed(options, options + "application = \"sql\"\n", "application was 'kv' and is 'sql'", file);
  changed("clients = 12", "clients = 12\nid = 2", "servers of deployment 1 have run", file);
  changed("clients = 12", "clients = 11", "clients was '12' and is '11'", file);
  changed("clients = 12", "clients = 12\nadministrator = 3", "administrator was '0' and is '3'", file);
  changed("clients = 12", "clients = 12\nfaults = 2", "faults was '1' and is '2'", file);
  changed("server_bits = 1024", "server_bits = 2048", "server_bits was '1024' and is '2048'", file);
  changed(options, options + "durability = \"none\"\n", "--fresh", file);
  changed(options, options + "checkpoint_interval = 64\n", "checkpoint_interval was '128' and is '64'", file);
  changed(options, options + "window = 16\n", "window was '32' and is '16'", file);
  const std::string sites = bft() ? "'s0 s1 s2 s3'" : "'s0 s1 s2'";
  for (const std::string other : {"s0 s1 else%where", "s1 s0 s2 s3", "s0 s1 s2 s3 s4", "s0 s1"}) {
    std::string names = "name = \"near\"\n[link_default]\ndelay_ms = 3\nbandwidth_mbps = 50\n";
    std::istringstream words(other);
    for (std::string name; words >> name;) names += "[[site]]\nname = \"" + name + "\"\n";
    ASSERT_TRUE(write_file(dir_ + "/other.toml", names));
    changed("topology.toml", "other.toml", "sites was " + sites + " and is '", file);
  }
  if (bft())
    changed(options, options + "auth = \"signatures\"\n", "auth was 'mac' and is 'signatures'", file);
  else
    changed("site_bits = 1024", "site_bits = 1152", "site_bits was '1024' and is '1152'", file);
  // All that differs is named at once.
  const std::string before = *read_file(file);
  edit(options, options + "application = \"sql\"\nwindow = 16\n");
  EXPECT_THAT(up().text, AllOf(HasSubstr("application was"), HasSubstr("window was")));
  ASSERT_TRUE(write_file(file, before));
  // How fast a link is, how a site's messages travel: nothing that a log means.
  edit_file(topology, "delay_ms = 3", "delay_ms = 4");
  edit(options, options + "batch_max = 512\nlog_growth_kb = 1024\n");
  expect_still_there();
}

TEST_P(Operator, AnotherProtocolIsRefused) {
  run_once();
  edit("protocol = \"" + GetParam() + "\"", bft() ? "protocol = \"steward\"" : "protocol = \"bft\"");
  const Outcome refused = up();
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, HasSubstr("protocol was '" + GetParam() + "' and is '"));
}

// A node that is started by hand is told by its servers, not by 'lab up'.
TEST_P(Operator, ADaemonWithAnotherConfigurationIsRefusedToo) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "kept", "1"}).code, 0);
  kill_node(2);
  const std::string config = bft() ? "/nodes/bft-0-2.conf" : "/nodes/steward-2-0.conf";
  edit_file(dir_ + config, "application = kv", "application = sql");
  const auto process = spawn({kProgram, "node", "--config", dir_ + "/nodes.toml", "--node", "3"},
                             {.output = dir_ + "/nodes/again3.log", .detach = true});
  ASSERT_TRUE(process);
  std::string log;
  for (int n = 0; n < 1000 && log.find("application was") == std::string::npos; ++n) {
    ::usleep(20'000);
    log = read_file(dir_ + "/nodes/again3.log").value_or("");
  }
  end_all({*process}, std::chrono::seconds(3));
  EXPECT_THAT(log, HasSubstr("has run with another configuration: application was 'kv' and is 'sql'"));
}

TEST_P(Operator, MoreClientsNeverReKeyServers) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "kept", "1"}).code, 0);
  const std::string keys = keys_in_use();
  ASSERT_EQ(down().code, 0);
  edit("clients = 12", "clients = 14");
  expect_still_there();
  EXPECT_EQ(keys_in_use(), keys);
  EXPECT_EQ(client(14, {"put", "from", "newcomer"}).code, 0);
  EXPECT_EQ(client(13, {"query", "from"}).text, "newcomer\n");
  EXPECT_EQ(client(12, {"get", "from"}).text, "newcomer\n") << "and those who were there have theirs";
  ASSERT_EQ(down().code, 0);
  edit("clients = 14", "clients = 12");
  expect_refused("clients was '14' and is '12' (it may only grow)");
  edit("clients = 12", "clients = 14");
  expect_still_there();
  EXPECT_EQ(client(14, {"get", "from"}).text, "newcomer\n");
}

TEST_P(Operator, KeysThatAreGoneAreNotMadeAnew) {
  run_once();
  std::string folder;
  for (const auto& entry : fs::directory_iterator(dir_ + "/keys"))
    if (entry.is_directory()) folder = entry.path();
  fs::rename(folder, dir_ + "/away");
  expect_refused("the keys that the servers have run with are not here");
  EXPECT_FALSE(fs::exists(folder));
  // Those of other servers of the same kind.
  fs::rename(dir_ + "/away", dir_ + "/mine");
  const Outcome made = run({"keygen", "--deployment", dir_ + "/up.toml", "--out", folder});
  ASSERT_EQ(made.code, 0) << made.text;
  expect_refused("the keys that the servers have run with are not here");
  const Outcome given = run({"lab", "up", dir_ + "/up.toml", "--out", dir_, "--keys", folder});
  EXPECT_EQ(given.code, 2);
  EXPECT_THAT(given.text, HasSubstr("with other keys than these"));
  fs::remove_all(folder);
  fs::rename(dir_ + "/mine", folder);
  // A part of them.
  const std::string part = folder + "/site-0/server-1/macs.txt";
  const std::string whole = *read_file(part);
  fs::remove(part);
  const Outcome partly = up();
  EXPECT_EQ(partly.code, 1);
  EXPECT_THAT(partly.text, HasSubstr("site-0/server-1/macs.txt"));
  (void)down();  // the other daemons run
  ASSERT_TRUE(write_file(part, whole));
  fs::permissions(part, fs::perms::owner_read | fs::perms::owner_write);
  fs::rename(folder + "/site-0/public.txt", dir_ + "/public");
  expect_refused("site-0/public.txt");
  fs::rename(dir_ + "/public", folder + "/site-0/public.txt");
  expect_still_there();
}

// The same by hand, with keys that the operator keeps elsewhere.
TEST_P(Operator, KeysMadeByHandAreExtendedByHand) {
  const std::string keys = dir_ + "/mine", more = dir_ + "/more";
  const auto made = [&](std::vector<std::string> words) {
    words.insert(words.begin(), {"keygen", "--deployment", dir_ + "/up.toml"});
    return run(words);
  };
  const auto up_with = [&](const std::string& folder) {
    return run({"lab", "up", dir_ + "/up.toml", "--out", dir_, "--keys", folder});
  };
  ASSERT_EQ(made({"--out", keys}).code, 0);
  ASSERT_EQ(up_with(keys).code, 0);
  ASSERT_EQ(client(1, {"put", "kept", "1"}).code, 0);
  ASSERT_EQ(down().code, 0);
  edit("clients = 12", "clients = 13");
  const Outcome refused = up_with(keys);
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, AllOf(HasSubstr("no keys of client 13"), HasSubstr("keygen --from")));
  ASSERT_EQ(made({"--from", keys, "--out", more}).code, 0);
  ASSERT_EQ(up_with(more).code, 0);
  EXPECT_EQ(client(13, {"get", "kept"}).text, "1\n");
  expect_all_vote();
  ASSERT_EQ(down().code, 0);
  edit("clients = 13", "clients = 11");
  const Outcome fewer = made({"--from", keys, "--out", dir_ + "/fewer"});
  EXPECT_EQ(fewer.code, 2);
  EXPECT_THAT(fewer.text, HasSubstr("client 12 has keys here"));
}

INSTANTIATE_TEST_SUITE_P(Protocols, Operator, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });

class Administered : public Operator {
  std::string more_of_the_file() const override { return "administrator = 10\n"; }
};

// The first clients and their administrator are part of the state: others join by its orders.
TEST_P(Administered, WithAnAdministratorClientsJoinByItsOrdersOnly) {
  run_once();
  edit("clients = 12", "clients = 14");
  expect_refused("clients was '12' and is '14'");
  edit("clients = 14", "clients = 12");
  edit("administrator = 10", "administrator = 11");
  expect_refused("administrator was '10' and is '11'");
  edit("administrator = 11", "administrator = 10");
  expect_still_there();
}

INSTANTIATE_TEST_SUITE_P(Protocols, Administered, testing::Values("bft"), [](const auto& p) { return p.param; });

}  // namespace
}  // namespace seneschal::lab
