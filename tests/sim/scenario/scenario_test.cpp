#include "lab/sim/scenario.hpp"

#include "lab/sim/swarm.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using namespace std::chrono_literals;

class Seeds : public testing::TestWithParam<Protocol> {};

SwarmResult swarm(Protocol protocol, std::uint64_t first, std::uint64_t last, unsigned jobs,
                  const std::string& profile = "swarm", const std::string& application = "kv") {
  SwarmSettings settings;
  settings.protocol = protocol;
  settings.first = first;
  settings.last = last;
  settings.jobs = jobs;
  settings.profile = profile;
  settings.application = application;
  auto result = run_swarm(settings);
  EXPECT_TRUE(result.has_value()) << result.error().message;
  return result ? *result : SwarmResult{};
}

std::string reasons(const SwarmResult& result) {
  std::string text;
  for (const SeedResult& failure : result.failures)
    text += "seed " + std::to_string(failure.seed) + ": " + failure.result.reason + "\n";
  return text;
}

// Thousands of updates and dozens of Checkpoints behind, with a client that has waited all the time: what was missed
// is long gone from everybody's window.
TEST(AwaySite, IsBackWithAllThatItMissed) {
  Plan plan;
  plan.clients = 3;  // one at each site
  plan.operations = 1500;
  plan.update_percent = 100;
  plan.options.window = 64;
  plan.options.checkpoint_interval = 64;
  plan.heal = 4min;
  plan.deadline = 9min;
  for (const auto& [at, kind] : {std::pair{Duration(1s), FaultKind::Cut}, {Duration(230s), FaultKind::Join}})
    for (const auto& [from, to] : {std::pair{0, 2}, {2, 0}, {1, 2}, {2, 1}}) {
      Fault fault;
      fault.at = at;
      fault.kind = kind;
      fault.from = static_cast<std::uint16_t>(from);
      fault.to = static_cast<std::uint16_t>(to);
      plan.list.push_back(fault);
    }
  const auto result = run_scenario(plan);
  ASSERT_TRUE(result.has_value()) << result.error().message;
  EXPECT_EQ(result->outcome, Outcome::Passed) << result->reason;
  EXPECT_EQ(result->operations, 3u * 1500);
  EXPECT_GT(result->virtual_time, Duration(5min)) << "its own client began when it was back";
}

// [Steward 6] What a write to the disk takes is known to the timers.
class SlowDisks : public testing::Test {
 protected:
  SlowDisks() {
    plan.clients = 3;  // one at each site
    plan.operations = 4;
    plan.update_percent = 100;
  }
  void slow(std::uint16_t site, std::uint16_t index, Duration persist, Duration at = {}) {
    Fault fault;
    fault.at = at;
    fault.kind = FaultKind::SlowDisk;
    fault.server = {SiteId(site), ServerIndex(index)};
    fault.persist = persist;
    plan.list.push_back(fault);
  }
  void slow_site(std::uint16_t site, Duration persist, Duration at = {}) {
    for (std::uint16_t i = 0; i < 4; ++i) slow(site, i, persist, at);
  }
  /// True if everything is done after so long, and nothing was broken.
  bool done_within(Duration time) {
    plan.heal = time;
    plan.deadline = time + 20ms;
    auto ran = run_scenario(plan);
    if (!ran) return false;
    result = *ran;
    EXPECT_NE(result.outcome, Outcome::Unsafe) << result.reason;
    return result.outcome == Outcome::Passed;
  }
  void expect_no_view_change() const {
    EXPECT_EQ(result.highest_global_view, 0u);
    EXPECT_EQ(result.highest_local_view, 0u);
  }
  Plan plan;
  ScenarioResult result;
};

// An update is written at four places one after the other: as PrePrepare, with Prepares, with their certificate, and
// at the other sites. Each write may have to wait for another one, and the first three for those of the batch before.
constexpr int kWrites = (4 + 3) * 2;

TEST_F(SlowDisks, EverywhereAreSlowAndNotASeriesOfViewChanges) {
  plan.persist = 1500ms;
  EXPECT_TRUE(done_within(4 * kWrites * 1500ms)) << result.reason;
  expect_no_view_change();
}

TEST_F(SlowDisks, ThatBecomeSlowOrStallLaterAreNot) {
  plan.operations = 8;
  for (std::uint16_t site : {0, 1, 2}) slow_site(site, 5s, 300ms);
  EXPECT_TRUE(done_within(8 * kWrites * 5s)) << result.reason;
  expect_no_view_change();
}

TEST_F(SlowDisks, OfAMajorityOfSitesAreKnownToTheOthers) {
  for (std::uint16_t site : {0, 1}) slow_site(site, 1500ms);
  EXPECT_TRUE(done_within(4 * kWrites * 1500ms)) << result.reason;
  expect_no_view_change();
}

// [Steward 6.8]
TEST_F(SlowDisks, OfSitesThatAreNotNeededSlowNobodyElse) {
  plan.clients = 2;  // at the sites whose disks are quick
  slow_site(2, 1500ms);
  EXPECT_TRUE(done_within(5s)) << result.reason;
  expect_no_view_change();
}

TEST_F(SlowDisks, OfFServersOfEachSiteStretchNothing) {
  for (std::uint16_t index : {0, 1, 3}) {
    plan.list.clear();
    for (std::uint16_t site : {0, 1, 2}) slow(site, index, 1500ms);
    EXPECT_TRUE(done_within(12s)) << index << ": " << result.reason;
    EXPECT_EQ(result.highest_global_view, 0u) << index;
    EXPECT_LE(result.highest_local_view, 1u) << index << ": a representative with a slow disk is replaced once";
  }
}

TEST_F(SlowDisks, OfTheFlatBaselineAreSlow) {
  plan.protocol = Protocol::Bft;
  plan.persist = 1500ms;
  EXPECT_TRUE(done_within(4 * kWrites * 1500ms)) << result.reason;
}

// A link that is wrong for a second and corrected: what was sent meanwhile arrives, and order is kept behind it.
TEST(LinkChanges, AWrongDelayOrRateOfAllLinksCorrectedHoldsNothingUp) {
  for (const bool lan : {false, true})
    for (const bool slow : {false, true}) {
      Plan plan;
      plan.clients = 3;
      plan.operations = 6;
      emulator::LinkConfig right;
      right.delay = lan ? 50us : 20ms;
      right.bandwidth_bps = lan ? 1'000'000'000 : plan.bandwidth_bps;
      emulator::LinkConfig wrong = right;
      if (slow)
        wrong.bandwidth_bps = 100;
      else
        wrong.delay = 60s;
      for (const auto& [at, link] : {std::pair{Duration(200ms), wrong}, {Duration(1200ms), right}})
        for (std::uint16_t from = 0; from < plan.sites; ++from)
          for (std::uint16_t to = 0; to < plan.sites; ++to) {
            if (lan ? from != to : from == to) continue;
            Fault fault;
            fault.at = at;
            fault.kind = lan ? FaultKind::Lan : FaultKind::Link;
            fault.from = from;
            fault.to = to;
            fault.link = link;
            plan.list.push_back(fault);
          }
      plan.heal = 10s;
      plan.deadline = plan.heal + 20ms;
      const auto ran = run_scenario(plan);
      ASSERT_TRUE(ran);
      EXPECT_EQ(ran->outcome, Outcome::Passed)
          << (lan ? "LAN, " : "") << (slow ? "rate: " : "delay: ") << ran->reason;
    }
}

TEST_P(Seeds, FifteenPassWithFaults) {
  const SwarmResult result = swarm(GetParam(), 1, 15, 2);
  EXPECT_EQ(result.passed, 15u) << reasons(result);
  EXPECT_GT(result.operations, 300u) << "hardly anything was done";
}

TEST_P(Seeds, EquivocatingLeadersBreakNothing) {
  const SwarmResult result = swarm(GetParam(), 1, 10, 2, "equivocate");
  EXPECT_EQ(result.passed, 10u) << reasons(result);
}

TEST_P(Seeds, SitesThatWereAwayCatchUpThoughLendersLie) {
  const SwarmResult result = swarm(GetParam(), 1, 10, 2, "lagging");
  EXPECT_EQ(result.passed, 10u) << reasons(result);
}

TEST_P(Seeds, WhatAimsAtOneRulePasses) {
  std::vector<std::string> aimed{"queries", "clients"};
  if (GetParam() == Protocol::Steward)
    for (const char* profile : {"starve", "office", "ballots", "uneven", "bases"}) aimed.emplace_back(profile);
  for (const std::string& profile : aimed) {
    const SwarmResult result = swarm(GetParam(), 1, 6, 2, profile);
    EXPECT_EQ(result.passed, 6u) << profile << ": " << reasons(result);
    EXPECT_GT(result.operations, 150u) << profile;
  }
}

// All servers have the same digest after each entry, checkpoints and transferred states included.
TEST_P(Seeds, SqlIsReplicatedUnderFaults) {
  const SwarmResult mixed = swarm(GetParam(), 1, 8, 2, "swarm", "sql");
  EXPECT_EQ(mixed.passed, 8u) << reasons(mixed);
  EXPECT_GT(mixed.operations, 150u) << "hardly anything was done";
  const SwarmResult lagging = swarm(GetParam(), 1, 4, 2, "lagging", "sql");
  EXPECT_EQ(lagging.passed, 4u) << reasons(lagging);
}

TEST_P(Seeds, HashDoesNotDependOnThreads) {
  EXPECT_EQ(swarm(GetParam(), 20, 25, 1).trace_hash, swarm(GetParam(), 20, 25, 3).trace_hash);
}

TEST_P(Seeds, PlanFileReplaysTheRun) {
  const Plan plan = make_plan(GetParam(), 7, "swarm");
  const auto read = parse_plan(to_toml(plan), "plan.toml");
  ASSERT_TRUE(read.has_value());
  const auto first = run_scenario(plan);
  const auto second = run_scenario(*read, {.trace_lines = 100});
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_EQ(first->trace_hash, second->trace_hash);
  EXPECT_FALSE(second->text.empty());
}

TEST_P(Seeds, CalmRunsDoEverythingAndAccuseNobody) {
  Plan plan = make_plan(GetParam(), 2, "calm");
  plan.heal = {};
  const auto result = run_scenario(plan);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->outcome, Outcome::Passed) << result->reason;
  EXPECT_EQ(result->operations, plan.operations * plan.clients);
  EXPECT_EQ(result->accusations, 0u);
}

// The checker of progress can fail: with too many servers dead nothing is ordered.
TEST_P(Seeds, TooManyCrashesAreNoticedAsLackOfProgress) {
  Plan plan = make_plan(GetParam(), 2, "calm");
  plan.deadline = plan.heal + 5s;
  for (std::uint16_t i = 1; i <= 2; ++i)
    plan.list.push_back({0ms, FaultKind::Crash, 0, 0, ServerId{SiteId(0), ServerIndex(i)}, 100, {}});
  const auto result = run_scenario(plan);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->outcome, Outcome::Stuck);
  EXPECT_NE(result->reason.find("progress"), std::string::npos);
}

TEST_P(Seeds, EveryTwentyFifthRunsWithRealSignaturesMacsAndThresholdKeys) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    EXPECT_EQ(make_plan(GetParam(), seed, "swarm").real_crypto, seed % 25 == 0) << seed;
  const auto read = parse_plan(to_toml(make_plan(GetParam(), 25, "swarm")), "plan.toml");
  ASSERT_TRUE(read.has_value());
  EXPECT_TRUE(read->real_crypto);
}

TEST_P(Seeds, WithRealCryptographyPassAndGiveTheSameTraceEachTime) {
  for (std::uint64_t seed : {1, 2}) {
    Plan plan = make_plan(GetParam(), seed, "swarm");
    plan.operations = 5;
    const auto simulated = run_scenario(plan);
    plan.real_crypto = true;
    const auto first = run_scenario(plan);
    const auto second = run_scenario(plan);
    ASSERT_TRUE(simulated && first && second);
    EXPECT_EQ(first->outcome, Outcome::Passed) << first->reason;
    EXPECT_EQ(first->trace_hash, second->trace_hash);
    EXPECT_NE(first->trace_hash, simulated->trace_hash) << "are these keys real?";
  }
}

// A share that is bad makes servers prove theirs: the nonces of the proofs come from the keyed generator, too.
TEST(RealCryptography, ProofsGiveTheSameTraceEachTime) {
  std::uint64_t accusations = 0;
  for (std::uint64_t seed = 3; seed < 9; ++seed) {  // who shares badly twice loses its place, convicted or not
    Plan plan = make_plan(Protocol::Steward, seed, "calm");
    plan.real_crypto = true;
    plan.operations = 4;
    plan.traitors = {{ServerId{SiteId(0), ServerIndex(1)}, Behaviour::BadShares}};
    const auto first = run_scenario(plan);
    const auto second = run_scenario(plan);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->outcome, Outcome::Passed) << first->reason;
    EXPECT_EQ(first->trace_hash, second->trace_hash);
    accusations += first->accusations;
  }
  EXPECT_GT(accusations, 0u) << "no proof was asked for";
}

INSTANTIATE_TEST_SUITE_P(Protocols, Seeds, testing::Values(Protocol::Steward, Protocol::Bft),
                         [](const auto& chosen) { return std::string(lab::to_string(chosen.param)); });

}  // namespace
}  // namespace seneschal::lab::sim
