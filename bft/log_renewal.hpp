// The log is shortened behind a stable checkpoint, so that it does not grow for ever. [BFT 10]
#pragma once
#include "bft/checkpoints.hpp"
#include "replication/execution.hpp"

namespace seneschal::bft {

/// Writes the state of a stable checkpoint into the log, a piece at a time; when the disk has all of it, everything
/// before an older stable checkpoint is forgotten. Nothing else need be written again: what was logged before stable
/// checkpoint S became known is about seqs up to S + L, and the state covers those. A crash in between leaves the old
/// log whole: it is only longer.
class LogRenewal {
 public:
  LogRenewal(const Context& context, const Checkpoints& checkpoints, const replication::Execution& execution)
      : context_(context), checkpoints_(checkpoints), execution_(execution) {}

  /// A checkpoint is due after what was just executed: its state may be needed.
  void freeze();
  /// After every input: begins when the log has grown enough, goes on when the disk has the last piece.
  void advance(Effects& fx);
  void on_done(Ticket ticket, Effects& fx);
  std::uint64_t count() const { return count_; }
  /// What of the log is not forgotten.
  std::uint64_t log_bytes() const { return context_.logged - forgotten_; }

 private:
  /// What was logged before `record` concerns seqs up to `covered`.
  struct Mark {
    Seq covered;
    Checkpoints::Place record;
  };
  struct Running {
    std::shared_ptr<const replication::Snapshot> state;
    Mark mark;
    std::size_t next = 0;  // chunk
    std::uint64_t logged_before = 0;
  };
  void note_stable();
  bool begin();

  const Context& context_;
  const Checkpoints& checkpoints_;
  const replication::Execution& execution_;
  std::map<Seq, std::shared_ptr<const replication::Snapshot>> frozen_;  // from the base up: at most L / K + 1
  std::vector<Mark> marks_;                                             // of this life, ascending; see `note_stable`
  Seq marked_;                                                          // the newest stable checkpoint with a mark
  std::optional<Running> running_;
  Ticket waits_for_;
  std::uint64_t forgotten_ = 0;  // bytes
  std::uint64_t size_ = 0;       // of what the last one wrote
  std::uint64_t count_ = 0;
};

}  // namespace seneschal::bft
