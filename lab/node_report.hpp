// What a running daemon says about itself, over its socket.
#pragma once
#include "lab/cluster.hpp"

#include <map>

namespace seneschal::lab {

/// One direction of one of the node's links, as sent by the node.
struct LinkReport {
  NodeId peer;
  bool up = false;
  std::uint64_t packets = 0;     // put on the wire since the start
  std::uint64_t wire_bytes = 0;  // IP and UDP headers included
  std::uint64_t queue_drops = 0;
  std::uint64_t losses = 0;
  double delay_ms = 0;  // asked
  double error_p50_ms = 0;
  double error_p99_ms = 0;
  std::optional<double> bandwidth_error_percent;
};

struct PluginReport {
  std::uint32_t port = 0;
  bool running = false;
  std::string error;
  std::string log;  // "kept", "none", "lost: ...", "failed: ..."
  std::map<std::string, std::string> status;
};

struct NodeReport {
  NodeId node;
  std::uint64_t receive_drops = 0;  // datagrams that the kernel threw away at the node's socket
  std::uint64_t cpu_us = 0;         // of the daemon since its start
  std::size_t reachable = 0;        // other nodes that routing knows a way to
  std::vector<LinkReport> links;
  std::vector<PluginReport> plugins;
};

/// Asks one daemon. Errors: it is gone, it says nothing for `patience`, or it answered something else.
Result<NodeReport> ask_node(const ClusterNode& node, Duration patience = 5s);
/// Starts the measurement of delays and bandwidth afresh.
Status reset_measurements(const ClusterNode& node);
/// Ends the replica on `port` of the node at once, in the middle of what it does.
Status end_replica(const ClusterNode& node, std::uint32_t port);
/// From now on the node's link to `to` behaves like that.
Status set_link(const ClusterNode& node, NodeId to, const emulator::LinkConfig& link);

}  // namespace seneschal::lab
