// How fast a representative has to be, not only that it moves. [Steward 6, Pace]
#pragma once
#include "steward/timers.hpp"
#include "steward/updates.hpp"

namespace seneschal::steward {

/// Each server judges by itself, by what only the representative does with what this server itself gave it or sees
/// before it: nothing that servers of other sites, or f servers of this one, can delay. A task is overdue when it
/// takes longer than a multiple of what shares and round trips take here; a representative that was overdue for T1 in
/// sum is too slow. Overdue time is forgiven at a sixteenth of the time in which nothing was.
class Pace {
 public:
  Pace(Context& context, const Timers& timers, const ThresholdSigning& signing, const Sequencing& sequencing,
       const Updates& updates)
      : context_(context), timers_(timers), signing_(signing), sequencing_(sequencing), updates_(updates) {}

  /// `in_office`: the local view is preinstalled, and at the leader site this server knows what binds it.
  void on_tick(Instant now, bool in_office);
  bool too_slow() const { return overdue_ > timers_.representative_timeout(); }

  /// What one round inside the site may take: vote, share, combination.
  Duration allowance() const;
  Duration overdue() const { return overdue_; }
  /// Allowances are so many times as long, since f+1 representatives in a row were slow: one of them was correct.
  std::uint32_t tolerance() const;

 private:
  /// Something has waited for the representative longer than `tolerance` times what it may.
  bool late(Instant now, std::uint32_t tolerance) const;
  bool late_at_leader_site(Instant now, std::uint32_t tolerance) const;
  bool late_elsewhere(Instant now, std::uint32_t tolerance) const;
  bool idles(Instant now, std::uint32_t tolerance) const;
  bool leaves_out(std::uint32_t tolerance) const;
  void note_blocked(Instant now);

  Context& context_;
  const Timers& timers_;
  const ThresholdSigning& signing_;
  const Sequencing& sequencing_;
  const Updates& updates_;
  std::pair<GlobalView, LocalView> views_;
  std::optional<Instant> since_;  // of its term
  Instant looked_{};
  Instant blocked_{};        // when the representative was last seen with a reason to propose nothing
  Instant last_strained_{};  // when something was last overdue by the plain measure
  Duration overdue_{};
  std::uint32_t changes_ = 0;  // local views left for this since a representative kept the plain measure for long
};

}  // namespace seneschal::steward
