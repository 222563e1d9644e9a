#include "overlay/reliable_link.hpp"

#include "base/prng.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace seneschal::overlay {
namespace {

Frame numbered(std::uint32_t number) {
  Frame frame;
  frame.header.message = number;
  frame.header.service = Service::Reliable;
  frame.owner = share(Bytes(100));
  frame.payload = *frame.owner;
  return frame;
}

struct Pipe {
  ReliableSender sender{1, 40ms, 1 << 20};
  ReliableReceiver receiver;
  std::multimap<Instant, Frame> forward;
  std::multimap<Instant, ReliableAck> back;
  Instant now{};
  std::uint64_t transmissions = 0;
  std::map<std::uint32_t, int> arrived;

  // Both ways take `delay`; `loss` percent are lost, data and acknowledgements alike.
  void run(Prng& prng, std::uint64_t loss, Duration delay, Duration jitter, Duration for_time) {
    const auto late = [&] {
      return now + delay +
             Duration(static_cast<std::int64_t>(prng.below(static_cast<std::uint64_t>(jitter.count()) + 1)));
    };
    const Instant end = now + for_time;
    while (now < end) {
      while (auto next = sender.next(now)) {
        ++transmissions;
        if (prng.below(100) >= loss) forward.emplace(late(), next->first);
      }
      if (receiver.ack_due() <= now) {
        const ReliableAck ack = receiver.take_ack();
        if (prng.below(100) >= loss) back.emplace(late(), ack);
      }
      Instant next = std::min(receiver.ack_due(), sender.deadline());
      if (!forward.empty()) next = std::min(next, forward.begin()->first);
      if (!back.empty()) next = std::min(next, back.begin()->first);
      now = std::max(now, std::min(next, end));
      for (; !forward.empty() && forward.begin()->first <= now; forward.erase(forward.begin())) {
        const Frame& frame = forward.begin()->second;
        const auto answer = receiver.accept(now, frame.reliable);
        if (answer) ++arrived[frame.header.message];
        if (!answer && answer.error() == Reject::Duplicate) receiver.acknowledge_again(now);
      }
      for (; !back.empty() && back.begin()->first <= now; back.erase(back.begin()))
        sender.on_ack(now, back.begin()->second);
    }
  }
};

TEST(OverlayReliableLink, DeliversEverythingOnceOverALossyReorderingLink) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Prng prng(seed);
    Pipe pipe;
    for (std::uint32_t i = 0; i < 2000; ++i) pipe.sender.enqueue(numbered(i));
    pipe.run(prng, 20, 25ms, 10ms, 30s);
    EXPECT_EQ(pipe.arrived.size(), 2000u);
    for (auto [number, times] : pipe.arrived) EXPECT_EQ(times, 1) << number;
    EXPECT_EQ(pipe.sender.queued(), 0u);
    EXPECT_EQ(pipe.sender.queued_bytes(), 0u);
    EXPECT_EQ(pipe.sender.deadline(), Instant::never());
    // 20 % loss needs 1.25 transmissions for a packet at best; whole windows that leave at once and overtake each
    // other, and lost acknowledgements, cost more.
    EXPECT_LT(pipe.transmissions, 2000u * 9 / 4);
  }
}

TEST(OverlayReliableLink, SendsNothingTwiceWithoutLoss) {
  Prng prng(1);
  Pipe pipe;
  for (std::uint32_t i = 0; i < 1000; ++i) pipe.sender.enqueue(numbered(i));
  pipe.run(prng, 0, 25ms, 0ms, 5s);
  EXPECT_EQ(pipe.arrived.size(), 1000u);
  EXPECT_EQ(pipe.transmissions, 1000u);
}

TEST(OverlayReliableLink, KeepsTheWindowAndBacksOff) {
  ReliableSender sender(1, 40ms, 1 << 20);
  for (std::uint32_t i = 0; i < 1000; ++i) sender.enqueue(numbered(i));
  Instant now{};
  std::size_t sent = 0;
  while (sender.next(now)) ++sent;
  EXPECT_EQ(sent, kReliableWindow);
  Duration last{};
  for (int round = 0; round < 4; ++round) {
    const Instant due = sender.deadline();
    EXPECT_GT(due - now, last);
    last = due - now;
    now = due;
    sent = 0;
    while (auto next = sender.next(now)) {
      EXPECT_TRUE(next->second);
      ++sent;
    }
    EXPECT_EQ(sent, kReliableWindow);
  }
}

TEST(OverlayReliableLink, QueueIsBounded) {
  ReliableSender sender(1, 40ms, 1000);
  int taken = 0;
  while (sender.has_room(numbered(0).bytes())) {
    sender.enqueue(numbered(0));
    ASSERT_LT(++taken, 100);
  }
  EXPECT_LE(sender.queued_bytes(), 1000u + kReliableHeaderBytes * static_cast<std::size_t>(taken));
  EXPECT_EQ(sender.take_all().size(), static_cast<std::size_t>(taken));
  EXPECT_EQ(sender.queued_bytes(), 0u);
}

TEST(OverlayReliableLink, RefusesWhatLiesOutsideTheWindow) {
  ReliableReceiver receiver;
  EXPECT_TRUE(receiver.accept({}, {5, 1, 0}));
  EXPECT_EQ(receiver.accept({}, {5, 1, 0}).error(), Reject::Duplicate);
  EXPECT_EQ(receiver.accept({}, {5, 3, kReliableWindow}).error(), Reject::OutsideWindow);
  EXPECT_EQ(receiver.accept({}, {4, 2, 0}).error(), Reject::Replay);
  EXPECT_EQ(receiver.accept({}, {5, 0, 0}).error(), Reject::OutsideWindow);
  EXPECT_TRUE(receiver.accept({}, {5, 1 + kReliableWindow, 255}));
}

TEST(OverlayReliableLink, RestartedEndsFindEachOther) {
  ReliableReceiver fresh;  // the sender is at 500, and everything below 490 is done with
  EXPECT_TRUE(fresh.accept({}, {7, 500, 10}));
  ReliableAck ack = fresh.take_ack();
  EXPECT_EQ(ack.base, 490u);
  EXPECT_EQ(ack.bits[0], std::uint64_t{1} << 9);
  EXPECT_TRUE(fresh.accept({}, {8, 1, 0}));  // now the sender restarts
  ack = fresh.take_ack();
  EXPECT_EQ(ack.boot, 8u);
  EXPECT_EQ(ack.base, 2u);
}

TEST(OverlayReliableLink, NonsenseNeverBreaksTheWindows) {
  Prng prng(3);
  ReliableReceiver receiver;
  ReliableSender sender(1, 40ms, 1 << 20);
  for (std::uint32_t i = 0; i < 500; ++i) sender.enqueue(numbered(i));
  for (int i = 0; i < 20000; ++i) {
    const std::uint64_t seq = prng.chance(1, 4) ? prng.next() : prng.below(1000);
    (void)receiver.accept({i}, {prng.below(3), seq, static_cast<std::uint16_t>(prng.below(400))});
    if (prng.chance(1, 8)) (void)receiver.take_ack();
    (void)sender.next({std::int64_t{i} * 1'000'000});
    ReliableAck ack{prng.below(3), prng.chance(1, 2) ? prng.below(10) : prng.next(), {}};
    for (auto& word : ack.bits)
      word = prng.next() & prng.next() & prng.next() & prng.next() & prng.next() & prng.next();
    sender.on_ack({std::int64_t{i} * 1'000'000}, ack);
  }
}

}  // namespace
}  // namespace seneschal::overlay
