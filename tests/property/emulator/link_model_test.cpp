// Properties of the link model over many seeds, sizes and arrival patterns.
#include "emulator/link_model.hpp"

#include "base/prng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace seneschal::emulator {
namespace {

constexpr int kSeeds = 50;

LinkConfig random_config(Prng& prng) {
  LinkConfig config;
  config.delay = Duration(static_cast<std::int64_t>(prng.below(100'000'000)));
  config.bandwidth_bps = prng.between(1'000, 1'000'000'007);
  config.queue_bytes = prng.between(1, 200'000);
  return config;
}

LinkKey key_of(std::uint64_t seed) {
  return {seed, 5, 1, 2};
}

TEST(LinkModelProperty, BusyPeriodLastsExactlyItsBytesOverTheRate) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    LinkConfig config = random_config(prng);
    config.queue_bytes = std::uint64_t{1} << 40;
    LinkModel link(config, key_of(seed));
    const Instant start{static_cast<std::int64_t>(prng.below(1'000'000'000))};
    __extension__ unsigned __int128 bits = 0;
    for (int i = 0; i < 500; ++i) {
      const std::size_t payload = prng.below(2000);
      bits += (payload + kIpUdpHeaderBytes) * 8;
      const Fate fate = link.offer(start, payload);
      ASSERT_EQ(fate.copies, 1);
      // Rounding never adds up: the end of each packet is the floor of the exact time.
      const auto exact = static_cast<std::int64_t>(bits * 1'000'000'000 / config.bandwidth_bps);
      ASSERT_EQ((fate.sent - start).count(), exact) << "seed " << seed << " packet " << i;
      ASSERT_EQ(fate.arrivals[0], fate.sent + config.delay);
    }
    EXPECT_EQ(link.counters().busy, link.busy_until() - start);
  }
}

TEST(LinkModelProperty, QueueNeverHoldsMoreThanItsLengthAndDropsOnlyWhenItMust) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    const LinkConfig config = random_config(prng);
    LinkModel link(config, key_of(seed));
    Instant now{0};
    std::uint64_t drops = 0;
    for (int i = 0; i < 2000; ++i) {
      now = now + Duration(static_cast<std::int64_t>(prng.below(8'000'000'000'000 / config.bandwidth_bps * 2)));
      const std::size_t payload = prng.below(1500);
      const std::uint64_t wire = payload + kIpUdpHeaderBytes;
      const std::uint64_t before = link.queued_bytes(now);
      const Fate fate = link.offer(now, payload);
      const std::uint64_t after = link.queued_bytes(now);
      if (fate.dropped == DropReason::QueueFull) {
        ++drops;
        ASSERT_GT(before + wire + 1, config.queue_bytes) << "seed " << seed << " packet " << i;
        ASSERT_EQ(after, before);
      } else {
        ASSERT_LE(after, std::max(config.queue_bytes + 1, wire)) << "seed " << seed << " packet " << i;
      }
    }
    EXPECT_EQ(link.counters().queue_drops, drops);
    EXPECT_EQ(link.counters().packets, 2000u);
  }
}

TEST(LinkModelProperty, JitterStaysInBoundsAndKeepsOrder) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Prng prng(seed);
    LinkConfig config;
    config.delay = 10ms;
    config.jitter = 3ms;
    LinkModel link(config, key_of(seed));
    Instant now{0};
    Instant last{0};
    Duration least = 1s;
    Duration most{};
    for (int i = 0; i < 1000; ++i) {
      // Far enough apart that holding packets in order does not push them beyond their own jitter.
      now = now + Duration(static_cast<std::int64_t>(prng.below(2'000'000)));
      const Instant arrival = link.offer(now, 100).arrivals[0];
      ASSERT_GE(arrival, last);
      ASSERT_GE(arrival, now + 10ms);
      ASSERT_LE(arrival, now + 13ms);
      least = std::min(least, arrival - now);
      most = std::max(most, arrival - now);
      last = arrival;
    }
    EXPECT_LT(least, 10'500us);
    EXPECT_GT(most, 12'500us);
  }
}

TEST(LinkModelProperty, RatesOfFaultsAreAsAsked) {
  LinkConfig config;
  config.loss_ppm = 50'000;
  config.duplicate_ppm = 20'000;
  config.reorder_ppm = 10'000;
  config.reorder_extra = 1ms;
  LinkModel link(config, key_of(1));
  constexpr int kPackets = 100'000;
  for (int i = 0; i < kPackets; ++i) link.offer(Instant{i}, 100);
  EXPECT_NEAR(static_cast<double>(link.counters().losses), 5000, 300);
  EXPECT_NEAR(static_cast<double>(link.counters().duplicates), 1900, 200);
  EXPECT_NEAR(static_cast<double>(link.counters().reordered), 950, 150);
}

struct Luck {
  bool lost;
  bool duplicated;
  Duration jitter;
  bool operator==(const Luck&) const = default;
};

std::vector<Luck> lucks(const LinkConfig& config, std::uint64_t seed) {
  LinkModel link(config, key_of(seed));
  std::vector<Luck> result;
  for (int i = 0; i < 500; ++i) {
    const Instant now{std::int64_t{i} * 1'000'000'000};  // far apart: order and queue do not interfere
    const Fate fate = link.offer(now, 100);
    result.push_back({fate.dropped == DropReason::Lost, fate.copies == 2,
                      fate.copies == 0 ? Duration(0) : fate.arrivals[0] - fate.sent});
  }
  return result;
}

TEST(LinkModelProperty, SwitchingOneFaultOffLeavesTheOthersDrawsAlone) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    LinkConfig config;
    config.jitter = 5ms;
    config.loss_ppm = 200'000;
    config.duplicate_ppm = 200'000;
    const auto with_loss = lucks(config, seed);
    config.loss_ppm = 0;
    const auto without_loss = lucks(config, seed);
    int lost = 0;
    for (std::size_t i = 0; i < with_loss.size(); ++i) {
      if (with_loss[i].lost)
        ++lost;
      else
        ASSERT_EQ(with_loss[i], without_loss[i]) << "seed " << seed << " packet " << i;
    }
    EXPECT_GT(lost, 50);
  }
}

TEST(LinkModelProperty, APacketRefusedByTheQueueLeavesLaterDrawsAlone) {
  LinkConfig config;
  config.jitter = 5ms;
  config.loss_ppm = 300'000;
  config.bandwidth_bps = 1'000'000;
  LinkConfig narrow = config;
  narrow.queue_bytes = 1;
  LinkModel wide_link(config, key_of(3));
  LinkModel narrow_link(narrow, key_of(3));
  int refused = 0;
  for (int i = 0; i < 400; ++i) {
    // Two at once: the short queue refuses every second packet.
    const Instant now{std::int64_t{i / 2} * 1'000'000'000};
    const Fate a = wide_link.offer(now, 100);
    const Fate b = narrow_link.offer(now, 100);
    if (b.dropped == DropReason::QueueFull)
      ++refused;
    else
      ASSERT_EQ(a.dropped, b.dropped) << i;
  }
  EXPECT_EQ(refused, 200);
}

TEST(LinkModelProperty, LinksDifferAndSeedsDiffer) {
  LinkConfig config;
  config.jitter = 5ms;
  LinkModel one(config, {1, 0, 2, 3});
  LinkModel back(config, {1, 0, 3, 2});
  LinkModel other(config, {2, 0, 2, 3});
  LinkModel again(config, {1, 0, 2, 3});
  int same_back = 0;
  int same_other = 0;
  for (int i = 0; i < 200; ++i) {
    const Instant now{std::int64_t{i} * 1'000'000'000};
    const Instant arrival = one.offer(now, 10).arrivals[0];
    same_back += arrival == back.offer(now, 10).arrivals[0];
    same_other += arrival == other.offer(now, 10).arrivals[0];
    EXPECT_EQ(arrival, again.offer(now, 10).arrivals[0]);
  }
  EXPECT_LT(same_back, 3);
  EXPECT_LT(same_other, 3);
}

}  // namespace
}  // namespace seneschal::emulator
