// Measures on this machine what work costs, for the simulator's cost files.
#pragma once
#include "emulator/cost_model.hpp"
#include "lab/progress.hpp"

namespace seneschal::lab {

/// CPU time of every `Op` with the default cryptography, and of threshold signatures (3 of 4) and (11 of 16) at 2,048
/// bits. Takes about ten seconds; each figure is the least of several rounds. Errors: no key could be made, no
/// socket.
Result<emulator::CostModel> calibrate(Progress& progress);

}  // namespace seneschal::lab
