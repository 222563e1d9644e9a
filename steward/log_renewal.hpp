// The log begins anew behind a checkpoint, so that it does not grow for ever. [Steward 7] [Steward 8]
#pragma once
#include "steward/adoption.hpp"
#include "steward/global_view_change.hpp"
#include "steward/sequencing.hpp"

namespace seneschal::steward {

/// First everything that binds this server above the newest stable Checkpoint, then that Checkpoint's state, some of
/// it at each turn of the disk. What happens meanwhile is in the log anyway: it was written behind the beginning of
/// the renewal, so a state that ordering has long passed still ends the renewal. When the disk has all of it, what
/// was written before is forgotten. A crash in between leaves the old log whole: it is only longer.
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
    Seq written;  // of the entries above the state, those up to here
    Seq last;     // later ones began behind `first`
    StatePieces pieces;
    Ticket first;
    std::uint64_t logged_before = 0;
    std::uint64_t logged_at_turn = 0;
    bool entries_left() const { return written < last; }
  };
  bool begin(Effects& fx);
  void write_views(Effects& fx);
  void write_next_entry(Effects& fx);
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
