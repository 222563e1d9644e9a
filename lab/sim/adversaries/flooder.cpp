// Keeps others busy. [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "replication/snapshot_messages.hpp"
#include "steward/view_messages.hpp"

namespace seneschal::lab::sim {

namespace {

/// All the time: noise, damaged copies of what it heard, and questions whose answers are large, also in the names of
/// others where a name proves nothing.
class Flooder final : public Adversary {
 public:
  Flooder(std::unique_ptr<Core> core, ServerId self, const Membership& membership, bool steward, Prng random)
      : Adversary(std::move(core)), self_(self), membership_(membership), steward_(steward), random_(random) {}

 private:
  static constexpr Duration kEvery = std::chrono::milliseconds(10);
  static constexpr int kNearby = 12;
  static constexpr int kFarAway = 2;
  static constexpr std::size_t kRemembered = 16;

  void overhear(const Inbound& message) override {
    if (auto m = message.as<steward::Checkpoint>()) newest_ = std::max(newest_, m->body().seq);
    if (heard_.size() < kRemembered)
      heard_.push_back(message.bytes());
    else
      heard_[random_.below(kRemembered)] = message.bytes();
  }

  void twist(Instant now, Effects& fx) override {
    if (now < next_) return;
    next_ = now + kEvery;
    for (int i = 0; i < kNearby; ++i) trouble(Destination::to(self_.site), fx);
    for (int i = 0; i < kFarAway; ++i) trouble(Destination::all(), fx);
  }

  void trouble(Destination to, Effects& fx) {
    switch (random_.below(steward_ ? 6 : 2)) {
      case 0: return fx.forward(to, share(noise(random_.between(1, 600))));
      case 1: return damaged(to, fx);
      case 2: return ask(to, steward::ReconcileRequest{random_.chance(1, 2) ? newest_ : Seq{}, Seq{}}, fx);
      case 3: return ask(to, steward::RoundTrip{random_.chance(1, 2), random_.below(1000), 0}, fx);
      case 4: {
        steward::EntryRequest request;
        for (std::uint64_t i = 1; i <= steward::EntryRequest::kMaxItems; ++i)
          request.items.items.push_back({Seq(i), steward::EntryKind::Ordered, {}, {}, {}});
        return ask(to, request, fx);
      }
      case 5: {
        replication::SnapshotRequest request;
        request.seq = random_.chance(1, 2) ? newest_ : Seq(random_.below(200));
        for (std::uint32_t i = 0; i < 8; ++i) request.chunks.items.push_back(i);
        return ask(to, request, fx);
      }
    }
  }

  /// Bare, in any server's name.
  template <Message M>
  void ask(Destination to, const M& m, Effects& fx) {
    const SiteId site(static_cast<std::uint16_t>(random_.below(membership_.sites.size())));
    const ServerIndex index(static_cast<std::uint16_t>(random_.below(membership_.site(site).servers)));
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.auth = AuthKind::Bare;
    header.deployment = membership_.deployment;
    header.sender = Principal::of(ServerId{site, index});
    fx.forward(to, share(unsealed(header, encode(m))));
  }

  void damaged(Destination to, Effects& fx) {
    if (heard_.empty()) return;
    Bytes bytes = *heard_[random_.below(heard_.size())];
    bytes[random_.below(bytes.size())] ^= static_cast<Byte>(1u << random_.below(8));
    fx.forward(to, share(std::move(bytes)));
  }
  Bytes noise(std::size_t size) {
    Bytes bytes(size);
    for (Byte& byte : bytes) byte = static_cast<Byte>(random_.below(256));
    return bytes;
  }

  ServerId self_;
  Membership membership_;
  bool steward_;
  Prng random_;
  Instant next_{};
  Seq newest_;  // Checkpoint: what is lent
  std::vector<SharedBytes> heard_;
};

}  // namespace

std::unique_ptr<Core> flooder(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random) {
  const bool steward = membership.sites.size() > 1;
  return std::make_unique<Flooder>(std::move(core), self, membership, steward, random);
}

}  // namespace seneschal::lab::sim
