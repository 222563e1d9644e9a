// One server of a deployment whose network is cut: tests hand it messages and look at what it does.
#pragma once
#include "bed.hpp"

namespace seneschal::steward::testing {

class Lone {
 public:
  explicit Lone(ServerId id, Settings settings = {}, std::uint16_t sites = 3,
                std::optional<ClientId> administrator = {})
      : bed(sites, 1, 2, settings, 1, administrator), self(id) {
    bed.drop = [](const Bed::Datagram&) { return true; };
    bed.record = true;
    for (auto& [who, node] : bed.nodes) node->down = who != Principal::of(id);
    bed.start();
  }

  Principal me() const { return Principal::of(self); }
  Bed::Node& node() { return bed.at(self); }
  StewardCore& core() { return node().steward(); }
  /// How often the server refused something for this reason while `deliver` and the 20 ms after it ran.
  std::uint64_t deliver(const SharedBytes& bytes, Reject reason) {
    std::uint64_t before = bed.rejects(self, reason);
    deliver(bytes);
    return bed.rejects(self, reason) - before;
  }
  void deliver(const SharedBytes& bytes) {
    bed.deliver(self, bytes);
    bed.run_for(5ms);
  }

  Batch batch(std::vector<Signed<Update>> updates) { return {{std::move(updates)}}; }
  Batch one(std::uint32_t client = 1, std::uint64_t timestamp = 1, std::string value = "v") {
    return batch({bed.update(ClientId(client), timestamp, std::move(value))});
  }
  SharedBytes pre_prepare(std::uint64_t seq, Batch b, std::uint64_t gv = 0, std::uint64_t lv = 0, unsigned from = 0) {
    return bed.seal(Principal::of(ServerId{self.site, ServerIndex(static_cast<std::uint16_t>(from))}),
                    PrePrepare{GlobalView(gv), LocalView(lv), Seq(seq), std::move(b)});
  }
  SharedBytes prepare(std::uint64_t seq, const Digest& digest, ServerId from, std::uint64_t gv = 0,
                      std::uint64_t lv = 0) {
    return bed.seal(Principal::of(from), Prepare{GlobalView(gv), LocalView(lv), Seq(seq), digest});
  }
  Signed<Proposal> proposal(std::uint64_t seq, const Batch& b, std::uint64_t gv = 0, std::uint64_t lv = 0,
                            std::optional<unsigned> site = {}) {
    SiteId leader(static_cast<std::uint16_t>(site.value_or(gv % bed.membership.sites.size())));
    return bed.sign(Principal::of(leader), Proposal{GlobalView(gv), LocalView(lv), Seq(seq), digest_of(b)});
  }
  SharedBytes carrier(const Signed<Proposal>& p, const Batch& b, bool relay = false) {
    return bed.seal(Principal::of(server(0, 0)), ProposalCarrier{relay, p, {b}}, AuthKind::Bare);
  }
  SharedBytes accept(unsigned site, std::uint64_t seq, const Batch& b, std::uint64_t gv = 0) {
    return bed.seal(Principal::of(SiteId(static_cast<std::uint16_t>(site))),
                    Accept{GlobalView(gv), Seq(seq), digest_of(b)});
  }
  /// Brings the server to execute `b` as `seq`.
  void order(std::uint64_t seq, const Batch& b) {
    unsigned other = 1;
    deliver(carrier(proposal(seq, b), b));
    deliver(accept(other == self.site.value ? 2 : other, seq, b));
  }
  /// A site's word; what M of them say is stable.
  Signed<Checkpoint> checkpoint(unsigned site, std::uint64_t seq, Digest digest = {}) {
    return bed.sign(Principal::of(SiteId(static_cast<std::uint16_t>(site))), Checkpoint{Seq(seq), digest});
  }
  StableProof stable_proof(std::uint64_t seq, Digest digest = {}, std::vector<unsigned> sites = {0, 1}) {
    StableProof proof;
    for (unsigned site : sites) proof.checkpoints.items.push_back(checkpoint(site, seq, digest));
    return proof;
  }
  SharedBytes stable(std::uint64_t seq, Digest digest = {}, ServerId from = server(2, 0)) {
    return bed.seal(Principal::of(from), StableCheckpoint{false, stable_proof(seq, digest)}, AuthKind::Bare);
  }
  template <class M>
  std::size_t sent() {
    return bed.count_sent<M>(self);
  }
  bool shared(std::uint64_t seq) {
    return std::ranges::any_of(node().events,
                               [&](const Event& e) { return e.kind == EventKind::Shared && e.seq == Seq(seq); });
  }

  Bed bed;
  ServerId self;
};

}  // namespace seneschal::steward::testing
