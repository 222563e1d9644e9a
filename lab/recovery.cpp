// What a run did after each mishap.
#include "lab/metrics.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace seneschal::lab {

namespace {

/// Throughput is compared over so long; shorter and it is noise, longer and it hides how soon.
constexpr Duration kCompared = std::chrono::seconds(2);
/// Service is back in full at this share of the throughput before.
constexpr double kFull = 0.9;

/// No silence is unusual below this.
constexpr Duration kLeastSilence = std::chrono::milliseconds(500);

using Times = std::vector<Instant>;  // ascending

/// When operations were accepted, by site of the client; only of sites that stay served.
std::map<std::size_t, Times> accepted_by_survivors(const RunData& run) {
  std::set<std::size_t> taken;
  for (const MishapMark& mishap : run.mishaps) taken.insert(mishap.taken.begin(), mishap.taken.end());
  std::map<std::size_t, Times> accepted;
  for (const Sample& sample : run.samples)
    if (!taken.contains(sample.site)) accepted[sample.site].push_back(sample.accepted);
  for (auto& [site, times] : accepted) std::ranges::sort(times);
  return accepted;
}

Times merged(const std::map<std::size_t, Times>& by_site) {
  Times all;
  for (const auto& [site, times] : by_site) all.insert(all.end(), times.begin(), times.end());
  std::ranges::sort(all);
  return all;
}

double rate(const Times& accepted, Instant from, Instant to) {
  if (to <= from) return 0;
  const auto count = std::ranges::lower_bound(accepted, to) - std::ranges::lower_bound(accepted, from);
  return static_cast<double>(count) / to_seconds(to - from);
}

Duration longest_silence(const Times& accepted, Instant from, Instant to) {
  Duration longest{};
  Instant last = from;
  for (auto it = std::ranges::lower_bound(accepted, from); it != accepted.end() && *it < to; ++it) {
    longest = std::max(longest, *it - last);
    last = *it;
  }
  return std::max(longest, to - last);
}

/// The end of the last silence in [from, to) that is longer than `usual`; `from` if there is none, nothing if it
/// lasts.
std::optional<Instant> service_after(const Times& accepted, Instant from, Instant to, Duration usual) {
  Instant last = from, end = from;
  for (auto it = std::ranges::lower_bound(accepted, from); it != accepted.end() && *it < to; ++it) {
    if (*it - last > usual) end = *it;
    last = *it;
  }
  if (to - last > usual) return std::nullopt;
  return end;
}

/// The site whose clients wait longest decides.
std::optional<Instant> service_everywhere(const RunData& run, const std::map<std::size_t, Times>& by_site,
                                          Instant from, Instant to) {
  Instant last = from;
  for (const auto& [site, times] : by_site) {
    const Duration before = longest_silence(times, run.window_begin, run.mishaps.front().at);
    const auto end = service_after(times, from, to, std::max(kLeastSilence, 2 * before));
    if (!end) return std::nullopt;
    last = std::max(last, *end);
  }
  return last;
}

/// When the throughput reaches `wanted`, looking from every result on.
std::optional<Instant> full_after(const Times& accepted, Instant from, Instant to, double wanted) {
  for (auto it = std::ranges::lower_bound(accepted, from); it != accepted.end() && *it + kCompared <= to; ++it)
    if (rate(accepted, *it, *it + kCompared) >= wanted) return *it;
  return std::nullopt;
}

}  // namespace

std::vector<MishapMark> marks_of(const std::vector<Mishap>& mishaps, std::size_t sites, Instant window_begin,
                                 const ProtocolTimers& timers) {
  std::vector<MishapMark> marks;
  for (const Mishap& mishap : mishaps) {
    MishapMark mark{window_begin + mishap.at, mishap.label(), {}, {}, {}};
    if (mishap.within) {
      mark.bound = bound_of(*mishap.within, timers);
      mark.bound_text = to_string(*mishap.within);
    }
    for (std::size_t site = 0; site < sites; ++site)
      if (mishap.takes_away(site)) mark.taken.push_back(site);
    marks.push_back(std::move(mark));
  }
  return marks;
}

std::vector<double> timeline_of(const RunData& run) {
  Times accepted;
  for (const Sample& sample : run.samples) accepted.push_back(sample.accepted);
  std::ranges::sort(accepted);
  std::vector<double> rates;
  for (Instant at = run.window_begin; at + kTimelineStep <= run.window_end; at = at + kTimelineStep)
    rates.push_back(rate(accepted, at, at + kTimelineStep));
  return rates;
}

std::vector<Recovery> recoveries_of(const RunData& run) {
  std::vector<Recovery> recoveries;
  if (run.mishaps.empty()) return recoveries;
  const std::map<std::size_t, Times> by_site = accepted_by_survivors(run);
  const Times accepted = merged(by_site);
  const Instant first = run.mishaps.front().at;
  const double before = rate(accepted, run.window_begin, first);
  for (std::size_t i = 0; i < run.mishaps.size(); ++i) {
    const MishapMark& mishap = run.mishaps[i];
    const Instant end = i + 1 < run.mishaps.size() ? run.mishaps[i + 1].at : run.window_end;
    Recovery recovery{mishap.label, to_seconds(mishap.at - run.window_begin), {}, {}, {}, mishap.bound_text, 0};
    if (mishap.bound) recovery.bound_s = to_seconds(*mishap.bound);
    if (const auto at = service_everywhere(run, by_site, mishap.at, end))
      recovery.service_s = to_seconds(*at - mishap.at);
    if (before > 0)
      if (const auto at = full_after(accepted, mishap.at, end, kFull * before))
        recovery.full_s = to_seconds(*at - mishap.at);
    recovery.throughput_after = rate(accepted, mishap.at + mishap.bound.value_or(Duration{}), end);
    recoveries.push_back(std::move(recovery));
  }
  return recoveries;
}

std::optional<double> value_of_recoveries(const Point& point, Metric metric) {
  if (point.recoveries.empty()) return std::nullopt;
  if (metric == Metric::ThroughputRecovered) return point.recoveries.back().throughput_after;
  std::optional<double> worst;
  double worst_order = -1;
  for (const Recovery& r : point.recoveries) {
    if (!r.bound_s) continue;
    // What never came back is worse than anything that did.
    const auto& back = metric == Metric::RecoveryFullOverBound ? r.full_s : r.service_s;
    const double time = back.value_or(std::numeric_limits<double>::infinity());
    const double order = *r.bound_s > 0 ? time / *r.bound_s : time;
    if (order <= worst_order) continue;
    worst_order = order;
    switch (metric) {
      case Metric::RecoveryTime: worst = time; break;
      case Metric::RecoveryFull: worst = r.full_s; break;
      case Metric::RecoveryBound: worst = r.bound_s; break;
      default: worst = order; break;
    }
  }
  return worst;
}

}  // namespace seneschal::lab
