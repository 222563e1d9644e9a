#include "lab/report.hpp"

#include "lab/files.hpp"
#include "lab/floors.hpp"
#include "lab/html.hpp"
#include "lab/plots.hpp"
#include "lab/report_answers.hpp"
#include "lab/report_figures.hpp"
#include "lab/report_recovery.hpp"
#include "lab/tables.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

namespace seneschal::lab {

namespace {

using html::escape;
using html::Table;

std::string estimate_text(const Estimate& e) {
  return number(e.mean) + (e.half_width ? " ± " + number(*e.half_width) : "");
}

std::string optional_count(const std::optional<std::uint64_t>& n) {
  return n ? std::to_string(*n) : "-";
}

class Page {
 public:
  Page(const Results& results, const std::vector<Verdict>& verdicts,
       const std::vector<std::pair<std::string, std::string>>& svg)
      : results_(results), verdicts_(verdicts), svg_(svg) {}

  std::string text() {
    const Experiment& e = results_.experiment;
    body_ = "<h1>" + escape(e.title) + "</h1>\n";
    if (!e.description.empty()) body_ += "<p>" + escape(e.description) + "</p>\n";
    banners();
    body_ += answers(results_);
    plots();
    body_ += recoveries(results_);
    for (RuntimeKind kind : {RuntimeKind::Live, RuntimeKind::Sim}) measurements(kind);
    side_by_side();
    published();
    fidelity();
    body_ += figures_in_short(verdicts_) + figures_in_full(verdicts_);
    notes();
    return html::page(e.title, body_);
  }

 private:
  void banners() {
    std::string unsafe, invalid, missing;
    for (const Point& p : results_.points) {
      const std::string where = escape(fmt::format("{}, {} clients", p.series->id, p.clients));
      if (p.safety != "ok") unsafe += "<li>" + where + ": " + escape(p.safety) + "</li>";
      if (p.series->runtime == RuntimeKind::Live && p.measured() && p.fidelity_word() == "INVALID")
        invalid +=
            "<li>" + where + ": " + escape(p.fidelity ? p.fidelity->breaches.front() : "not checked") + "</li>";
      if (!p.measured()) missing += "<li>" + where + ": " + escape(p.problem) + "</li>";
    }
    const auto banner = [&](std::string_view css, std::string_view head, const std::string& items) {
      if (!items.empty())
        body_ += fmt::format("<div class=\"banner{}\"><b>{}</b><ul>{}</ul></div>\n", css, head, items);
    };
    banner("", "SAFETY BROKEN. A protocol did what it must never do.", unsafe);
    banner("", "Nothing was measured at these points.", missing);
    banner(
        " wait",
        "INVALID. At these points the emulated network was not what was asked for, also when they were measured once "
        "more; do not quote them.",
        invalid);
  }

  void plots() {
    if (svg_.empty()) return;
    body_ += "<h2>Plots</h2>\n<div class=\"plots\">\n";
    for (const auto& [title, svg] : svg_) {
      // gnuplot's prologue (XML declaration, doctype) has no place inside a page.
      const auto start = svg.find("<svg");
      if (start != std::string::npos)
        body_ += "<figure><figcaption>" + escape(title) + "</figcaption>" + svg.substr(start) + "</figure>\n";
    }
    body_ +=
        "</div>\n<p class=\"dim\">Solid lines: real processes. Dashed: simulated. Dotted: the crossings floor. Marks "
        "alone: published in the technical report of 2006.</p>\n";
  }

  void measurements(RuntimeKind kind) {
    if (std::ranges::none_of(results_.points, [&](const Point& p) { return p.series->runtime == kind; })) return;
    body_ += kind == RuntimeKind::Live ? "<h2>Measured live</h2>\n" : "<h2>Simulated</h2>\n";
    Table table({">clients", ">throughput /s", ">mean ms", ">floor ms", ">over floor", ">p50 ms", ">p90 ms",
                 ">p99 ms", ">WAN bytes/op", ">WAN msgs/op", ">link use %", ">CPU ms/op", ">graph CPU ms/op",
                 ">graph CPU %", ">its threads %", ">CPU busy %", ">view changes", "safety", "fidelity"},
                "wide");
    const Series* last = nullptr;
    for (const Point& p : results_.points) {
      const Series& s = *p.series;
      if (s.runtime != kind) continue;
      if (&s != last) table.group(heading(s));
      last = &s;
      table.row().cell(std::to_string(p.clients));
      if (!p.measured()) {
        table.cell("-", "dim").cell("-", "dim").cell(number(p.latency_floor_ms)).cell(p.problem, "dim");
        continue;
      }
      table.cell(estimate_text(p.throughput)).cell(estimate_text(p.latency_mean_ms)).cell(number(p.latency_floor_ms));
      table.cell(number(value_of(p, Metric::LatencyOverFloor)));
      for (double ms : {p.latency_p50_ms, p.latency_p90_ms, p.latency_p99_ms}) table.cell(number(ms));
      table.cell(number(p.wan_bytes_per_op)).cell(number(p.wan_messages_per_op)).cell(number(p.link_use_max_percent));
      table.cell(number(p.cpu_ms_per_op)).cell(number(p.graph_cpu_ms_per_op()));
      table.cell(number(p.graph_cpu_percent)).cell(number(p.graph_thread_percent)).cell(number(p.cpu_busy_percent));
      table.cell(p.view_changes_local || p.view_changes_global
                     ? optional_count(p.view_changes_local) + " / " + optional_count(p.view_changes_global)
                     : "-");
      table.cell(p.safety, p.safety == "ok" ? "" : "missed").cell(p.fidelity_word());
    }
    body_ += table.text();
    body_ +=
        "<p class=\"dim\">View changes: local / global. ± is the 95 % interval over runs where there are three or "
        "more.</p>\n";
  }

  static std::string heading(const Series& s) {
    return fmt::format("{}, f={}, {} servers ({}), {}", protocol_name(s), s.faults, s.server_count(),
                       fmt::join(s.servers, "+"), s.setting);
  }

  /// Live and simulated points that describe the same thing, in one row.
  void side_by_side() {
    Table table({"protocol", ">clients", ">live mean ms", ">sim mean ms", ">ratio", ">live /s", ">sim /s", ">ratio",
                 ">live CPU busy %", ">sim CPU busy %", "mean latencies"});
    bool any = false;
    for (const Point& live : results_.points) {
      if (live.series->runtime != RuntimeKind::Live || !live.measured()) continue;
      const Point* sim = twin(results_, live);
      if (sim == nullptr) continue;
      any = true;
      const double ratio = live.latency_mean_ms.mean / sim->latency_mean_ms.mean;
      table.row().cell(protocol_name(*live.series)).cell(std::to_string(live.clients));
      table.cell(number(live.latency_mean_ms.mean)).cell(number(sim->latency_mean_ms.mean));
      table.cell(fmt::format("{:.3f}", ratio)).cell(number(live.throughput.mean)).cell(number(sim->throughput.mean));
      table.cell(fmt::format("{:.3f}", live.throughput.mean / sim->throughput.mean));
      table.cell(number(live.cpu_busy_percent)).cell(number(sim->cpu_busy_percent));
      table.cell(agreement(live, *sim));
    }
    if (any)
      body_ +=
          "<h2>Live and simulated, side by side</h2>\n<p>The same deployment by real processes and in the simulator "
          "with "
          "the costs of this machine. Mean latencies must agree within 10 % while the live run is VALID and the CPU "
          "less than 60 % busy.</p>\n" +
          table.text();
  }

  void published() {
    const auto& references = results_.experiment.references;
    if (references.empty()) return;
    body_ += "<h2>What the report of 2006 measured</h2>\n";
    Table table({"source", "what", "metric", ">clients", ">their value"});
    for (const Reference& r : references)
      table.row()
          .cell(r.source)
          .cell(r.label)
          .cell(title_of(r.metric))
          .cell(std::to_string(r.clients))
          .cell(number(r.value) + " " + std::string(unit_of(r.metric)));
    body_ += table.text();
  }

  void fidelity() {
    std::string rows;
    for (const Point& p : results_.points) {
      if (!p.fidelity) continue;
      const Fidelity& f = *p.fidelity;
      double p50 = 0, p99 = 0, bandwidth = 0;
      std::uint64_t drops = 0;
      for (const LinkFidelity& link : f.links) {
        p50 = std::max(p50, link.error_p50_ms);
        p99 = std::max(p99, link.error_p99_ms);
        bandwidth = std::max(bandwidth, std::abs(link.bandwidth_error_percent.value_or(0)));
        drops += link.receive_drops;
      }
      if (rows.empty()) rows = "x";
      fidelity_.row().cell(p.series->id).cell(std::to_string(p.clients)).cell(p.fidelity_word());
      fidelity_.cell(std::to_string(f.links.size())).cell(number(p50)).cell(number(p99)).cell(number(bandwidth));
      fidelity_.cell(std::to_string(drops)).cell(number(f.steal_percent)).cell(number(f.foreign_percent));
    }
    if (rows.empty()) return;
    body_ +=
        "<h2>Fidelity of the live runs</h2>\n<p>Asked against achieved, worst link of each run. Bounds: delay error "
        "p50 the larger of 0.2 ms and 0.5 % of the delay, p99 the larger of 2 ms and 4 %; bandwidth 2 %; no datagram "
        "dropped by a receiving "
        "socket.</p>\n" +
        fidelity_.text();
  }

  void notes() {
    const Experiment& e = results_.experiment;
    body_ +=
        "<h2>How to read this</h2>\n<dl>"
        "<dt>latency</dt><dd>at the client, from sending an operation to accepting its result, retries included; "
        "the mean is over sites, weighted by their clients</dd>"
        "<dt>floor</dt><dd>the least wide-area time the protocol needs: propagation only, same average</dd>"
        "<dt>throughput</dt><dd>results accepted per second of the measured window; warm-up and cool-down cut</dd>"
        "<dt>WAN bytes, messages</dt><dd>on the links between sites, headers and retransmissions and (live) the "
        "overlay's hellos and "
        "routing included, per accepted operation</dd>"
        "<dt>link use</dt><dd>bytes sent over bytes the link could have carried, busiest link</dd>"
        "<dt>CPU</dt><dd>summed over all daemons, per accepted operation; busy: of the busiest machine</dd></dl>\n";
    body_ += fmt::format("<p class=\"dim\">{} &middot; {} &middot; {}</p>\n", escape(results_.started),
                         escape(results_.host), escape(results_.build));
    body_ += fmt::format(
        "<p>Repeat this run: <code>seneschal lab run experiment.toml</code> with the file beside this page. "
        "Numbers for machines: <code>results.csv</code>, <code>summary.json</code>.</p>\n<h3>Series</h3>\n");
    Table table({"id", "runtime", "protocol", "topology", "servers", "options", "window s", "seeds"});
    for (const Series& s : e.series) {
      const ProtocolOptions& o = s.options;
      table.row().cell(s.id).cell(to_string(s.runtime)).cell(protocol_name(s)).cell(s.topology.name);
      table.cell(fmt::format("{}", fmt::join(s.servers, "+")));
      table.cell(fmt::format("batch_max {}, window {}, delivery {}, durability {}, {}", o.batch_max, o.window,
                             o.delivery, o.durability,
                             s.protocol == Protocol::Steward
                                 ? "fan-out " + o.fanout + ", site keys RSA-" + std::to_string(s.keys.site_bits)
                                 : "auth " + o.auth));
      table.cell(fmt::format("{}", to_seconds(s.measure))).cell(fmt::format("{}", fmt::join(s.seeds, ", ")));
    }
    body_ += "<details><summary>All series and their settings</summary>" + table.text() + "</details>\n";
  }

  const Results& results_;
  const std::vector<Verdict>& verdicts_;
  const std::vector<std::pair<std::string, std::string>>& svg_;
  std::string body_;
  Table fidelity_{{"series", ">clients", "verdict", ">links", ">delay error p50 ms", ">p99 ms", ">bandwidth error %",
                   ">socket drops", ">CPU steal %", ">foreign load %"}};
};

}  // namespace

ExitCode exit_code(const Results& results, const std::vector<Verdict>& verdicts) {
  const auto any = [&](auto&& what) { return std::ranges::any_of(results.points, what); };
  if (any([](const Point& p) { return p.safety != "ok"; })) return ExitCode::Unsafe;
  if (results.points.empty() || any([](const Point& p) { return !p.measured(); })) return ExitCode::Unmeasured;
  if (any([](const Point& p) { return p.fidelity_word() == "INVALID"; })) return ExitCode::Invalid;
  const bool missed = std::ranges::count(verdicts, Outcome::Missed, &Verdict::outcome) > 0;
  return missed ? ExitCode::Missed : ExitCode::Good;
}

std::string to_html(const Results& results, const std::vector<Verdict>& verdicts,
                    const std::vector<std::pair<std::string, std::string>>& svg) {
  return Page(results, verdicts, svg).text();
}

Status write_report(const Results& results, const std::string& dir, std::vector<std::string>& warnings) {
  const auto verdicts = judge(results);
  if (Status good = write_file(dir + "/results.csv", to_csv(results)); !good) return good;
  if (Status good = write_file(dir + "/summary.json", to_json(results, verdicts)); !good) return good;
  if (Status good = save_experiment(results.experiment, dir); !good) return good;
  std::vector<std::pair<std::string, std::string>> svg;
  const auto plots = plots_of(results, dir + "/plots");
  if (Status drawn = draw(plots, dir + "/plots"); !drawn) warnings.push_back(drawn.error().message);
  for (const Plot& plot : plots)
    if (auto text = read_file(dir + "/plots/" + plot.name + ".svg")) svg.emplace_back(plot.title, std::move(*text));
  return write_file(dir + "/report.html", to_html(results, verdicts, svg));
}

std::string to_text(const Results& results) {
  std::string text =
      fmt::format("{:<26} {:>7} {:>10} {:>9} {:>9} {:>6} {:>9} {:>10} {:>9} {:>6} {:>8}\n", "series", "clients",
                  "ops/s", "mean ms", "floor ms", "ratio", "p99 ms", "WAN B/op", "CPU ms/op", "busy%", "fidelity");
  for (const Point& p : results.points) {
    if (!p.measured()) {
      text += fmt::format("{:<26} {:>7} nothing measured: {}\n", p.series->id, p.clients, p.problem);
      continue;
    }
    text += fmt::format("{:<26} {:>7} {:>10} {:>9} {:>9} {:>6} {:>9} {:>10} {:>9} {:>6} {:>8}\n", p.series->id,
                        p.clients, number(p.throughput.mean), number(p.latency_mean_ms.mean),
                        number(p.latency_floor_ms), number(value_of(p, Metric::LatencyOverFloor)),
                        number(p.latency_p99_ms), number(p.wan_bytes_per_op), number(p.cpu_ms_per_op),
                        number(p.cpu_busy_percent), p.fidelity_word());
  }
  return text;
}

}  // namespace seneschal::lab
