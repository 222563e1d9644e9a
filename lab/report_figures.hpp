// The report's part about the figures: what was met and missed, in short for the top of the page and in full.
#pragma once
#include "lab/verdicts.hpp"

namespace seneschal::lab {

/// All met, or which were missed, by how much and why; then what could not be judged, and why. Markup.
std::string figures_in_short(const std::vector<Verdict>& verdicts);
/// Every judged figure with its verdict, failures first, then the numbers that are only shown. Markup.
std::string figures_in_full(const std::vector<Verdict>& verdicts);

}  // namespace seneschal::lab
