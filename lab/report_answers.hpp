// The beginning of the report: what a reader came to ask, each with one sentence and one picture.
#pragma once
#include "lab/verdicts.hpp"

namespace seneschal::lab {

/// "Steward".
std::string protocol_name(const Series& series);
/// The simulated point of the same deployment and load as a live one; nothing if there is none.
const Point* twin(const Results& results, const Point& live);
/// Whether the mean latencies of the two may be compared (live VALID, processors less than 60 % busy), and agree
/// within 10 %: a sentence for a table.
std::string agreement(const Point& live, const Point& sim);

/// Who is faster and by how much, at what cost, what attacks and failures cost, and whether the emulation is to be
/// trusted: the questions to which the results hold an answer. Markup.
std::string answers(const Results& results);

}  // namespace seneschal::lab
