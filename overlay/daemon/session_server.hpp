// Sessions of outside programs: a Unix socket of packets; only its owner may connect.
#pragma once
#include "overlay/daemon/doorway.hpp"
#include "overlay/daemon/endpoint.hpp"
#include "overlay/session_wire.hpp"

#include <deque>
#include <map>
#include <memory>

namespace seneschal::overlay {

struct SessionCounters {
  std::uint64_t accepted = 0;
  std::uint64_t refused = 0;      // too many sessions
  std::uint64_t malformed = 0;    // sessions ended for nonsense
  std::uint64_t received = 0;     // datagrams from sessions
  std::uint64_t sent = 0;         // datagrams to sessions
  std::uint64_t queue_drops = 0;  // datagrams for a session that reads too slowly
};

class SessionServer {
 public:
  static constexpr std::size_t kMaxSessions = 256;
  static constexpr std::size_t kMaxPorts = kMaxSessionPorts;
  /// What waits for one session; more is dropped and counted.
  static constexpr std::size_t kMaxQueued = 16'384;
  static constexpr std::size_t kMaxQueuedBytes = 32 * 1024 * 1024;

  SessionServer(asio::IoLoop& loop, asio::UnixListener listener, Switchboard& node);
  ~SessionServer();

  /// Sends what waits for sessions; to be called after each round of the loop.
  void flush();
  std::size_t sessions() const { return sessions_.size(); }
  const SessionCounters& counters() const { return counters_; }
  /// Of those refused, for want of descriptors.
  std::uint64_t without_descriptor() const { return door_.refused(); }

 private:
  class Connection;
  /// Descriptors that sessions leave to the node: for logs, graphs, and those who ask how it is.
  static constexpr int kSpareDescriptors = 24;
  void welcome(asio::Fd fd);

  asio::IoLoop& loop_;
  Switchboard& node_;
  std::map<int, std::unique_ptr<Connection>> sessions_;
  std::vector<int> dirty_;  // have something to send
  std::vector<int> dead_;   // to be closed at the next flush
  Bytes buffer_;
  SessionCounters counters_;
  Doorway door_;
};

}  // namespace seneschal::overlay
