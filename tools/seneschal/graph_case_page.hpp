// What the pages of the case studies share: the report's figure of dependants, and its words beside what is here.
#pragma once
#include "accountability/cases.hpp"
#include "accountability/distribution.hpp"
#include "tools/seneschal/graph_incident.hpp"

namespace seneschal::graph_tool {

/// A line of "what the report says" and "what this graph says".
struct Compared {
  std::string what, report, here;
};
std::string table_of(const std::vector<Compared>& rows);

struct CdfPlot {
  std::string name;  // of the drawing's file
  std::string x_title, y_title;
  double y_from = 0;  // percent; the report's Fig. 4 (b) shows the upper part only
  bool logarithmic = false;
};
/// Draws each into `folder` and returns them as markup; what gnuplot cannot do is told on stderr and left out.
std::string draw_cdfs(const accountability::Distribution& distribution, const std::vector<CdfPlot>& plots,
                      const std::string& folder);

/// Who said what, and what the graph says about it.
std::string story_table(const Incident& incident, const accountability::CaseStory& story);

/// Writes `folder`/`name` and tells where it is.
void write_page(const std::string& folder, const std::string& name, const std::string& title,
                const std::string& body);

}  // namespace seneschal::graph_tool
