// Many seeds at once.
#pragma once
#include "lab/sim/scenario.hpp"

#include <functional>

namespace seneschal::lab::sim {

struct SwarmSettings {
  Protocol protocol = Protocol::Steward;
  std::string profile = "swarm";
  std::uint64_t first = 1;
  std::uint64_t last = 1;
  unsigned jobs = 1;         // threads; the result does not depend on it
  bool real_crypto = false;  // in all seeds, not only in those whose plan says so
  std::string application = "kv";
  /// Asked all the time, from any thread; once it says true, seeds that are not finished do not count.
  std::function<bool()> stop = {};
};

struct SeedResult {
  std::uint64_t seed = 0;
  ScenarioResult result;
};

struct SwarmResult {
  std::vector<SeedResult> failures;  // ascending by seed
  std::uint64_t seeds = 0;           // that are finished
  std::uint64_t passed = 0;
  std::uint64_t trace_hash = 0;  // over all traces in order of the seeds
  std::uint64_t events = 0;
  std::uint64_t operations = 0;
  bool unsafe = false;
};

/// The plan of one seed.
Plan plan_of(const SwarmSettings& settings, std::uint64_t seed);
/// Runs all seeds from first to last. `progress` is told how many are done, from any thread, one call at a time.
/// If `settings.stop` says true meanwhile, the result holds the seeds that are finished, and the hash their traces.
/// Errors: a plan that cannot be built.
Result<SwarmResult> run_swarm(const SwarmSettings& settings,
                              const std::function<void(std::uint64_t done)>& progress = {});
/// The hash over traces: feed it one after the other, starting with 0.
std::uint64_t chain_hash(std::uint64_t so_far, std::uint64_t trace);

}  // namespace seneschal::lab::sim
