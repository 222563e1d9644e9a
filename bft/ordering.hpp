// PrePrepare, Prepare, Commit. [PBFT 4.2] [BFT 3]
#pragma once
#include "bft/log.hpp"

namespace seneschal::bft {

class Ordering {
 public:
  explicit Ordering(const Context& context);

  /// Primary: proposes `batch` under the next seq. There must be room.
  void propose(Instant now, Seq executed, Batch batch, Effects& fx);
  bool has_room(Seq executed) const;
  /// Batches proposed and not executed.
  std::uint64_t in_flight(Seq executed) const { return proposed_ > executed ? proposed_.value - executed.value : 0; }
  Seq proposed() const { return proposed_; }

  std::optional<Reject> on_pre_prepare(Instant now, const Verified<PrePrepare>& message, Effects& fx);
  std::optional<Reject> on_prepare(Instant now, const Verified<Prepare>& message, Effects& fx);
  std::optional<Reject> on_commit(Instant now, const Verified<Commit>& message, Effects& fx);
  /// A backup cannot check a proposal. [BFT 9]
  std::optional<Reject> on_doubt(Instant now, const Verified<Doubt>& message, Effects& fx);
  struct Returned {
    Signed<replication::Update> update;
    bool distrusted = false;  // f+1 backups could not check it
  };
  /// Primary: updates that went back to where they came from, because their proposal was given up.
  std::vector<Returned> take_returned() { return std::exchange(returned_, {}); }
  /// A batch from somebody who could check what we could not: adopted when f+1 servers voted for it. [BFT 6]
  std::optional<Reject> on_supply(Instant now, const Verified<Entry>& message, Effects& fx);

  /// A claim that `from` holds a commit certificate counts as its Commit.
  void count_commit(ServerIndex from, const Entry& claim, Effects& fx);

  /// Sends `to` what it misses of a slot according to `has`; `supply` also the batch.
  void resend(const Slot& slot, ServerIndex to, const SlotStatus& has, bool supply, Effects& fx) const;
  /// Primary: sends the proposal of `seq` again to all who have not voted for it.
  void push(Seq seq, Effects& fx) const;

  /// From the log of an earlier life: we proposed `seq` in this view. [BFT 10]
  void restore_proposed(Seq seq) { proposed_ = std::max(proposed_, seq); }
  /// We accepted `batch` (and held a prepared certificate) in this view; ignored outside the window.
  void restore_slot(Instant now, Seq seq, std::shared_ptr<const Batch> batch, const Digest& digest, bool prepared);
  /// We promised in this view never to prepare `digest`; ignored outside the window.
  void restore_promise(Seq seq, const Digest& digest);
  /// Says again what we said about entries above `executed`.
  void resume(Seq executed, Effects& fx);

  Log& log() { return log_; }
  const Log& log() const { return log_; }

 private:
  std::optional<Reject> refuse(View view, Seq seq) const;
  void adopt(Instant now, Slot& slot, std::shared_ptr<const Batch> batch, const Digest& digest, Effects& fx);
  void advance(Slot& slot, Effects& fx);
  void put_forward(Instant now, PrePrepare proposal, Effects& fx);

  static Doubtful& doubtful(Slot& slot);
  static Reject set_aside(Slot& slot, const Verified<PrePrepare>& message);
  std::optional<Reject> doubt(Instant now, Slot& slot, const Verified<PrePrepare>& message, const Digest& digest,
                              Effects& fx);
  void say(Instant now, Slot& slot, Doubt doubt, Effects& fx);
  /// Servers that have voted for the digest, the primary that proposed it included.
  std::size_t stand_for(const Slot& slot, const Digest& digest) const;
  void weigh(Instant now, Slot& slot, Effects& fx);
  void give_up(Instant now, Slot& slot, Digest digest, Effects& fx);
  void propose_rest(Instant now, Slot& slot, const Batch& batch, const std::set<std::uint16_t>& doubted,
                    const std::set<std::uint16_t>& distrusted, Effects& fx);

  const Context& context_;
  Log log_;
  Seq proposed_;  // highest seq that we proposed as primary of this view
  std::vector<Returned> returned_;
};

/// SHA-256 of the batch inside a received PrePrepare, over the bytes as they came; equals `digest_of(batch)`.
Digest proposal_digest(const Verified<PrePrepare>& message);

}  // namespace seneschal::bft
