#include "emulator/link_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <vector>

namespace seneschal::emulator {
namespace {

constexpr LinkKey kKey{1, 0, 2, 3};
constexpr std::size_t kPayload = 1000 - kIpUdpHeaderBytes;  // 1000 bytes on the wire

LinkConfig ten_mbps() {
  LinkConfig config;
  config.delay = 50ms;
  config.bandwidth_bps = 10'000'000;
  return config;
}

TEST(LinkModel, UnlimitedLinkOnlyDelays) {
  LinkConfig config;
  config.delay = 50ms;
  LinkModel link(config, kKey);
  const Fate fate = link.offer(Instant{7}, 100);
  EXPECT_EQ(fate.copies, 1);
  EXPECT_EQ(fate.dropped, DropReason::None);
  EXPECT_EQ(fate.sent, Instant{7});
  EXPECT_EQ(fate.arrivals[0], Instant{7} + 50ms);
  EXPECT_EQ(link.queued_bytes(Instant{7}), 0u);
}

TEST(LinkModel, PacketOccupiesTheLinkForItsSizeWithHeadersOverRate) {
  LinkModel link(ten_mbps(), kKey);
  const Fate first = link.offer(Instant{0}, kPayload);
  EXPECT_EQ(first.sent, Instant{} + 800us);  // 1000 * 8 / 10 Mbps
  EXPECT_EQ(first.arrivals[0], Instant{} + 800us + 50ms);
  const Fate second = link.offer(Instant{0}, kPayload);
  EXPECT_EQ(second.sent, Instant{} + 1600us);
  EXPECT_EQ(link.queued_bytes(Instant{0}), 2000u);
  EXPECT_EQ(link.queued_bytes(Instant{} + 800us), 1000u);
  EXPECT_EQ(link.counters().wire_bytes, 2000u);
  EXPECT_EQ(link.counters().busy, 1600us);
  // After a pause the link is idle again.
  EXPECT_EQ(link.offer(Instant{} + 1s, kPayload).sent, Instant{} + 1s + 800us);
}

TEST(LinkModel, DefaultQueueIsBandwidthTimesDelayButAtLeast64KiB) {
  LinkConfig config = ten_mbps();
  EXPECT_EQ(config.effective_queue_bytes(), 64u * 1024);  // 62,500 would be less
  config.bandwidth_bps = 100'000'000;
  EXPECT_EQ(config.effective_queue_bytes(), 625'000u);
  config.queue_bytes = 1500;
  EXPECT_EQ(config.effective_queue_bytes(), 1500u);
}

TEST(LinkModel, FullQueueDropsTheNewestAndCountsThemApartFromLoss) {
  LinkConfig config = ten_mbps();
  config.queue_bytes = 5000;
  LinkModel link(config, kKey);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(link.offer(Instant{0}, kPayload).copies, 1) << i;
  const Fate refused = link.offer(Instant{0}, kPayload);
  EXPECT_EQ(refused.copies, 0);
  EXPECT_EQ(refused.dropped, DropReason::QueueFull);
  EXPECT_EQ(link.counters().queue_drops, 1u);
  EXPECT_EQ(link.counters().losses, 0u);
  EXPECT_EQ(link.counters().wire_bytes, 5000u);
  // Room again as soon as one has left.
  EXPECT_EQ(link.offer(Instant{} + 800us, kPayload).sent, Instant{} + 4800us);
}

TEST(LinkModel, IdleLinkTakesAPacketLongerThanItsQueue) {
  LinkConfig config = ten_mbps();
  config.queue_bytes = 500;
  LinkModel link(config, kKey);
  EXPECT_EQ(link.offer(Instant{0}, kPayload).copies, 1);
  EXPECT_EQ(link.offer(Instant{0}, kPayload).dropped, DropReason::QueueFull);
}

TEST(LinkModel, LostPacketsOccupyTheLink) {
  LinkConfig config = ten_mbps();
  config.loss_ppm = kCertainPpm;
  LinkModel link(config, kKey);
  const Fate fate = link.offer(Instant{0}, kPayload);
  EXPECT_EQ(fate.dropped, DropReason::Lost);
  EXPECT_EQ(fate.sent, Instant{} + 800us);
  EXPECT_EQ(link.busy_until(), Instant{} + 800us);
  EXPECT_EQ(link.counters().losses, 1u);
}

TEST(LinkModel, DuplicatesArriveTwiceAndCountOnceOnTheWire) {
  LinkConfig config = ten_mbps();
  config.duplicate_ppm = kCertainPpm;
  config.jitter = 1ms;
  LinkModel link(config, kKey);
  const Fate fate = link.offer(Instant{0}, kPayload);
  EXPECT_EQ(fate.copies, 2);
  EXPECT_GE(fate.arrivals[1], fate.arrivals[0]);
  EXPECT_LE(fate.arrivals[1], fate.arrivals[0] + 1ms);
  EXPECT_EQ(link.counters().wire_bytes, 1000u);
  EXPECT_EQ(link.counters().duplicates, 1u);
}

TEST(LinkModel, ReorderedPacketIsOvertaken) {
  LinkConfig config = ten_mbps();
  config.reorder_ppm = kCertainPpm;
  config.reorder_extra = 5ms;
  LinkModel link(config, kKey);
  const Fate late = link.offer(Instant{0}, kPayload);
  EXPECT_EQ(late.arrivals[0], Instant{} + 55'800us);
  config.reorder_ppm = 0;
  Transit under_way = late.transit(0);
  link.configure(Instant{0}, config, std::array{&under_way});
  EXPECT_EQ(under_way.due, Instant{} + 55'800us) << "what was drawn for a packet stays drawn";
  EXPECT_EQ(link.offer(Instant{0}, kPayload).arrivals[0], Instant{} + 51'600us);
  EXPECT_EQ(link.counters().reordered, 1u);
}

/// A link, and a carrier that holds what is under way on it.
struct Line {
  LinkModel link{ten_mbps(), kKey};
  std::vector<Transit> under_way;

  Fate offer(Instant now) {
    const Fate fate = link.offer(now, kPayload);
    for (std::uint8_t copy = 0; copy < fate.copies; ++copy) under_way.push_back(fate.transit(copy));
    return fate;
  }
  void configure(Instant now, const LinkConfig& config) {
    std::vector<Transit*> waiting;
    for (Transit& packet : under_way)
      if (packet.due > now) waiting.push_back(&packet);
    std::ranges::reverse(waiting);  // a carrier may hold them in any order
    link.configure(now, config, waiting);
  }
};

TEST(LinkModel, AWrongDelayCorrectedHoldsNothingUp) {
  LinkConfig config = ten_mbps();
  config.delay = 60s;
  Line line;
  line.configure(Instant{0}, config);
  for (int i = 0; i < 3; ++i) line.offer(Instant{0});
  line.configure(Instant{} + 1s, ten_mbps());
  for (const Transit& packet : line.under_way) EXPECT_EQ(packet.due, Instant{} + 1s) << "its 50 ms are over";
  EXPECT_EQ(line.offer(Instant{} + 1s).arrivals[0], Instant{} + 1s + 800us + 50ms);
}

TEST(LinkModel, AWrongBandwidthCorrectedHoldsNothingUp) {
  LinkConfig config = ten_mbps();
  config.bandwidth_bps = 1000;  // 8 s a packet
  Line line;
  line.configure(Instant{0}, config);
  for (int i = 0; i < 5; ++i) line.offer(Instant{0});
  EXPECT_EQ(line.link.queued_bytes(Instant{0}), 5000u);
  line.configure(Instant{} + 4s, ten_mbps());
  EXPECT_EQ(line.link.queued_bytes(Instant{} + 4s), 4500u) << "half of the first has left";
  EXPECT_EQ(line.under_way[0].due, Instant{} + 4s + 400us + 50ms);
  EXPECT_EQ(line.under_way[4].due, Instant{} + 4s + 3600us + 50ms);
  EXPECT_EQ(line.offer(Instant{} + 4s).sent, Instant{} + 4s + 4400us);
  EXPECT_EQ(line.link.counters().busy, 4s + 4400us);
}

TEST(LinkModel, WhatWaitsLeavesAtASlowerRateToo) {
  LinkConfig config = ten_mbps();
  config.queue_bytes = 10'000;
  Line line;
  line.configure(Instant{0}, config);
  for (int i = 0; i < 8; ++i) line.offer(Instant{0});
  config.bandwidth_bps = 1'000'000;
  line.configure(Instant{0}, config);
  EXPECT_EQ(line.link.queued_bytes(Instant{0}), 8000u);
  EXPECT_EQ(line.under_way[7].sent, Instant{} + 64ms);
  EXPECT_EQ(line.offer(Instant{0}).copies, 1);
  EXPECT_EQ(line.offer(Instant{0}).copies, 1);
  EXPECT_EQ(line.offer(Instant{0}).dropped, DropReason::QueueFull);
  EXPECT_EQ(line.link.queued_bytes(Instant{0}), 10'000u);
}

TEST(LinkModel, OrderIsKeptAcrossAChange) {
  Line line;
  const Fate before = line.offer(Instant{0});
  LinkConfig faster;
  faster.delay = 1ms;
  faster.bandwidth_bps = 100'000'000;
  line.configure(Instant{} + 400us, faster);
  EXPECT_EQ(line.under_way[0].sent, Instant{} + 440us) << "half of it was left";
  const Fate after = line.offer(Instant{} + 400us);
  EXPECT_EQ(after.sent, Instant{} + 520us);
  EXPECT_LT(after.arrivals[0], before.arrivals[0]);
  EXPECT_GT(after.arrivals[0], line.under_way[0].due);
  line.configure(Instant{} + 450us, LinkConfig{});  // unlimited, and no delay
  EXPECT_EQ(line.under_way[0].due, Instant{} + 450us);
  EXPECT_EQ(line.under_way[1].due, Instant{} + 450us);
  EXPECT_EQ(line.offer(Instant{} + 450us).arrivals[0], Instant{} + 450us);
  EXPECT_EQ(line.link.queued_bytes(Instant{} + 450us), 0u);
}

TEST(LinkModel, JitterAndSecondCopiesKeepWhatWasDrawnForThem) {
  LinkConfig config = ten_mbps();
  config.jitter = 10ms;
  config.duplicate_ppm = kCertainPpm;
  Line line;
  line.configure(Instant{0}, config);
  for (int i = 0; i < 20; ++i) line.offer(Instant{0});
  const std::vector<Transit> drawn = line.under_way;
  line.configure(Instant{0}, config);
  for (std::size_t i = 0; i < drawn.size(); ++i) EXPECT_EQ(line.under_way[i].due, drawn[i].due) << i;
  config.jitter = {};
  line.configure(Instant{0}, config);
  for (std::size_t i = 0; i < drawn.size(); ++i)
    EXPECT_EQ(line.under_way[i].due, line.under_way[i].sent + config.delay) << i;
}

TEST(LinkModel, TheLongestTimesFitHoweverOftenTheyChange) {
  LinkConfig slowest;
  slowest.bandwidth_bps = 1;
  slowest.delay = std::chrono::hours(24);
  Line line;
  line.configure(Instant{0}, slowest);
  for (int i = 0; i < 3000; ++i) line.offer(Instant{0});
  for (int i = 1; i <= 5; ++i) {
    LinkConfig none;
    line.configure(Instant{} + i * 1s, i % 2 == 0 ? none : slowest);
  }
  line.configure(Instant{} + 6s, ten_mbps());
  for (const Transit& packet : line.under_way) {
    EXPECT_GE(packet.due, Instant{0});
    EXPECT_LE(packet.due, Instant{} + 6s + 3000 * 800us + 50ms);
  }
}

}  // namespace
}  // namespace seneschal::emulator
