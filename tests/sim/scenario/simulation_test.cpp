#include "lab/sim/simulation.hpp"

#include "lab/sim/scenario.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace seneschal::lab::sim {
namespace {

using namespace std::chrono_literals;

SimSetup setup_of(Protocol protocol, std::uint32_t clients) {
  SimSetup setup;
  emulator::LinkConfig link;
  link.delay = 50ms;
  link.bandwidth_bps = 10'000'000;
  setup.deployment.protocol = protocol;
  setup.deployment.topology = emulator::Topology::uniform(5, link);
  setup.deployment.servers = default_servers(protocol, 1, 5);
  setup.deployment.clients = clients;
  setup.costs = pinned_costs();
  setup.warmup = 1s;
  setup.measured = 4s;
  return setup;
}

double mean_ms(const std::vector<Duration>& samples) {
  const Duration sum = std::accumulate(samples.begin(), samples.end(), Duration{});
  return to_ms(sum) / static_cast<double>(samples.size());
}

// No protocol beats its crossings of the wide area, and without load it needs little more.
TEST(Simulation, StewardIsCloseToItsFloorWithoutLoad) {
  const auto result = simulate(setup_of(Protocol::Steward, 5));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->violation, "");
  ASSERT_EQ(result->update_latencies.size(), 5u);
  for (std::size_t site = 0; site < 5; ++site) {
    const double floor = site == 0 ? 100 : 150;
    ASSERT_FALSE(result->update_latencies[site].empty());
    const double mean = mean_ms(result->update_latencies[site]);
    EXPECT_GE(mean, floor) << "site " << site;
    EXPECT_LE(mean, floor * 1.15) << "site " << site;
  }
}

TEST(Simulation, FlatBaselineNeedsMoreCrossings) {
  const auto result = simulate(setup_of(Protocol::Bft, 5));
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->violation, "");
  for (std::size_t site = 0; site < 5; ++site) {
    const double floor = site == 0 ? 200 : 250;
    ASSERT_FALSE(result->update_latencies[site].empty());
    EXPECT_GE(mean_ms(result->update_latencies[site]), floor * 0.99) << "site " << site;
    EXPECT_LE(mean_ms(result->update_latencies[site]), floor * 1.1) << "site " << site;
  }
}

TEST(Simulation, CountsWhatCrossesTheWideArea) {
  const auto result = simulate(setup_of(Protocol::Steward, 5));
  ASSERT_TRUE(result.has_value());
  ASSERT_EQ(result->links.size(), 20u);
  std::uint64_t bytes = 0;
  for (const LinkUse& link : result->links) bytes += link.bytes;
  EXPECT_EQ(bytes, result->wan_bytes);
  EXPECT_GT(result->wan_messages, result->updates_done);
  EXPECT_GT(result->link_use_max, 0);
  EXPECT_LT(result->link_use_max, 0.2);
  EXPECT_GT(result->cpu_busy_max, 0);
  EXPECT_LE(result->cpu_busy_max, 1);
  EXPECT_GT(result->server_cpu_ms_per_op, 1);
}

// Twenty servers on two cores: threshold shares queue up.
TEST(Simulation, OneSharedMachineIsSlowerThanManyOwnOnes) {
  SimSetup setup = setup_of(Protocol::Steward, 5);
  const auto own = simulate(setup);
  setup.machines.placement = Placement::OneHost;
  const auto shared = simulate(setup);
  ASSERT_TRUE(own.has_value() && shared.has_value());
  EXPECT_EQ(shared->violation, "");
  EXPECT_LT(shared->throughput, own->throughput);
  EXPECT_GT(shared->cpu_busy_max, own->cpu_busy_max);
}

// A machine on which a share takes long is no reason to replace its representative for ever.
TEST(Simulation, SlowSharesDoNotKeepViewsChanging) {
  SimSetup setup = setup_of(Protocol::Steward, 5);
  for (emulator::ThresholdCosts shape : std::vector(setup.costs.thresholds())) {
    shape.share_ps = 400'000'000'000;  // 0.4 s
    setup.costs.set_threshold(shape);
  }
  setup.warmup = 30s;  // the first views end before their servers have told each other
  setup.measured = 20s;
  const auto result = simulate(setup);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->violation, "");
  EXPECT_LE(result->view_changes_local, 5u);  // one per site; 58 when only the network is measured
  EXPECT_EQ(result->view_changes_global, 0u);
  EXPECT_GT(result->updates_done, 20u);
}

// Waiting in turn is no fault of whoever orders: under more load than links carry no view changes, and what is
// ordered is what they carry.
TEST(Simulation, OverloadChangesNoViewAndLeavesLinksBusyWithNewWork) {
  for (Protocol protocol : {Protocol::Steward, Protocol::Bft}) {
    SimSetup setup = setup_of(protocol, 600);
    emulator::LinkConfig link;
    link.delay = 50ms;
    link.bandwidth_bps = 2'500'000;
    setup.deployment.topology = emulator::Topology::uniform(5, link);
    setup.warmup = 4s;
    const auto result = simulate(setup);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->violation, "");
    EXPECT_EQ(result->view_changes_local + result->view_changes_global, 0u);
    // Every update crosses from the primary, with some 400 bytes about it, to at most four sites over links of their
    // own: 780 a second at most.
    EXPECT_GT(result->throughput, 390) << static_cast<int>(protocol);
  }
}

TEST(Simulation, CheckingChangesNothing) {
  SimSetup setup = setup_of(Protocol::Steward, 3);
  setup.measured = 1s;
  const auto checked = simulate(setup);
  setup.check = false;
  const auto free = simulate(setup);
  ASSERT_TRUE(checked.has_value() && free.has_value());
  EXPECT_EQ(checked->trace_hash, free->trace_hash);
}

TEST(Simulation, OptionsOutOfRangeAreErrors) {
  SimSetup setup = setup_of(Protocol::Steward, 1);
  setup.deployment.options.window = 1000;
  const auto result = simulate(setup);
  ASSERT_FALSE(result.has_value());
  EXPECT_NE(result.error().message.find("window"), std::string::npos) << result.error().message;
}

}  // namespace
}  // namespace seneschal::lab::sim
