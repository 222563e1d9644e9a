// Checkpoints: agreement on the state every K entries, so that the log can be cut. [PBFT 4.3] [BFT 5]
#pragma once
#include "bft/context.hpp"
#include "runtime/gate.hpp"

#include <map>

namespace seneschal::bft {

class Checkpoints {
 public:
  explicit Checkpoints(const Context& context) : context_(context) {}

  bool due(Seq executed) const { return executed.value % context_.settings.checkpoint_interval == 0; }
  /// We executed up to `seq` and have this state now: tells the others.
  void take(Seq seq, const Digest& state, Effects& fx);
  /// From the log of an earlier life: what we had, without telling anybody. [BFT 10]
  void restore(const StableRecord& record);
  void restore_own(Seq seq, const Digest& state) { own_[seq] = state; }
  /// Says again what we said about states that are not stable yet.
  void resume(Effects& fx);
  /// A vote; ours comes back by loopback.
  std::optional<Reject> on_checkpoint(const Verified<Checkpoint>& message, Seq executed, Effects& fx);
  /// The newest stable checkpoint that we have executed: the base of the log.
  Seq base() const { return base_; }
  /// The newest one that 2f+1 servers signed; above `base` while we lag.
  Seq stable() const { return stable_; }
  /// Where its record is in the log of this life; ticket 0 if there is none.
  struct Place {
    Ticket ticket;
    std::uint64_t logged = 0;  // bytes before it
  };
  const Place& record() const { return record_; }
  /// Call after execution advanced: the base follows.
  void on_executed(Seq executed);
  /// Sends `to` what proves our newest checkpoint, if it is above what it has.
  void resend(ServerIndex to, Seq has, Effects& fx) const;
  /// Our state differs from what 2f+1 servers signed: this server's memory or program is broken.
  bool diverged() const { return diverged_; }

 private:
  using VotesBySeq = std::map<Seq, std::vector<std::optional<Verified<Checkpoint>>>>;
  void compare(Seq seq);

  const Context& context_;
  Seq base_;
  Seq stable_;
  Digest stable_digest_;
  Place record_;
  bool diverged_ = false;
  std::vector<SharedBytes> proof_;  // 2f+1 sealed Checkpoints of `stable_`
  std::map<Seq, Digest> own_;       // what we computed, above `base_` or the newest
  VotesBySeq votes_;                // above `stable_`, within two log spans
};

}  // namespace seneschal::bft
