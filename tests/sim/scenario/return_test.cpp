// A whole site that comes back while the others go on at their full rate.
#include "lab/sim/assembly.hpp"
#include "lab/sim/scenario.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kAway = 2;  // the site, with two of the six clients

class Return : public testing::Test {
 protected:
  void build(std::uint32_t clients, std::uint32_t payload, std::uint32_t keys) {
    Deployment deployment;
    emulator::LinkConfig link;
    link.delay = 25ms;
    link.bandwidth_bps = 10'000'000;
    deployment.protocol = Protocol::Steward;
    deployment.topology = emulator::Topology::uniform(3, link);
    deployment.servers = default_servers(Protocol::Steward, 1, 3);
    deployment.clients = clients;
    AssemblyOptions options;
    options.workload = [=](ClientId client) {
      replication::WorkloadSettings load;
      load.payload = payload;
      load.keys = keys;
      load.seed = client.value;
      return load;
    };
    auto built = Assembly::build(deployment, pinned_costs(), options);
    ASSERT_TRUE(built.has_value()) << built.error().message;
    assembly = std::move(*built);
    assembly->start();
  }
  void cut(bool is_cut) {
    for (std::size_t other = 0; other < kAway; ++other) {
      assembly->network().cut(other, kAway, is_cut);
      assembly->network().cut(kAway, other, is_cut);
    }
  }
  void run_for(Duration span) {
    assembly->world().run_until(at = at + span);
    for (const ClientPart& client : assembly->clients()) client.workload->take_completions();
  }
  /// Updates of the clients of the other sites, until now.
  std::uint64_t done_by_others() {
    std::uint64_t done = 0;
    for (const ClientPart& client : assembly->clients())
      if (client.site != kAway) done += client.workload->completed();
    return done;
  }
  /// The fewest entries that a server of these sites has executed.
  std::uint64_t executed(bool away) {
    std::uint64_t least = ~std::uint64_t{0};
    for (ServerPart& server : assembly->servers()) {
      if ((server.site == kAway) != away) continue;
      StatusList status;
      server.process->core().status(status);
      for (const auto& [key, value] : status)
        if (key == "executed") least = std::min<std::uint64_t>(least, std::stoull(value));
    }
    return least;
  }
  /// Seconds until all servers of the site are where the others are; `limit` if that never happens.
  int seconds_until_back(int limit) {
    for (int second = 0; second < limit; ++second) {
      run_for(1s);
      if (executed(true) + 32 > executed(false)) return second + 1;
    }
    return limit;
  }

  std::unique_ptr<Assembly> assembly;
  Instant at;
};

// 12 MB of state, a fourth of a megabyte of updates per second, 1.2 MB/s per link: each piece crosses the wide area
// once, not once per server, and what was ordered meanwhile comes as entries.
// [Steward 7.32]
TEST_F(Return, UnderLoadASiteCatchesUpAndTheOthersDoNotNotice) {
  ASSERT_NO_FATAL_FAILURE(build(6, 4096, 1000));
  run_for(2s);
  cut(true);
  run_for(30s);
  const std::uint64_t early = done_by_others();
  run_for(20s);
  const std::uint64_t calm = done_by_others() - early;
  ASSERT_GT(executed(false), executed(true) + 2000);
  cut(false);
  const std::uint64_t before = done_by_others();
  const int took = seconds_until_back(40);
  EXPECT_LT(took, 40);
  const double while_away = static_cast<double>(done_by_others() - before) / took;
  EXPECT_GT(while_away, 0.9 * static_cast<double>(calm) / 20);
}

// Small updates, most leaves changed again and again: a state is old by more entries than L when it is here.
// [Steward 7.34]
TEST_F(Return, EntriesTakeOverWhereAStateIsOldBeforeItIsHere) {
  ASSERT_NO_FATAL_FAILURE(build(60, 200, 1000));
  run_for(2s);
  cut(true);
  run_for(50s);
  cut(false);
  EXPECT_LT(seconds_until_back(40), 40);
}

}  // namespace
}  // namespace seneschal::lab::sim
