// The daemons of a deployment on this machine: started, watched, and ended so that nothing is left behind.
#pragma once
#include "lab/behaviours.hpp"
#include "lab/deployment.hpp"
#include "lab/process.hpp"

namespace seneschal::lab {

struct ClusterNode {
  NodeId id;
  ProcessId process;
  std::string session;  // sockets
  std::string control;
  std::string log;
};

struct Cluster {
  std::string name;
  std::string dir;      // deployment.toml, nodes/, state.json
  std::string sockets;  // folder of the nodes' sockets
  std::string keys;     // folder of the keys in use
  std::vector<ClusterNode> nodes;

  std::vector<ProcessId> processes() const;
  const ClusterNode* find(NodeId id) const;
  /// The file whose existence tells Byzantine servers that wait for it to begin.
  std::string turned() const { return dir + "/turned"; }
};

struct ClusterOptions {
  std::string program;  // `seneschal`; empty: the running program
  std::string plugins;  // folder of libsteward.so and libbft.so; empty: lib/ beside the program's folder
  std::string keys;     // folder that `generate_keys` filled
  /// Byzantine servers: they run libsteward_traitor.so, which only test builds have (target steward_traitor).
  std::vector<Traitor> traitors;
  bool traitors_wait = false;  // they are correct until the file `Cluster::turned` is there
  bool detach = false;         // survives its starter (`lab up`); else it ends with it
  bool fresh = false;          // what servers of an earlier start from `dir` wrote is removed first
};

/// Where a server's Accountability Graph is, in the folder of a deployment.
std::string graph_folder(const std::string& dir, ServerId id);

/// Logs of the servers of a deployment below `dir`, and the marks that they have run.
bool has_run(const std::string& dir);
void forget_runs(const std::string& dir);

/// Writes the deployment's files below `dir` and starts its daemons; servers that ran there before go on from their
/// logs. On an error nothing of it runs any more. Errors:
/// a program or plugin that is missing, a port in use, a daemon that ended at once (with the end of its log).
Result<Cluster> start_cluster(Deployment deployment, const std::string& dir, const ClusterOptions& options);
/// Waits until every link is up and every replica runs, then returns; errors name what is missing and why.
Status wait_ready(const Cluster& cluster, const Deployment& deployment, Duration timeout);
/// Ends all daemons and removes sockets and state file. Returns how many did not end by themselves.
std::size_t stop_cluster(const Cluster& cluster);

/// `dir/state.json`: what `lab status` and `lab down` need.
Status save_state(const Cluster& cluster);
/// Error if nothing was started from `dir`.
Result<Cluster> load_state(const std::string& dir);

/// The last lines of a log, for messages.
std::string log_tail(const std::string& path, std::size_t lines = 4);

}  // namespace seneschal::lab
