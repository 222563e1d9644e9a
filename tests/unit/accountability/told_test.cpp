// Updates packed on their way from a core to the recorder.
#include "executing.hpp"

#include "accountability/told.hpp"
#include "base/prng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seneschal::accountability {
namespace {

TEST(GraphTold, WhatIsReadIsWhatWasAddedInOrder) {
  Prng random(7);
  const auto bytes = [&](std::uint64_t most) {
    Bytes made(random.below(most + 1));
    for (Byte& byte : made) byte = static_cast<Byte>(random.next());
    return made;
  };
  struct Given {
    Bytes signed_operation, dependencies, operation, evidence;
    std::optional<replication::Footprint> footprint;
  };
  std::vector<Given> given;
  Told all, part;
  for (std::uint64_t i = 0; i < 500; ++i) {
    Given g{bytes(40),
            random.chance(1, 3) ? bytes(30) : Bytes{},
            bytes(40),
            random.chance(1, 2) ? bytes(90) : Bytes{},
            {}};
    if (random.chance(1, 2)) g.signed_operation = g.operation;
    if (random.chance(1, 2)) {  // as it is: in what the client signed
      const Bytes before = bytes(20), after = bytes(random.chance(1, 4) ? 30 : 0);
      g.evidence = before;
      append(g.evidence, g.operation);
      append(g.evidence, after);
    }
    if (random.chance(3, 4)) {
      auto& print = g.footprint.emplace();
      for (std::uint64_t n = random.below(4); n > 0; --n) print.reads.push_back(bytes(9));
      for (std::uint64_t n = random.below(4); n > 0; --n) print.writes.push_back(bytes(9));
      for (std::uint64_t n = random.below(3); n > 0; --n)
        print.ranges.push_back({bytes(9), random.chance(1, 2) ? std::optional(bytes(9)) : std::nullopt});
    }
    given.push_back(std::move(g));
  }
  for (std::size_t i = 0; i < given.size(); ++i) {
    const Given& g = given[i];
    const Span operation = g.operation;
    const bool same = g.signed_operation == g.operation;
    part.add({Seq(i), ClientId(static_cast<std::uint32_t>(i % 7)), same ? operation : Span(g.signed_operation),
              g.dependencies, operation, g.evidence, g.footprint ? &*g.footprint : nullptr});
    if (i % 13 != 0 && i + 1 != given.size()) continue;
    all.add(part);
    part.clear();
  }
  EXPECT_EQ(all.updates(), given.size());
  Told twice, once;
  const Bytes long_one = bytes(400), sealed = long_one;
  twice.add({Seq(1), ClientId(1), long_one, {}, long_one, {}, nullptr});
  once.add({Seq(1), ClientId(1), long_one, {}, long_one, sealed, nullptr});
  EXPECT_EQ(twice.bytes(), once.bytes()) << "an operation that is in its evidence is there once";
  Told::Reader reader(all);
  for (std::size_t i = 0; i < given.size(); ++i) {
    const Given& g = given[i];
    ASSERT_FALSE(reader.done());
    const Told::Executed& told = reader.next();
    EXPECT_EQ(told.seq, Seq(i));
    EXPECT_EQ(told.client, ClientId(static_cast<std::uint32_t>(i % 7)));
    EXPECT_EQ(to_bytes(told.operation), g.operation);
    EXPECT_EQ(to_bytes(told.dependencies), g.dependencies);
    EXPECT_EQ(to_bytes(told.evidence), g.evidence);
    if (g.evidence.empty()) {
      EXPECT_EQ(to_bytes(told.signed_operation), g.signed_operation);
    }
    ASSERT_EQ(told.footprint != nullptr, g.footprint.has_value());
    if (!g.footprint) continue;
    EXPECT_EQ(told.footprint->reads, g.footprint->reads);
    EXPECT_EQ(told.footprint->writes, g.footprint->writes);
    ASSERT_EQ(told.footprint->ranges.size(), g.footprint->ranges.size());
    for (std::size_t r = 0; r < g.footprint->ranges.size(); ++r) {
      EXPECT_EQ(told.footprint->ranges[r].first, g.footprint->ranges[r].first);
      EXPECT_EQ(told.footprint->ranges[r].last, g.footprint->ranges[r].last);
    }
  }
  EXPECT_TRUE(reader.done());
}

}  // namespace
}  // namespace seneschal::accountability
