// Which other sites answer, and how far away they are. [Steward 3] [Steward 6]
#pragma once
#include "steward/context.hpp"
#include "steward/timers.hpp"
#include "steward/view_messages.hpp"
#include "steward/write_time.hpp"

namespace seneschal::steward {

/// Asks servers of every other site in turn while there is something to do: one, or f+1 once a site has been silent,
/// so that f dead servers are not taken for a dead site. It decides nothing about ordering: an update that cannot be
/// ordered waits, and its client is told why.
class Reach {
 public:
  Reach(Context& context, Timers& timers, const WriteTime& writes)
      : context_(context), timers_(timers), writes_(writes) {}

  void start(Instant now);
  /// True if a majority of sites was lost in this moment.
  bool on_tick(Instant now, Effects& fx);
  /// Work is old, though not too old yet, and nothing moves: what timers know of other servers may be as old. Asks
  /// once more, at most four times in the time a representative has. [Steward 6]
  void doubt(Instant now, Effects& fx);
  std::optional<Reject> on_round_trip(Instant now, const Verified<RoundTrip>& message, Effects& fx);

 private:
  void ask(Instant now, SiteId site, Effects& fx);
  void ask_neighbours(Instant now, Effects& fx);

  Context& context_;
  Timers& timers_;
  const WriteTime& writes_;
  struct Site {
    std::uint32_t silent = 0;  // rounds without any answer
    bool answered = true;      // the last round
  };
  std::map<SiteId, Site> sites_;
  std::map<ServerId, Instant> probes_;  // of the current round; at most f+1 per site
  std::uint16_t turn_ = 0;
  Instant next_{};
  Instant asked_{};
};

}  // namespace seneschal::steward
