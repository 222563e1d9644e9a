// Draws the faults of a plan from its seed.
#pragma once
#include "lab/sim/plan.hpp"

#include "base/prng.hpp"

namespace seneschal::lab::sim {

inline std::uint16_t small(std::uint64_t value) {
  return static_cast<std::uint16_t>(value);
}
inline Duration ms(std::uint64_t value) {
  return std::chrono::milliseconds(value);
}

/// Draws faults into a plan. Each kind has a stream of its own.
class Planner {
 public:
  explicit Planner(Plan& plan) : plan_(plan), root_(plan.seed), membership_(plan.deployment().roster().membership) {}

  void lossy();
  void partitions();
  void crashes();
  void site_crash();
  void restarts();
  void drift();
  void slow();
  void byzantine();
  void spite();
  void botch();
  void provocations();
  void equivocation();
  void lagging();
  void seams();
  void slow_disks();
  void client_restarts();
  /// What the plan's profile asks for, if it is one that aims at one rule.
  void aim();

 private:
  /// One direction of a link drawn bad: up to 5 % loss, jitter, duplicates, reordering.
  emulator::LinkConfig bad_link(Prng& random, emulator::LinkConfig link) const;
  /// A server of a site that leads nothing and has no other part yet, if the site has one to spare.
  std::optional<ServerId> pick_server(Prng& random, SiteId site);
  std::size_t spoilt_in(SiteId site) const;
  bool restart(Prng& random, Duration at, ServerId id, world::DiskFate disk);
  // planner_aims.cpp
  void checkpoint_death();
  void queries();
  void starve();
  void office();
  void ballots();
  void uneven();
  void bases();
  void betrayal();

  Plan& plan_;
  Prng root_;
  Membership membership_;
  std::vector<ServerId> spoilt_;  // crashed or Byzantine
};

}  // namespace seneschal::lab::sim
