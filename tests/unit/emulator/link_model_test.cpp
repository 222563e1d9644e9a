#include "emulator/link_model.hpp"

#include <gtest/gtest.h>

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
  link.configure(config);
  EXPECT_EQ(link.offer(Instant{0}, kPayload).arrivals[0], Instant{} + 51'600us);
  EXPECT_EQ(link.counters().reordered, 1u);
}

TEST(LinkModel, ReconfiguringKeepsAcceptedPacketsAndTheirOrder) {
  LinkModel link(ten_mbps(), kKey);
  const Fate before = link.offer(Instant{0}, kPayload);
  LinkConfig faster;
  faster.delay = 1ms;
  faster.bandwidth_bps = 100'000'000;
  link.configure(faster);
  const Fate after = link.offer(Instant{0}, kPayload);
  EXPECT_EQ(after.sent, before.sent + 80us);         // waits for what is being sent, then goes at the new rate
  EXPECT_EQ(after.arrivals[0], before.arrivals[0]);  // order is kept although the delay shrank
  EXPECT_EQ(link.offer(Instant{} + 1s, kPayload).arrivals[0], Instant{} + 1s + 80us + 1ms);
}

TEST(LinkModel, QueueIsCountedInBytesAcrossAChangeOfBandwidth) {
  LinkConfig config = ten_mbps();
  config.queue_bytes = 10'000;
  LinkModel link(config, kKey);
  for (int i = 0; i < 8; ++i) link.offer(Instant{0}, kPayload);
  config.bandwidth_bps = 1'000'000;
  link.configure(config);
  EXPECT_EQ(link.queued_bytes(Instant{0}), 8000u);
  EXPECT_EQ(link.offer(Instant{0}, kPayload).copies, 1);
  EXPECT_EQ(link.offer(Instant{0}, kPayload).copies, 1);
  EXPECT_EQ(link.offer(Instant{0}, kPayload).dropped, DropReason::QueueFull);
  EXPECT_EQ(link.queued_bytes(Instant{0}), 10'000u);
  EXPECT_EQ(link.queued_bytes(Instant{} + 6400us), 2000u);    // the old ones left at the old rate
  EXPECT_EQ(link.queued_bytes(Instant{} + 14'400us), 1000u);  // the new ones leave at the new one
}

TEST(LinkModel, BackToUnlimitedKeepsOrder) {
  LinkModel link(ten_mbps(), kKey);
  const Fate before = link.offer(Instant{0}, kPayload);
  link.configure(LinkConfig{});
  EXPECT_EQ(link.offer(Instant{0}, kPayload).arrivals[0], before.arrivals[0]);
  EXPECT_EQ(link.offer(Instant{} + 1s, kPayload).arrivals[0], Instant{} + 1s);
}

}  // namespace
}  // namespace seneschal::emulator
