// Servers that are slow in ways that their own site or others' representatives are blamed for, or nobody. [Steward 6]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"
#include "steward/view_messages.hpp"

namespace seneschal::lab::sim {

namespace {

using steward::ForwardedUpdate;
using steward::Leg;
using steward::ProposalCarrier;

/// What is sent, to others.
Effects::Send others(const Effects::Send& send, std::vector<Destination> to) {
  Effects::Send copy = again(send);
  copy.to = std::move(to);
  return copy;
}

/// Holds back the Accept that it has combined, for a time that a correct representative might need.
class Dawdler final : public Delaying {
 public:
  Dawdler(std::unique_ptr<Core> core, ServerId self) : Delaying(std::move(core)), self_(self) {}

 private:
  static constexpr Duration kDelay = std::chrono::milliseconds(85);

  bool concerns(const Effects::Effect& effect) const {
    const auto* forward = std::get_if<Effects::Forward>(&effect);
    if (forward == nullptr || !forward->to.empty()) return false;  // once: as it comes out of the combination
    const auto sealed = parse_sealed(*forward->sealed);
    return sealed && sealed->header.protocol == steward::Accept::kProtocol &&
           sealed->header.type == steward::Accept::kType && sealed->header.sender == Principal::of(self_.site);
  }
  void twist(Instant now, Effects& fx) override {
    std::vector<Effects::Effect> kept;
    for (auto& effect : fx.list()) {
      if (concerns(effect))
        hold(now + kDelay, std::move(effect));
      else
        kept.push_back(std::move(effect));
    }
    fx.list() = std::move(kept);
    release(now, fx);
  }
  ServerId self_;
};

/// Takes no update that another site sends to it, and what its own site shows it of them after a while only. It
/// serves the clients of its own site well.
class Deaf final : public Adversary {
 public:
  Deaf(std::unique_ptr<Core> core, ServerId self, const Membership& membership)
      : Adversary(std::move(core)), self_(self), membership_(membership) {}

  void on_message(Instant now, const Inbound& message, Effects& fx) override {
    let_in(now, fx);
    const auto update = message.as<ForwardedUpdate>();
    if (!update || !begun() || home(update->body().update.signer()) == self_.site)
      return Adversary::on_message(now, message, fx);
    if (update->body().leg == Leg::ToLeaderSite || waiting_.size() >= kMostWaiting) return;
    waiting_.emplace(now + kDelay, message);
  }
  void on_time(Instant now, Effects& fx) override {
    let_in(now, fx);
    if (const auto due = Adversary::deadline(); due && *due <= now) Adversary::on_time(now, fx);
  }
  std::optional<Instant> deadline() const override {
    const auto core = Adversary::deadline();
    if (waiting_.empty()) return core;
    return core ? std::min(*core, waiting_.begin()->first) : waiting_.begin()->first;
  }

 private:
  static constexpr Duration kDelay = std::chrono::milliseconds(400);
  static constexpr std::size_t kMostWaiting = 1024;

  void twist(Instant, Effects&) override {}
  std::optional<SiteId> home(const Principal& client) const {
    if (!client.is_client()) return std::nullopt;
    const ClientInfo* info = membership_.client(client.client());
    return info == nullptr ? std::nullopt : std::optional(info->home);
  }
  void let_in(Instant now, Effects& fx) {
    while (!waiting_.empty() && waiting_.begin()->first <= now) {
      const Inbound message = std::move(waiting_.extract(waiting_.begin()).mapped());
      Adversary::on_message(now, message, fx);
    }
  }
  ServerId self_;
  Membership membership_;
  std::multimap<Instant, Inbound> waiting_;
};

/// Shows every other Proposal to f+1 servers of each other site that are not its representative, and to the rest
/// later: so the f+1 see that something is missing, which their representative never had.
class Framer final : public Delaying {
 public:
  Framer(std::unique_ptr<Core> core, ServerId self, const Membership& membership)
      : Delaying(std::move(core)), self_(self), membership_(membership), views_(membership.sites.size()) {}

 private:
  static constexpr Duration kDelay = std::chrono::milliseconds(180);

  void overhear(const Inbound& message) override {
    if (const auto notice = message.as<steward::LocalViewNotice>()) {
      LocalView& known = views_[notice->signer().site().value];
      known = std::max(known, notice->body().lv);
    }
  }
  void twist(Instant now, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !is<ProposalCarrier>(*send)) continue;
      const auto carrier = decode<ProposalCarrier>(send->body);
      if (!carrier || carrier->proposal.signer() != Principal::of(self_.site)) continue;
      if (carrier->proposal.body.seq.value % 2 == 0) continue;
      std::vector<Destination> first{Destination::to(self_.site)}, later;
      for (std::uint16_t s = 0; s < membership_.sites.size(); ++s) {
        if (SiteId(s) == self_.site) continue;
        later.push_back(Destination::to(SiteId(s)));
        const SiteInfo& site = membership_.sites[s];
        for (std::uint64_t i = 1; i <= site.faults + 1u; ++i)
          first.push_back(Destination::to(
              ServerId{SiteId(s), ServerIndex(static_cast<std::uint16_t>((views_[s].value + i) % site.servers))}));
      }
      hold(now + kDelay, others(*send, std::move(later)));
      send->to = std::move(first);
    }
    release(now, fx);
  }
  ServerId self_;
  Membership membership_;
  std::vector<LocalView> views_;  // of each site, as its notices say
};

/// Every ninth share does not leave, each server's in turn: a signer that is late now and then keeps its place.
class Skipper final : public Adversary {
 public:
  Skipper(std::unique_ptr<Core> core, ServerId self) : Adversary(std::move(core)), self_(self) {}

 private:
  static constexpr std::uint64_t kEvery = 9;

  void twist(Instant, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !is<steward::SigShare>(*send)) continue;
      const auto share = decode<steward::SigShare>(send->body);
      if (share && share->seq != Seq{} && (share->seq.value + self_.index.value) % kEvery == 0) send->to.clear();
    }
  }
  ServerId self_;
};

}  // namespace

std::unique_ptr<Core> dawdler(std::unique_ptr<Core> core, ServerId self) {
  return std::make_unique<Dawdler>(std::move(core), self);
}
std::unique_ptr<Core> deaf(std::unique_ptr<Core> core, ServerId self, const Membership& membership) {
  return std::make_unique<Deaf>(std::move(core), self, membership);
}
std::unique_ptr<Core> framer(std::unique_ptr<Core> core, ServerId self, const Membership& membership) {
  return std::make_unique<Framer>(std::move(core), self, membership);
}
std::unique_ptr<Core> skipper(std::unique_ptr<Core> core, ServerId self) {
  return std::make_unique<Skipper>(std::move(core), self);
}

}  // namespace seneschal::lab::sim
