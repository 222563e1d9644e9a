#include "steward/checkpoints.hpp"

namespace seneschal::steward {
namespace {
/// Hashed per input, so that a large state never keeps the I/O thread for longer than about 0.2 ms.
constexpr std::size_t kHashSlice = 64 * 1024;
/// Snapshots below the newest Checkpoint that are kept because somebody draws from them, and for how long after he
/// last did. A faulty server can hold these places; whoever loses his aims at a newer Checkpoint.
constexpr std::size_t kLent = 2;
constexpr Duration kLentFor = 10s;
}  // namespace

void Checkpoints::executed() {
  Seq seq = context_.history.aru();
  if (!context_.due(seq)) return;
  own_[seq] = {context_.execution.freeze(), context_.execution.state()};
  hashing_ = true;
}

void Checkpoints::advance(Instant now, Effects& fx) {
  if (!hashing_) return;
  hashing_ = false;
  for (auto& [seq, own] : own_) {
    if (own.agreed) continue;
    if (!own.snapshot->hash(kHashSlice)) {
      hashing_ = true;
      hash_at_ = now;  // the next slice is an input of its own
      return;
    }
    stand_by(now, own, fx);
  }
  trim(now);
}

// The digest follows from the order of entries alone, which is final: no record is needed before this server shares,
// and there is nothing to agree about but the shares themselves.
void Checkpoints::stand_by(Instant now, Own& own, Effects& fx) {
  own.agreed = true;
  Seq seq = own.snapshot->seq();
  fx.event({.kind = EventKind::Checkpointed,
            .seq = seq,
            .digest = own.snapshot->digest(),
            .state = own.application,
            .who = Principal::of(context_.self),
            .timestamp = {}});
  if (context_.checkpoint && context_.checkpoint->seq == seq) compare(seq, context_.checkpoint->digest);
  if (seq <= context_.history.checkpoint() || !context_.views.participating() || diverged_) return;
  signing_.agree(
      now, {Checkpoint::kType, {}, {}, seq},
      share(site_message(context_.membership, context_.self.site, Checkpoint{seq, own.snapshot->digest()})), {}, fx);
}

void Checkpoints::compare(Seq seq, const Digest& digest) {
  auto own = own_.find(seq);
  if (own == own_.end() || !own->second.snapshot->hashed() || own->second.snapshot->digest() == digest) return;
  diverged_ = true;
  ++context_.alarms;
}

std::optional<Reject> Checkpoints::on_checkpoint(Instant now, const Verified<Checkpoint>& message, Effects& fx) {
  const Checkpoint& m = message.body();
  if (!context_.due(m.seq)) return Reject::OutsideWindow;
  compare(m.seq, m.digest);
  bool ours = message.signer() == Principal::of(context_.self.site);
  if (ours) signing_.combined(now, content_of_sealed(*message.bytes()), message.bytes());
  if (!context_.history.checkpointed(m.seq)) return Reject::Superseded;
  context_.checkpoint = Held<Checkpoint>::of(message);
  context_.certify(m.seq);  // being below it is outstanding work [Steward 4]
  fx.event({.kind = EventKind::SiteSigned,
            .seq = m.seq,
            .digest = content_of_sealed(*message.bytes()),
            .state = {},
            .who = message.signer(),
            .timestamp = {}});
  // Like a promise: what tells our base in an exchange waits until no crash can take the Checkpoint back.
  context_.promised = context_.save(CheckpointRecord{message.embed()}, fx);
  // Other sites sign their own, and whoever misses one asks: the representative alone sends it, once.
  if (ours && context_.views.is_representative()) fx.forward(Destination::all(), message.bytes());
  signing_.forget(context_.history.aru());
  trim(now);
  return std::nullopt;
}

// What is above the newest Checkpoint is kept: each of them may become it. Below, the newest one is: it is the
// snapshot of the Checkpoint, unless this server lags behind it.
void Checkpoints::trim(Instant now) {
  auto keep = own_.upper_bound(context_.history.checkpoint());
  if (keep == own_.begin()) return;
  --keep;
  std::size_t lent = 0;
  for (auto it = keep; it != own_.begin();) {
    --it;
    if (lent < kLent && now - it->second.drawn < kLentFor)
      ++lent;
    else
      it = own_.erase(it);
  }
}

std::shared_ptr<const replication::Snapshot> Checkpoints::lend(Instant now, Seq seq) {
  auto it = own_.find(seq);
  // What no site has signed yet is of no use to anybody.
  if (it == own_.end() || !it->second.snapshot->hashed() || seq > context_.history.checkpoint()) return nullptr;
  it->second.drawn = now;
  return it->second.snapshot;
}

std::shared_ptr<const replication::Snapshot> Checkpoints::newest() const {
  for (auto it = own_.rbegin(); it != own_.rend(); ++it)
    if (it->second.snapshot->hashed()) return it->second.snapshot;
  return nullptr;
}

std::shared_ptr<const replication::Snapshot> Checkpoints::proven() const {
  auto own = own_.find(context_.history.checkpoint());
  if (own == own_.end() || !own->second.snapshot->hashed() || diverged_ || !context_.checkpoint) return nullptr;
  return own->second.snapshot;
}

void Checkpoints::installed(const Held<Checkpoint>& proof, Effects& fx) {
  tell_installed(proof, fx);
  own_.erase(own_.begin(), own_.lower_bound(proof->seq));
  executed();
}

void Checkpoints::tell_installed(const Held<Checkpoint>& proof, Effects& fx) const {
  fx.event({.kind = EventKind::Checkpointed,
            .seq = proof->seq,
            .digest = proof->digest,
            .state = context_.execution.state(),
            .who = Principal::of(context_.self),
            .timestamp = {}});
}

void Checkpoints::restore(const CheckpointRecord& record) {
  if (context_.history.checkpointed(record.checkpoint.body.seq))
    context_.checkpoint = Held<Checkpoint>::of(record.checkpoint);
  context_.hear(context_.history.checkpoint());
  trim(Instant{});
}

void Checkpoints::restore_installed(const Signed<Checkpoint>& proof, Effects& fx) {
  tell_installed(Held<Checkpoint>::of(proof), fx);
  restore({proof});
  executed();
}

}  // namespace seneschal::steward
