#include "lab/experiment.hpp"

#include <algorithm>
#include <numeric>

namespace seneschal::lab {

std::string_view to_string(RuntimeKind kind) {
  return kind == RuntimeKind::Live ? "live" : "sim";
}

namespace {
struct MetricInfo {
  std::string_view name, title, unit;
};
constexpr MetricInfo kMetrics[] = {
    {"latency_mean", "mean latency", "ms"},
    {"latency_p50", "median latency", "ms"},
    {"latency_p99", "99th percentile of latency", "ms"},
    {"latency_floor", "crossings floor, all clients", "ms"},
    {"floor_at_leader", "crossings floor at the leader site", "ms"},
    {"floor_elsewhere", "crossings floor elsewhere", "ms"},
    {"latency_over_floor", "mean latency over the floor", "times"},
    {"throughput", "throughput", "updates/s"},
    {"throughput_recovered", "throughput once recovered", "updates/s"},
    {"recovery", "time to recover", "s"},
    {"recovery_full", "time to nine tenths of the throughput", "s"},
    {"recovery_bound", "bound on the time to recover", "s"},
    {"recovery_over_bound", "time to recover over its bound", "times"},
    {"recovery_full_over_bound", "time to nine tenths of the throughput over the bound", "times"},
    {"wan_bytes_per_op", "wide-area bytes per update", "bytes"},
    {"wan_messages_per_op", "wide-area messages per update", "messages"},
    {"link_use_max", "use of the busiest link", "%"},
    {"cpu_ms_per_op", "CPU time per update, all daemons", "ms"},
    {"cpu_busy_max", "CPU busy", "%"},
    {"graph_cpu_percent", "CPU time of the Accountability Graph, of that of all daemons", "%"},
    {"graph_thread_percent", "CPU time of the Accountability Graph's own threads, of that of all daemons", "%"},
    {"sim_us_per_message", "real time per simulated message", "us"},
    {"sim_wall_per_minute", "real time per virtual minute", "s"},
};
static_assert(std::size(kMetrics) == static_cast<std::size_t>(Metric::kLast) + 1);
}  // namespace

std::string_view to_string(Metric metric) {
  return kMetrics[static_cast<std::size_t>(metric)].name;
}
std::string_view title_of(Metric metric) {
  return kMetrics[static_cast<std::size_t>(metric)].title;
}
std::string_view unit_of(Metric metric) {
  return kMetrics[static_cast<std::size_t>(metric)].unit;
}

std::uint32_t Series::server_count() const {
  return std::accumulate(servers.begin(), servers.end(), 0u);
}

Deployment deployment_of(const Series& series, std::uint32_t clients) {
  Deployment d;
  d.name = series.id;
  d.protocol = series.protocol;
  d.topology = series.topology;
  d.faults = series.faults;
  d.servers = series.servers;
  d.clients = clients;
  d.options = series.options;
  d.keys = series.keys;
  d.shaped = series.shaped;
  return d;
}

const Series* Experiment::find(std::string_view id) const {
  const auto it = std::ranges::find(series, id, &Series::id);
  return it == series.end() ? nullptr : &*it;
}

bool Experiment::has(RuntimeKind kind) const {
  return std::ranges::find(series, kind, &Series::runtime) != series.end();
}

}  // namespace seneschal::lab
