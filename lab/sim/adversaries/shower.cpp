// Shows clients' updates to all but the server that could order them. [Steward 3.3] [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"

#include <deque>

namespace seneschal::lab::sim {

namespace {

using replication::Update;
using steward::ForwardedUpdate;
using steward::Leg;

/// What clients give to it goes to every server of the leader site but the representative, as if it had been passed
/// on inside: with a MAC where it has the keys, and without. So they watch what their representative does not have.
/// To that it shows old updates of clients instead, many of them, all with good signatures. As the representative of
/// the leader site it is correct.
class Shower final : public Adversary {
 public:
  Shower(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random)
      : Adversary(std::move(core)), self_(self), membership_(membership), random_(random) {}

 private:
  static constexpr Duration kEvery = std::chrono::milliseconds(50);
  static constexpr std::size_t kRemembered = 4096;
  static constexpr int kReplays = 16;  // at a time

  void overhear(const Inbound& message) override {
    if (auto m = message.as<steward::ProposalCarrier>()) {
      const steward::Proposal& p = m->body().proposal.body;
      leader_ = std::max(leader_, std::pair(p.gv, p.lv));
    }
    if (auto m = message.as<Update>()) {
      shown_.push_back(m->embed());
      remember(shown_.back());
    }
    if (auto m = message.as<ForwardedUpdate>()) remember(m->body().update);
  }
  bool deaf(const Inbound& message) override { return message.as<Update>() && representative() != self_; }

  void remember(const Signed<Update>& update) {
    if (updates_.size() >= kRemembered) updates_.pop_front();
    updates_.push_back(update);
  }
  ServerId representative() const {
    const SiteId site(static_cast<std::uint16_t>(leader_.first.value % membership_.sites.size()));
    const std::uint64_t index = leader_.second.value % membership_.site(site).servers;
    return {site, ServerIndex(static_cast<std::uint16_t>(index))};
  }

  void twist(Instant now, Effects& fx) override {
    const ServerId spared = representative();
    for (const auto& update : std::exchange(shown_, {}))
      for (std::uint16_t i = 0; i < membership_.site(spared.site).servers && spared != self_; ++i) {
        const ServerId to{spared.site, ServerIndex(i)};
        if (to == spared || to == self_) continue;
        const ForwardedUpdate shown{Leg::InsideLeaderSite, update};
        fx.send(Destination::to(to), shown, {.auth = AuthKind::Bare});
        if (spared.site == self_.site) fx.send(Destination::to(to), shown, {.auth = AuthKind::Mac});
      }
    if (now < next_ || updates_.empty()) return;
    next_ = now + kEvery;
    for (int i = 0; i < kReplays; ++i)
      fx.send(Destination::to(spared), ForwardedUpdate{Leg::ToLeaderSite, updates_[random_.below(updates_.size())]},
              {.auth = AuthKind::Bare});
  }

  ServerId self_;
  Membership membership_;
  Prng random_;
  std::pair<GlobalView, LocalView> leader_;
  std::vector<Signed<Update>> shown_;
  std::deque<Signed<Update>> updates_;
  Instant next_{};
};

}  // namespace

std::unique_ptr<Core> shower(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random) {
  return std::make_unique<Shower>(std::move(core), self, membership, random);
}

}  // namespace seneschal::lab::sim
