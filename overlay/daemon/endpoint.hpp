// What is attached to a node's ports: plugins and sessions.
#pragma once
#include "overlay/wire.hpp"

namespace seneschal::overlay {

class Endpoint {
 public:
  virtual ~Endpoint() = default;
  /// On the I/O thread, from inside the node's core: takes the datagram into a bounded queue, calls nobody back.
  virtual void deliver(const Delivery& delivery) = 0;
};

/// What plugins and sessions may ask of their node. On the I/O thread, not from inside `Endpoint::deliver`.
class Switchboard {
 public:
  virtual ~Switchboard() = default;
  virtual NodeId self() const = 0;
  virtual std::expected<void, Reject> open(Port port, Endpoint& endpoint) = 0;
  virtual void close(Port port) = 0;
  virtual std::expected<void, Reject> join(Port port, GroupId group) = 0;
  virtual void leave(Port port, GroupId group) = 0;
  /// To each of the targets. The first reason for which one of them was refused, if any.
  virtual std::expected<void, Reject> send(Port source, std::span<const Target> targets, const SharedBytes& bytes,
                                           Service service) = 0;
};

}  // namespace seneschal::overlay
