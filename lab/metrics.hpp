// What is measured, defined once for both runtimes.
//
// - latency: at the client, from sending an operation to accepting its result, retries included. Open loop: from the
//   scheduled time. Operations count whose result was accepted inside the measured window.
// - mean latency: the mean over clients of each client's mean, so that in a closed loop a client near the leader,
// which
//   completes more, does not count for more than one that is far away. The floor is averaged the same way.
//   Percentiles are over all operations.
// - throughput: results accepted per second of the measured window.
// - wide-area bytes and messages per operation: put on the links between sites inside the window, IP and UDP headers
// and
//   retransmissions included, over the operations accepted in it.
// - link use: bytes sent over bytes the link could have carried in the window; goodput: payload bytes of accepted
// updates
//   over the same, of the busiest link.
// - 95 % interval: Student's t over the runs of a point; none for fewer than 3 runs.
#pragma once
#include "lab/experiment.hpp"

#include <optional>
#include <string>
#include <vector>

namespace seneschal::lab {

/// One accepted operation.
struct Sample {
  std::size_t site = 0;  // of the client
  Instant accepted;
  Duration latency{};
  bool update = true;
};

/// One direction of one link between sites, inside the measured window.
struct LinkTraffic {
  std::size_t from = 0;
  std::size_t to = 0;
  std::uint64_t messages = 0;
  std::uint64_t wire_bytes = 0;
  std::uint64_t queue_drops = 0;
  std::uint64_t losses = 0;
  std::uint64_t bandwidth_bps = 0;  // 0: unlimited
};

/// Asked against achieved on one link of a live run.
struct LinkFidelity {
  std::size_t from = 0;
  std::size_t to = 0;
  double delay_ms = 0;  // asked
  double error_p50_ms = 0;
  double error_p99_ms = 0;
  std::optional<double> bandwidth_error_percent;  // nothing without busy periods of at least 100 packets
  std::uint64_t receive_drops = 0;
};

/// Whether a live run was what it claims to be.
struct Fidelity {
  std::vector<LinkFidelity> links;
  double steal_percent = 0;    // of all CPU time of the machine in the window
  double foreign_percent = 0;  // used by processes that are not ours
  std::vector<std::string> breaches;
  bool valid() const { return breaches.empty(); }
};
/// Compares with the bounds and fills `breaches`.
void judge(Fidelity& fidelity, const emulator::Topology* topology = nullptr);

/// A mishap of a run, and what was allowed for getting over it.
struct MishapMark {
  Instant at;
  std::string label;
  std::optional<Duration> bound;
  std::string bound_text;          // "3 T2 + 4 round trips"
  std::vector<std::size_t> taken;  // sites whose clients nobody can serve from then on
};

std::vector<MishapMark> marks_of(const std::vector<Mishap>& mishaps, std::size_t sites, Instant window_begin,
                                 const ProtocolTimers& timers);

/// Raw facts of one run of one point.
struct RunData {
  std::uint64_t seed = 0;
  Instant window_begin;
  Instant window_end;
  std::vector<Sample> samples;  // all of the run, warm-up included
  std::vector<MishapMark> mishaps;
  std::vector<LinkTraffic> links;
  std::optional<double> cpu_ms;            // of all daemons (live) or hosts (sim), in the window
  std::optional<double> cpu_busy_percent;  // of the busiest host
  std::optional<double> graph_cpu_ms;      // of `cpu_ms`, for the Accountability Graph; nothing if nobody builds it
  std::optional<double> graph_thread_ms;   // of `graph_cpu_ms`, on threads of its own
  std::optional<std::uint64_t> view_changes_local;
  std::optional<std::uint64_t> view_changes_global;
  std::string safety = "ok";
  std::optional<Fidelity> fidelity;  // live only
  double wall_s = 0;                 // real time that the run took
  double virtual_s = 0;              // sim only
  std::uint64_t sim_messages = 0;    // sim only
  std::string trace;                 // sim only: hash of everything that happened
  std::string problem;               // why nothing was measured; empty if all went well
};

/// Mean and half width of the 95 % interval.
struct Estimate {
  double mean = 0;
  std::optional<double> half_width;
};
Estimate estimate(const std::vector<double>& values);

/// Counts of latencies in buckets of equal ratio, from 0.01 ms.
struct Histogram {
  std::vector<std::pair<double, std::uint64_t>> buckets;  // upper bound in ms, count; empty ones left out
};

/// How a run got over one mishap. Times are seconds after it.
struct Recovery {
  std::string label;
  double at_s = 0;                  // after the begin of the measured window
  std::optional<double> service_s;  // the last unusual silence of any site's clients ends
  std::optional<double> full_s;     // nine tenths of the throughput before the first mishap, over two seconds
  std::optional<double> bound_s;
  std::string bound_text;
  double throughput_after = 0;  // from the bound (at once without one) to the next mishap or the window's end
};

/// What a point of a series came to.
struct Point {
  const Series* series = nullptr;
  std::uint32_t clients = 0;
  std::vector<std::uint64_t> seeds;
  std::uint64_t operations = 0;  // accepted in the windows of all runs
  Estimate throughput;
  Estimate latency_mean_ms;
  double latency_p50_ms = 0;
  double latency_p90_ms = 0;
  double latency_p99_ms = 0;
  double latency_max_ms = 0;
  double latency_floor_ms = 0;
  std::optional<double> wan_bytes_per_op;
  std::optional<double> wan_messages_per_op;
  std::optional<double> link_use_max_percent;
  std::optional<double> goodput_percent;
  std::optional<double> cpu_ms_per_op;
  std::optional<double> cpu_busy_percent;
  std::optional<double> graph_cpu_percent;  // of all daemons' CPU time
  std::optional<double> graph_thread_percent;
  std::optional<double> graph_cpu_ms_per_op() const {
    if (!cpu_ms_per_op || !graph_cpu_percent) return std::nullopt;
    return *cpu_ms_per_op * *graph_cpu_percent / 100;
  }
  std::optional<std::uint64_t> view_changes_local;
  std::optional<std::uint64_t> view_changes_global;
  std::string safety = "ok";
  std::optional<Fidelity> fidelity;  // of the worst run
  double wall_s = 0;
  std::optional<double> sim_us_per_message;
  std::optional<double> sim_wall_per_minute_s;
  std::string trace;
  Histogram histogram;
  std::vector<double> timeline;      // of the first run, only of series with mishaps
  std::vector<Recovery> recoveries;  // of all runs
  std::string problem;               // why there is no measurement

  bool measured() const { return problem.empty(); }
  std::string_view fidelity_word() const;
};

/// Only clients count that can be served after all mishaps.
std::vector<Recovery> recoveries_of(const RunData& run);
/// Accepted operations per second in steps of `kTimelineStep` from the begin of the window to its end.
inline constexpr Duration kTimelineStep = std::chrono::milliseconds(500);
std::vector<double> timeline_of(const RunData& run);

/// Works the runs of one point out. A point without an accepted operation has a `problem`.
Point evaluate(const Series& series, std::uint32_t clients, const std::vector<RunData>& runs);

/// The slowest recovery of a point, and what it may take; the metrics of recovery only.
std::optional<double> value_of_recoveries(const Point& point, Metric metric);
/// The value of a metric at a point; nothing if it was not measured there.
std::optional<double> value_of(const Point& point, Metric metric);

/// Nearest-rank percentile of ascending values; 0 if there are none.
Duration percentile(const std::vector<Duration>& ascending, double percent);

}  // namespace seneschal::lab
