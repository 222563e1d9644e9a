// Names what is genuine and never proves it. [Steward 4, Proof] [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/view_messages.hpp"

namespace seneschal::lab::sim {

namespace {

using steward::EntryEvidence;
using steward::OrderedEntry;
using steward::ServerState;

/// Its states are true, but neighbours that ask for their proofs get no answer; it states them several times, each
/// time with something else that nobody can prove. As a representative it gets its site to prepare, shows nothing of
/// that to the server that represents next, and gives nobody what the site signed: so the next one has to ask.
class Teaser final : public Adversary {
 public:
  Teaser(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random)
      : Adversary(std::move(core)), self_(self), servers_(membership.site(self.site).servers), random_(random) {}

 private:
  static constexpr std::uint64_t kStates = 4;

  void twist(Instant, Effects& fx) override {
    std::vector<Effects::Send> more;
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr) continue;
      if (is<steward::PrePrepare>(*send)) leave_out_the_next(*send);
      if (!is<ServerState>(*send) || send->to.empty()) continue;
      for (std::uint64_t i = 0; i < kStates; ++i) {
        more.push_back(again(*send));
        rewrite<ServerState>(more.back(), [&](ServerState& state) { invent(state); });
      }
    }
    std::erase_if(fx.list(), [&](const Effects::Effect& effect) { return keeps(effect); });
    for (auto& send : more) fx.list().push_back(std::move(send));
  }

  void leave_out_the_next(Effects::Send& send) {
    send.to.clear();
    for (std::uint16_t i = 0; i < servers_; ++i)
      if (i != self_.index.value && i != (self_.index.value + 1) % servers_)
        send.to.push_back(Destination::to(ServerId{self_.site, ServerIndex(i)}));
  }

  void invent(ServerState& state) {
    if (state.items.size() >= steward::kMaxStateItems) return;
    const Seq last = state.items.empty() ? state.key.base : state.items.items.back().seq;
    steward::StateItem item{last.next(), steward::EntryKind::Proposed, state.key.gv, {}, {}};
    for (Byte& byte : item.digest.bytes) byte = static_cast<Byte>(random_.below(256));
    state.items.items.push_back(item);
  }

  bool keeps(const Effects::Effect& effect) const {
    if (const auto* send = std::get_if<Effects::Send>(&effect))
      return is<EntryEvidence>(*send) || is<OrderedEntry>(*send) || is<steward::ProposalCarrier>(*send);
    const auto* forward = std::get_if<Effects::Forward>(&effect);
    if (forward == nullptr) return false;
    const auto parts = parse_sealed(*forward->sealed);
    if (!parts || parts->header.protocol != ProtocolId::Steward || forward->to.empty()) return false;
    const std::uint8_t type = parts->header.type;
    return type == EntryEvidence::kType || type == steward::Proposal::kType || type == steward::PrePrepare::kType;
  }

  ServerId self_;
  std::uint16_t servers_;
  Prng random_;
};

}  // namespace

std::unique_ptr<Core> teaser(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random) {
  return std::make_unique<Teaser>(std::move(core), self, membership, random);
}

}  // namespace seneschal::lab::sim
