// Runs the simulated series of an experiment on all processors.
#pragma once
#include "lab/metrics.hpp"
#include "lab/progress.hpp"

#include <map>

namespace seneschal::lab {

/// Runs by series (position in the experiment) and number of clients.
using Runs = std::map<std::pair<std::size_t, std::uint32_t>, std::vector<RunData>>;

/// For simulated series that ask for the costs of this machine: measures them into a file below `dir` and lets the
/// series name it (and this machine's cores). The machine should have nothing else to do.
Status measure_costs(Experiment& experiment, const std::string& dir, Progress& progress);

/// Errors: a cost file that cannot be read. What goes wrong inside one run is that run's `problem`.
Result<Runs> run_simulated(const Experiment& experiment, Progress& progress);

}  // namespace seneschal::lab
