#include "lab/html.hpp"

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

Table::Table(std::vector<std::string> columns, std::string_view css_class) : class_(css_class) {
  for (const std::string& column : columns) {
    const bool numeric = column.starts_with('>');
    numeric_.push_back(numeric);
    head_ += std::string(numeric ? "<th class=\"n\">" : "<th>") + escape(column.substr(numeric ? 1 : 0)) + "</th>";
  }
}

void Table::end_row() {
  if (open_) body_ += "</tr>\n";
  open_ = false;
  column_ = 0;
}

Table& Table::row(std::string_view css_class) {
  end_row();
  body_ += css_class.empty() ? "<tr>" : "<tr class=\"" + std::string(css_class) + "\">";
  open_ = true;
  return *this;
}

Table& Table::group(std::string_view text) {
  end_row();
  body_ +=
      "<tr class=\"group\"><td colspan=\"" + std::to_string(numeric_.size()) + "\">" + escape(text) + "</td></tr>\n";
  return *this;
}

Table& Table::cell(std::string_view text, std::string_view css_class) {
  const bool numeric = column_ < numeric_.size() && numeric_[column_];
  ++column_;
  std::string classes(numeric ? "n" : "");
  if (!css_class.empty()) classes += (classes.empty() ? "" : " ") + std::string(css_class);
  body_ += (classes.empty() ? "<td>" : "<td class=\"" + classes + "\">") + escape(text) + "</td>";
  return *this;
}

Table& Table::raw(std::string_view markup) {
  ++column_;
  body_ += "<td>" + std::string(markup) + "</td>";
  return *this;
}

std::string Table::text() const {
  return "<div class=\"scroll\"><table" + (class_.empty() ? "" : " class=\"" + class_ + "\"") + "><thead><tr>" +
         head_ + "</tr></thead><tbody>\n" + body_ + (open_ ? "</tr>" : "") + "</tbody></table></div>\n";
}

std::string page(std::string_view title, std::string_view body) {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" "
         "content=\"width=device-width, initial-scale=1\">\n<title>" +
         escape(title) + "</title>\n<style>" + std::string(kStyle) + "</style></head><body>\n" + std::string(body) +
         "</body></html>\n";
}

}  // namespace seneschal::lab::html
