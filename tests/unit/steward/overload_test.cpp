// What a representative owes when there is more work than it can do: order in turn, and no more under way than links
// carry.
#include "replication/pending_updates.hpp"
#include "steward/in_flight.hpp"
#include "steward/neglect.hpp"

#include <gtest/gtest.h>

namespace seneschal::steward {
namespace {

constexpr Duration kTransit = 700ms;

Instant moment(Duration d) {
  return Instant{d.count()};
}

class StewardNeglect : public ::testing::Test {
 protected:
  Settings settings;
  Neglect neglect{settings};
  replication::WatchList watched;
  Seq seq;       // executed
  Seq proposed;  // by then

  void watch(std::uint32_t client, Duration at) {
    ASSERT_TRUE(watched.watch(ClientId(client), Timestamp(1), moment(at), nullptr));
  }
  /// An entry with one update of `size` bytes of each of `clients`.
  void execute(Duration at, std::vector<std::uint32_t> clients, std::size_t size = 300) {
    replication::Batch batch;
    std::vector<ClientId> ids;
    for (std::uint32_t id : clients) {
      Signed<replication::Update> update;
      update.sealed.resize(size);
      batch.updates.items.push_back(std::move(update));
      ids.emplace_back(id);
      watched.discharge(ClientId(id), Timestamp(1));
    }
    neglect.executed(moment(at), seq = seq.next(), ids, batch);
  }
  std::optional<Instant> since(Duration at) {
    std::optional<Waiting> oldest;
    if (watched.oldest()) oldest = Waiting{watched.oldest_client(), *watched.oldest()};
    return neglect.since(moment(at), oldest, kTransit, proposed);
  }
  static std::vector<std::uint32_t> range(std::uint32_t from, std::uint32_t to) {
    std::vector<std::uint32_t> ids;
    while (from < to) ids.push_back(from++);
    return ids;
  }
};

TEST_F(StewardNeglect, NobodyWaitsNobodyIsNeglected) {
  EXPECT_EQ(since(5s), std::nullopt);
}

TEST_F(StewardNeglect, WithoutProgressItCountsFromTheBeginning) {
  watch(1, 100ms);
  EXPECT_EQ(since(5s), moment(100ms));
}

// [Steward 4.2]
TEST_F(StewardNeglect, FullBatchesOfOthersAreProgress) {
  watch(1, 100ms);
  for (int i = 0; i < 20; ++i) {
    const Duration now = 1s + 100ms * i;
    ASSERT_TRUE(since(now).has_value());
    const auto first = static_cast<std::uint32_t>(100 + 100 * i);
    execute(now, range(first, first + 100));
    EXPECT_EQ(since(now), moment(now));
  }
}

// [Steward 4.2]
TEST_F(StewardNeglect, ABatchWithRoomForItIsNot) {
  watch(1, 100ms);
  EXPECT_EQ(since(1s), moment(100ms));
  execute(1s, {2});
  EXPECT_EQ(since(1s), moment(100ms));
  execute(2s, range(100, 200));  // nor does a full one make up for it
  EXPECT_EQ(since(2s), moment(100ms));
}

// Batches that are on their way when the update arrives may have room for it, and a client may issue updates without
// waiting for the one before.
// [Steward 4.2]
TEST_F(StewardNeglect, WhatWasProposedBeforeItArrivedDoesNotPassItOver) {
  watch(1, 100ms);
  proposed = Seq(3);
  since(1s);  // from here on it counts
  proposed = Seq(9);
  execute(1s, {2});
  execute(1100ms, range(2, 102));
  execute(1200ms, {2});
  EXPECT_EQ(since(2s), moment(1200ms));
  execute(2s, range(2, 102));
  EXPECT_EQ(since(2s), moment(2s));
  execute(2500ms, range(2, 102));
  EXPECT_EQ(since(3s), moment(100ms)) << "client 2 was served twice by batches that were cut after it arrived";
}

// [Steward 4.2]
TEST_F(StewardNeglect, ServingAnotherClientTwiceIsNot) {
  watch(1, 100ms);
  since(1s);
  execute(1s, range(2, 102));
  EXPECT_EQ(since(1s), moment(1s));
  execute(1100ms, range(101, 201));
  EXPECT_EQ(since(1100ms), moment(100ms));
}

TEST_F(StewardNeglect, WhatWasOnItsWayBeforeItArrivedPassesNobodyOver) {
  watch(1, 100ms);
  since(500ms);
  execute(500ms, {2});
  EXPECT_EQ(since(750ms), moment(500ms));
  execute(800ms, {2});  // 700 ms later, but not looked at since: the look comes first in a tick
  EXPECT_EQ(since(810ms), moment(800ms));
  execute(820ms, {2});
  EXPECT_EQ(since(830ms), moment(100ms));
}

TEST_F(StewardNeglect, ItsOwnTurnEndsIt) {
  watch(1, 100ms);
  watch(2, 200ms);
  since(1s);
  execute(1s, {1});
  EXPECT_EQ(since(1s), moment(1s));
  EXPECT_EQ(since(2s), moment(1s));
}

TEST_F(StewardNeglect, ANewViewIsJudgedByItselfAlone) {
  watch(1, 100ms);
  since(1s);
  execute(1s, {2});
  EXPECT_EQ(since(1s), moment(100ms));
  neglect.view_changed(moment(1s));
  EXPECT_EQ(since(1100ms), moment(1s));
  execute(1200ms, {3});  // the update may not have reached the new representative yet
  EXPECT_EQ(since(1300ms), moment(1200ms));
  since(1800ms);
  execute(1800ms, {4});
  EXPECT_EQ(since(1800ms), moment(100ms));
}

/// A link of `rate` bytes a second and a round of `base` without queueing, always as full as the limit allows.
struct FullLink {
  std::size_t rate;
  Duration base;
  InFlight flight{64 * 1024};
  Instant now{};
  Instant free{};
  std::uint64_t next = 1;
  std::map<std::uint64_t, Instant> back;

  void run(Duration length, std::size_t batch = 32 * 1024) {
    for (const Instant end = now + length; now < end; now = now + 1ms) {
      while (!back.empty() && back.begin()->second <= now) {
        flight.executed(now, Seq(back.begin()->first));
        back.erase(back.begin());
      }
      while (flight.has_room() && back.size() < 500) {
        flight.cut(now, Seq(next), batch);
        free = std::max(free, now) + Duration(static_cast<std::int64_t>(batch * 1'000'000'000ull / rate));
        back[next++] = free + base;
      }
    }
  }
  Duration queued() const { return std::max(free - now, Duration{}); }
};

TEST(StewardInFlight, FillsALinkAndKeepsItsQueueShort) {
  FullLink link{1'250'000, 150ms};
  link.run(5s);
  const std::uint64_t before = link.next;
  link.run(5s);
  EXPECT_GT((link.next - before) * 32 * 1024, 1'250'000 * 5 * 9 / 10);
  EXPECT_LT(link.queued(), 200ms);
}

TEST(StewardInFlight, FindsOutThatALinkHasBecomeFaster) {
  FullLink link{250'000, 150ms};
  link.run(5s);
  link.rate = 2'500'000;
  link.run(5s);
  const std::uint64_t before = link.next;
  link.run(5s);
  EXPECT_GT((link.next - before) * 32 * 1024, 2'500'000 * 5 * 8 / 10);
}

TEST(StewardInFlight, FindsOutThatARoundHasBecomeLonger) {
  FullLink link{1'250'000, 50ms};
  link.run(5s);
  link.base = 400ms;
  link.run(40s);
  const std::uint64_t before = link.next;
  link.run(10s);
  EXPECT_GT((link.next - before) * 32 * 1024, 1'250'000 * 10 * 7 / 10);
  EXPECT_LT(link.queued(), 800ms);
}

TEST(StewardInFlight, NeighboursAllowTwiceAsMuchBelowAnEntry) {
  InFlight flight(1000);
  EXPECT_TRUE(flight.has_room_for(Seq(1)));
  for (std::uint64_t seq = 2; seq <= 5; ++seq) flight.cut(moment(0ms), Seq(seq), 600);
  EXPECT_TRUE(flight.has_room_for(Seq(1))) << "what others wait for";
  EXPECT_TRUE(flight.has_room_for(Seq(5)));
  EXPECT_FALSE(flight.has_room_for(Seq(6)));
}

TEST(StewardInFlight, AlwaysAllowsTheLeast) {
  InFlight flight(1000);
  EXPECT_TRUE(flight.has_room());
  flight.cut(moment(0ms), Seq(1), 999);
  EXPECT_TRUE(flight.has_room());
  flight.cut(moment(0ms), Seq(2), 1);
  EXPECT_FALSE(flight.has_room());
  flight.executed(moment(10s), Seq(2));
  EXPECT_TRUE(flight.has_room());
  EXPECT_EQ(flight.under_way(), 0u);
}

TEST(StewardInFlight, ANewViewBeginsWithNothingUnderWay) {
  InFlight flight(1000);
  flight.cut(moment(0ms), Seq(1), 5000);
  EXPECT_FALSE(flight.has_room());
  flight.view_changed();
  EXPECT_TRUE(flight.has_room());
  flight.cut(moment(5ms), Seq(1), 700);
  flight.executed(moment(10ms), Seq(1));
  EXPECT_EQ(flight.under_way(), 0u);
}

}  // namespace
}  // namespace seneschal::steward
