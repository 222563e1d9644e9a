// A server that lies to those who catch up. [Steward 7]
#include "lab/sim/adversaries/adversary.hpp"

#include "lab/sim/adversaries/words.hpp"
#include "replication/snapshot_messages.hpp"
#include "steward/messages.hpp"

namespace seneschal::lab::sim {

namespace {

using replication::SnapshotBlock;
using replication::SnapshotChunk;

/// Every other piece of a state that it lends is forged; now and then it claims, in its own name, that there is a
/// Checkpoint far ahead, and the next one that is due. Such servers of all sites claim the same.
class Poisoner final : public Adversary {
 public:
  Poisoner(std::unique_ptr<Core> core, ServerId self, Prng random)
      : Adversary(std::move(core)), self_(self), random_(random) {}

 private:
  void overhear(const Inbound& message) override {
    const auto m = message.as<steward::Checkpoint>();
    if (!m || !m->signer().is_site() || m->body().seq <= newest_) return;
    interval_ = std::min(interval_, m->body().seq.value - newest_.value);
    newest_ = m->body().seq;
  }

  /// A multiple of every interval that plans use.
  static constexpr std::uint64_t kFarAhead = 13'440;

  void twist(Instant now, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !random_.chance(1, 2)) continue;
      rewrite<SnapshotChunk>(*send, [&](SnapshotChunk& chunk) {
        if (!chunk.bytes.value.empty()) chunk.bytes.value[random_.below(chunk.bytes.value.size())] ^= 1;
      });
      rewrite<SnapshotBlock>(
          *send, [&](SnapshotBlock& block) { block.leaves.items[random_.below(block.leaves.size())].bytes[0] ^= 1; });
    }
    if (now < next_claim_) return;
    next_claim_ = now + std::chrono::milliseconds(500);
    steward::Checkpoint claim{Seq(kFarAhead), {}};
    claim.digest.bytes[0] = static_cast<Byte>(random_.below(256));
    fx.send(Destination::to(self_.site), claim);
    fx.send(Destination::all(), claim, {.auth = AuthKind::Bare});
    if (newest_ == Seq{}) return;
    steward::Checkpoint next{newest_ + interval_, {}};
    next.digest.bytes.fill(0x66);
    fx.send(Destination::all(), next, {.auth = AuthKind::Bare});
  }
  ServerId self_;
  Prng random_;
  Instant next_claim_{};
  Seq newest_;  // Checkpoint that a site has signed
  std::uint64_t interval_ = kFarAhead;
};

}  // namespace

std::unique_ptr<Core> poisoner(std::unique_ptr<Core> core, ServerId self, Prng random) {
  return std::make_unique<Poisoner>(std::move(core), self, random);
}

}  // namespace seneschal::lab::sim
