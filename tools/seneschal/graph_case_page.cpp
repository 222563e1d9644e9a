#include "tools/seneschal/graph_case_page.hpp"

#include "lab/files.hpp"
#include "lab/html.hpp"
#include "lab/plots.hpp"

#include <fmt/format.h>

namespace seneschal::graph_tool {

using namespace accountability;
namespace html = lab::html;

namespace {

std::string script_of(const Distribution& distribution, const CdfPlot& plot, const std::string& output) {
  std::string script = fmt::format(
      "set terminal svg size 640,420 dynamic enhanced font 'Helvetica,15' background 'white'\nset output '{}'\n"
      "set xlabel '{}{}'\nset ylabel '{}'\n{}set yrange [{}:100]\nset key off\n"
      "set grid ytics lc rgb '#dddddd' lw 1 lt 1\nset border 3\nset tics nomirror\n$d << EOD\n",
      output, plot.x_title, plot.logarithmic ? " (none is drawn at 0.5)" : "", plot.y_title,
      plot.logarithmic ? "set logscale x\n" : "", plot.y_from);
  for (const auto& [dependants, percent] : distribution.points())
    script +=
        fmt::format("{} {}\n", plot.logarithmic && dependants == 0 ? 0.5 : static_cast<double>(dependants), percent);
  return script + "EOD\nplot $d using 1:2 with steps lc rgb '#1b6ca8' lw 2\n";
}

}  // namespace

std::string table_of(const std::vector<Compared>& rows) {
  html::Table table({"", "The report", "Here"});
  for (const Compared& row : rows) table.row().cell(row.what).cell(row.report).cell(row.here);
  return table.text();
}

std::string draw_cdfs(const Distribution& distribution, const std::vector<CdfPlot>& plots,
                      const std::string& folder) {
  std::vector<lab::Plot> scripts;
  for (const CdfPlot& plot : plots) {
    const std::string output = folder + "/" + plot.name + ".svg";
    scripts.push_back({plot.name, plot.name, script_of(distribution, plot, output)});
  }
  if (Status drawn = lab::draw(scripts, folder); !drawn) {
    std::fprintf(stderr, "warning: %s\n", drawn.error().message.c_str());
    return {};
  }
  std::string markup;
  for (const CdfPlot& plot : plots)
    if (auto svg = lab::read_file(folder + "/" + plot.name + ".svg"))
      markup += svg->substr(std::min(svg->find("<svg"), svg->size()));
  return markup;
}

std::string story_table(const Incident& incident, const CaseStory& story) {
  html::Table table({"Who", "What", "Says", ">Update", "Depends on", "Class"});
  for (const CaseStory::Step& step : story.steps) {
    table.row().cell(step.who).cell(step.key).cell(step.text).cell(std::to_string(step.id.value));
    table.cell(incident.store.graph().formula(step.id).text());
    table.cell(accountability::to_string(incident.colours.of(step.id)));
  }
  return table.text();
}

void write_page(const std::string& folder, const std::string& name, const std::string& title,
                const std::string& body) {
  const std::string path = folder + "/" + name;
  if (Status done = replace_file(path, as_span(html::page(title, "<h1>" + html::escape(title) + "</h1>" + body)));
      !done)
    fail(done.error().message);
  fmt::print("page: {}\n", path);
}

}  // namespace seneschal::graph_tool
