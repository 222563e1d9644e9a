// The daemons of a deployment on this machine: started, watched, and ended so that nothing is left behind.
#pragma once
#include "lab/behaviours.hpp"
#include "lab/deployment.hpp"
#include "lab/folder_lock.hpp"
#include "lab/process.hpp"

namespace seneschal::lab {

struct ClusterNode {
  NodeId id;
  ProcessId process;       // of its daemon; pid 0: none runs here
  bool elsewhere = false;  // its daemon runs on another machine or in another container
  std::string session;     // sockets
  std::string control;
  std::string log;
};

struct Cluster {
  std::string name;
  std::string dir;      // deployment.toml, nodes/, state.json
  std::string sockets;  // folder of the nodes' sockets
  std::string keys;     // folder of the keys in use
  std::vector<ClusterNode> nodes;
  std::string note;  // what was wrong with its state file; empty: nothing

  /// Nodes whose daemons run, wherever.
  std::vector<const ClusterNode*> running() const;
  std::vector<ProcessId> processes() const;
  const ClusterNode* find(NodeId id) const;
  /// The file whose existence tells Byzantine servers that wait for it to begin.
  std::string turned() const { return dir + "/turned"; }
};

struct ClusterOptions {
  std::string program;  // `seneschal`; empty: the running program
  std::string
      plugins;  // folder of libsteward.so and libbft.so; empty: lib/seneschal/ or lib/ beside the program's folder
  std::string keys;  // folder that `generate_keys` filled
  /// Byzantine servers: they run libsteward_traitor.so, which only test builds have (target steward_traitor).
  std::vector<Traitor> traitors;
  bool traitors_wait = false;  // they are correct until the file `Cluster::turned` is there
  bool detach = false;         // survives its starter (`lab up`); else it ends with it
  bool fresh = false;          // what servers of an earlier start from `dir` wrote is removed first
  /// The folder's lock if the caller has it; else it is taken while daemons are started.
  const FolderLock* lock = nullptr;
};

/// Where a server's Accountability Graph is, in the folder of a deployment.
std::string graph_folder(const std::string& dir, ServerId id);

/// Logs of the servers of a deployment below `dir`, and the marks that they have run.
bool has_run(const std::string& dir);
void forget_runs(const std::string& dir);

/// Error if a plugin that servers need is missing.
Status check_plugins(Protocol protocol, const ClusterOptions& options);

/// Writes the deployment's files below `dir` and starts its daemons; servers that ran there before go on from their
/// logs. On an error nothing of it runs any more. Errors: a daemon of the folder runs; a program or plugin that is
/// missing; a port in use.
Result<Cluster> start_cluster(Deployment deployment, const std::string& dir, const ClusterOptions& options);
/// Starts the daemon of one node again, as `start_cluster` did, detached.
Result<ProcessId> start_daemon(const Cluster& cluster, NodeId node, const FolderLock& lock);
/// Waits until every link is up and every replica runs, then returns; errors name what is missing and why.
Status wait_ready(const Cluster& cluster, const Deployment& deployment, Duration timeout);
struct Stopped {
  std::size_t killed = 0;         // daemons that did not end when they were asked to
  std::vector<ClusterNode> left;  // still run: they belong to another user, or are not on this machine
};
/// Ends all daemons of the cluster's folder, however they were started, and removes sockets and state file.
Stopped stop_cluster(const Cluster& cluster);
/// Ends the daemon of one node.
Stopped stop_daemon(const Cluster& cluster, NodeId node);

/// `dir/state.json`: how the daemons were started. Which of them run it does not say: that may change at any moment.
Status save_state(const Cluster& cluster);
/// What was started from `dir`, and which of its daemons run now, by their locks. Error if nothing was, or if the
/// folder belongs to another user and cannot be read. A state file that is damaged or missing while daemons run is
/// made up for from their configuration; `note` says so.
Result<Cluster> load_state(const std::string& dir);

/// The last lines of a log, for messages.
std::string log_tail(const std::string& path, std::size_t lines = 4);

}  // namespace seneschal::lab
