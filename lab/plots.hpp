// Plots of an experiment's results, drawn by gnuplot.
#pragma once
#include "lab/verdicts.hpp"

namespace seneschal::lab {

struct Plot {
  std::string name;  // file name without folder and ending
  std::string title;
  std::string script;  // for gnuplot; writes `output`
};

/// The plots that the results can fill, as gnuplot scripts that write `dir/NAME.svg`.
std::vector<Plot> plots_of(const Results& results, const std::string& dir);
/// Runs gnuplot on each script. An error names the first that failed; the others may be there.
Status draw(const std::vector<Plot>& plots, const std::string& dir);

}  // namespace seneschal::lab
