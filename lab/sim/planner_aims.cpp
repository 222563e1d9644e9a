// Profiles that aim at one rule each: a plan in which nothing depends on luck but the moment.
#include "lab/sim/planner.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

namespace {
void cut(Plan& plan, Duration at, std::uint16_t from, std::uint16_t to, FaultKind kind = FaultKind::Cut) {
  plan.list.push_back({at, kind, from, to, {}, 100, {}});
}
std::uint64_t in_ms(Duration time) {
  return static_cast<std::uint64_t>(time / 1ms);
}
}  // namespace

// The leader site orders with sites that do not hear each other, checkpoints every few entries and dies. What it
// ordered with is scattered; the others are a majority, and when their links heal they must go on by themselves.
// Crash faults alone.
void Planner::checkpoint_death() {
  Prng random = root_.fork("checkpoint death");
  plan_.sites = small(random.between(4, 5));
  plan_.faults = random.chance(1, 10) ? 2 : 1;
  if (plan_.real_crypto) plan_.faults = 1;
  membership_ = plan_.deployment().roster().membership;
  constexpr std::uint32_t kIntervals[] = {2, 4, 8};
  constexpr std::uint32_t kWindows[] = {2, 4, 16};
  plan_.options.checkpoint_interval = kIntervals[random.below(3)];
  plan_.options.window = kWindows[random.below(3)];
  plan_.options.batch_max = random.chance(3, 4) ? 1 : 4;
  plan_.patience = 120ms;
  plan_.delay = ms(random.between(5, 20));
  plan_.update_percent = 100;
  plan_.payload = 60;
  plan_.think = ms(random.between(0, 10));
  plan_.operations = plan_.real_crypto ? 12 : random.between(20, 40);
  const Duration death = ms(random.between(300, 1500));
  plan_.heal = death + ms(random.between(200, 2500));
  plan_.deadline = plan_.heal + ms(60'000);

  // Links between sites that do not lead are cut, most of them both ways and until all heals. The leader site keeps
  // the links to as many sites as it orders with; the others hear it now and then.
  const std::uint64_t kept = membership_.site_majority() - 1;
  const std::uint64_t first = random.below(plan_.sites - 1u);
  const auto away = [&](std::uint16_t site) { return (site - 1u + first) % (plan_.sites - 1u) >= kept; };
  for (std::uint16_t a = 0; a < plan_.sites; ++a)
    for (std::uint16_t b = static_cast<std::uint16_t>(a + 1); b < plan_.sites; ++b) {
      if (a == 0 && !away(b)) continue;
      const bool one_way = random.chance(1, 8);
      const Duration begin = random.chance(2, 3) ? Duration{} : ms(random.below(300));
      const Duration end = begin + ms(random.below(in_ms(death)));
      const bool joins = random.chance(1, 6);
      for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}}) {
        if (one_way && from == a) continue;
        cut(plan_, begin, from, to);
        if (joins) cut(plan_, end, from, to, FaultKind::Join);
      }
    }

  const bool at_once = random.chance(2, 3);
  for (std::uint16_t i = 0; i < membership_.site(SiteId(0)).servers; ++i) {
    const Duration at = death + (at_once ? 0ms : ms(random.below(100)));
    plan_.list.push_back({at, FaultKind::Crash, 0, 0, {SiteId(0), ServerIndex(i)}, 100, {}});
  }
}

}  // namespace seneschal::lab::sim
