// Makes one site the only one that knows what is ordered, so that its death would take the order with it. [Steward 7]
#include "lab/sim/adversaries/adversary.hpp"

#include "lab/sim/adversaries/words.hpp"
#include "replication/snapshot_messages.hpp"
#include "steward/view_messages.hpp"

namespace seneschal::lab::sim {

namespace {

/// It shows its site's Accepts to the leader site alone, keeps Checkpoints and their proofs to itself, and lends
/// nothing: no entries, no proofs of entries, no states.
class Betrayer final : public Adversary {
 public:
  Betrayer(std::unique_ptr<Core> core, std::uint16_t sites) : Adversary(std::move(core)), sites_(sites) {}

 private:
  void twist(Instant, Effects& fx) override {
    std::erase_if(fx.list(), [&](Effects::Effect& effect) {
      if (auto* send = std::get_if<Effects::Send>(&effect)) return withholds(*send);
      if (auto* forward = std::get_if<Effects::Forward>(&effect)) return withholds(*forward);
      return false;
    });
  }
  static bool withholds(const Effects::Send& send) {
    return is<steward::RelayedAccept>(send) || is<steward::CheckpointNews>(send) ||
           is<steward::StableCheckpoint>(send) || is<steward::OrderedEntry>(send) ||
           is<steward::EntryEvidence>(send) || is<replication::SnapshotBlock>(send) ||
           is<replication::SnapshotChunk>(send);
  }
  /// What comes back to its own core stays: it goes on knowing.
  bool withholds(Effects::Forward& forward) const {
    const auto parts = parse_sealed(*forward.sealed);
    if (!parts || parts->header.protocol != ProtocolId::Steward) return false;
    const bool checkpoint = parts->header.type == steward::Checkpoint::kType;
    if (!checkpoint && parts->header.type != steward::Accept::kType) return false;
    std::erase_if(forward.to, [](const Destination& to) { return to.kind == Destination::Kind::AllServers; });
    if (!checkpoint)
      if (const auto accept = decode<steward::Accept>(parts->body))
        forward.to.push_back(Destination::to(SiteId(static_cast<std::uint16_t>(accept->gv.value % sites_))));
    return forward.to.empty() && !forward.loopback;
  }

  std::uint16_t sites_;
};

}  // namespace

std::unique_ptr<Core> betrayer(std::unique_ptr<Core> core, const Membership& membership) {
  return std::make_unique<Betrayer>(std::move(core), static_cast<std::uint16_t>(membership.sites.size()));
}

}  // namespace seneschal::lab::sim
