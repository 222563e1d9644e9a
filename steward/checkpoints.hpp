// Checkpoints: every K entries the sites sign the digest of the state, so that history can be dropped and a snapshot
// proves itself. [Steward 7]
#pragma once
#include "steward/threshold_signing.hpp"

namespace seneschal::steward {

class Checkpoints {
 public:
  Checkpoints(Context& context, ThresholdSigning& signing) : context_(context), signing_(signing) {}

  /// The entry at the ARU was executed: freezes the state if a checkpoint is due.
  void executed();
  /// A site's word. Ours comes here, too, when its shares are combined.
  std::optional<Reject> on_checkpoint(Instant now, const Verified<Checkpoint>& message, Effects& fx);
  /// Hashes a little more, and stands by what is hashed.
  void advance(Instant now, Effects& fx);
  Instant deadline() const { return hashing_ ? hash_at_ : Instant::never(); }

  /// The snapshot of `seq`, hashed, if it is kept; somebody draws from it, so it is kept a little longer.
  std::shared_ptr<const replication::Snapshot> lend(Instant now, Seq seq);
  /// The newest hashed snapshot, or null: what a transfer need not fetch again.
  std::shared_ptr<const replication::Snapshot> newest() const;
  /// The snapshot of the newest Checkpoint, or null while this server lags behind it or has another state.
  std::shared_ptr<const replication::Snapshot> proven() const;
  /// The state was replaced by the one that `proof` signed; the log has it.
  void installed(const Held<Checkpoint>& proof, Effects& fx);
  void restore(const CheckpointRecord& record);
  /// From the log of an earlier life: the state of `proof` was installed again.
  void restore_installed(const Signed<Checkpoint>& proof, Effects& fx);

  /// What this server computed is not what a site signed: its memory or program is broken, or more is faulty than the
  /// model allows.
  bool diverged() const { return diverged_; }
  std::size_t snapshots() const { return own_.size(); }

 private:
  struct Own {
    std::shared_ptr<replication::Snapshot> snapshot;
    Digest application;
    bool agreed = false;
    Instant drawn{std::numeric_limits<std::int64_t>::min() / 2};
  };
  void stand_by(Instant now, Own& own, Effects& fx);
  void compare(Seq seq, const Digest& digest);
  void tell_installed(const Held<Checkpoint>& proof, Effects& fx) const;
  void trim(Instant now);

  Context& context_;
  ThresholdSigning& signing_;
  std::map<Seq, Own> own_;
  bool hashing_ = false;
  Instant hash_at_{};
  bool diverged_ = false;
};

}  // namespace seneschal::steward
