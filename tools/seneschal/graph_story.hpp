// The report's second and third case study, each with its page. [TR IV-B, IV-C]
#pragma once
#include "accountability/cases.hpp"

#include <string>

namespace seneschal::graph_tool {

/// Makes the graph in `folder`, marks the one who lies, and writes `picture.html`. The mark is not kept: the user
/// makes it.
int make_picture(const std::string& folder, const accountability::Picture& picture);
/// The same with `threads.html`.
int make_threads(const std::string& folder, const accountability::Threads& threads);

}  // namespace seneschal::graph_tool
