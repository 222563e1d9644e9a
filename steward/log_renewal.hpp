// The log begins anew behind a checkpoint, so that it does not grow for ever. [Steward 7] [Steward 8]
#pragma once
#include "steward/adoption.hpp"
#include "steward/global_view_change.hpp"
#include "steward/sequencing.hpp"

namespace seneschal::steward {

/// First the state of the newest Checkpoint, a piece at a time; then, within one input, everything above it that
/// binds this server. When the disk has all of that, what was written before is forgotten. A crash in between leaves
/// the old log whole: it is only longer.
class LogRenewal {
 public:
  LogRenewal(Context& context, const Checkpoints& checkpoints, const Sequencing& sequencing,
             const GlobalViewChanges& global_view, const ThresholdSigning& signing)
      : context_(context),
        checkpoints_(checkpoints),
        sequencing_(sequencing),
        global_view_(global_view),
        signing_(signing) {}

  /// After every input: begins when the log has grown enough, goes on when the disk has the last piece.
  void advance(Effects& fx);
  void on_done(Ticket ticket, Effects& fx);
  /// What is under way is left as it is: the log is only longer.
  void give_up() { running_.reset(); }
  /// How often, in this life.
  std::uint64_t count() const { return count_; }

 private:
  struct Running {
    Seq state;
    StatePieces pieces;
    bool closed = false;  // nothing is missing but the disk's word
    Ticket first;
    std::uint64_t logged_before = 0;
  };
  bool begin();
  void write_what_binds(Effects& fx);
  void write_entry(Seq seq, const Entry& entry, Effects& fx);
  void write(decltype(LogRecord::what) what, Effects& fx);

  Context& context_;
  const Checkpoints& checkpoints_;
  const Sequencing& sequencing_;
  const GlobalViewChanges& global_view_;
  const ThresholdSigning& signing_;
  std::optional<Running> running_;
  Ticket waits_for_;
  std::uint64_t size_ = 0;  // of what the last one wrote
  std::uint64_t count_ = 0;
};

}  // namespace seneschal::steward
