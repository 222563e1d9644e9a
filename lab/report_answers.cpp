#include "lab/report_answers.hpp"

#include "lab/html.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

namespace seneschal::lab {

namespace {

using html::Bar;
using html::escape;

/// Steward and BFT under the same load over the same network.
struct Pair {
  const Point* steward = nullptr;
  const Point* bft = nullptr;
};

bool usable(const Point& point) {
  return point.measured() && point.fidelity_word() != "INVALID";
}

std::string in_clients(std::uint32_t clients) {
  return fmt::format("{} client{}", clients, clients == 1 ? "" : "s");
}

std::string where_of(const Point& point) {
  const Series& s = *point.series;
  return fmt::format("{}, f={}, {}", s.runtime == RuntimeKind::Live ? "live" : "simulated", s.faults,
                     in_clients(point.clients));
}

bool same_question(const Point& a, const Point& b) {
  const Series &s = *a.series, &t = *b.series;
  return s.runtime == t.runtime && s.faults == t.faults && s.setting == t.setting && s.one_host == t.one_host &&
         s.topology.name == t.topology.name && s.update_percent == t.update_percent &&
         s.payload_bytes == t.payload_bytes && s.mishaps.empty() && t.mishaps.empty() && s.treasons.empty() &&
         t.treasons.empty() && a.clients == b.clients;
}

/// For each runtime and size the pair with the most clients whose host was not the limit; if it always was, the one
/// with the fewest.
std::vector<Pair> pairs_of(const Results& results) {
  constexpr double kBusy = 90;
  const auto limited = [](const Pair& pair) {
    return pair.steward->cpu_busy_percent.value_or(0) > kBusy || pair.bft->cpu_busy_percent.value_or(0) > kBusy;
  };
  std::vector<Pair> best;
  for (const Point& a : results.points) {
    if (a.series->protocol != Protocol::Steward || !usable(a)) continue;
    for (const Point& b : results.points) {
      if (b.series->protocol != Protocol::Bft || !usable(b) || !same_question(a, b)) continue;
      const Pair pair{&a, &b};
      const auto known = std::ranges::find_if(
          best, [&](const Pair& p) { return p.steward->series == a.series && p.bft->series == b.series; });
      if (known == best.end())
        best.push_back(pair);
      else if (!limited(pair))
        *known = pair;
    }
  }
  return best;
}

std::string question(std::string_view title, const std::string& sentences, const std::string& picture) {
  return fmt::format("<h2>{}</h2>\n<p>{}</p>\n{}", title, sentences, picture);
}

std::string times(double larger, double smaller) {
  return smaller > 0 ? fmt::format("{:.2f} times", larger / smaller) : "many times";
}

std::string who_is_faster(const std::vector<Pair>& pairs) {
  std::string text;
  std::vector<Bar> chart;
  for (const Pair& pair : pairs) {
    const Point &s = *pair.steward, &b = *pair.bft;
    const double mine = s.latency_mean_ms.mean, theirs = b.latency_mean_ms.mean;
    const bool first = mine <= theirs;
    text += fmt::format(
        "{}<b>{}</b> is faster, {}: an operation takes {} ms with Steward and {} ms with BFT, which is {} as long; "
        "they do "
        "{} and {} operations per second.",
        text.empty() ? "" : "<br>", first ? "Steward" : "BFT", where_of(s), number(mine), number(theirs),
        times(std::max(mine, theirs), std::min(mine, theirs)), number(s.throughput.mean), number(b.throughput.mean));
    chart.push_back({"Steward, " + where_of(s), mine, number(mine) + " ms", "first"});
    chart.push_back({"BFT, " + where_of(b), theirs, number(theirs) + " ms", "second"});
  }
  return question("Who is faster, and by how much?", text, html::bars(chart));
}

std::string at_what_cost(const std::vector<Pair>& pairs) {
  std::string text;
  std::vector<Bar> chart;
  for (const Pair& pair : pairs) {
    const Point &s = *pair.steward, &b = *pair.bft;
    if (!s.wan_bytes_per_op || !b.wan_bytes_per_op) continue;
    text += fmt::format(
        "{}{}: an operation of Steward takes {} bytes on the links between sites and {} ms of processor time over "
        "all "
        "servers, one of BFT {} bytes and {} ms.",
        text.empty() ? "" : "<br>", where_of(s), number(s.wan_bytes_per_op), number(s.cpu_ms_per_op),
        number(b.wan_bytes_per_op), number(b.cpu_ms_per_op));
    chart.push_back({"Steward, " + where_of(s), *s.wan_bytes_per_op, number(s.wan_bytes_per_op) + " bytes", "first"});
    chart.push_back({"BFT, " + where_of(b), *b.wan_bytes_per_op, number(b.wan_bytes_per_op) + " bytes", "second"});
  }
  return text.empty() ? "" : question("At what cost?", text, html::bars(chart));
}

/// Of figures that compare a series with a calm one.
std::string what_attacks_cost(const Results& results) {
  std::vector<Bar> chart;
  for (const Figure& figure : results.experiment.figures) {
    if (figure.kind != Figure::Kind::Ratio ||
        (figure.metric != Metric::Throughput && figure.metric != Metric::ThroughputRecovered))
      continue;
    for (const Point& point : results.points) {
      const Point* calm = results.find(figure.other, point.clients);
      if (point.series->id != figure.series || !usable(point) || calm == nullptr || !usable(*calm)) continue;
      const auto mine = value_of(point, figure.metric), theirs = value_of(*calm, Metric::Throughput);
      if (!mine || !theirs || *theirs <= 0) continue;
      const double ratio = *mine / *theirs;
      chart.push_back({figure.title, ratio, fmt::format("{:.2f}", ratio), "first"});
    }
  }
  if (chart.empty()) return "";
  std::ranges::sort(chart, {}, [](const Bar& bar) { return std::tie(bar.value, bar.label); });
  const std::string text = fmt::format(
      "Of {} attacks and failures the dearest is \"{}\": {} of the throughput of the run without it is left.",
      chart.size(), escape(chart.front().label), chart.front().text);
  return question("What do attacks and failures cost?", text, html::bars(chart));
}

std::string can_it_be_trusted(const Results& results) {
  std::size_t live = 0, valid = 0, compared = 0, agreed = 0;
  double median = 0, worst = 0;
  std::vector<Bar> chart;
  for (const Point& point : results.points) {
    if (point.series->runtime != RuntimeKind::Live || !point.measured()) continue;
    ++live;
    valid += usable(point) ? 1 : 0;
    if (point.fidelity)
      for (const LinkFidelity& link : point.fidelity->links) median = std::max(median, link.error_p50_ms);
    const Point* sim = twin(results, point);
    if (sim == nullptr || !agreement(point, *sim).starts_with("a")) continue;
    ++compared;
    const double apart = std::abs(point.latency_mean_ms.mean / sim->latency_mean_ms.mean - 1);
    worst = std::max(worst, apart);
    agreed += apart <= 0.1 ? 1 : 0;
    const std::string label = protocol_name(*point.series) + ", " + in_clients(point.clients);
    chart.push_back(
        {label + ", live", point.latency_mean_ms.mean, number(point.latency_mean_ms.mean) + " ms", "first"});
    chart.push_back(
        {label + ", simulated", sim->latency_mean_ms.mean, number(sim->latency_mean_ms.mean) + " ms", ""});
  }
  if (live == 0) return "";
  std::string text = fmt::format(
      "At {} of {} live points the emulated network did what was asked (VALID): the worst link's median delay is off "
      "by {} "
      "ms.",
      valid, live, number(median));
  if (compared > 0)
    text += fmt::format(
        " Live and simulated latency agree within 10 % at {} of {} points that can be compared, and differ by {:.1f} "
        "% at "
        "most.",
        agreed, compared, 100 * worst);
  return question("Is the emulation to be trusted?", text, html::bars(chart));
}

}  // namespace

std::string protocol_name(const Series& series) {
  return series.protocol == Protocol::Steward ? "Steward" : "BFT";
}

const Point* twin(const Results& results, const Point& live) {
  for (const Point& p : results.points) {
    const Series &a = *live.series, &b = *p.series;
    if (b.runtime == RuntimeKind::Sim && p.measured() && p.clients == live.clients && a.protocol == b.protocol &&
        a.setting == b.setting && a.servers == b.servers && a.topology.name == b.topology.name &&
        a.options == b.options && a.update_percent == b.update_percent)
      return &p;
  }
  return nullptr;
}

std::string agreement(const Point& live, const Point& sim) {
  if (live.fidelity_word() == "INVALID") return "not judged: the live run is INVALID";
  if (live.cpu_busy_percent && *live.cpu_busy_percent >= 60)
    return fmt::format("not judged, host-bound: CPU {:.0f} % busy", *live.cpu_busy_percent);
  const double ratio = live.latency_mean_ms.mean / sim.latency_mean_ms.mean;
  return std::abs(ratio - 1) <= 0.1 ? "agree within 10 %" : "apart by more than 10 %";
}

std::string answers(const Results& results) {
  const auto pairs = pairs_of(results);
  std::string text;
  if (!pairs.empty()) text += who_is_faster(pairs) + at_what_cost(pairs);
  return text + what_attacks_cost(results) + can_it_be_trusted(results);
}

}  // namespace seneschal::lab
