// The report's part on mishaps and how the service got over them.
#pragma once
#include "lab/verdicts.hpp"

namespace seneschal::lab {

/// HTML; empty if no point had a mishap.
std::string recoveries(const Results& results);
/// The same as lines of text for the terminal.
std::string recoveries_text(const Results& results);

}  // namespace seneschal::lab
