#include "steward/checkpoints.hpp"

namespace seneschal::steward {
namespace {
/// Hashed per input, so that a large state never keeps the I/O thread for longer than about 0.2 ms.
constexpr std::size_t kHashSlice = 64 * 1024;
/// Snapshots below the newest stable Checkpoint that are kept because another server draws from them, and for how
/// long after its last request. A faulty server can hold these places; a server that loses its source aims at a newer
/// Checkpoint.
constexpr std::size_t kLent = 2;
constexpr Duration kLentFor = 10s;
}  // namespace

void Checkpoints::executed() {
  Seq seq = context_.history.aru();
  if (!context_.due(seq)) return;
  // All order certificates up to here were appended to the log before now. The log is forgotten only behind the state
  // of a stable Checkpoint, so with them this server can rebuild the state at `seq` until a newer one is stable.
  own_[seq] = {.snapshot = context_.execution.freeze(),
               .application = context_.execution.state(),
               .needs = context_.order_saved};
  waiting_ = true;
}

void Checkpoints::on_done(Ticket ticket) {
  for (auto& [seq, own] : own_)
    if (own.needs == ticket) own.needs = {};
}

bool Checkpoints::advance(Instant now, Effects& fx) {
  const bool moved = seen_stable_ != context_.history.stable();
  seen_stable_ = context_.history.stable();
  if (moved) signing_.forget(context_.history.aru());
  if (!waiting_ && !moved) return false;
  waiting_ = hashing_ = false;
  for (auto& [seq, own] : own_) {
    if (own.agreed) continue;
    waiting_ = true;
    if (!hash(now, own, fx)) break;
    // (!) A signature on the digest says that its signers can supply the state. After a power cut of everybody there
    // would else be a stable Checkpoint whose state nobody has. [Steward 7]
    if (own.needs == Ticket{}) stand_by(now, own, fx);
  }
  compare();
  trim(now);
  return moved;
}

// Large states take several inputs. False if there is more to hash.
bool Checkpoints::hash(Instant now, Own& own, Effects& fx) {
  if (!own.snapshot->hash(kHashSlice)) {
    hashing_ = true;
    hash_at_ = now;  // the next slice is an input of its own
    return false;
  }
  if (std::exchange(own.told, true)) return true;
  fx.event({.kind = EventKind::Checkpointed,
            .seq = own.snapshot->seq(),
            .digest = own.snapshot->digest(),
            .state = own.application,
            .who = Principal::of(context_.self),
            .timestamp = {}});
  return true;
}

// The digest follows from the order of entries alone, which is final: there is nothing to agree about but the shares
// themselves.
void Checkpoints::stand_by(Instant now, Own& own, Effects& fx) {
  own.agreed = true;
  const Seq seq = own.snapshot->seq();
  compare();
  if (seq <= context_.history.stable() || !context_.views.participating() || diverged_) return;
  signing_.agree(
      now, {Checkpoint::kType, {}, {}, seq},
      share(site_message(context_.membership, context_.self.site, Checkpoint{seq, own.snapshot->digest()})), {}, fx);
}

void Checkpoints::compare() {
  const auto own = own_.find(context_.history.stable());
  if (diverged_ || !context_.stable || own == own_.end() || !own->second.snapshot->hashed() ||
      own->second.snapshot->digest() == context_.stable.digest)
    return;
  diverged_ = true;
  ++context_.alarms;
}

// What is above the newest stable Checkpoint is kept: each of them may become it. Below, the newest one is: it is the
// snapshot of the stable Checkpoint, unless this server lags behind it.
void Checkpoints::trim(Instant now) {
  auto keep = own_.upper_bound(context_.history.stable());
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
  // Also one that is not stable as far as this server knows: others may know better, and install it only then.
  auto it = own_.find(seq);
  if (it == own_.end() || !it->second.snapshot->hashed()) return nullptr;
  it->second.drawn = now;
  return it->second.snapshot;
}

std::shared_ptr<const replication::Snapshot> Checkpoints::newest() const {
  for (auto it = own_.rbegin(); it != own_.rend(); ++it)
    if (it->second.snapshot->hashed()) return it->second.snapshot;
  return nullptr;
}

std::shared_ptr<const replication::Snapshot> Checkpoints::proven() const {
  auto own = own_.find(context_.history.stable());
  if (own == own_.end() || !own->second.snapshot->hashed() || diverged_ || !context_.stable) return nullptr;
  return own->second.snapshot;
}

void Checkpoints::installed(const Stable& proof, Effects& fx) {
  fx.event({.kind = EventKind::Checkpointed,
            .seq = proof.seq,
            .digest = proof.digest,
            .state = context_.execution.state(),
            .who = Principal::of(context_.self),
            .timestamp = {}});
  own_.erase(own_.begin(), own_.lower_bound(proof.seq));
  executed();
}

}  // namespace seneschal::steward
