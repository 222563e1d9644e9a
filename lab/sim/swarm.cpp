#include "lab/sim/swarm.hpp"

#include <atomic>
#include <mutex>
#include <optional>
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
  std::vector<std::optional<ScenarioResult>> results(count);  // none: not finished
  std::optional<Error> error;
  std::mutex mutex;
  std::atomic<std::uint64_t> next{0};
  std::uint64_t done = 0;

  const auto work = [&] {
    for (;;) {
      const std::uint64_t i = next.fetch_add(1);
      if (i >= count) return;
      if (settings.stop && settings.stop()) return;
      const std::uint64_t seed = settings.first + i;
      auto result = run_scenario(plan_of(settings, seed), {.stop = settings.stop});
      std::lock_guard lock(mutex);
      if (!result && settings.stop && settings.stop()) return;
      if (result)
        results[i] = std::move(*result);
      else if (!error)
        error = Error{"seed " + std::to_string(seed) + ": " + result.error().message};
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
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!results[i]) continue;
    ScenarioResult& result = *results[i];
    ++swarm.seeds;
    swarm.trace_hash = chain_hash(swarm.trace_hash, result.trace_hash);
    swarm.events += result.events;
    swarm.operations += result.operations;
    if (result.outcome == Outcome::Passed) {
      ++swarm.passed;
      continue;
    }
    swarm.unsafe = swarm.unsafe || result.outcome == Outcome::Unsafe;
    swarm.failures.push_back({settings.first + i, std::move(result)});
  }
  return swarm;
}

}  // namespace seneschal::lab::sim
