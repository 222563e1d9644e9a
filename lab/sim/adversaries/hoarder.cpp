// Works on the seam between two views: what it holds of a view it lets out in the next one, and what it proposes it
// proposes when the others are leaving. [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"

#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"
#include "steward/view_messages.hpp"

#include <deque>

namespace seneschal::lab::sim {

namespace {

using steward::PrePrepare;
using steward::ProposalCarrier;

/// As a representative it delays what it proposes; keeps to itself most of what its site signed until a higher global
/// view begins, and then says it again and again; as soon as somebody leaves its local view it proposes once more in
/// it, and leaves, too, so that f+1 do: some have prepared by then and nobody but it sees all of their Prepares. Half
/// of its states name no certificate.
class Hoarder final : public Delaying {
 public:
  Hoarder(std::unique_ptr<Core> core, ServerId self, Prng random)
      : Delaying(std::move(core)), self_(self), random_(random) {}

  std::optional<Instant> deadline() const override {
    const auto due = Delaying::deadline();
    if (!releasing()) return due;
    return due ? std::min(*due, next_release_) : next_release_;
  }

 private:
  static constexpr std::size_t kMostHoarded = 32;
  static constexpr std::size_t kMostDelayed = 64;
  static constexpr std::size_t kMostUpdates = 16;
  static constexpr std::uint32_t kReleases = 40;
  static constexpr Duration kReleaseEvery = std::chrono::milliseconds(50);

  struct Hoarded {
    GlobalView gv;
    Effects::Send send;
  };

  void overhear(const Inbound& message) override {
    if (auto m = message.as<steward::AruMessage>()) view_begins(m->body().gv);
    if (auto m = message.as<steward::GlobalViewNews>(); m && m->body().aru) view_begins(m->body().aru->body.gv);
    if (auto m = message.as<steward::NewRep>(); m && m->signer().server().site == self_.site)
      if (m->body().lv > left_for_) {
        left_for_ = m->body().lv;
        leaving_ = true;
      }
    if (auto m = message.as<replication::Update>()) remember(m->embed());
    if (auto m = message.as<steward::ForwardedUpdate>()) remember(m->body().update);
  }
  void view_begins(GlobalView gv) {
    if (gv <= newest_) return;
    newest_ = gv;
    releases_ = 0;
    next_release_ = Instant{};
  }
  void remember(const Signed<replication::Update>& update) {
    if (updates_.size() >= kMostUpdates) updates_.pop_front();
    updates_.push_back(update);
  }
  bool releasing() const { return !hoard_.empty() && hoard_.front().gv < newest_ && releases_ < kReleases; }

  void twist(Instant now, Effects& fx) override {
    std::vector<Effects::Effect> kept;
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !keeps(now, *send)) kept.push_back(std::move(effect));
    }
    fx.list() = std::move(kept);
    if (std::exchange(leaving_, false)) leave(fx);
    release(now, fx);
    if (!releasing() || now < next_release_) return;
    ++releases_;
    next_release_ = now + kReleaseEvery;
    for (const Hoarded& hoarded : hoard_)
      if (hoarded.gv < newest_) fx.list().push_back(hoarded.send);
  }

  /// True if the message does not leave, or not now.
  bool keeps(Instant now, Effects::Send& send) {
    if (is<steward::ServerState>(send)) forget_certificates(send);
    if (is<PrePrepare>(send)) {
      const auto m = decode<PrePrepare>(send.body);
      if (m) proposed_ = std::max(proposed_, std::tuple(m->gv, m->lv, m->seq));
      if (!random_.chance(1, 2) || held() >= kMostDelayed) return false;
      const Duration delay(std::chrono::milliseconds(random_.between(20, 1500)));
      hold(now + delay, std::move(send));
      return true;
    }
    if (!is<ProposalCarrier>(send) || !random_.chance(2, 3)) return false;
    const auto m = decode<ProposalCarrier>(send.body);
    if (!m || m->proposal.signer() != Principal::of(self_.site)) return false;
    if (hoard_.size() >= kMostHoarded) hoard_.pop_front();
    hoard_.push_back({m->proposal.body.gv, std::move(send)});
    return true;
  }

  void forget_certificates(Effects::Send& send) {
    auto state = decode<steward::ServerState>(send.body);
    if (!state || !random_.chance(1, 2)) return;
    std::erase_if(state->items.items, [](const auto& item) { return item.kind == steward::EntryKind::Certificate; });
    send.body = encode(*state);
  }

  void leave(Effects& fx) {
    const auto [gv, lv, seq] = proposed_;
    const bool leads = lv.next() == left_for_ && seq != Seq{};
    if (leads && !updates_.empty()) {
      PrePrepare last{gv, lv, seq.next(), {}};
      last.batch.updates.items.push_back(updates_[random_.below(updates_.size())]);
      fx.send(Destination::to(self_.site), last, {.loopback = true});  // its own core is to hold the certificate
    }
    fx.send(Destination::to(self_.site), steward::NewRep{left_for_, 0});
  }

  ServerId self_;
  Prng random_;
  std::tuple<GlobalView, LocalView, Seq> proposed_;  // the last by this representative
  LocalView left_for_;
  bool leaving_ = false;
  GlobalView newest_;  // global view that has begun
  std::deque<Hoarded> hoard_;
  std::uint32_t releases_ = 0;
  Instant next_release_;
  std::deque<Signed<replication::Update>> updates_;
};

}  // namespace

std::unique_ptr<Core> hoarder(std::unique_ptr<Core> core, ServerId self, Prng random) {
  return std::make_unique<Hoarder>(std::move(core), self, random);
}

}  // namespace seneschal::lab::sim
