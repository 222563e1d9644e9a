#include "lab/sim/plan.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

TEST(Plan, WrittenDownAndReadBackIsTheSame) {
  for (Protocol protocol : {Protocol::Steward, Protocol::Bft}) {
    for (const std::string& profile : profiles()) {
      for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        const Plan plan = make_plan(protocol, seed, profile);
        const auto again = parse_plan(to_toml(plan), "plan.toml");
        ASSERT_TRUE(again.has_value()) << again.error().message << "\n" << to_toml(plan);
        EXPECT_TRUE(*again == plan) << to_toml(plan) << "\nread back:\n" << to_toml(*again);
      }
    }
  }
}

TEST(Plan, SameSeedSamePlanOtherSeedOtherPlan) {
  EXPECT_TRUE(make_plan(Protocol::Steward, 3, "swarm") == make_plan(Protocol::Steward, 3, "swarm"));
  EXPECT_FALSE(make_plan(Protocol::Steward, 3, "swarm") == make_plan(Protocol::Steward, 4, "swarm"));
}

TEST(Plan, AtMostFServersPerSiteAreSpoilt) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    for (auto [protocol, profile] : {std::pair{Protocol::Steward, "swarm"},
                                     {Protocol::Bft, "swarm"},
                                     {Protocol::Steward, "views"},
                                     {Protocol::Steward, "queries"},
                                     {Protocol::Bft, "queries"},
                                     {Protocol::Steward, "starve"},
                                     {Protocol::Steward, "office"},
                                     {Protocol::Steward, "ballots"},
                                     {Protocol::Steward, "uneven"}}) {
      const Plan plan = make_plan(protocol, seed, profile);
      std::map<SiteId, std::set<ServerId>> spoilt;
      for (const Fault& fault : plan.list)
        if (fault.kind == FaultKind::Crash || fault.kind == FaultKind::DiskFull ||
            (fault.kind == FaultKind::Restart && fault.disk == world::DiskFate::Lost))
          spoilt[fault.server.site].insert(fault.server);
      for (const Traitor& traitor : plan.traitors) spoilt[traitor.server.site].insert(traitor.server);
      for (const auto& [site, servers] : spoilt) EXPECT_LE(servers.size(), plan.faults_of(site)) << to_toml(plan);
    }
  }
}

TEST(Plan, SitesMayHaveDifferentF) {
  std::set<std::uint16_t> seen;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const Plan plan = make_plan(Protocol::Steward, seed, "uneven");
    const Membership membership = plan.deployment().roster().membership;
    ASSERT_EQ(membership.sites.size(), plan.site_faults.size());
    for (std::size_t site = 0; site < membership.sites.size(); ++site) {
      EXPECT_EQ(membership.sites[site].faults, plan.site_faults[site]);
      EXPECT_EQ(membership.sites[site].servers, 3 * plan.site_faults[site] + 1);
      EXPECT_LE(plan.site_faults[site], plan.faults);
      seen.insert(plan.site_faults[site]);
    }
  }
  EXPECT_GE(seen.size(), 2u);
  const auto wrong = parse_plan("seed = 1\nsites = 3\nsite_faults = [1, 2]\n", "p.toml");
  ASSERT_FALSE(wrong.has_value());
  EXPECT_NE(wrong.error().message.find("p.toml:3"), std::string::npos) << wrong.error().message;
}

TEST(Plan, CheckpointDeathTakesTheLeaderSiteAloneAndLeavesAMajority) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    const Plan plan = make_plan(Protocol::Steward, seed, "checkpoint-death");
    const Membership membership = plan.deployment().roster().membership;
    std::set<ServerId> dead;
    for (const Fault& fault : plan.list) {
      EXPECT_LE(fault.at, plan.heal) << to_toml(plan);
      if (fault.kind == FaultKind::Crash) dead.insert(fault.server);
    }
    EXPECT_EQ(dead.size(), membership.site(SiteId(0)).servers) << to_toml(plan);
    EXPECT_TRUE(std::ranges::all_of(dead, [](ServerId id) { return id.site == SiteId(0); })) << to_toml(plan);
    EXPECT_GE(membership.sites.size() - 1, membership.site_majority());
    EXPECT_TRUE(plan.traitors.empty());
  }
}

TEST(Plan, MixedSeedsUseEveryKindOfFault) {
  std::set<FaultKind> kinds;
  std::set<Behaviour> behaviours;
  for (std::uint64_t seed = 1; seed <= 250; ++seed) {
    const Plan plan = make_plan(Protocol::Steward, seed, "swarm");
    for (const Fault& fault : plan.list) kinds.insert(fault.kind);
    for (const Traitor& traitor : plan.traitors) behaviours.insert(traitor.behaviour);
  }
  EXPECT_EQ(kinds.size(), static_cast<std::size_t>(FaultKind::kLast) + 1);
  EXPECT_EQ(behaviours.size(), static_cast<std::size_t>(Behaviour::kLast) + 1);
}

TEST(Plan, ErrorsNameLineAndWhatWasExpected) {
  const auto unknown = parse_plan("seed = 1\n[[fault]]\nat_us = 5\nkind = \"flood\"\n", "p.toml");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().message.find("p.toml:4"), std::string::npos) << unknown.error().message;
  const auto server =
      parse_plan("seed = 1\nsites = 3\n[[fault]]\nat_us = 5\nkind = \"crash\"\nsite = 1\nserver = 4\n", "p.toml");
  ASSERT_FALSE(server.has_value());
  EXPECT_NE(server.error().message.find("1/4"), std::string::npos) << server.error().message;
  EXPECT_FALSE(parse_plan("seeds = 1\n", "p.toml").has_value());
}

}  // namespace
}  // namespace seneschal::lab::sim
