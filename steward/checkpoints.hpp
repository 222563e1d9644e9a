// Checkpoints of this server: every K entries it freezes its state, hashes it and shares its site's signature on the
// digest. Which Checkpoint counts is `Stability`'s business. [Steward 7]
#pragma once
#include "steward/threshold_signing.hpp"

namespace seneschal::steward {

class Checkpoints {
 public:
  Checkpoints(Context& context, ThresholdSigning& signing) : context_(context), signing_(signing) {}

  /// The entry at the ARU was executed: freezes the state if a checkpoint is due.
  void executed();
  /// Reading the log of an earlier life: drops what a newer stable Checkpoint makes useless.
  void restored() { trim(Instant{}); }
  /// After every input: hashes a little more, stands by what is hashed and can be rebuilt from the disk, and drops
  /// what a newer stable Checkpoint makes useless.
  /// True if there is a newer stable one since the last call.
  bool advance(Instant now, Effects& fx);
  void on_done(Ticket ticket);
  Instant deadline() const { return hashing_ ? hash_at_ : Instant::never(); }

  /// The snapshot of `seq`, hashed, if it is kept; somebody draws from it, so it is kept a little longer.
  std::shared_ptr<const replication::Snapshot> lend(Instant now, Seq seq);
  /// The newest hashed snapshot, or null: what a transfer need not fetch again.
  std::shared_ptr<const replication::Snapshot> newest() const;
  /// The snapshot of the newest stable Checkpoint, or null while this server lags behind it or has another state.
  std::shared_ptr<const replication::Snapshot> proven() const;
  /// The state was replaced by that of a stable Checkpoint; the log has it.
  void installed(const Stable& proof, Effects& fx);

  /// What this server computed is not what M sites signed: its memory or program is broken, or more is faulty than
  /// the model allows.
  bool diverged() const { return diverged_; }
  std::size_t snapshots() const { return own_.size(); }

 private:
  struct Own {
    std::shared_ptr<replication::Snapshot> snapshot;
    Digest application;
    Ticket needs;  // the last record that rebuilding the state from the disk needs, until it is durable
    bool told = false;
    bool agreed = false;
    Instant drawn{std::numeric_limits<std::int64_t>::min() / 2};
  };
  bool hash(Instant now, Own& own, Effects& fx);
  void stand_by(Instant now, Own& own, Effects& fx);
  void compare();
  void trim(Instant now);

  Context& context_;
  ThresholdSigning& signing_;
  std::map<Seq, Own> own_;
  bool waiting_ = false;  // some snapshot is not hashed, or not stood by
  bool hashing_ = false;
  Instant hash_at_{};
  Seq seen_stable_;  // what `compare` and `trim` know of
  bool diverged_ = false;
};

}  // namespace seneschal::steward
