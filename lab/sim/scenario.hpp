// Runs a plan from start to end under all checkers.
#pragma once
#include "lab/sim/assembly.hpp"

#include <functional>

namespace seneschal::lab::sim {

enum class Outcome : std::uint8_t {
  Passed,
  Unsafe,  // a checker found a broken property
  Stuck,   // operations were not done by the deadline
};

struct ScenarioResult {
  Outcome outcome = Outcome::Passed;
  std::string reason;  // empty if passed
  std::uint64_t trace_hash = 0;
  std::uint64_t events = 0;
  std::uint64_t operations = 0;  // done
  std::uint64_t accusations = 0;
  // Of correct servers that are there at the end:
  std::map<Reject, std::uint64_t> refused;  // messages
  std::uint64_t highest_global_view = 0;
  std::uint64_t highest_local_view = 0;
  Duration virtual_time{};
  std::string text;  // the last lines of the trace, if asked for
};

struct ScenarioOptions {
  std::size_t trace_lines = 0;
  /// Asked all the time, from the run's thread; once it says true the run ends with the error "interrupted".
  std::function<bool()> stop = {};
};

/// Errors: a plan that cannot be built, "interrupted".
Result<ScenarioResult> run_scenario(const Plan& plan, const ScenarioOptions& options = {});

/// The costs that seeds run with: pinned in code, so that no file changes what a seed means.
emulator::CostModel pinned_costs();

}  // namespace seneschal::lab::sim
