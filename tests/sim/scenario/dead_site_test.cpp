// A site that dies takes nothing with it that the others need. [Steward 7]
#include "lab/sim/scenario.hpp"
#include "lab/sim/swarm.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using namespace std::chrono_literals;

void cut(Plan& plan, Duration at, std::uint16_t a, std::uint16_t b, FaultKind kind = FaultKind::Cut) {
  for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
    Fault fault;
    fault.at = at;
    fault.kind = kind;
    fault.from = from;
    fault.to = to;
    plan.list.push_back(fault);
  }
}
void kill_site(Plan& plan, Duration at, std::uint16_t site) {
  for (std::uint16_t i = 0; i < 3 * plan.faults + 1; ++i) {
    Fault fault;
    fault.at = at;
    fault.kind = FaultKind::Crash;
    fault.server = {SiteId(site), ServerIndex(i)};
    plan.list.push_back(fault);
  }
}
Plan often() {
  Plan plan;
  plan.sites = 4;
  plan.clients = 4;
  plan.delay = 15ms;
  plan.operations = 60;
  plan.payload = 60;
  plan.update_percent = 100;
  plan.think = 1ms;
  plan.persist = 100us;
  plan.patience = 120ms;
  plan.options.batch_max = 1;
  plan.options.window = 16;
  plan.options.checkpoint_interval = 4;
  plan.heal = 3s;
  plan.deadline = 60s;
  return plan;
}

// Crash faults alone. Site 0 orders with sites 1 and 2, which do not hear each other, and site 3 is away: the order
// certificates are at site 0 only. It signs its Checkpoint and dies.
TEST(ASiteThatDiesWithItsCheckpoint, StopsNoMajority) {
  for (Duration death : {500ms, 900ms, 1300ms}) {
    Plan plan = often();
    for (std::uint16_t other : {0, 1, 2}) cut(plan, 0ms, 3, other);
    cut(plan, 0ms, 1, 2);
    kill_site(plan, death, 0);
    const auto result = run_scenario(plan);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->outcome, Outcome::Passed) << result->reason;
  }
}

// Three sites and perfect links: representatives show their Accepts to the leader site alone, which dies.
TEST(ASiteThatDiesWithItsCheckpoint, StopsNobodyWhomRepresentativesBetray) {
  for (std::uint16_t faults : {1, 2}) {
    Plan plan = often();
    plan.sites = 3;
    plan.faults = faults;
    for (std::uint16_t site : {1, 2})
      for (std::uint16_t i = 0; i < faults; ++i)
        plan.traitors.push_back({{SiteId(site), ServerIndex(i)}, Behaviour::Betray});
    kill_site(plan, 900ms, 0);
    const auto result = run_scenario(plan);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->outcome, Outcome::Passed) << result->reason;
  }
}

// The power goes everywhere at once, again and again, between what servers say and what their disks have; the checker
// `recoverable` looks at every disk.
TEST(ASiteThatDiesWithItsCheckpoint, PowerCutsOfAllLeaveWhatIsStable) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Plan plan = often();
    plan.seed = seed;
    plan.sites = 3;
    plan.clients = 3;
    plan.persist = seed % 2 == 0 ? 30ms : 5ms;
    plan.options.log_growth_kb = seed % 3 == 0 ? 2 : 16 * 1024;
    plan.heal = 4s;
    for (Duration at : {400ms, 900ms, 1500ms, 2200ms})
      for (std::uint16_t site = 0; site < 3; ++site)
        for (std::uint16_t i = 0; i < 4; ++i) {
          Fault fault;
          fault.at = at + 7ms * seed;
          fault.kind = FaultKind::Restart;
          fault.server = {SiteId(site), ServerIndex(i)};
          fault.away = 50ms;
          fault.disk = world::DiskFate::Torn;
          plan.list.push_back(fault);
        }
    const auto result = run_scenario(plan);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_EQ(result->outcome, Outcome::Passed) << seed << ": " << result->reason;
  }
}

}  // namespace
}  // namespace seneschal::lab::sim
