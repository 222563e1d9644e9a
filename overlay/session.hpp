// The client side of a session: how a program outside the node sends and receives overlay datagrams.
//
//   auto session = Session::connect("/run/seneschal/node1.session");
//   session->open(Port(1000));
//   session->send(Port(1000), std::array{Target(EndpointId{NodeId(2), Port(100)})}, bytes);
//   while (auto got = session->receive(100ms)) ...
#pragma once
#include "base/result.hpp"
#include "overlay/session_wire.hpp"

#include <memory>

namespace seneschal::overlay {

struct SessionReceived {
  Port port;  // the session's own port that it came to
  EndpointId source;
  Target target;  // what it was sent to
  SharedBytes bytes;
};

/// Not thread-safe. May have any number of ports open (the node's limits apply).
class Session {
 public:
  /// Errors name the path and what to do.
  static Result<Session> connect(const std::string& path);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  /// Claims a port of the node. Errors: taken by somebody else, too many.
  Status open(Port port);
  Status close(Port port);
  Status join(Port port, GroupId group);
  Status leave(Port port, GroupId group);
  /// One datagram of at most 256 KiB to all targets. Errors: QueueFull (the node is behind: wait for `fd` to become
  /// writable, or drop), TooLong, NotOurs (the node is gone).
  std::expected<void, Reject> send(Port source, std::span<const Target> targets, Span bytes,
                                   Service service = Service::BestEffort);
  /// The next datagram; waits up to `patience`. Nothing if there is none, or the session has ended (`alive`).
  std::optional<SessionReceived> receive(Duration patience = Duration::zero());

  /// Readable when `receive` has something, after it has once returned nothing. For poll; do not read from it.
  int fd() const;
  /// False once the node has closed the session.
  bool alive() const;
  /// The node's id; known after the first `open`.
  NodeId node() const;

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace seneschal::overlay
