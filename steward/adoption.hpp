// A fetched state on its way in: first into the log, then in the place of ours. [Steward 7] [Steward 8]
#pragma once
#include "steward/state_transfer.hpp"

#include <functional>

namespace seneschal::steward {

/// Cuts a state into records of the log, one after the other.
class StatePieces {
 public:
  using Chunk = std::function<SharedBytes(std::size_t index)>;
  StatePieces(Stable proof, std::size_t chunks, Chunk chunk)
      : proof_(std::move(proof)), chunks_(chunks), chunk_(std::move(chunk)) {}

  bool done() const { return next_ >= chunks_; }
  /// About 64 KiB: what the I/O thread encodes in one input, and what votes behind it wait for.
  SnapshotRecord next();

 private:
  Stable proof_;
  std::size_t chunks_;
  Chunk chunk_;
  std::size_t next_ = 0;
};

/// The log has the whole state before it counts: without it a restarted server would not know what it said above it,
/// since its older entries do not reach there. A few pieces at a time, so that a state of any size neither overruns
/// the log nor keeps others waiting. After a crash in between the server fetches the state again.
class Adoption {
 public:
  explicit Adoption(Context& context) : context_(context) {}

  /// Takes the place of a state that is on its way.
  void begin(StateTransfer::State state);
  bool active() const { return state_.has_value(); }
  /// Of the state that is on its way. Only while active.
  Seq seq() const { return state_->seq; }
  /// The state is not needed any more. Pieces that are in the log already are passed over when it is read.
  void drop();
  /// After every input.
  void advance(Effects& fx);
  void on_done(Ticket ticket);
  /// All of it is on the disk, or there is no log to write to.
  bool complete() const;
  /// Ends the adoption. Only when complete (CHECKed).
  StateTransfer::State take();

 private:
  bool logged() const;

  Context& context_;
  std::optional<StateTransfer::State> state_;
  std::optional<StatePieces> pieces_;
  Ticket waits_for_;
};

}  // namespace seneschal::steward
