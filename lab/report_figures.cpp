#include "lab/report_figures.hpp"

#include "lab/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

namespace seneschal::lab {

namespace {

using html::escape;
using html::Table;

std::string tag(Outcome outcome) {
  const std::string_view css = outcome == Outcome::Passed   ? "passed"
                               : outcome == Outcome::Missed ? "missed"
                               : outcome == Outcome::Shown  ? "shown"
                                                            : "not";
  return fmt::format("<span class=\"tag {}\">{}</span>", css, to_string(outcome));
}

bool left_out(const Verdict& v) {
  return v.remark == kNotRun;
}

std::string banner(std::string_view css, const std::string& head, const std::string& items) {
  return fmt::format("<div class=\"banner{}\"><b>{}</b>{}</div>\n", css, head,
                     items.empty() ? "" : "<ul>" + items + "</ul>");
}

std::string item(const Verdict& v, std::string_view between) {
  return fmt::format("<li>{} ({}): {}{}{}{}</li>", escape(v.title), escape(v.where), escape(v.measured), between,
                     v.measured.empty() ? "" : "; ", escape(v.remark));
}

/// One row per figure with a column for each number of clients: these are read against each other.
std::string shown_table(const std::vector<Verdict>& verdicts) {
  std::set<std::uint32_t> clients;
  std::vector<std::pair<std::string, std::map<std::uint32_t, const Verdict*>>> rows;
  for (const Verdict& v : verdicts) {
    if (v.outcome != Outcome::Shown) continue;
    clients.insert(v.clients);
    if (rows.empty() || rows.back().first != v.title) rows.push_back({v.title, {}});
    rows.back().second.emplace(v.clients, &v);
  }
  if (rows.empty()) return "";
  std::vector<std::string> columns{"shown, not judged"};
  for (std::uint32_t n : clients) columns.push_back(fmt::format(">{} client{}", n, n == 1 ? "" : "s"));
  columns.emplace_back("others");
  Table table(columns);
  for (const auto& [title, values] : rows) {
    table.row().cell(title);
    std::string remark;
    for (std::uint32_t n : clients) {
      const auto at = values.find(n);
      table.cell(at == values.end() ? "" : at->second->measured);
      if (at != values.end() && remark.empty()) remark = at->second->remark;
    }
    table.cell(remark);
  }
  return table.text();
}

}  // namespace

std::string figures_in_short(const std::vector<Verdict>& verdicts) {
  const auto count = [&](Outcome o) { return std::ranges::count(verdicts, o, &Verdict::outcome); };
  const auto judged = count(Outcome::Passed) + count(Outcome::Missed);
  std::string missed, open;
  std::size_t not_run = 0;
  for (const Verdict& v : verdicts) {
    if (v.outcome == Outcome::Missed)
      missed += item(v, v.measured.empty() ? "" : " instead of " + escape(v.asked));
    else if (v.outcome == Outcome::NotJudged && left_out(v))
      ++not_run;
    else if (v.outcome == Outcome::NotJudged)
      open += item(v, "");
  }
  if (not_run > 0) open += fmt::format("<li>{} that belong to series which were not run</li>", not_run);
  std::string text;
  if (!missed.empty())
    text +=
        banner(" wait", fmt::format("{} of {} judged figures were missed.", count(Outcome::Missed), judged), missed);
  else if (judged > 0)
    text += banner(" good", fmt::format("All {} judged figures were met.", judged), "");
  if (!open.empty())
    text += banner(" wait", fmt::format("{} figures could not be judged.", count(Outcome::NotJudged)), open);
  return text;
}

std::string figures_in_full(const std::vector<Verdict>& verdicts) {
  if (verdicts.empty()) return "";
  const auto count = [&](Outcome o) { return std::ranges::count(verdicts, o, &Verdict::outcome); };
  std::string text = fmt::format(
      "<h2>Figures it must show, failures first</h2>\n<p>{} passed, {} missed, {} not judged, {} shown.</p>\n",
      count(Outcome::Passed), count(Outcome::Missed), count(Outcome::NotJudged), count(Outcome::Shown));
  Table table({"figure", "series", "measured", "asked", "verdict", "remark"});
  std::string_view last;
  bool any = false;
  for (const Outcome outcome : {Outcome::Missed, Outcome::NotJudged, Outcome::Passed})
    for (const Verdict& v : verdicts) {
      if (v.outcome != outcome) continue;
      any = true;
      const bool again = v.title == last;
      table.row(again ? "" : "first").cell(again ? "" : v.title).cell(v.where).cell(v.measured);
      table.cell(again ? "" : v.asked).raw(tag(v.outcome)).cell(v.remark);
      last = v.title;
    }
  if (any) text += table.text();
  return text + shown_table(verdicts);
}

}  // namespace seneschal::lab
