// `seneschal lab run`: a small live and simulated experiment to the end, and one that is interrupted.
#include "lab/cluster.hpp"
#include "lab/files.hpp"
#include "lab/process.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <filesystem>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Run : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/seneschal-run-XXXXXX";
    dir_ = ::mkdtemp(name);
    const std::string source = SENESCHAL_SOURCE_DIR;
    ASSERT_TRUE(
        write_file(dir_ + "/e.toml", "name = \"small\"\n[defaults]\ntopology = \"" + source +
                                         "/configs/topologies/lan-4.toml\"\ncosts = \"" + source +
                                         "/configs/costs/today.toml\"\nclients = [2]\n"
                                         "warmup_s = 0.3\nmeasure_s = 1\ncooldown_s = 0.2\n"
                                         "[[series]]\nid = \"live\"\nruntime = \"live\"\nprotocol = \"bft\"\n"
                                         "[[series]]\nid = \"sim\"\nruntime = \"sim\"\nprotocol = \"bft\"\n"));
  }
  void TearDown() override { fs::remove_all(dir_); }

  ProcessId start() {
    auto process =
        spawn({SENESCHAL_BINARY_DIR "/bin/seneschal", "lab", "run", dir_ + "/e.toml", "--out", dir_ + "/out"},
              {.output = dir_ + "/text"});
    EXPECT_TRUE(process);
    return *process;
  }

  std::string dir_;
};

TEST_F(Run, WritesTheReport) {
  const auto code = wait_for(start(), 60s);
  ASSERT_TRUE(code);
  const std::string text = *read_file(dir_ + "/text");
  // On a busy machine the emulated links may be late: then the run says INVALID.
  EXPECT_TRUE(*code == 0 || *code == 3) << text;
  const std::string csv = *read_file(dir_ + "/out/results.csv");
  EXPECT_THAT(csv, HasSubstr("\nsmall,live,live,today,bft,lan-4,4,4,1,2,100,1000,200,"));
  EXPECT_THAT(csv, HasSubstr("\nsmall,sim,sim,today,bft,lan-4,4,4,1,2,100,1000,200,"));
  EXPECT_THAT(csv, HasSubstr(",ok,sim,kv,multicast,"));
  EXPECT_TRUE(fs::exists(dir_ + "/out/report.html"));
  EXPECT_TRUE(fs::exists(dir_ + "/out/summary.json"));
  EXPECT_FALSE(fs::exists(dir_ + "/out/live/live/state.json"));
}

// Real daemons of which one per site runs the traitor's plugin: representatives who stop ordering in the middle of
// the run are replaced, and clients are served again.
TEST_F(Run, TraitorsThatTurnAreReplaced) {
  std::string topology = "name = \"three\"\nmesh = true\n[link_default]\ndelay_ms = 5\n";
  for (const char* site : {"a", "b", "c"}) topology += "[[site]]\nname = \"" + std::string(site) + "\"\n";
  ASSERT_TRUE(write_file(dir_ + "/three.toml", topology));
  ASSERT_TRUE(write_file(dir_ + "/e.toml",
                         "name = \"treason\"\n[defaults]\ntopology = \"three.toml\"\n"
                         "clients = [3]\nwarmup_s = 1\nmeasure_s = 12\ncooldown_s = 0.2\n"
                         "[[series]]\nid = \"live\"\nruntime = \"live\"\nprotocol = \"steward\"\n"
                         "[[series.event]]\nat_s = 2\ndo = \"turn\"\nwithin = { t2 = 2, round_trips = 4 }\n"
                         "[[series.traitor]]\nbehaviour = \"stall\"\nservers = [0]\n"));
  const auto code = wait_for(start(), 120s);
  ASSERT_TRUE(code);
  const std::string text = *read_file(dir_ + "/text");
  EXPECT_TRUE(*code == 0 || *code == 3) << text;
  EXPECT_THAT(text, HasSubstr("the Byzantine servers begin"));
  EXPECT_THAT(text, testing::Not(HasSubstr("service after  never")));
  const std::string summary = *read_file(dir_ + "/out/summary.json");
  EXPECT_THAT(summary, HasSubstr("\"safety\": \"ok\""));
  EXPECT_THAT(summary, testing::Not(HasSubstr("\"view_changes_local\": 0,"))) << text;
}

TEST_F(Run, InterruptedLeavesNothing) {
  const ProcessId lab = start();
  const std::string place = dir_ + "/out/live/live";
  for (int i = 0; i < 3000 && !fs::exists(place + "/load-2-1.jsonl"); ++i) ::usleep(10'000);
  const auto cluster = load_state(place);
  ASSERT_TRUE(cluster) << *read_file(dir_ + "/text");
  ASSERT_EQ(cluster->nodes.size(), 4u);
  ASSERT_TRUE(send_signal(lab, SIGINT));
  EXPECT_EQ(wait_for(lab, 20s), 130);
  for (const ClusterNode& node : cluster->nodes) {
    EXPECT_FALSE(alive(node.process));
    EXPECT_FALSE(fs::exists(node.session));
  }
  EXPECT_FALSE(fs::exists(place + "/state.json"));
}

TEST_F(Run, KilledTakesItsDaemonsAlong) {
  const ProcessId lab = start();
  const std::string place = dir_ + "/out/live/live";
  for (int i = 0; i < 3000 && !fs::exists(place + "/load-2-1.jsonl"); ++i) ::usleep(10'000);
  const auto cluster = load_state(place);
  ASSERT_TRUE(cluster) << *read_file(dir_ + "/text");
  ASSERT_TRUE(send_signal(lab, SIGKILL));
  wait_for(lab, 5s);
  for (const ClusterNode& node : cluster->nodes) {
    for (int i = 0; i < 300 && alive(node.process); ++i) ::usleep(10'000);
    EXPECT_FALSE(alive(node.process));
  }
}

}  // namespace
}  // namespace seneschal::lab
