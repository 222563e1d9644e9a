// A whole deployment in virtual time: what experiments use. Overlay nodes, gates, protocol cores, clients and links
// are the product's own; only time, sockets and (by default) cryptography are simulated.
#pragma once
#include "emulator/cost_model.hpp"
#include "lab/deployment.hpp"
#include "lab/mishaps.hpp"

#include <functional>
#include <string>
#include <vector>

namespace seneschal::lab::sim {

enum class Placement : std::uint8_t {
  OwnHosts,  // every server, router and client is a machine of its own, joined by the site's LAN
  OneHost,   // everything shares one machine: predicts a live run, no LAN in between
};

/// Cores of each kind of machine.
struct Machines {
  Placement placement = Placement::OwnHosts;
  unsigned server_cores = 2;
  unsigned router_cores = 2;
  unsigned client_cores = 1;
  unsigned one_host_cores = 2;
};

/// What clients do. Number and places of clients are the deployment's.
struct Load {
  std::uint32_t payload_bytes = 200;
  std::uint32_t update_percent = 100;  // the others are read-only queries
  /// Open loop: mean time between arrivals at each client; 0: closed loop, the next operation starts at once.
  Duration open_interval{};
  /// Operations per client; 0: no limit.
  std::uint64_t operations = 0;
};

struct SimSetup {
  Deployment deployment;
  /// For all machines; threshold costs are chosen for the deployment's f.
  emulator::CostModel costs;
  Machines machines;
  Load load;
  Duration warmup = std::chrono::seconds(2);
  Duration measured = std::chrono::seconds(8);
  std::uint64_t seed = 1;
  /// Safety checkers; they cost about a tenth of the time.
  bool check = true;
  /// What happens from the begin of the measured time on, and who is Byzantine.
  std::vector<Mishap> mishaps;
  std::vector<Traitor> traitors;
  /// Real keys instead of simulated ones: slow, same costs in virtual time.
  bool real_crypto = false;
  /// Asked all the time, from the simulation's thread; once it says true the run ends with the error "interrupted".
  std::function<bool()> stop;
};

/// One direction of one link between sites, over the measured time.
struct LinkUse {
  std::size_t from = 0;  // site of the topology
  std::size_t to = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;  // on the wire, headers included
  std::uint64_t queue_drops = 0;
  double use = 0;  // busy time over measured time; 0 for links without a bandwidth
};

/// An operation that finished, at any time of the run.
struct SimCompletion {
  std::size_t site = 0;  // of the client
  Instant finished;
  Duration latency{};
  bool query = false;
};

struct SimResult {
  std::vector<SimCompletion> completions;
  /// At the end of the measured time, the largest of the living servers: before the first view change they know only
  /// the floors.
  ProtocolTimers timers;
  /// Latencies of operations that finished in the measured time, by site of the client, unsorted.
  std::vector<std::vector<Duration>> update_latencies;
  std::vector<std::vector<Duration>> query_latencies;
  std::uint64_t updates_done = 0;
  std::uint64_t queries_done = 0;
  double throughput = 0;  // operations per second of measured time
  std::uint64_t wan_bytes = 0;
  std::uint64_t wan_messages = 0;
  std::vector<LinkUse> links;
  double link_use_max = 0;
  double cpu_busy_max = 0;          // of the busiest machine, over its cores
  double server_cpu_ms_per_op = 0;  // CPU of all servers and routers per operation done
  std::uint64_t view_changes_local = 0;
  std::uint64_t view_changes_global = 0;
  std::uint64_t batches = 0;  // entries executed in the measured time, at the furthest server
  /// Empty if no safety property was broken; else which one, and how.
  std::string violation;
  std::uint64_t trace_hash = 0;

  // The simulator itself, over the whole run.
  std::uint64_t events = 0;
  std::uint64_t messages = 0;  // datagrams taken in by servers and clients
  double wall_seconds = 0;
  Duration virtual_time{};
};

/// Runs the setup from start to end. Errors: a deployment that cannot be built (unknown option, wrong counts).
Result<SimResult> simulate(const SimSetup& setup);

}  // namespace seneschal::lab::sim
