// An experiment: series of measured points, the figures they must show, and what others measured. One description
// runs live (real processes) and in the simulator. File format: docs/lab.md.
#pragma once
#include "lab/deployment.hpp"
#include "lab/mishaps.hpp"

#include <optional>

namespace seneschal::lab {

enum class RuntimeKind : std::uint8_t { Live, Sim };
std::string_view to_string(RuntimeKind kind);

/// Instead of a cost file: what `lab run` measures on this machine just before it simulates.
inline constexpr std::string_view kMeasuredCosts = "measured";

/// One line of a plot: everything but the number of clients is fixed.
struct Series {
  std::string id;       // names the series inside the experiment
  std::string setting;  // free label for the reader: "today", "paper", "batch 1"
  RuntimeKind runtime = RuntimeKind::Sim;
  Protocol protocol = Protocol::Steward;
  emulator::Topology topology;
  std::uint16_t faults = 1;
  std::vector<std::uint16_t> servers;  // per site of the topology
  std::vector<std::uint32_t> clients;  // one point each
  std::uint32_t update_percent = 100;  // the others are queries
  std::uint32_t payload_bytes = 200;
  /// Experiments leave the disk out unless they say otherwise, as the report did; deployments do not.
  ProtocolOptions options{.durability = "none"};
  KeySizes keys;
  bool shaped = true;                   // live: links behave like the topology's
  std::string costs;                    // sim: path of the cost file, or kMeasuredCosts
  bool one_host = false;                // sim: everything shares one machine, as in a live run on one
  std::uint32_t host_cores = 2;         // of that machine
  Duration warmup{};                    // before the measured window
  Duration measure{};                   // the measured window
  Duration cooldown{};                  // load goes on so long after the window
  std::vector<std::uint64_t> seeds{1};  // one run each; live runs use them for the load only
  bool plotted = true;
  std::vector<Mishap> mishaps;    // what happens while it is measured; such a series is deployed anew for each run
  std::vector<Treason> treasons;  // Byzantine servers, from the start

  std::size_t sites() const { return topology.size(); }
  std::uint32_t server_count() const;
};

/// A deployment for `clients` clients of the series.
Deployment deployment_of(const Series& series, std::uint32_t clients);

/// What a figure is about.
enum class Metric : std::uint8_t {
  LatencyMean,
  LatencyP50,
  LatencyP99,
  LatencyFloor,
  FloorAtLeader,   // of a client at the leader (primary) site
  FloorElsewhere,  // the largest of the other sites
  LatencyOverFloor,
  Throughput,
  ThroughputRecovered,  // after the last mishap and what it may take to recover from it
  RecoveryTime,         // the longest, seconds from a mishap to service
  RecoveryFull,         // the same, to nine tenths of the throughput before
  RecoveryBound,        // what was allowed for the slowest
  RecoveryOverBound,
  RecoveryFullOverBound,
  WanBytesPerOp,
  WanMessagesPerOp,
  LinkUseMax,  // percent
  CpuMsPerOp,
  CpuBusyMax,       // percent
  GraphCpuPercent,  // live, with accountability: of the CPU time of all daemons
  GraphThreadPercent,
  SimMicrosPerMessage,
  SimWallPerVirtualMinute,  // seconds
  kLast = SimWallPerVirtualMinute,
};
std::string_view to_string(Metric metric);
std::string_view title_of(Metric metric);
std::string_view unit_of(Metric metric);

/// Another's number, printed beside ours with the ratio.
struct Versus {
  std::string name;
  double value = 0;
};

/// One figure that the experiment must show.
struct Figure {
  enum class Kind : std::uint8_t {
    Bound,     // a metric of one series within [at_least, at_most]
    Ahead,     // `series` before `other` in latency and throughput
    Agree,     // mean latency of `series` and `other` within `within_percent`, while the host is less busy than
               // cpu_below
    Fidelity,  // live runs VALID
    Show,      // printed, never judged
    Ratio,     // a metric of `series` over that of `other` within [at_least, at_most]
    kLast = Ratio,
  };
  Kind kind = Kind::Show;
  std::string title;
  std::string series;
  std::string other;
  std::vector<std::uint32_t> clients;        // judged at each; empty: at all points of the series
  std::vector<std::uint32_t> host_bound_ok;  // of these points a miss while the host is busy is not judged
  Metric metric = Metric::LatencyMean;
  std::optional<double> at_least;
  std::optional<double> at_most;
  double within_percent = 10;
  double cpu_below_percent = 60;
  bool quiet_host = false;  // judged only if steal and foreign load are below 5 %
  std::vector<Versus> versus;
};

/// A point that somebody else published, drawn into the plots.
struct Reference {
  std::string source;
  std::string label;
  Metric metric = Metric::LatencyMean;
  std::uint32_t clients = 0;
  double value = 0;
};

struct Experiment {
  std::string name;
  std::string title;
  std::string description;
  std::vector<Series> series;
  std::vector<Figure> figures;
  std::vector<Reference> references;

  const Series* find(std::string_view id) const;
  bool has(RuntimeKind kind) const;
};

/// Reads and checks an experiment file; paths in it are relative to its folder. Errors name file, line and what to
/// do.
Result<Experiment> load_experiment(const std::string& path);
/// Writes `dir/experiment.toml`, complete: with the topologies and cost files it needs beside it, so that `lab run`
/// on it repeats the run.
Status save_experiment(const Experiment& experiment, const std::string& dir);

}  // namespace seneschal::lab
