// Sessions of outside programs: a Unix socket of packets; only its owner may connect.
#pragma once
#include "overlay/daemon/endpoint.hpp"
#include "overlay/session_wire.hpp"
#include "runtime/asio/io_loop.hpp"
#include "runtime/asio/unix_socket.hpp"

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
  static constexpr std::size_t kMaxPorts = 256;  // of one session
  /// What waits for one session; more is dropped and counted.
  static constexpr std::size_t kMaxQueued = 16'384;
  static constexpr std::size_t kMaxQueuedBytes = 32 * 1024 * 1024;

  SessionServer(asio::IoLoop& loop, asio::UnixListener listener, Switchboard& node);
  ~SessionServer();

  /// Sends what waits for sessions; to be called after each round of the loop.
  void flush();
  std::size_t sessions() const { return sessions_.size(); }
  const SessionCounters& counters() const { return counters_; }

 private:
  class Connection;
  void accept();
  void close(int fd);

  asio::IoLoop& loop_;
  asio::UnixListener listener_;
  Switchboard& node_;
  std::map<int, std::unique_ptr<Connection>> sessions_;
  std::vector<int> dirty_;  // have something to send
  std::vector<int> dead_;   // to be closed at the next flush
  Bytes buffer_;
  SessionCounters counters_;
};

}  // namespace seneschal::overlay
