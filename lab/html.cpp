#include "lab/html.hpp"

#include <algorithm>
#include <cmath>

namespace seneschal::lab::html {

namespace {

constexpr std::string_view kStyle = R"(
:root { --ink:#1f2328; --dim:#656d76; --line:#d8dee4; --soft:#f6f8fa; --good:#1a7f37; --bad:#b3261e; --wait:#8a6100; }
* { box-sizing:border-box; }
body { font:15px/1.5 -apple-system,"Segoe UI",Helvetica,Arial,sans-serif; color:var(--ink); background:#fff;
       max-width:1240px; margin:0 auto; padding:28px 24px 60px; }
h1 { font-size:26px; margin:0 0 4px; } h2 { font-size:19px; margin:38px 0 8px; border-bottom:1px solid var(--line); padding-bottom:4px; }
h3 { font-size:15px; margin:22px 0 6px; }
p { margin:6px 0 10px; max-width:88ch; } .dim, .dim td { color:var(--dim); } small { color:var(--dim); }
.banner { padding:12px 16px; border-radius:6px; margin:16px 0; background:#fdecea; border:1px solid #f0b4ae; color:#7a1a13; }
.banner > b { color:var(--bad); } .banner ul { margin:6px 0 0; padding-left:20px; }
.banner.good { background:#e9f6ec; border-color:#a9d8b4; color:var(--ink); } .banner.good > b { color:var(--good); }
.banner.wait { background:#fff8e5; border-color:#ecd9a0; color:var(--ink); } .banner.wait > b { color:var(--wait); }
.scroll { overflow-x:auto; } table { border-collapse:collapse; margin:8px 0 14px; font-size:13.5px; }
th { text-align:left; font-weight:600; background:var(--soft); border-bottom:2px solid var(--line); padding:5px 10px; vertical-align:bottom; }
td { border-bottom:1px solid var(--line); padding:4px 10px; vertical-align:top; }
td.n, th.n { text-align:right; font-variant-numeric:tabular-nums; white-space:nowrap; }
tr.first td { border-top:2px solid var(--line); }
tr.group td { font-weight:600; border-top:2px solid var(--line); background:var(--soft); }
table.wide { font-size:12.5px; } table.wide th, table.wide td { padding:4px 7px; } table.wide th { white-space:normal; }
.tag { display:inline-block; border-radius:10px; padding:0 9px; font-size:12.5px; font-weight:600; white-space:nowrap; }
.passed { background:#e3f4e7; color:var(--good); } .missed { background:#fdecea; color:var(--bad); }
.not { background:#fff4d6; color:var(--wait); } .shown { background:var(--soft); color:var(--dim); }
.plots { display:flex; flex-wrap:wrap; gap:14px; } .plots figure { margin:0; border:1px solid var(--line); border-radius:6px; padding:8px; flex:0 1 calc(50% - 7px); min-width:440px; }
.plots svg { width:100%; height:auto; } figcaption { font-weight:600; padding:2px 6px; }
.bars { display:grid; grid-template-columns:max-content 1fr; gap:4px 12px; max-width:820px; margin:10px 0 18px; font-size:13.5px; }
.bar i { display:inline-block; height:12px; border-radius:2px; background:var(--dim); vertical-align:-1px; min-width:1px; }
.bar i.first { background:#1b6ca8; } .bar i.second { background:#c0452c; }
details { margin:8px 0; } summary { cursor:pointer; } code { background:var(--soft); padding:1px 5px; border-radius:4px; font-size:13px; }
dl { display:grid; grid-template-columns:max-content 1fr; gap:3px 16px; font-size:14px; } dt { color:var(--dim); } dd { margin:0; }
)";

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

Table::Table(const std::vector<std::string>& columns, std::string_view css_class) : class_(css_class) {
  for (const std::string& column : columns) {
    const bool numeric = column.starts_with('>');
    columns_.push_back({column.substr(numeric ? 1 : 0), numeric, false});
  }
}

Table& Table::row(std::string_view css_class) {
  rows_.push_back({std::string(css_class), "", {}});
  return *this;
}

Table& Table::group(std::string_view text) {
  rows_.push_back({"group", escape(text), {}});
  return *this;
}

Table& Table::add(std::string markup, std::string_view css_class, bool empty) {
  std::vector<Cell>& cells = rows_.back().cells;
  if (!empty && cells.size() < columns_.size()) columns_[cells.size()].used = true;
  cells.push_back({std::move(markup), std::string(css_class)});
  return *this;
}

Table& Table::cell(std::string_view text, std::string_view css_class) {
  return add(escape(text), css_class, text.empty() || text == "-");
}

Table& Table::raw(std::string_view markup) {
  return add(std::string(markup), "", markup.empty());
}

std::string Table::text() const {
  const auto tag = [](std::string_view name, const std::string& classes) {
    return "<" + std::string(name) + (classes.empty() ? "" : " class=\"" + classes + "\"") + ">";
  };
  std::string head, body;
  std::size_t used = 0;
  for (const Column& column : columns_) {
    if (!column.used) continue;
    ++used;
    head += tag("th", column.numeric ? "n" : "") + escape(column.title) + "</th>";
  }
  for (const Row& row : rows_) {
    body += tag("tr", row.css_class);
    if (!row.group.empty()) body += "<td colspan=\"" + std::to_string(used) + "\">" + row.group + "</td>";
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      if (i < columns_.size() && !columns_[i].used) continue;
      const Cell& cell = row.cells[i];
      const bool numeric = i < columns_.size() && columns_[i].numeric;
      body += tag("td", numeric && !cell.css_class.empty() ? "n " + cell.css_class
                        : numeric                          ? "n"
                                                           : cell.css_class) +
              cell.markup + "</td>";
    }
    body += "</tr>\n";
  }
  return "<div class=\"scroll\">" + tag("table", class_) + "<thead><tr>" + head + "</tr></thead><tbody>\n" + body +
         "</tbody></table></div>\n";
}

std::string bars(const std::vector<Bar>& list) {
  double longest = 0;
  for (const Bar& bar : list) longest = std::max(longest, bar.value);
  if (longest <= 0) return "";
  std::string text = "<div class=\"bars\">\n";
  for (const Bar& bar : list)
    text += "<span>" + escape(bar.label) + "</span><span class=\"bar\"><i class=\"" + std::string(bar.css_class) +
            "\" style=\"width:" + std::to_string(static_cast<int>(std::lround(80 * bar.value / longest))) +
            "%\"></i> " + escape(bar.text) + "</span>\n";
  return text + "</div>\n";
}

std::string page(std::string_view title, std::string_view body) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
         "content=\"width=device-width, initial-scale=1\">\n<title>" +
         escape(title) + "</title>\n<style>" + std::string(kStyle) + "</style></head><body>\n" + std::string(body) +
         "</body></html>\n";
}

}  // namespace seneschal::lab::html
