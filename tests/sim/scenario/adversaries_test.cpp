// What is left of what a Byzantine server may try [Steward 9], one thing at a time, f servers of every site at once:
// it is heard, it is refused for the right reason, and it changes nothing. That clients are served is asked for by
// every run.
#include "lab/sim/scenario.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using namespace std::chrono_literals;

Plan with(Behaviour behaviour, unsigned index) {
  Plan plan = make_plan(Protocol::Steward, 4, "calm");
  for (std::uint16_t site = 0; site < plan.sites; ++site)
    plan.traitors.push_back({ServerId{SiteId(site), ServerIndex(static_cast<std::uint16_t>(index))}, behaviour});
  return plan;
}

ScenarioResult run(const Plan& plan) {
  const auto result = run_scenario(plan);
  EXPECT_TRUE(result.has_value());
  EXPECT_EQ(result->outcome, Outcome::Passed) << result->reason;
  EXPECT_EQ(result->accusations, 0u);
  return *result;
}

/// None of it makes anybody leave a view in which everything goes well.
void expect_quiet(const ScenarioResult& result) {
  EXPECT_EQ(result.highest_global_view, 0u);
  EXPECT_EQ(result.highest_local_view, 0u);
}

TEST(Adversaries, ACalmRunRefusesNothingOfTheKind) {
  Plan plan = with(Behaviour::Silent, 0);
  plan.traitors.clear();
  ScenarioResult result = run(plan);
  expect_quiet(result);
  for (Reject reason : {Reject::NotAdmitted, Reject::NotRepresentative, Reject::Malformed, Reject::WrongDeployment,
                        Reject::BadShare, Reject::BadSignature, Reject::MissingBatch})
    EXPECT_EQ(result.refused[reason], 0u) << to_string(reason);
}

TEST(Adversaries, ProposalsAndVotesOutsideTheWindowAndInOtherViewsAreRefused) {
  ScenarioResult result = run(with(Behaviour::Stray, 0));
  EXPECT_GT(result.refused[Reject::NotAdmitted], 0u);
  expect_quiet(result);
}

TEST(Adversaries, ProposalsInTheRepresentativesPlaceAreRefused) {
  ScenarioResult result = run(with(Behaviour::Stray, 2));
  EXPECT_GT(result.refused[Reject::NotRepresentative], 0u);
  expect_quiet(result);
}

TEST(Adversaries, CertificatesOfTooFewWordsAreRefused) {
  for (unsigned index : {0u, 2u}) {
    ScenarioResult result = run(with(Behaviour::Forge, index));
    EXPECT_GT(result.refused[Reject::Malformed], 100u);
    expect_quiet(result);
  }
}

TEST(Adversaries, MessagesOfAnotherDeploymentAreRefused) {
  for (unsigned index : {0u, 2u}) {
    ScenarioResult result = run(with(Behaviour::Foreign, index));
    EXPECT_GT(result.refused[Reject::WrongDeployment], 10u);
    expect_quiet(result);
  }
}

TEST(Adversaries, BlameOfCorrectServersIsRefused) {
  ScenarioResult result = run(with(Behaviour::Slander, 0));  // representatives have the shares of others
  EXPECT_GT(result.refused[Reject::BadShare], 10u);
  expect_quiet(result);
}

TEST(Adversaries, FServersOfEverySiteChangeNoView) {
  const std::uint64_t calm = run(with(Behaviour::Silent, 3)).refused[Reject::Duplicate];
  for (unsigned index : {0u, 2u}) {
    ScenarioResult result = run(with(Behaviour::Agitate, index));
    EXPECT_GT(result.refused[Reject::Duplicate], calm + 100) << "are they heard?";
    expect_quiet(result);
  }
}

/// Three sites of seven, whose first representatives crash; server `index` of each behaves like that.
Plan with_a_view_change(Behaviour behaviour, std::uint16_t index) {
  Plan plan = make_plan(Protocol::Steward, 4, "calm");
  plan.faults = 2;
  plan.sites = 3;
  plan.operations = 40;
  plan.heal = 3s;
  for (std::uint16_t site = 0; site < plan.sites; ++site) {
    plan.traitors.push_back({ServerId{SiteId(site), ServerIndex(index)}, behaviour});
    plan.list.push_back({600ms, FaultKind::Crash, 0, 0, ServerId{SiteId(site), ServerIndex(0)}, 100, {}});
  }
  return plan;
}

// The next representative announces bundles of which a part never comes: it is replaced as well.
TEST(Adversaries, ARepresentativeWhoseBundleNeverComesIsReplaced) {
  ScenarioResult result = run(with_a_view_change(Behaviour::Phantom, 1));
  EXPECT_GE(result.highest_local_view, 2u);
  EXPECT_GT(result.refused[Reject::Malformed], 0u) << "bundles that are none";
}

// A voter whose state names batches that nobody has: the states of the others are enough.
TEST(Adversaries, BatchesThatNobodyHasHoldNobodyUp) {
  Plan plan = with_a_view_change(Behaviour::Phantom, 3);
  const ScenarioResult result = run(plan);
  EXPECT_EQ(result.highest_local_view, 1u);
  plan.traitors.clear();
  const ScenarioResult without = run(plan);
  EXPECT_EQ(without.highest_local_view, 1u);
  EXPECT_NE(result.trace_hash, without.trace_hash) << "nothing was invented";
}

// The first representatives crash, and a server of each site names to the next one what it never proves: that one
// gets its bundle, and no other view is needed.
TEST(Adversaries, WhoNamesWhatItNeverProvesKeepsNobodyFromItsBundle) {
  for (std::uint16_t index : {2, 3}) {
    const ScenarioResult result = run(with_a_view_change(Behaviour::Tease, index));
    EXPECT_EQ(result.highest_local_view, 1u) << index;
    EXPECT_EQ(result.highest_global_view, 0u);
  }
}

TEST(Adversaries, UpdatesShownToAllButTheRepresentativeDeposeNobody) {
  ScenarioResult result = run(with(Behaviour::Show, 2));
  EXPECT_GT(result.refused[Reject::WrongSite] + result.refused[Reject::BadSignature], 10u) << "bare ones";
  expect_quiet(result);
}

// Slow within what representatives are allowed, or so that others look slow.
TEST(Adversaries, WhoIsALittleLateOrLooksItIsNotReplaced) {
  for (Behaviour behaviour : {Behaviour::Dawdle, Behaviour::Frame}) expect_quiet(run(with(behaviour, 0)));
  expect_quiet(run(with(Behaviour::Skip, 1)));
}

TEST(Adversaries, AFloodIsRefusedAndServiceGoesOn) {
  ScenarioResult result = run(with(Behaviour::Flood, 2));
  for (Reject reason : {Reject::TooShort, Reject::WrongVersion, Reject::UnknownSender, Reject::Malformed,
                        Reject::NotCanonical, Reject::BadSignature, Reject::Overloaded})
    EXPECT_GT(result.refused[reason], 10u) << to_string(reason);
  expect_quiet(result);
}

// All of it at once, by one server of each site.
TEST(Adversaries, InCombination) {
  Plan plan = with(Behaviour::Stray, 2);
  const std::vector<Traitor> servers = plan.traitors;
  for (Behaviour more : {Behaviour::Forge, Behaviour::Foreign, Behaviour::Slander, Behaviour::Agitate,
                         Behaviour::Phantom, Behaviour::Flood, Behaviour::BadShares, Behaviour::LyingReply})
    for (const Traitor& traitor : servers) plan.traitors.push_back({traitor.server, more});
  const auto result = run_scenario(plan);
  ASSERT_TRUE(result.has_value());
  EXPECT_EQ(result->outcome, Outcome::Passed) << result->reason;
}

}  // namespace
}  // namespace seneschal::lab::sim
