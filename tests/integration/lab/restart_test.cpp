// Real daemons that are killed and started again from their logs.
#include "daemons.hpp"

#include "lab/files.hpp"
#include "lab/keys.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Restart : public Daemons {};

TEST_P(Restart, ADaemonKilledInTheMiddleOfLoadGoesOnFromItsLog) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "n", "0"}).code, 0);
  // Node 1 has the representative of the leader site, or the primary: nothing moves until it is back.
  for (const std::size_t victim : {2u, 0u}) {
    std::atomic<int> done{0};
    const int first = victim == 0 ? 10 : 0;
    std::thread load([&] {
      for (int i = 0; i < 10; ++i) {
        const int id = std::array{2, 5, 1, 4}[static_cast<std::size_t>(i) % 4];
        const Outcome swapped = client(id, {"cas", "n", std::to_string(first + i), std::to_string(first + i + 1)});
        if (swapped.code == 0) ++done;
      }
    });
    ::usleep(300'000);
    kill_node(victim);
    ::usleep(200'000);
    ASSERT_TRUE(start_node(victim));
    load.join();
    // A client whose node was down could not send, and one whose reply got lost sees its own swap: the chain ends
    // there.
    const Outcome now = client(2, {"get", "n"});
    ASSERT_EQ(now.code, 0) << now.text;
    EXPECT_GE(std::stoi(now.text), first + done) << "an acknowledged update is gone";
    EXPECT_EQ(client(2, {"put", "n", std::to_string(first + 10)}).code, 0);
    EXPECT_EQ(value_of(victim, "participating"), "yes");
    const std::string log = *read_file(dir_ + "/nodes/again" + std::to_string(victim + 1) + ".log");
    EXPECT_THAT(log, HasSubstr("starts again with"));
  }
}

TEST_P(Restart, AllDaemonsAreKilledAndEveryAcknowledgedUpdateIsStillThere) {
  ASSERT_EQ(up().code, 0);
  for (int i = 1; i <= 6; ++i)
    ASSERT_EQ(client(i, {"put", "key" + std::to_string(i), "value" + std::to_string(i)}).code, 0);
  const std::size_t nodes = load_state(dir_)->nodes.size();
  for (std::size_t i = 0; i < nodes; ++i) kill_node(i);
  for (std::size_t i = 0; i < nodes; ++i) ASSERT_TRUE(start_node(i));
  for (int i = 1; i <= 6; ++i) {
    const Outcome got = client(1 + i % 6, {"get", "key" + std::to_string(i)});
    EXPECT_EQ(got.text, "value" + std::to_string(i) + "\n");
  }
  EXPECT_EQ(client(3, {"put", "after", "crash"}).code, 0);
  EXPECT_EQ(client(4, {"get", "after"}).text, "crash\n");
}

TEST_P(Restart, DownAndUpKeepTheStoreAndFreshForgetsIt) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "colour", "green"}).code, 0);
  EXPECT_THAT(run({"lab", "down", "--out", dir_}).text, HasSubstr("logs"));
  const Outcome again = up();
  ASSERT_EQ(again.code, 0) << again.text;
  EXPECT_EQ(client(2, {"get", "colour"}).text, "green\n");
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  const Outcome anew = up("--fresh");
  ASSERT_EQ(anew.code, 0) << anew.text;
  EXPECT_THAT(client(2, {"get", "colour"}).text, HasSubstr("no such key"));
}

TEST_P(Restart, AServerWhoseLogIsGoneDoesNotVoteAndSaysSo) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "a", "1"}).code, 0);
  kill_node(2);
  std::size_t removed = 0;
  for (const auto& entry : fs::directory_iterator(dir_ + "/data/deployment_1"))
    if (on_node(2, entry.path().filename().string())) removed += fs::remove_all(entry.path()) > 0 ? 1 : 0;
  ASSERT_GT(removed, 0u);
  ASSERT_TRUE(start_node(2));
  EXPECT_EQ(client(2, {"put", "b", "2"}).code, 0);
  for (int i = 0; i < 200 && value_of(2, "executed") != value_of(0, "executed"); ++i) ::usleep(50'000);
  EXPECT_THAT(value_of(2, "participating"), HasSubstr("no"));
  EXPECT_EQ(value_of(2, "executed"), value_of(0, "executed"));  // it learns and executes
  EXPECT_THAT(*read_file(dir_ + "/nodes/again3.log"), HasSubstr("the log is gone"));
  EXPECT_EQ(client(2, {"get", "a"}).text, "1\n");
}

TEST_P(Restart, AServerWhoseDiskIsFullFallsSilentAnswersAndGoesOnWhenThereIsSpaceAgain) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "a", "1"}).code, 0);
  kill_node(2);
  ASSERT_TRUE(start_node(2, 128));
  const std::string long_value(6000, 'x');
  for (int i = 0; i < 60 && value_of(2, "log_lost") == "-"; ++i)
    ASSERT_EQ(client(1, {"put", "b", long_value}).code, 0);
  EXPECT_THAT(value_of(2, "log_lost"), HasSubstr("yes"));
  EXPECT_THAT(value_of(2, "participating"), HasSubstr("no"));
  const std::string status = run({"ctl", "--socket", load_state(dir_)->nodes[2].control, "status"}).text;
  EXPECT_THAT(status, HasSubstr("its log is failed"));
  EXPECT_THAT(status, HasSubstr("File too large"));
  EXPECT_THAT(*read_file(dir_ + "/nodes/again3.log"), HasSubstr("says nothing any more that others count on"));

  ASSERT_EQ(client(1, {"put", "a", "2"}).code, 0);
  EXPECT_EQ(client(3, {"get", "a"}).text, "2\n") << "it learns, executes and answers";
  kill_node(2);
  ASSERT_TRUE(start_node(2));
  // Not client 3: all four servers of its site lost the end of what it did, more than the f it may rely on.
  ASSERT_EQ(client(1, {"put", "a", "3"}).code, 0);
  EXPECT_EQ(value_of(2, "participating"), "yes");
  EXPECT_EQ(client(1, {"get", "a"}).text, "3\n");
}

INSTANTIATE_TEST_SUITE_P(Protocols, Restart, testing::Values("steward", "bft"),
                         [](const auto& protocol) { return protocol.param; });

class ShortLog : public Restart {};

TEST_P(ShortLog, DoesNotGrowForEverAndARestartFromItKnowsEverything) {
  const auto text = *read_file(dir_ + "/up.toml");
  ASSERT_TRUE(write_file(dir_ + "/up.toml", text + "[options]\nlog_growth_kb = 256\ncheckpoint_interval = 8\n"));
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "first", "1"}).code, 0);
  std::uintmax_t largest = 0;
  const auto renewals = [&] { return std::stoull(value_of(1, "log_renewals")); };
  for (int round = 0; round < 40 && renewals() < 16; ++round) {
    const Outcome load = run({"client", "load", "--deployment", dir_, "--clients", "3", "--payload", "7000",
                              "--seconds", "3", "--out", dir_ + "/load.jsonl"});
    ASSERT_EQ(load.code, 0) << load.text;
    largest = std::max(largest, log_size(1));
  }
  // A renewal comes after 256 KiB more at the earliest: each of the node's four servers wrote 4 MiB, 16 MiB in all,
  // and keeps what came since the last renewal, in segments of 1 MiB.
  ASSERT_GE(renewals(), 16u);
  EXPECT_LT(largest, 10u * 1024 * 1024);
  EXPECT_LT(std::stoull(value_of(1, "log_bytes")), 1'500'000u);
  ASSERT_EQ(client(3, {"put", "last", "2"}).code, 0);
  for (std::size_t i = 0; i < 3; ++i) kill_node(i);
  for (std::size_t i = 0; i < 3; ++i) ASSERT_TRUE(start_node(i));
  EXPECT_EQ(client(2, {"get", "first"}).text, "1\n");
  EXPECT_EQ(client(2, {"get", "last"}).text, "2\n");
  EXPECT_EQ(client(3, {"put", "after", "crash"}).code, 0);
  EXPECT_EQ(value_of(1, "participating"), "yes");
}

INSTANTIATE_TEST_SUITE_P(Protocols, ShortLog, testing::Values("steward"),
                         [](const auto& protocol) { return protocol.param; });

class WithoutLog : public Restart {};

TEST_P(WithoutLog, ASecondStartIsRefusedUnlessItIsFresh) {
  auto text = *read_file(dir_ + "/up.toml");
  ASSERT_TRUE(write_file(dir_ + "/up.toml", text + "[options]\ndurability = \"none\"\n"));
  ASSERT_EQ(up().code, 0);
  EXPECT_EQ(client(1, {"put", "a", "1"}).code, 0);
  ASSERT_EQ(run({"lab", "down", "--out", dir_}).code, 0);
  const Outcome refused = up();
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.text, HasSubstr("--fresh"));
  EXPECT_EQ(up("--fresh").code, 0);
}

INSTANTIATE_TEST_SUITE_P(Protocols, WithoutLog, testing::Values("bft"),
                         [](const auto& protocol) { return protocol.param; });

}  // namespace
}  // namespace seneschal::lab
