// What a host offers to a replica. Two implementations: the plugin host (sockets, pool, log) and the simulator.
#pragma once
#include "base/time.hpp"
#include "runtime/effects.hpp"

namespace seneschal {

class Env {
 public:
  virtual ~Env() = default;
  /// Best-effort datagram to each destination; encoded once.
  virtual void send(std::span<const Destination> to, const SharedBytes& sealed) = 0;
  /// Makes `record` durable, then calls `Replica::on_done(ticket, Persisted{})`, never from inside this call.
  virtual void append(Bytes record, Ticket ticket) = 0;
  /// Records appended before that of `ticket`, which is durable, may be dropped.
  virtual void forget_before(Ticket) {}
  /// Runs `job` (see `perform`), then calls `Replica::on_done(ticket, result)`, never from inside this call.
  virtual void run(Job job, Ticket ticket) = 0;
  /// Work done inside the current transition; only the simulator cares.
  virtual void charge(Op op, std::uint64_t count) = 0;
  /// `Replica::on_time` is wanted at `at` (an earlier wish is replaced).
  virtual void wake_at(Instant at) = 0;
  /// Something happened: for checkers, metrics, logs.
  virtual void event(const Event& event) = 0;
  virtual void accused(const Effects::Accuse& accusation) = 0;
  /// A client joined, or left: for hosts that must be told where clients are.
  virtual void enrolled(const EnrolledClient&) {}
  virtual void dismissed(ClientId) {}
};

}  // namespace seneschal
