// Runs the live series of an experiment: real daemons with plugins, real clients, the network emulated by the
// daemons.
#pragma once
#include "lab/progress.hpp"
#include "lab/sim_runner.hpp"

namespace seneschal::lab {

/// Works below `dir` (keys/, live/SERIES/). All points of a series share its daemons. Ends everything that it
/// started, whatever happens. Errors are those of the machine (no folder, no program); what goes wrong in one run is
/// that run's `problem`.
Result<Runs> run_live(const Experiment& experiment, const std::string& dir, Progress& progress);

}  // namespace seneschal::lab
