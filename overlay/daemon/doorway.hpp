// Accepts connections of a Unix socket, and refuses them when there are no descriptors left.
#pragma once
#include "runtime/asio/io_loop.hpp"
#include "runtime/asio/unix_socket.hpp"

namespace seneschal::overlay {

/// Accepts connections as long as the process has descriptors to spare. Others are closed at once and counted: a
/// connection that stayed in the queue would keep the socket readable, and the loop busy, for ever. The node's own
/// files come first: a log that cannot begin a segment would silence a server.
class Doorway {
 public:
  using Welcome = std::function<void(asio::Fd)>;

  /// `what` is for the log: "sessions". So many descriptors (`spare`) are left to the rest of the process.
  Doorway(asio::IoLoop& loop, asio::UnixListener listener, std::string what, int spare, Welcome welcome);
  ~Doorway();
  Doorway(const Doorway&) = delete;
  Doorway& operator=(const Doorway&) = delete;

  /// After each round of the loop: a doorway that could not even refuse opens again after a while.
  void settle();
  /// Connections closed for want of descriptors.
  std::uint64_t refused() const { return refused_; }

 private:
  void accept();
  void watch();
  /// False: not even that could be done.
  bool refuse_one();
  void tell(const std::string& reason);

  asio::IoLoop& loop_;
  asio::UnixListener listener_;
  std::string what_;
  int spare_;
  Welcome welcome_;
  asio::Fd reserve_;  // given up to refuse a connection when there is no other descriptor
  std::uint64_t refused_ = 0;
  Instant closed_until_ = Instant::never();  // never: the socket is watched
  Instant told_{};
  bool ever_told_ = false;
};

}  // namespace seneschal::overlay
