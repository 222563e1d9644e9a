// Speaks where it has no say: outside the window, in views that were left or never begun, in the representative's
// place. [Steward 9]
#include "bft/messages.hpp"
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/messages.hpp"

namespace seneschal::lab::sim {

namespace {

/// Whatever it proposes, votes for or shares, it does so once more far away; whatever its representative proposes, it
/// proposes as well, in its own name.
class Stray final : public Adversary {
 public:
  Stray(std::unique_ptr<Core> core, ServerId self, Prng random)
      : Adversary(std::move(core)), self_(self), random_(random) {}

 private:
  static constexpr std::uint64_t kFarAhead = 1'000'000;
  static constexpr std::uint64_t kBehind = 50;

  void overhear(const Inbound& message) override {
    if (auto m = message.as<steward::PrePrepare>(); m && m->signer().server().site == self_.site)
      usurped_ = m->body();
  }

  void twist(Instant, Effects& fx) override {
    std::vector<Effects::Send> more;
    for (const auto& effect : fx.list()) {
      const auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !random_.chance(1, 3)) continue;
      Effects::Send copy = again(*send);
      displace<steward::PrePrepare>(copy);
      displace<steward::Prepare>(copy);
      displace<steward::SigShare>(copy);
      displace<bft::PrePrepare>(copy);
      displace<bft::Prepare>(copy);
      displace<bft::Commit>(copy);
      if (copy.body != send->body) more.push_back(std::move(copy));
    }
    for (auto& send : more) fx.list().push_back(std::move(send));
    if (auto proposal = std::exchange(usurped_, {})) fx.send(Destination::to(self_.site), *proposal);
  }

  template <class M>
  void displace(Effects::Send& send) {
    rewrite<M>(send, [&](M& m) {
      switch (random_.below(4)) {
        case 0: m.seq = m.seq + kFarAhead; return;
        case 1: m.seq = Seq(m.seq.value - std::min(m.seq.value, kBehind)); return;
        case 2: return move_view(m, true);
        case 3: return move_view(m, false);
      }
    });
  }
  template <class M>
  void move_view(M& m, bool ahead) {
    const auto moved = [&](auto view) {
      using View = decltype(view);
      return ahead ? View(view.value + random_.between(1, kFarAhead))
                   : View(view.value - std::min<std::uint64_t>(view.value, 1));
    };
    if constexpr (requires {
                    m.gv;
                    m.lv;
                  }) {
      m.gv = moved(m.gv);
      if (random_.chance(1, 2)) m.lv = moved(m.lv);
    } else if constexpr (requires { m.view; }) {
      m.view = moved(m.view);
    } else {
      m.seq = m.seq + kFarAhead;  // a share: of what nobody knows
      m.content.bytes[0] ^= 1;
    }
  }

  ServerId self_;
  Prng random_;
  std::optional<steward::PrePrepare> usurped_;
};

}  // namespace

std::unique_ptr<Core> stray(std::unique_ptr<Core> core, ServerId self, Prng random) {
  return std::make_unique<Stray>(std::move(core), self, random);
}

}  // namespace seneschal::lab::sim
