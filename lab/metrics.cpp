#include "lab/metrics.hpp"

#include "lab/floors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace seneschal::lab {

namespace {

/// Two-sided 97.5 % quantiles of Student's t by degrees of freedom.
double student_t(std::size_t freedom) {
  constexpr double kTable[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                               2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                               2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042};
  return freedom == 0 ? 0 : freedom <= std::size(kTable) ? kTable[freedom - 1] : 1.96;
}

Histogram histogram_of(const std::vector<Duration>& latencies) {
  std::map<int, std::uint64_t> counts;
  for (Duration latency : latencies) {
    const double ms = std::max(to_ms(latency), 0.01);
    ++counts[static_cast<int>(std::ceil(std::log10(ms / 0.01) * 20))];  // 20 buckets a decade
  }
  Histogram histogram;
  for (const auto& [bucket, count] : counts)
    histogram.buckets.emplace_back(0.01 * std::pow(10, bucket / 20.0), count);
  return histogram;
}

struct RunValues {
  std::uint64_t operations = 0;
  std::uint64_t updates = 0;
  double throughput = 0;
  double latency_mean_ms = 0;
};

/// Clients at `site` when `clients` of them are dealt to the sites in turn.
double clients_at(std::size_t site, std::size_t sites, std::uint32_t clients) {
  return static_cast<double>(clients / sites + (site < clients % sites ? 1 : 0));
}

RunValues values_of(const RunData& run, const Series& series, std::uint32_t clients,
                    std::vector<Duration>& latencies) {
  std::vector<std::pair<double, std::uint64_t>> by_site(series.sites());
  RunValues values;
  for (const Sample& sample : run.samples) {
    if (sample.accepted < run.window_begin || sample.accepted >= run.window_end) continue;
    ++values.operations;
    values.updates += sample.update ? 1 : 0;
    latencies.push_back(sample.latency);
    auto& [sum, count] = by_site[sample.site];
    sum += to_ms(sample.latency);
    ++count;
  }
  double weights = 0;
  for (std::size_t site = 0; site < by_site.size(); ++site) {
    if (by_site[site].second == 0) continue;
    const double weight = clients_at(site, series.sites(), clients);
    values.latency_mean_ms += weight * by_site[site].first / static_cast<double>(by_site[site].second);
    weights += weight;
  }
  if (weights > 0) values.latency_mean_ms /= weights;
  const double seconds = to_seconds(run.window_end - run.window_begin);
  if (seconds > 0) values.throughput = static_cast<double>(values.operations) / seconds;
  return values;
}

/// Running mean over runs of something that some runs lack.
class OptionalMean {
 public:
  void add(std::optional<double> value) {
    if (!value) return;
    sum_ += *value;
    ++count_;
  }
  std::optional<double> mean() const {
    return count_ == 0 ? std::nullopt : std::optional(sum_ / static_cast<double>(count_));
  }

 private:
  double sum_ = 0;
  std::size_t count_ = 0;
};

std::optional<std::uint64_t> sum(std::optional<std::uint64_t> a, std::optional<std::uint64_t> b) {
  if (!a || !b) return a ? a : b;
  return *a + *b;
}

struct Traffic {
  std::optional<double> bytes, messages, use_percent, goodput_percent;
};
Traffic traffic_of(const RunData& run, const RunValues& values, std::uint32_t payload_bytes) {
  Traffic traffic;
  if (run.links.empty() || values.operations == 0) return traffic;
  const auto operations = static_cast<double>(values.operations);
  const double seconds = to_seconds(run.window_end - run.window_begin);
  double bytes = 0, messages = 0;
  for (const LinkTraffic& link : run.links) {
    bytes += static_cast<double>(link.wire_bytes);
    messages += static_cast<double>(link.messages);
    if (link.bandwidth_bps == 0) continue;
    const double capacity = static_cast<double>(link.bandwidth_bps) / 8 * seconds;
    const double use = 100 * static_cast<double>(link.wire_bytes) / capacity;
    if (traffic.use_percent && *traffic.use_percent >= use) continue;
    traffic.use_percent = use;
    traffic.goodput_percent = 100 * static_cast<double>(values.updates) * payload_bytes / capacity;
  }
  traffic.bytes = bytes / operations;
  traffic.messages = messages / operations;
  return traffic;
}

}  // namespace

Duration percentile(const std::vector<Duration>& ascending, double percent) {
  if (ascending.empty()) return Duration(0);
  const auto rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(ascending.size())));
  return ascending[std::clamp<std::size_t>(rank, 1, ascending.size()) - 1];
}

Estimate estimate(const std::vector<double>& values) {
  Estimate result;
  if (values.empty()) return result;
  const auto n = static_cast<double>(values.size());
  for (double v : values) result.mean += v / n;
  if (values.size() < 3) return result;
  double squares = 0;
  for (double v : values) squares += (v - result.mean) * (v - result.mean);
  result.half_width = student_t(values.size() - 1) * std::sqrt(squares / (n - 1) / n);
  return result;
}

void judge(Fidelity& fidelity, const emulator::Topology* topology) {
  fidelity.breaches.clear();
  const auto name = [&](std::size_t site) {
    return topology != nullptr ? topology->sites[site].name : fmt::format("site {}", site + 1);
  };
  const auto breach = [&](const LinkFidelity& link, const std::string& what) {
    fidelity.breaches.push_back(fmt::format("link from {} to {}: {}", name(link.from), name(link.to), what));
  };
  for (const LinkFidelity& link : fidelity.links) {
    const double p50_bound = std::max(0.2, 0.005 * link.delay_ms), p99_bound = std::max(2.0, 0.04 * link.delay_ms);
    if (link.error_p50_ms > p50_bound)
      breach(link, fmt::format("median delay error {:.2f} ms; at most {:.2f}", link.error_p50_ms, p50_bound));
    if (link.error_p99_ms > p99_bound)
      breach(link, fmt::format("99th percentile of the delay error {:.2f} ms; at most {:.2f}", link.error_p99_ms,
                               p99_bound));
    if (link.bandwidth_error_percent && std::abs(*link.bandwidth_error_percent) > 2)
      breach(link, fmt::format("bandwidth off by {:.1f} %; at most 2", *link.bandwidth_error_percent));
    if (link.receive_drops > 0)
      breach(link, fmt::format("{} datagrams dropped by the receiving socket; expected none", link.receive_drops));
  }
}

std::string_view Point::fidelity_word() const {
  if (series != nullptr && series->runtime == RuntimeKind::Sim) return "sim";
  return fidelity && fidelity->valid() ? "VALID" : "INVALID";
}

Point evaluate(const Series& series, std::uint32_t clients, const std::vector<RunData>& runs) {
  Point point;
  point.series = &series;
  point.clients = clients;
  point.latency_floor_ms = to_ms(mean_floor(series, clients));
  std::vector<Duration> latencies;
  std::vector<double> throughputs, means;
  OptionalMean bytes, messages, use, goodput, cpu, busy, graph, thread, per_message, per_minute;
  for (const RunData& run : runs) {
    point.seeds.push_back(run.seed);
    point.wall_s += run.wall_s;
    if (run.safety != "ok") point.safety = run.safety;
    if (!run.trace.empty()) point.trace = run.trace;
    if (run.fidelity && (!point.fidelity || run.fidelity->breaches.size() > point.fidelity->breaches.size()))
      point.fidelity = run.fidelity;
    if (!run.problem.empty()) {
      point.problem = run.problem;
      continue;
    }
    const RunValues values = values_of(run, series, clients, latencies);
    if (values.operations == 0) {
      point.problem = fmt::format("no operation was accepted inside the measured window ({} in the whole run)",
                                  run.samples.size());
      continue;
    }
    point.operations += values.operations;
    if (!run.mishaps.empty()) {
      if (point.timeline.empty()) point.timeline = timeline_of(run);
      for (Recovery& recovery : recoveries_of(run)) point.recoveries.push_back(std::move(recovery));
    }
    throughputs.push_back(values.throughput);
    means.push_back(values.latency_mean_ms);
    const Traffic traffic = traffic_of(run, values, series.payload_bytes);
    bytes.add(traffic.bytes);
    messages.add(traffic.messages);
    use.add(traffic.use_percent);
    goodput.add(traffic.goodput_percent);
    if (run.cpu_ms) cpu.add(*run.cpu_ms / static_cast<double>(values.operations));
    busy.add(run.cpu_busy_percent);
    if (run.graph_cpu_ms && run.cpu_ms.value_or(0) > 0) graph.add(100 * *run.graph_cpu_ms / *run.cpu_ms);
    if (run.graph_thread_ms && run.cpu_ms.value_or(0) > 0) thread.add(100 * *run.graph_thread_ms / *run.cpu_ms);
    point.view_changes_local = sum(point.view_changes_local, run.view_changes_local);
    point.view_changes_global = sum(point.view_changes_global, run.view_changes_global);
    if (run.sim_messages > 0) per_message.add(run.wall_s * 1e6 / static_cast<double>(run.sim_messages));
    if (run.virtual_s > 0) per_minute.add(run.wall_s / run.virtual_s * 60);
  }
  if (runs.empty()) point.problem = "it was not run";
  std::ranges::sort(latencies);
  point.throughput = estimate(throughputs);
  point.latency_mean_ms = estimate(means);
  point.latency_p50_ms = to_ms(percentile(latencies, 50));
  point.latency_p90_ms = to_ms(percentile(latencies, 90));
  point.latency_p99_ms = to_ms(percentile(latencies, 99));
  point.latency_max_ms = to_ms(percentile(latencies, 100));
  point.histogram = histogram_of(latencies);
  point.wan_bytes_per_op = bytes.mean();
  point.wan_messages_per_op = messages.mean();
  point.link_use_max_percent = use.mean();
  point.goodput_percent = goodput.mean();
  point.cpu_ms_per_op = cpu.mean();
  point.cpu_busy_percent = busy.mean();
  point.graph_cpu_percent = graph.mean();
  point.graph_thread_percent = thread.mean();
  point.sim_us_per_message = per_message.mean();
  point.sim_wall_per_minute_s = per_minute.mean();
  return point;
}

std::optional<double> value_of(const Point& point, Metric metric) {
  const Series& series = *point.series;
  const std::size_t leader = first_leader_site(series);
  switch (metric) {  // what follows from the topology alone needs no measurement
    case Metric::LatencyFloor: return point.latency_floor_ms;
    case Metric::FloorAtLeader: return to_ms(operation_floor(series, leader));
    case Metric::FloorElsewhere: {
      Duration largest{};
      for (std::size_t s = 0; s < series.sites(); ++s)
        if (s != leader) largest = std::max(largest, operation_floor(series, s));
      return to_ms(largest);
    }
    default: break;
  }
  if (!point.measured()) return std::nullopt;
  switch (metric) {
    case Metric::LatencyMean: return point.latency_mean_ms.mean;
    case Metric::LatencyP50: return point.latency_p50_ms;
    case Metric::LatencyP99: return point.latency_p99_ms;
    case Metric::LatencyOverFloor:
      if (point.latency_floor_ms <= 0) return std::nullopt;
      return point.latency_mean_ms.mean / point.latency_floor_ms;
    case Metric::Throughput: return point.throughput.mean;
    case Metric::ThroughputRecovered:
    case Metric::RecoveryTime:
    case Metric::RecoveryFull:
    case Metric::RecoveryBound:
    case Metric::RecoveryOverBound:
    case Metric::RecoveryFullOverBound: return value_of_recoveries(point, metric);
    case Metric::WanBytesPerOp: return point.wan_bytes_per_op;
    case Metric::WanMessagesPerOp: return point.wan_messages_per_op;
    case Metric::LinkUseMax: return point.link_use_max_percent;
    case Metric::CpuMsPerOp: return point.cpu_ms_per_op;
    case Metric::CpuBusyMax: return point.cpu_busy_percent;
    case Metric::GraphCpuPercent: return point.graph_cpu_percent;
    case Metric::GraphThreadPercent: return point.graph_thread_percent;
    case Metric::SimMicrosPerMessage: return point.sim_us_per_message;
    case Metric::SimWallPerVirtualMinute: return point.sim_wall_per_minute_s;
    default: return std::nullopt;
  }
}

}  // namespace seneschal::lab
