#include "lab/verdicts.hpp"

#include "lab/floors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace seneschal::lab {

namespace {

std::string with_unit(double value, Metric metric) {
  const std::string_view unit = unit_of(metric);
  return number(value) + (unit == "times" ? "" : " " + std::string(unit));
}

/// "1 client", "5 clients".
std::string clients_text(std::uint32_t clients) {
  return fmt::format("{} client{}", clients, clients == 1 ? "" : "s");
}

/// The live point's CPU is so busy that the machine, not the protocol, is measured.
bool host_bound(const Point& point, double limit_percent) {
  return point.series->runtime == RuntimeKind::Live && point.cpu_busy_percent &&
         *point.cpu_busy_percent >= limit_percent;
}

class Judge {
 public:
  Judge(const Results& results, const Figure& figure, std::vector<Verdict>& out)
      : results_(results), figure_(figure), out_(out) {}

  void run() {
    const Series& series = *results_.experiment.find(figure_.series);
    const auto& clients = figure_.clients.empty() ? series.clients : figure_.clients;
    for (std::uint32_t n : clients) {
      Verdict verdict{figure_.title,
                      fmt::format("{}, {}", figure_.series, clients_text(n)),
                      "",
                      asked(),
                      Outcome::NotJudged,
                      "",
                      n};
      const Point* point = results_.find(figure_.series, n);
      if (point == nullptr) {
        verdict.remark = std::string(kNotRun);
      } else if (!point->measured() && !needs_no_measurement()) {
        verdict.outcome = figure_.kind == Figure::Kind::Show ? Outcome::NotJudged : Outcome::Missed;
        verdict.remark = "nothing was measured: " + point->problem;
      } else {
        judge_point(*point, verdict);
      }
      out_.push_back(std::move(verdict));
    }
  }

 private:
  bool needs_no_measurement() const {
    return (figure_.kind == Figure::Kind::Bound || figure_.kind == Figure::Kind::Show) &&
           (figure_.metric == Metric::LatencyFloor || figure_.metric == Metric::FloorAtLeader ||
            figure_.metric == Metric::FloorElsewhere);
  }

  std::string asked() const {
    switch (figure_.kind) {
      case Figure::Kind::Bound:
        if (figure_.at_least && figure_.at_most && *figure_.at_least == *figure_.at_most)
          return with_unit(*figure_.at_most, figure_.metric);
        if (figure_.at_least && figure_.at_most)
          return number(*figure_.at_least) + " to " + with_unit(*figure_.at_most, figure_.metric);
        return figure_.at_least ? "at least " + with_unit(*figure_.at_least, figure_.metric)
                                : "at most " + with_unit(*figure_.at_most, figure_.metric);
      case Figure::Kind::Ahead: return "ahead of " + figure_.other + " in latency and throughput";
      case Figure::Kind::Agree:
        return fmt::format("within {} % of {} while the CPU is under {} % busy", number(figure_.within_percent),
                           figure_.other, number(figure_.cpu_below_percent));
      case Figure::Kind::Ratio:
        return fmt::format("{}{}{} of {}", figure_.at_least ? "at least " + number(*figure_.at_least) : "",
                           figure_.at_least && figure_.at_most ? ", " : "",
                           figure_.at_most ? "at most " + number(*figure_.at_most) : "", figure_.other);
      case Figure::Kind::Fidelity: return "VALID";
      case Figure::Kind::Show: return "shown";
    }
    return "";
  }

  void judge_point(const Point& point, Verdict& verdict) {
    switch (figure_.kind) {
      case Figure::Kind::Bound: return bound(point, verdict);
      case Figure::Kind::Ahead: return ahead(point, verdict);
      case Figure::Kind::Agree: return agree(point, verdict);
      case Figure::Kind::Fidelity: return fidelity(point, verdict);
      case Figure::Kind::Ratio: return ratio(point, verdict);
      case Figure::Kind::Show: {
        const auto value = value_of(point, figure_.metric);
        verdict.outcome = Outcome::Shown;
        verdict.measured = value ? with_unit(*value, figure_.metric) : "-";
        verdict.remark = value ? versus(*value) : "this run does not measure it";
      }
    }
  }

  void bound(const Point& point, Verdict& verdict) {
    const auto value = value_of(point, figure_.metric);
    if (!value) {
      verdict.outcome = Outcome::Missed;
      verdict.remark = "this run does not measure it";
      return;
    }
    verdict.measured = with_unit(*value, figure_.metric);
    verdict.remark = versus(*value);
    const auto add = [&](const std::string& text) { verdict.remark += (verdict.remark.empty() ? "" : "; ") + text; };
    // Floors come from whole nanoseconds: equal means equal to what is printed.
    const double slack = 1e-6;
    double miss = 0, limit = 0;
    if (figure_.at_most && *value > *figure_.at_most + slack) {
      miss = *value - *figure_.at_most;
      limit = *figure_.at_most;
    } else if (figure_.at_least && *value < *figure_.at_least - slack) {
      miss = *figure_.at_least - *value;
      limit = *figure_.at_least;
    }
    verdict.outcome = miss > 0 ? Outcome::Missed : Outcome::Passed;
    if (miss > 0) {
      add(fmt::format("missed by {}{}", with_unit(miss, figure_.metric),
                      limit != 0 ? fmt::format(" ({:.1f} %)", 100 * miss / std::abs(limit)) : ""));
      excuse(point, verdict);
    }
    if (figure_.quiet_host) quiet(point, verdict);
  }

  /// Judged only on a quiet machine.
  void quiet(const Point& point, Verdict& verdict) {
    if (!point.fidelity) return;
    const Fidelity& f = *point.fidelity;
    if (f.steal_percent < 5 && f.foreign_percent < 5) return;
    verdict.outcome = Outcome::NotJudged;
    verdict.remark += fmt::format("{}not judged: CPU steal {:.1f} %, foreign load {:.1f} %; both must be below 5 %",
                                  verdict.remark.empty() ? "" : "; ", f.steal_percent, f.foreign_percent);
  }

  void excuse(const Point& point, Verdict& verdict) {
    if (!host_bound(point, figure_.cpu_below_percent)) return;
    verdict.remark += fmt::format("; host-bound: CPU {:.0f} % busy", *point.cpu_busy_percent);
    if (std::ranges::find(figure_.host_bound_ok, point.clients) != figure_.host_bound_ok.end())
      verdict.outcome = Outcome::NotJudged;
  }

  void ahead(const Point& point, Verdict& verdict) {
    const Point* other = results_.find(figure_.other, point.clients);
    if (other == nullptr || !other->measured()) {
      verdict.remark = figure_.other + (other == nullptr ? " was not run" : " measured nothing: " + other->problem);
      return;
    }
    const double latency = point.latency_mean_ms.mean, latency_other = other->latency_mean_ms.mean;
    const double rate = point.throughput.mean, rate_other = other->throughput.mean;
    verdict.measured = fmt::format("{} against {} ms, {} against {}/s", number(latency), number(latency_other),
                                   number(rate), number(rate_other));
    const bool good = latency < latency_other && rate > rate_other;
    verdict.outcome = good ? Outcome::Passed : Outcome::Missed;
    verdict.remark = fmt::format("latency {:.2f} times lower, throughput {:.2f} times higher",
                                 latency_other / latency, rate / rate_other);
    if (!good) excuse(point, verdict);
    if (!good && verdict.outcome == Outcome::Missed) excuse(*other, verdict);
  }

  void agree(const Point& point, Verdict& verdict) {
    const Point* other = results_.find(figure_.other, point.clients);
    if (other == nullptr || !other->measured()) {
      verdict.remark = figure_.other + (other == nullptr ? " was not run" : " measured nothing: " + other->problem);
      return;
    }
    const double mine = point.latency_mean_ms.mean, theirs = other->latency_mean_ms.mean;
    const double difference = 100 * (mine - theirs) / theirs;
    verdict.measured = fmt::format("{} against {} ms", number(mine), number(theirs));
    verdict.remark = fmt::format("ratio {:.3f}, they differ by {:+.1f} %", mine / theirs, difference);
    for (const Point* p : {&point, other})
      if (p->fidelity && !p->fidelity->valid()) {
        verdict.remark += "; not judged: the live run is INVALID";
        return;
      }
    for (const Point* p : {&point, other})
      if (host_bound(*p, figure_.cpu_below_percent)) {
        verdict.remark += fmt::format("; not judged, host-bound: CPU {:.0f} % busy, judged below {} %",
                                      *p->cpu_busy_percent, number(figure_.cpu_below_percent));
        return;
      }
    verdict.outcome = std::abs(difference) <= figure_.within_percent ? Outcome::Passed : Outcome::Missed;
  }

  void ratio(const Point& point, Verdict& verdict) {
    const Point* other = results_.find(figure_.other, point.clients);
    if (other == nullptr || !other->measured()) {
      verdict.remark = figure_.other + (other == nullptr ? " was not run" : " measured nothing: " + other->problem);
      return;
    }
    const auto mine = value_of(point, figure_.metric);
    // What is measured only after mishaps is compared with what the calm run does all the time.
    const Metric theirs_is = figure_.metric == Metric::ThroughputRecovered ? Metric::Throughput : figure_.metric;
    const auto theirs = value_of(*other, theirs_is);
    if (!mine || !theirs || *theirs == 0) {
      verdict.outcome = Outcome::Missed;
      verdict.remark = "this run does not measure it";
      return;
    }
    const double times = *mine / *theirs;
    verdict.measured = fmt::format("{:.2f}", times);
    verdict.remark = fmt::format("{} against {}", with_unit(*mine, figure_.metric), with_unit(*theirs, theirs_is));
    const bool good =
        (!figure_.at_least || times >= *figure_.at_least) && (!figure_.at_most || times <= *figure_.at_most);
    verdict.outcome = good ? Outcome::Passed : Outcome::Missed;
    if (!good) excuse(point, verdict);
  }

  void fidelity(const Point& point, Verdict& verdict) {
    verdict.measured = std::string(point.fidelity_word());
    if (!point.fidelity) {
      verdict.remark = "a simulation has none";
      return;
    }
    const Fidelity& f = *point.fidelity;
    verdict.outcome = f.valid() ? Outcome::Passed : Outcome::Missed;
    if (!f.valid()) verdict.remark = f.breaches.front();
    if (f.breaches.size() > 1) verdict.remark += fmt::format(" and {} more", f.breaches.size() - 1);
    verdict.remark += fmt::format("{}CPU steal {:.1f} %, foreign load {:.1f} %", verdict.remark.empty() ? "" : "; ",
                                  f.steal_percent, f.foreign_percent);
    if (!f.valid() && (f.steal_percent >= 5 || f.foreign_percent >= 5)) {
      verdict.outcome = Outcome::NotJudged;
      verdict.remark += "; not judged: the machine was not idle";
    }
  }

  std::string versus(double value) const {
    std::string text;
    for (const Versus& v : figure_.versus)
      text += fmt::format("{}{}: {}, ours {:.2f} times that", text.empty() ? "" : "; ", v.name, number(v.value),
                          v.value != 0 ? value / v.value : 0);
    return text;
  }

  const Results& results_;
  const Figure& figure_;
  std::vector<Verdict>& out_;
};

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::Passed: return "passed";
    case Outcome::Missed: return "missed";
    case Outcome::NotJudged: return "not judged";
    case Outcome::Shown: return "shown";
  }
  return "";
}

std::string number(double value) {
  if (!std::isfinite(value)) return "-";
  const double size = std::abs(value);
  std::string text = size >= 100   ? fmt::format("{:.0f}", value)
                     : size >= 10  ? fmt::format("{:.1f}", value)
                     : size >= 1   ? fmt::format("{:.2f}", value)
                     : size == 0   ? "0"
                     : size < 1e-4 ? fmt::format("{:.1e}", value)
                                   : fmt::format("{:.3g}", value);
  if (const auto dot = text.find('.'); dot != std::string::npos && text.find('e') == std::string::npos) {
    text.erase(text.find_last_not_of('0') + 1);
    if (text.ends_with('.')) text.pop_back();
  }
  if (size >= 1000)
    for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (value < 0 ? 1 : 0); at -= 3)
      text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string number(std::optional<double> value) {
  return value ? number(*value) : "-";
}

const Point* Results::find(std::string_view series, std::uint32_t clients) const {
  for (const Point& point : points)
    if (point.series->id == series && point.clients == clients) return &point;
  return nullptr;
}

std::vector<Verdict> judge(const Results& results) {
  std::vector<Verdict> verdicts;
  for (const Figure& figure : results.experiment.figures) Judge(results, figure, verdicts).run();
  return verdicts;
}

}  // namespace seneschal::lab
