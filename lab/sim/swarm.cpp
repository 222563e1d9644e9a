#include "lab/sim/swarm.hpp"

#include <atomic>
#include <mutex>
#include <thread>

namespace seneschal::lab::sim {

std::uint64_t chain_hash(std::uint64_t so_far, std::uint64_t trace) {
  return scatter(so_far ^ trace);
}

Plan plan_of(const SwarmSettings& settings, std::uint64_t seed) {
  Plan plan = make_plan(settings.protocol, seed, settings.profile);
  plan.real_crypto = plan.real_crypto || settings.real_crypto;
  plan.options.application = settings.application;
  return plan;
}

Result<SwarmResult> run_swarm(const SwarmSettings& settings,
                              const std::function<void(std::uint64_t done)>& progress) {
  const std::uint64_t count = settings.last - settings.first + 1;
  std::vector<SeedResult> results(count);
  std::optional<Error> error;
  std::mutex mutex;
  std::atomic<std::uint64_t> next{0};
  std::uint64_t done = 0;

  const auto work = [&] {
    for (;;) {
      const std::uint64_t i = next.fetch_add(1);
      if (i >= count) return;
      results[i].seed = settings.first + i;
      auto result = run_scenario(plan_of(settings, results[i].seed));
      std::lock_guard lock(mutex);
      if (result)
        results[i].result = std::move(*result);
      else if (!error)
        error = Error{"seed " + std::to_string(results[i].seed) + ": " + result.error().message};
      if (progress) progress(++done);
    }
  };
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < settings.jobs; ++i) threads.emplace_back(work);
    work();
  }
  if (error) return std::unexpected(*error);

  SwarmResult swarm;
  swarm.seeds = count;
  for (SeedResult& seed : results) {
    swarm.trace_hash = chain_hash(swarm.trace_hash, seed.result.trace_hash);
    swarm.events += seed.result.events;
    swarm.operations += seed.result.operations;
    if (seed.result.outcome == Outcome::Passed) {
      ++swarm.passed;
      continue;
    }
    swarm.unsafe = swarm.unsafe || seed.result.outcome == Outcome::Unsafe;
    swarm.failures.push_back(std::move(seed));
  }
  return swarm;
}

}  // namespace seneschal::lab::sim
