// Wants another view, always. [Steward 4] [Steward 5] [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/view_messages.hpp"

namespace seneschal::lab::sim {

namespace {

/// Leaves every local and global view it hears of, for the next one or for one that nobody will ever reach, and
/// claims round trips that would make timers short, or endless.
class Agitator final : public Adversary {
 public:
  Agitator(std::unique_ptr<Core> core, ServerId self, Prng random)
      : Adversary(std::move(core)), self_(self), random_(random) {}

 private:
  static constexpr Duration kEvery = std::chrono::milliseconds(25);
  static constexpr std::uint64_t kNever = std::uint64_t{1} << 40;

  void overhear(const Inbound& message) override {
    if (auto m = message.as<steward::PrePrepare>()) note(m->body().gv, m->body().lv);
    if (auto m = message.as<steward::ProposalCarrier>()) note(m->body().proposal.body.gv, local_);
    if (auto m = message.as<steward::NewRep>(); m && m->body().lv.value < kNever) note(global_, m->body().lv);
    if (auto m = message.as<steward::AruMessage>()) note(m->body().gv, local_);
  }
  void note(GlobalView gv, LocalView lv) {
    global_ = std::max(global_, gv);
    local_ = std::max(local_, lv);
  }

  void twist(Instant now, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr) continue;
      rewrite<steward::NewRep>(*send, [&](steward::NewRep& m) { m.round_trip_us = round_trip(); });
      rewrite<steward::GlobalViewAttempt>(*send,
                                          [&](steward::GlobalViewAttempt& m) { m.round_trip_us = round_trip(); });
    }
    if (now < next_) return;
    next_ = now + kEvery;
    fx.send(Destination::to(self_.site), steward::NewRep{LocalView(local_.value + step()), round_trip()});
    fx.send(Destination::to(self_.site),
            steward::GlobalViewAttempt{GlobalView(global_.value + step()), round_trip()});
  }
  std::uint64_t step() { return random_.chance(1, 4) ? kNever + random_.below(kNever) : random_.between(1, 3); }
  std::uint32_t round_trip() { return random_.chance(1, 2) ? 0 : ~std::uint32_t{0}; }

  ServerId self_;
  Prng random_;
  Instant next_{};
  GlobalView global_;
  LocalView local_;
};

}  // namespace

std::unique_ptr<Core> agitator(std::unique_ptr<Core> core, ServerId self, Prng random) {
  return std::make_unique<Agitator>(std::move(core), self, random);
}

}  // namespace seneschal::lab::sim
