#include "lab/sim/adversaries/adversary.hpp"

#include "base/check.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "replication/messages.hpp"
#include "steward/messages.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

namespace {

bool speaks(const Effects::Effect& effect) {
  return std::holds_alternative<Effects::Send>(effect) || std::holds_alternative<Effects::Forward>(effect);
}

/// Stops talking after a while, or from the start.
class Silent final : public Adversary {
 public:
  Silent(std::unique_ptr<Core> core, Prng random)
      : Adversary(std::move(core)),
        from_(Instant{} + Duration(static_cast<std::int64_t>(random.below(1'000'000'000)))) {}

 private:
  void twist(Instant now, Effects& fx) override {
    if (now >= from_) std::erase_if(fx.list(), speaks);
  }
  Instant from_;
};

/// Says everything, but half a second late: nobody may wait for it.
class Late final : public Delaying {
 public:
  using Delaying::Delaying;

 private:
  static constexpr Duration kDelay = std::chrono::milliseconds(500);

  void twist(Instant now, Effects& fx) override {
    for (auto& effect : fx.list())
      if (speaks(effect)) hold(now + kDelay, std::move(effect));
    std::erase_if(fx.list(), speaks);
    release(now, fx);
  }
};

/// Shares that do not verify; some of them only after a while, when it is counted among the good responders.
class BadShares final : public Adversary {
 public:
  BadShares(std::unique_ptr<Core> core, Prng random) : Adversary(std::move(core)), random_(random) {}

 private:
  void twist(Instant, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !is<steward::SigShare>(*send) || !random_.chance(1, 2)) continue;
      rewrite<steward::SigShare>(*send, [&](steward::SigShare& m) {
        if (!m.share.value.empty()) m.share.value[random_.below(m.share.value.size())] ^= 0x40;
      });
    }
  }
  Prng random_;
};

/// Tells clients results of its own making.
class LyingReply final : public Adversary {
 public:
  explicit LyingReply(std::unique_ptr<Core> core) : Adversary(std::move(core)) {}

 private:
  void twist(Instant, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr) continue;
      const auto lie = [](auto& message) { message.result.value = to_bytes("lie"); };
      rewrite<replication::Reply>(*send, lie);
      rewrite<replication::Answer>(*send, lie);
    }
  }
};

/// Says everything twice, and repeats what others said long ago.
class Replay final : public Adversary {
 public:
  Replay(std::unique_ptr<Core> core, ServerId self, Prng random)
      : Adversary(std::move(core)), self_(self), random_(random) {}

 private:
  static constexpr std::size_t kRemembered = 64;

  void overhear(const Inbound& message) override {
    if (heard_.size() < kRemembered)
      heard_.push_back(message.bytes());
    else
      heard_[random_.below(kRemembered)] = message.bytes();
  }
  void twist(Instant, Effects& fx) override {
    const std::size_t count = fx.list().size();
    for (std::size_t i = 0; i < count; ++i) {
      if (!speaks(fx.list()[i])) continue;
      Effects::Effect again = fx.list()[i];
      if (auto* send = std::get_if<Effects::Send>(&again)) send->options.loopback = false;
      if (auto* forward = std::get_if<Effects::Forward>(&again)) forward->loopback = false;
      fx.list().push_back(std::move(again));
    }
    if (heard_.empty() || !random_.chance(1, 4)) return;
    const Destination to = random_.chance(1, 4) ? Destination::all() : Destination::to(self_.site);
    fx.forward(to, heard_[random_.below(heard_.size())]);
  }
  ServerId self_;
  Prng random_;
  std::vector<SharedBytes> heard_;
};

/// A representative that is polite to everybody and orders nothing: only the age of waiting work gives it away.
class Stall final : public Adversary {
 public:
  using Adversary::Adversary;

 private:
  void twist(Instant, Effects& fx) override {
    std::erase_if(fx.list(), [](const Effects::Effect& effect) {
      if (const auto* send = std::get_if<Effects::Send>(&effect))
        return is<steward::PrePrepare>(*send) || is<steward::ProposalCarrier>(*send) ||
               is<steward::RelayedAccept>(*send) || is<steward::ForwardedUpdate>(*send);
      const auto* forward = std::get_if<Effects::Forward>(&effect);
      if (forward == nullptr || forward->to.empty()) return false;
      return forward->to[0].kind == Destination::Kind::AllServers;
    });
  }
};

/// Serves everybody but one client, so that "some progress" is no sign of health.
class Starve final : public Adversary {
 public:
  Starve(std::unique_ptr<Core> core, const Membership& membership, Prng random) : Adversary(std::move(core)) {
    if (!membership.clients.empty()) starved_ = membership.clients[random.below(membership.clients.size())].id;
  }

 private:
  void twist(Instant, Effects&) override {}
  bool deaf(const Inbound& message) override {
    if (auto update = message.as<replication::Update>()) return update->signer() == Principal::of(starved_);
    if (auto update = message.as<steward::ForwardedUpdate>())
      return update->body().update.signer() == Principal::of(starved_);
    return false;
  }
  ClientId starved_;
};

/// Leaves some servers out: what it sends to its site reaches only those it likes.
class Withhold final : public Adversary {
 public:
  Withhold(std::unique_ptr<Core> core, ServerId self, const Membership& membership, Prng random)
      : Adversary(std::move(core)) {
    for (std::uint16_t i = 0; i < membership.site(self.site).servers; ++i)
      if (i != self.index.value && random.chance(1, 2))
        liked_.push_back(Destination::to(ServerId{self.site, ServerIndex(i)}));
  }

 private:
  void twist(Instant, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || liked_.empty()) continue;
      std::vector<Destination> to;
      for (const Destination& destination : send->to) {
        const bool group =
            destination.kind == Destination::Kind::Site || destination.kind == Destination::Kind::AllServers;
        if (group)
          to.insert(to.end(), liked_.begin(), liked_.end());
        else
          to.push_back(destination);
      }
      send->to = std::move(to);
    }
  }
  std::vector<Destination> liked_;
};

}  // namespace

namespace {
std::unique_ptr<Core> corrupted(std::unique_ptr<Core> core, Behaviour behaviour, ServerId self,
                                const Membership& membership, std::uint64_t seed) {
  const Prng random = Prng(seed).fork("adversary").fork(Principal::of(self).value);
  switch (behaviour) {
    case Behaviour::Silent: return std::make_unique<Silent>(std::move(core), random);
    case Behaviour::BadShares: return std::make_unique<BadShares>(std::move(core), random);
    case Behaviour::LyingReply: return std::make_unique<LyingReply>(std::move(core));
    case Behaviour::Replay: return std::make_unique<Replay>(std::move(core), self, random);
    case Behaviour::Withhold: return std::make_unique<Withhold>(std::move(core), self, membership, random);
    case Behaviour::Equivocate: return equivocator(std::move(core), self, membership);
    case Behaviour::Repeat: return repeater(std::move(core));
    case Behaviour::Stall: return std::make_unique<Stall>(std::move(core));
    case Behaviour::Starve: return std::make_unique<Starve>(std::move(core), membership, random);
    case Behaviour::Collude: return colluder(std::move(core), self, random);
    case Behaviour::Hoard: return hoarder(colluder(std::move(core), self, random), self, random.fork("hoard"));
    case Behaviour::Late: return std::make_unique<Late>(std::move(core));
    case Behaviour::Poison: return poisoner(std::move(core), self, random);
    case Behaviour::Stray: return stray(std::move(core), self, random.fork("stray"));
    case Behaviour::Forge: return forger(std::move(core), self, membership, random.fork("forge"));
    case Behaviour::Foreign: return foreigner(std::move(core), self, membership, random.fork("foreign"));
    case Behaviour::Slander: return slanderer(std::move(core), self, random.fork("slander"));
    case Behaviour::Agitate: return agitator(std::move(core), self, random.fork("agitate"));
    case Behaviour::Phantom: return phantom(std::move(core), random.fork("phantom"));
    case Behaviour::Flood: return flooder(std::move(core), self, membership, random.fork("flood"));
    case Behaviour::Betray: return betrayer(std::move(core), membership);
    case Behaviour::Botch: return botcher(std::move(core), random.fork("botch"));
    case Behaviour::Tease: return teaser(std::move(core), self, membership, random.fork("tease"));
    case Behaviour::Show: return shower(std::move(core), self, membership, random.fork("show"));
    case Behaviour::Spoil: return spoiler(std::move(core), self, membership, random.fork("spoil"));
    case Behaviour::Sly: return partial(std::move(core), self, membership, true);
    case Behaviour::Dawdle: return dawdler(std::move(core), self);
    case Behaviour::Deaf: return deaf(std::move(core), self, membership);
    case Behaviour::Frame: return framer(std::move(core), self, membership);
    case Behaviour::Skip: return skipper(std::move(core), self);
    case Behaviour::Shy: return partial(std::move(core), self, membership, false);
  }
  return core;
}
}  // namespace

std::unique_ptr<Core> corrupt(std::unique_ptr<Core> core, Behaviour behaviour, ServerId self,
                              const Membership& membership, std::uint64_t seed, Adversary::Begun begun) {
  auto traitor = corrupted(std::move(core), behaviour, self, membership, seed);
  if (begun) static_cast<Adversary&>(*traitor).wait_for(std::move(begun));
  return traitor;
}

}  // namespace seneschal::lab::sim
