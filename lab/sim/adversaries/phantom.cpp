// Speaks of batches that nobody has. [Steward 4] [Steward 5] [Steward 9]
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/adversaries/words.hpp"
#include "steward/view_messages.hpp"

#include <map>

namespace seneschal::lab::sim {

namespace {

using steward::CollectedState;
using steward::EntryKind;
using steward::ServerState;
using steward::StateItem;

/// Its states name entries of its own invention, of each kind and of high views, above and among what it knows; as a
/// representative it announces bundles of which a part never comes. It answers no question about any of them.
class Phantom final : public Adversary {
 public:
  Phantom(std::unique_ptr<Core> core, Prng random) : Adversary(std::move(core)), random_(random) {}

 private:
  static constexpr std::uint64_t kInvented = 6;

  void twist(Instant, Effects& fx) override {
    for (auto& effect : fx.list()) {
      auto* send = std::get_if<Effects::Send>(&effect);
      if (send == nullptr || !random_.chance(1, 2)) continue;
      rewrite<ServerState>(*send, [&](ServerState& state) { invent(state); });
      rewrite<CollectedState>(*send, [&](CollectedState& piece) {
        if (!piece.chosen.empty()) piece.chosen.items.back().bytes.fill(0xff);  // stays ascending
      });
      rewrite<steward::Prepare>(*send, [&](steward::Prepare& vote) { vote.digest = invented(); });
    }
    std::erase_if(fx.list(), [](const Effects::Effect& effect) {
      const auto* send = std::get_if<Effects::Send>(&effect);
      return send != nullptr && is<steward::EntryEvidence>(*send);
    });
  }

  void invent(ServerState& state) {
    std::map<Seq, StateItem> items;
    for (const StateItem& item : state.items) items[item.seq] = item;
    for (std::uint64_t i = 1; i <= kInvented; ++i) {
      if (!random_.chance(1, 2)) continue;
      const Seq seq = state.key.base + i;
      const auto kind = static_cast<EntryKind>(random_.below(static_cast<std::uint64_t>(EntryKind::kLast) + 1));
      const bool certificate = kind == EntryKind::Certificate;
      items[seq] = {seq, kind, state.key.gv, certificate ? state.key.lv : LocalView{}, invented()};
    }
    state.items.items.clear();
    for (const auto& [seq, item] : items) state.items.items.push_back(item);
  }
  Digest invented() {
    Digest digest;
    for (Byte& byte : digest.bytes) byte = static_cast<Byte>(random_.below(256));
    return digest;
  }

  Prng random_;
};

}  // namespace

std::unique_ptr<Core> phantom(std::unique_ptr<Core> core, Prng random) {
  return std::make_unique<Phantom>(std::move(core), random);
}

}  // namespace seneschal::lab::sim
