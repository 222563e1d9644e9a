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

}  // namespace
}  // namespace seneschal::lab::sim
