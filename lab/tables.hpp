// Results for machines: results.csv and summary.json.
#pragma once
#include "lab/verdicts.hpp"

namespace seneschal::lab {

/// The columns of results.csv, in order.
extern const char* const kCsvHeader;
/// One row per protocol, setting and point. A point without a measurement has no row: never a row of zeros.
std::string to_csv(const Results& results);
/// The same with intervals, histograms, links, seeds, host facts and verdicts; points without a measurement say why.
std::string to_json(const Results& results, const std::vector<Verdict>& verdicts);

}  // namespace seneschal::lab
