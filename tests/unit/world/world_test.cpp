#include "emulator/world/world.hpp"

#include "base/prng.hpp"
#include "emulator/world/host.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace seneschal::world {
namespace {

struct Recorder final : Handler {
  void fire(Instant now, std::uint32_t kind, std::uint32_t payload) override {
    seen.push_back({now.ns, kind, payload});
  }
  std::vector<std::tuple<std::int64_t, std::uint32_t, std::uint32_t>> seen;
};

TEST(EventQueue, PopsInOrderOfTimeThenInsertion) {
  EventQueue queue;
  Recorder handler;
  Prng random(7);
  std::vector<std::pair<std::int64_t, std::uint32_t>> expected;
  for (std::uint32_t i = 0; i < 5000; ++i) {
    const auto at = static_cast<std::int64_t>(random.below(500));
    queue.push(Instant{at}, handler, 0, i);
    expected.emplace_back(at, i);
  }
  std::ranges::sort(expected);
  for (const auto& [at, i] : expected) {
    const QueuedEvent event = queue.pop();
    ASSERT_EQ(event.at_ns, at);
    ASSERT_EQ(event.payload, i);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(World, RunsUpToAnInstantAndNoFurther) {
  World world(1);
  Recorder handler;
  world.schedule(Instant{30}, handler, 1);
  world.schedule(Instant{10}, handler, 2);
  world.schedule(Instant{31}, handler, 3);
  world.run_until(Instant{30});
  ASSERT_EQ(handler.seen.size(), 2u);
  EXPECT_EQ(std::get<1>(handler.seen[0]), 2u);
  EXPECT_EQ(world.now(), Instant{30});
  world.run_until(Instant{100});
  EXPECT_EQ(handler.seen.size(), 3u);
  EXPECT_EQ(world.now(), Instant{100});
}

/// Takes inputs that cost their payload in nanoseconds; remembers when each began.
struct Worker final : Process {
  Duration run(Instant start, std::uint32_t, std::uint32_t payload) override {
    starts.push_back(start.ns);
    return Duration(payload);
  }
  std::vector<std::int64_t> starts;
};

/// Submits inputs at given times.
struct Arrivals final : Handler {
  explicit Arrivals(Host& h) : host(h) {}
  void fire(Instant, std::uint32_t process, std::uint32_t cost) override { host.submit(process, 0, cost); }
  Host& host;
};

TEST(Host, ProcessTakesOneInputAtATime) {
  World world(1);
  Host host(world, 2);
  Worker worker;
  host.add(worker);
  Arrivals arrivals(host);
  for (std::int64_t at : {0, 10, 20}) world.schedule(Instant{at}, arrivals, 0, 100);
  world.run_until(Instant{1000});
  EXPECT_EQ(worker.starts, (std::vector<std::int64_t>{0, 100, 200}));
  EXPECT_EQ(host.busy(), Duration(300));
}

TEST(Host, ProcessesShareTheCoresFirstComeFirstServed) {
  World world(1);
  Host host(world, 2);
  Worker workers[3];
  for (Worker& worker : workers) host.add(worker);
  Arrivals arrivals(host);
  world.schedule(Instant{0}, arrivals, 0, 100);
  world.schedule(Instant{1}, arrivals, 1, 50);
  world.schedule(Instant{2}, arrivals, 2, 10);
  world.schedule(Instant{3}, arrivals, 1, 10);
  world.run_until(Instant{1000});
  EXPECT_EQ(workers[0].starts, (std::vector<std::int64_t>{0}));
  EXPECT_EQ(workers[2].starts, (std::vector<std::int64_t>{51}));
  EXPECT_EQ(workers[1].starts, (std::vector<std::int64_t>{1, 61}));
}

TEST(Host, InputsThatCostNothingDoNotBlockEachOther) {
  World world(1);
  Host host(world, 1);
  Worker worker;
  host.add(worker);
  Arrivals arrivals(host);
  for (int i = 0; i < 4; ++i) world.schedule(Instant{5}, arrivals, 0, 0);
  world.run_until(Instant{5});
  EXPECT_EQ(worker.starts.size(), 4u);
}

TEST(Host, JobsYieldTheirCoreToInputs) {
  World world(1);
  Host host(world, 1);
  Worker worker;
  host.add(worker);
  Arrivals arrivals(host);
  Recorder done;
  host.run_job(Duration(100), done, 1, 7);
  host.run_job(Duration(100), done, 1, 8);
  world.schedule(Instant{40}, arrivals, 0, 30);  // takes the core from the first job for 30
  world.run_until(Instant{1000});
  EXPECT_EQ(worker.starts, (std::vector<std::int64_t>{40}));
  ASSERT_EQ(done.seen.size(), 2u);
  EXPECT_EQ(done.seen[0], (std::tuple<std::int64_t, std::uint32_t, std::uint32_t>{130, 1, 7}));
  EXPECT_EQ(done.seen[1], (std::tuple<std::int64_t, std::uint32_t, std::uint32_t>{230, 1, 8}));
  EXPECT_EQ(host.busy(), Duration(230));
}

TEST(Host, SlowMachinesTakeLongerForJobs) {
  World world(1);
  Host host(world, 1);
  Recorder done;
  host.set_slowness(300);
  host.run_job(Duration(100), done, 0, 0);
  world.run_until(Instant{1000});
  ASSERT_EQ(done.seen.size(), 1u);
  EXPECT_EQ(std::get<0>(done.seen[0]), 300);
}

}  // namespace
}  // namespace seneschal::world
