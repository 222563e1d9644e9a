#include "lab/sim/checkers/graph_checker.hpp"
#include "replication/kv.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

/// Two servers execute 64 updates; the second may see the `odd`-th from another client.
std::optional<Violation> after_two_servers(std::uint64_t odd) {
  Facts facts;
  facts.membership.sites.assign(1, SiteInfo{4, 1});
  Verdict verdict;
  GraphChecker checker(facts, verdict);
  for (const std::uint16_t index : {0, 1}) {
    replication::ObservedApplication app(std::make_unique<replication::kv::KvApplication>(),
                                         checker.observer({SiteId(0), ServerIndex(index)}, [] { return Instant{}; }));
    for (std::uint64_t n = 1; n <= 64; ++n) {
      const ClientId client(index == 1 && n == odd ? 9 : static_cast<std::uint32_t>(n % 3 + 1));
      app.apply(client, replication::kv::get("key"));
      app.settle();
    }
  }
  return verdict.first();
}

TEST(GraphChecker, EqualGraphsBreakNothing) {
  EXPECT_FALSE(after_two_servers(0).has_value());
}

TEST(GraphChecker, DifferentGraphsAreNoticed) {
  const auto violation = after_two_servers(40);
  ASSERT_TRUE(violation.has_value());
  EXPECT_EQ(violation->property, "accountability graph");
  EXPECT_NE(violation->what.find("0/1"), std::string::npos);
}

/// The second server takes over the first one's state after 40 updates; it may then see the `odd`-th from another
/// client. `late`: the first is behind when the second's graph is looked at.
std::optional<Violation> after_state_transfer(std::uint64_t odd, bool late) {
  Facts facts;
  facts.membership.sites.assign(1, SiteInfo{4, 1});
  Verdict verdict;
  GraphChecker checker(facts, verdict);
  const auto server = [&](std::uint16_t index) {
    return std::make_unique<replication::ObservedApplication>(
        std::make_unique<replication::kv::KvApplication>(),
        checker.observer({SiteId(0), ServerIndex(index)}, [] { return Instant{}; }));
  };
  const auto execute = [&](replication::Application& app, std::uint64_t from, std::uint64_t to, std::uint64_t other) {
    for (std::uint64_t n = from; n <= to; ++n) {
      app.apply(ClientId(n == other ? 9 : static_cast<std::uint32_t>(n % 3 + 1)), replication::kv::get("key"));
      app.settle();
    }
  };
  const auto first = server(0), second = server(1);
  execute(*second, 1, 10, 0);
  execute(*first, 1, 40, 0);
  EXPECT_TRUE(second->restore(first->snapshot()).has_value());
  if (!late) execute(*first, 41, 128, 0);
  execute(*second, 41, 128, odd);
  if (late) execute(*first, 41, 128, 0);
  return verdict.first();
}

TEST(GraphChecker, AGraphThatBeganAnewIsThatOfTheOthersWithoutWhatWasBefore) {
  for (const bool late : {false, true}) {
    EXPECT_FALSE(after_state_transfer(0, late).has_value());
    const auto violation = after_state_transfer(70, late);
    ASSERT_TRUE(violation.has_value()) << late;
    EXPECT_NE(violation->what.find("0/1"), std::string::npos);
  }
}

}  // namespace
}  // namespace seneschal::lab::sim
