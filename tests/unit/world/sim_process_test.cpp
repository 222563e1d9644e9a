#include "emulator/world/sim_process.hpp"

#include "crypto/fake/fake_keys.hpp"
#include "emulator/link_model.hpp"
#include "toy.hpp"

#include <gtest/gtest.h>

namespace seneschal::world {
namespace {

/// Every server linked to every other by a lossy link.
class Mesh final : public Transport {
 public:
  Mesh(std::uint64_t seed, std::size_t servers, const emulator::LinkConfig& config) : servers_(servers) {
    for (std::size_t i = 0; i < servers * servers; ++i)
      links_.emplace_back(config, emulator::LinkKey{seed, 1, i / servers, i % servers});
  }
  void send(Instant at, SimProcess& from, std::span<const Destination> to, const SharedBytes& sealed) override {
    for (const Destination& destination : to)
      for (SimProcess* process : processes)
        if (process != &from &&
            (destination.kind == Destination::Kind::Site || process->self() == Principal::of(destination.server)))
          pass(at, from, *process, sealed);
  }
  std::vector<SimProcess*> processes;

 private:
  void pass(Instant at, SimProcess& from, SimProcess& to, const SharedBytes& sealed) {
    const auto fate = links_[from.tag * servers_ + to.tag].offer(at, sealed->size());
    for (int copy = 0; copy < fate.copies; ++copy) to.deliver(fate.arrivals[static_cast<std::size_t>(copy)], sealed);
  }
  std::size_t servers_;
  std::vector<emulator::LinkModel> links_;
};

struct Outcome {
  std::vector<std::uint32_t> rounds;
  std::uint64_t trace = 0;
  std::uint64_t rejected = 0;
  std::string text;
};

Outcome run_toys(std::uint64_t seed, std::uint32_t loss_ppm, bool kill_one = false, bool text = false) {
  constexpr std::uint16_t kServers = 4;
  Membership membership;
  membership.deployment = DeploymentId(9);
  membership.sites.push_back({kServers, 1});
  crypto::KeyPlan plan;
  plan.deployment = membership.deployment;
  plan.sites.push_back({SiteId(0), kServers, 1, true});
  crypto::fake::Registry registry(plan, seed);

  World world(seed);
  if (text) world.trace().keep_text(50);
  emulator::LinkConfig link;
  link.delay = 1ms;
  link.jitter = 500us;
  link.loss_ppm = loss_ppm;
  link.duplicate_ppm = 50'000;
  link.reorder_ppm = 50'000;
  link.reorder_extra = 2ms;
  Mesh mesh(seed, kServers, link);
  emulator::CostModel costs;
  costs.set(Op::Receive, 3us);
  costs.set(Op::SignServer, 250us);
  OpenCache cache;
  std::vector<std::unique_ptr<Host>> hosts;
  std::vector<std::unique_ptr<SimProcess>> processes;
  for (std::uint16_t i = 0; i < kServers; ++i) {
    const ServerId self{SiteId(0), ServerIndex(i)};
    hosts.push_back(std::make_unique<Host>(world, 2));
    ProcessSetup setup;
    setup.self = Principal::of(self);
    setup.membership = &membership;
    setup.table = toy::ToyCore::table();
    setup.core = std::make_unique<toy::ToyCore>(self, membership, 20);
    setup.keys = registry.keys(setup.self);
    setup.costs = &costs;
    setup.cache = &cache;
    processes.push_back(std::make_unique<SimProcess>(world, *hosts.back(), mesh, std::move(setup)));
    processes.back()->tag = i;
    mesh.processes.push_back(processes.back().get());
  }
  if (kill_one) processes[2]->kill();
  for (auto& process : processes) process->start(Instant{});
  world.run_until(Instant{} + 20s);
  Outcome outcome;
  outcome.trace = world.trace().hash();
  outcome.text = world.trace().lines();
  for (auto& process : processes) {
    outcome.rounds.push_back(static_cast<toy::ToyCore&>(process->core()).round());
    outcome.rejected += process->replica().rejected_total();
  }
  return outcome;
}

TEST(SimProcess, ToysFinishInSpiteOfLoss) {
  const Outcome outcome = run_toys(1, 300'000);
  EXPECT_EQ(outcome.rounds, (std::vector<std::uint32_t>{20, 20, 20, 20}));
  EXPECT_GT(outcome.rejected, 0u) << "duplicates should have reached the cores";
}

TEST(SimProcess, SameSeedSameHashOtherSeedOtherHash) {
  EXPECT_EQ(run_toys(5, 100'000).trace, run_toys(5, 100'000).trace);
  EXPECT_NE(run_toys(5, 100'000).trace, run_toys(6, 100'000).trace);
}

TEST(SimProcess, ReadingTheTraceDoesNotChangeIt) {
  const Outcome read = run_toys(5, 100'000, false, true);
  EXPECT_EQ(read.trace, run_toys(5, 100'000).trace);
  EXPECT_NE(read.text.find("<- server 0/"), std::string::npos) << read.text;
}

TEST(SimProcess, KilledProcessesSayNothing) {
  const Outcome outcome = run_toys(3, 0, true);
  EXPECT_EQ(outcome.rounds, (std::vector<std::uint32_t>{0, 0, 0, 0}));
}

// Pinned: the same from every compiler and build.
TEST(SimProcess, TraceHashIsTheSameEverywhere) {
  EXPECT_EQ(run_toys(42, 50'000).trace, 5334338916678317482u);
}

}  // namespace
}  // namespace seneschal::world
