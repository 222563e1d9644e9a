#include "lab/report_recovery.hpp"

#include "lab/html.hpp"

#include <fmt/format.h>

namespace seneschal::lab {

std::string recoveries(const Results& results) {
  html::Table table({"series", ">clients", ">at s", "what happened", ">service again after s", ">nine tenths after s",
                     ">bound s", "bound", ">throughput after /s"});
  bool any = false;
  for (const Point& point : results.points)
    for (const Recovery& r : point.recoveries) {
      any = true;
      const bool late = r.bound_s && (!r.service_s || *r.service_s > *r.bound_s);
      table.row().cell(point.series->id).cell(std::to_string(point.clients)).cell(number(r.at_s)).cell(r.label);
      table.cell(r.service_s ? number(*r.service_s) : "never", late ? "missed" : "").cell(number(r.full_s));
      table.cell(number(r.bound_s)).cell(r.bound_text).cell(number(r.throughput_after));
    }
  if (!any) return "";
  return "<h2>What happened, and how the service got over it</h2>\n" + table.text() +
         "<p class=\"dim\">Service again: the last unusual silence of any site's clients ends; only clients count "
         "that can be served at all. Nine tenths: of the throughput before the first mishap, over two seconds. The "
         "bound is in the largest timers that a server tells of. Throughput after: from the bound on.</p>\n";
}

std::string recoveries_text(const Results& results) {
  std::string text;
  for (const Point& point : results.points)
    for (const Recovery& r : point.recoveries)
      text +=
          fmt::format("{:<28} {:>5} s  {:<44} service after {:>6} s, nine tenths after {:>6} s, bound {:>6} s {}\n",
                      point.series->id, number(r.at_s), r.label, r.service_s ? number(*r.service_s) : "never",
                      number(r.full_s), number(r.bound_s), r.bound_text);
  return text;
}

}  // namespace seneschal::lab
