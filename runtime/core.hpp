// The contract of a protocol core: a deterministic state machine without I/O, clock, threads, keys or randomness.
#pragma once
#include "base/time.hpp"
#include "runtime/effects.hpp"
#include "runtime/gate.hpp"

#include <string>
#include <utility>

namespace seneschal {

/// A record that was made durable before a restart.
using Record = Bytes;

/// Name and value pairs for people and programs: `ctl status` shows them.
using StatusList = std::vector<std::pair<std::string, std::string>>;

/// Single-threaded, synchronous, non-reentrant: one input, one atomic transition, effects appended to `fx`.
class Core {
 public:
  virtual ~Core() = default;
  /// Called once, before anything else, with the records of an earlier life (empty if there are none).
  virtual void start(Instant now, std::span<const Record> log, Effects& fx) = 0;
  /// A proven message; no order is promised between messages. The core's own broadcasts come back here.
  virtual void on_message(Instant now, const Inbound& message, Effects& fx) = 0;
  /// A job finished, in any order, or a persist, in the order in which they were asked for; the ticket may be stale.
  virtual void on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) = 0;
  /// The deadline may have passed; spurious calls do nothing.
  virtual void on_time(Instant now, Effects& fx) = 0;
  /// When `on_time` is wanted next.
  virtual std::optional<Instant> deadline() const = 0;
  /// What the gate should let through from now on.
  virtual Admission admission() const = 0;
  virtual void status(StatusList& out) const = 0;
  /// What this server said before is not on record, or what it says from now on will not be: its log is gone, or its
  /// disk fails. From now on it says nothing that others count on; it goes on learning, executing and answering.
  /// Right after `start`, or at any later time; once.
  virtual void on_log_lost(Instant, Effects&) {}
};

}  // namespace seneschal
