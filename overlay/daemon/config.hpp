// A node's part of a deployment file.
//
//   routing = "measured"          # or "configured": costs are the links' delays, whatever is measured
//   crypto_threads = 0            # 0: one per core
//   data_dir = "data"             # logs of plugins, named by what they belong to; relative to the file
//   lock_dir = "daemons"          # node-N.lock of each running daemon (daemon_lock.hpp); relative to the file
//   [[node]]
//   id = 1
//   address = "127.0.0.1:7001"
//   session = "run/1.session"     # Unix sockets, relative to the file
//   control = "run/1.control"
//   [[link]]                      # both directions alike; one_way = true changes only this one
//   from = 1
//   to = 2
//   delay_ms = 50                 # jitter_ms, bandwidth_mbps, queue_kib, loss_percent, duplicate_percent,
//   bandwidth_mbps = 10           # reorder_percent, reorder_extra_ms
//   [[plugin]]
//   node = 1
//   name = "steward-1-0"
//   library = "../lib/libsteward.so"
//   port = 100
//   config = "1-0.conf"           # handed to the plugin as text
#pragma once
#include "emulator/link_model.hpp"
#include "emulator/toml_file.hpp"
#include "overlay/config.hpp"
#include "runtime/asio/udp_socket.hpp"

#include <optional>
#include <string>

namespace seneschal::overlay {

struct PeerPlace {
  NodeId id;
  asio::UdpAddress address;
  emulator::LinkConfig out;  // from this node to the peer
};

struct PluginSpec {
  std::string name;
  std::string library;
  Port port;
  std::string config;  // text
  std::string folder;  // relative paths in the text start here
  std::string logs;    // folder of the logs of all plugins
  std::string marks;   // folder of the marks that they have run, apart from the logs
};

struct DaemonConfig {
  NodeId self;
  asio::UdpAddress address;
  std::string session_path;
  std::string control_path;
  std::string lock_path;
  RoutingMode routing = RoutingMode::Measured;
  unsigned crypto_threads = 0;
  std::vector<PeerPlace> peers;
  std::vector<PluginSpec> plugins;
  std::vector<std::string> notes;  // for the log: what is understood, but written otherwise today
};

/// The default of `lock_dir`, beside the file.
inline constexpr std::string_view kLockFolder = "daemons";
/// The lock of a node's daemon in the folder of locks.
std::string lock_path(const std::string& locks, NodeId node);

/// Reads the part of node `node`; if nothing is given the file must have one node only. Errors name file and line.
Result<DaemonConfig> load_daemon_config(const std::string& path, std::optional<NodeId> node);

}  // namespace seneschal::overlay
