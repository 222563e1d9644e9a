// The report of a run: one self-contained page, with all files beside it.
#pragma once
#include "lab/verdicts.hpp"

namespace seneschal::lab {

/// Exit codes of commands.
enum class ExitCode : int { Good = 0, Missed = 1, Usage = 2, Invalid = 3, Unsafe = 4, Unmeasured = 5 };
/// The worst that the results hold: safety, then points without a measurement, then fidelity, then figures.
ExitCode exit_code(const Results& results, const std::vector<Verdict>& verdicts);

/// Writes results.csv, summary.json, experiment.toml, plots/ and report.html below `dir`. Missing plots are no error:
/// they are named in `warnings`.
Status write_report(const Results& results, const std::string& dir, std::vector<std::string>& warnings);

/// The page alone; `svg` holds (title, SVG text) of the plots.
std::string to_html(const Results& results, const std::vector<Verdict>& verdicts,
                    const std::vector<std::pair<std::string, std::string>>& svg);

/// A plain-text table of all points, for terminals.
std::string to_text(const Results& results);

}  // namespace seneschal::lab
