#include "emulator/world/sim_disk.hpp"

#include "emulator/world/local_clock.hpp"

#include <gtest/gtest.h>

namespace seneschal::world {
namespace {

Bytes record(std::uint8_t i) {
  return {i};
}

TEST(SimDisk, WhatComesDuringAWriteIsTheNextGroup) {
  SimDisk disk(true);
  disk.append(record(1), Ticket(1));
  EXPECT_TRUE(disk.begin_write());
  disk.append(record(2), Ticket(2));
  disk.append(record(3), Ticket(3));
  EXPECT_FALSE(disk.begin_write());
  EXPECT_EQ(disk.finish_write().size(), 1u);
  EXPECT_EQ(disk.records().size(), 1u);
  EXPECT_TRUE(disk.begin_write());
  EXPECT_EQ(disk.finish_write().size(), 2u);
}

TEST(SimDisk, ForgetsWholeSegmentsOnly) {
  SimDisk disk(true);
  for (std::uint8_t i = 1; i <= 40; ++i) disk.append(record(i), Ticket(i));
  disk.begin_write();
  disk.finish_write();
  disk.forget_before(Ticket(16));
  EXPECT_EQ(disk.records().size(), 40u);
  disk.forget_before(Ticket(40));
  ASSERT_EQ(disk.records().size(), 8u);
  EXPECT_EQ(disk.records().front(), record(33));
}

TEST(SimDisk, ACrashLeavesAPrefixThatHasAllThatWasDurable) {
  for (DiskFate fate : {DiskFate::Kept, DiskFate::Torn, DiskFate::Lost})
    for (std::uint64_t draw = 0; draw < 8; ++draw) {
      SimDisk disk(true);
      disk.append(record(1), Ticket(1));
      disk.begin_write();
      disk.finish_write();
      disk.append(record(2), Ticket(2));
      disk.begin_write();
      disk.append(record(3), Ticket(3));
      disk.crash(fate, draw);
      const std::size_t left = disk.records().size();
      const std::size_t all = fate == DiskFate::Kept ? 3 : 0;
      EXPECT_EQ(left, fate == DiskFate::Torn ? 1 + draw % 3 : all);
      for (std::size_t i = 0; i < left; ++i) EXPECT_EQ(disk.records()[i], record(static_cast<std::uint8_t>(i + 1)));
    }
}

TEST(SimDisk, AFullDiskKeepsWhatWasDurable) {
  SimDisk disk(true);
  disk.append(record(1), Ticket(1));
  disk.begin_write();
  disk.finish_write();
  disk.append(record(2), Ticket(2));
  disk.fail();
  EXPECT_FALSE(disk.begin_write());
  disk.crash(DiskFate::Kept, 0);
  EXPECT_EQ(disk.records().size(), 1u);
}

TEST(LocalClock, DeadlinesAreMetAndTimeNeverRunsBack) {
  for (const std::int32_t ppm : {0, 1, -1, 200, -200, 100'000, -100'000, 499'999}) {
    LocalClock clock;
    Instant now{1'000'000'007};
    clock.set_rate(now, ppm);
    Instant before = clock.local(now);
    for (std::int64_t step = 1; step < 2'000'000'000'000; step = step * 3 + 1) {
      now.ns += step;
      const Instant shown = clock.local(now);
      EXPECT_GE(shown.ns, before.ns);
      before = shown;
      const Instant deadline{shown.ns + step};
      const Instant at = clock.true_time(deadline);
      EXPECT_GE(clock.local(at).ns, deadline.ns) << ppm;
      EXPECT_LT(clock.local(at).ns, deadline.ns + 4) << ppm;
    }
    const Instant shown = clock.local(now);
    clock.set_rate(now, 0);
    EXPECT_EQ(clock.local(now).ns, shown.ns);
  }
  EXPECT_EQ(LocalClock().true_time(Instant::never()), Instant::never());
}

}  // namespace
}  // namespace seneschal::world
