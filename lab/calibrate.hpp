// Measures on this machine what work costs, for the simulator's cost files.
#pragma once
#include "emulator/cost_model.hpp"
#include "lab/progress.hpp"

namespace seneschal::lab {

/// CPU time of every `Op` with the default cryptography, and of threshold signatures (3 of 4) and (11 of 16) at 2,048
/// bits, while all hardware threads do the same work: a live run on this machine keeps them busy, and threads of one
/// core slow each other down. (Prints what it takes alone beside it.) Takes about twenty seconds; each figure is the
/// least of several rounds. Errors: no key could be made, no socket.
Result<emulator::CostModel> calibrate(Progress& progress);

}  // namespace seneschal::lab
