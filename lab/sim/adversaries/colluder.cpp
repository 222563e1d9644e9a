// One mind in every site: what it knows of a view it keeps from the next, what belongs to an old view it lets out in
// the new one. [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"

#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"
#include "steward/view_messages.hpp"

#include <deque>

namespace seneschal::lab::sim {

namespace {

using steward::Prepare;
using steward::PrePrepare;

/// Votes for every content it is shown, leaves out of its states what it likes, claims to have executed what it has
/// not, holds back what a site signed to let it out seconds later, and as a new representative proposes at once what
/// it likes, before anybody knows what binds the view.
class Colluder final : public Delaying {
 public:
  Colluder(std::unique_ptr<Core> core, ServerId self, Prng random)
      : Delaying(std::move(core)), self_(self), random_(random) {}

 private:
  static constexpr std::size_t kMostHeld = 256;
  static constexpr std::size_t kMostUpdates = 16;

  void overhear(const Inbound& message) override {
    if (auto m = message.as<PrePrepare>())
      if (m->signer().server().site == self_.site) proposed_.push_back(m->body());
    if (auto m = message.as<replication::Update>()) remember(m->embed());
    if (auto m = message.as<steward::ForwardedUpdate>()) remember(m->body().update);
  }
  void remember(const Signed<replication::Update>& update) {
    if (updates_.size() >= kMostUpdates) updates_.pop_front();
    updates_.push_back(update);
  }

  /// It asks for states as the representative of a view: correct ones wait for them before they propose.
  void be_hasty(const Effects::Send& send, std::vector<PrePrepare>& hasty) {
    if (!is<steward::StateRequest>(send) || updates_.empty()) return;
    const auto request = decode<steward::StateRequest>(send.body);
    if (!request || request->key.context != steward::StateContext::Pending) return;
    for (std::uint64_t i = 1; i <= 3; ++i) {
      PrePrepare m{request->key.gv, request->key.lv, request->key.base + i, {}};
      m.batch.updates.items.push_back(updates_[random_.below(updates_.size())]);
      hasty.push_back(std::move(m));
    }
  }

  void twist(Instant now, Effects& fx) override {
    std::vector<Effects::Effect> kept;
    std::vector<PrePrepare> hasty;
    for (auto& effect : fx.list()) {
      if (auto* send = std::get_if<Effects::Send>(&effect)) {
        lie(*send);
        be_hasty(*send, hasty);
      }
      if (hides(effect))
        hold(now + Duration(std::chrono::milliseconds(random_.between(100, 4000))), std::move(effect));
      else
        kept.push_back(std::move(effect));
    }
    fx.list() = std::move(kept);
    // A vote for each content, also for a second one of the same seq.
    for (const PrePrepare& m : std::exchange(proposed_, {}))
      fx.send(Destination::to(self_.site), Prepare{m.gv, m.lv, m.seq, replication::digest_of(m.batch)});
    for (const PrePrepare& m : hasty) fx.send(Destination::to(self_.site), m);
    release(now, fx);
  }

  /// Signed by a site, or carrying what is: for other sites.
  bool hides(const Effects::Effect& effect) {
    if (held() >= kMostHeld) return false;
    const auto* forward = std::get_if<Effects::Forward>(&effect);
    const auto* send = std::get_if<Effects::Send>(&effect);
    const bool carries = forward != nullptr || (send != nullptr && is<steward::ProposalCarrier>(*send));
    return carries && random_.chance(1, 3);
  }

  void lie(Effects::Send& send) {
    rewrite<steward::ServerState>(send, [&](steward::ServerState& state) {
      if (random_.chance(1, 2)) std::erase_if(state.items.items, [&](const auto&) { return random_.chance(1, 2); });
    });
    rewrite<steward::AruClaim>(send, [&](steward::AruClaim& claim) { claim.aru = claim.aru + random_.below(6); });
  }
  ServerId self_;
  Prng random_;
  std::vector<PrePrepare> proposed_;
  std::deque<Signed<replication::Update>> updates_;
};

}  // namespace

std::unique_ptr<Core> colluder(std::unique_ptr<Core> core, ServerId self, Prng random) {
  return std::make_unique<Colluder>(std::move(core), self, random);
}

}  // namespace seneschal::lab::sim
