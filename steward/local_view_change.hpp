// Replacing the representative of a site. [Steward 4] [TR Fig. 16]
#pragma once
#include "steward/collective_state.hpp"
#include "steward/threshold_signing.hpp"
#include "steward/timers.hpp"

namespace seneschal::steward {

/// A view is preinstalled when q servers have asked for it or a higher one; only from there can a server ask for the
/// next, so views advance one by one, with a quorum behind each.
class LocalViewChange {
 public:
  LocalViewChange(Context& context, ThresholdSigning& signing, CollectiveState& states, Timers& timers)
      : context_(context), signing_(signing), states_(states), timers_(timers) {}

  void start(Instant now, Effects& fx);
  std::optional<Reject> on_new_rep(Instant now, const Verified<NewRep>& message, Effects& fx);
  std::optional<Reject> on_proof(Instant now, const Verified<PreinstallProof>& message, Effects& fx);
  std::optional<Reject> on_notice(Instant now, const Verified<LocalViewNotice>& message, Effects& fx);

  /// After every input: joins, preinstalls, collects states.
  void settle(Instant now, Effects& fx);
  /// `oldest`: since when the oldest outstanding work waits; never if there is none.
  void on_tick(Instant now, std::optional<Instant> oldest, Effects& fx);
  /// The representative moves, but too slowly. [Steward 6, Pace]
  void too_slow(Instant now, Effects& fx) {
    if (preinstalled_ && context_.views.participating()) suspect(now, fx);
  }
  /// A global view was preinstalled: Local_T starts again, and at the leader site the exchange.
  void global_view_changed(Instant now) {
    since_ = now;
    fruitless_ = 0;
  }
  /// Now and then an idle server shows its view to a neighbour, so that one who missed it learns of it.
  void on_idle(Instant now, Effects& fx);
  Instant deadline() const { return next_idle_; }

  bool preinstalled() const { return preinstalled_; }
  Instant since() const { return since_; }
  /// A view was asked for that is not preinstalled, or whose states are not collected.
  bool unfinished() const;
  /// A server that wants the bundle (and the constraint set) of the current view again.
  std::optional<ServerIndex> take_asking() { return std::exchange(asking_, std::nullopt); }

 private:
  void suspect(Instant now, Effects& fx);
  void move_to(LocalView lv, Instant now, Effects& fx);
  Duration patience() const;
  void send_new_rep(std::vector<Destination> to, bool loopback, Effects& fx) const;
  std::optional<Reject> take(ServerIndex server, Held<NewRep> vote);
  void learn();
  void collect(Instant now, Effects& fx);
  void spread_notice(std::uint32_t round, Effects& fx);
  bool may_answer(Instant now, ServerIndex server);

  Context& context_;
  ThresholdSigning& signing_;
  CollectiveState& states_;
  Timers& timers_;
  std::map<ServerIndex, Held<NewRep>> votes_;  // the highest of each server
  bool preinstalled_ = true;                   // local view 0 is
  Instant since_{};                            // when the local or the global view was preinstalled
  Seq progress_;                               // the ARU at the last look
  std::uint32_t fruitless_ = 0;                // views left since it last moved
  Retry retry_;
  std::optional<Held<LocalViewNotice>> notice_;
  bool noticed_ = true;  // this server shared the notice of its view
  Retry notice_retry_;
  std::map<ServerIndex, Instant> answered_;
  std::optional<ServerIndex> asking_;
  Instant next_idle_ = Instant::never();
  std::uint32_t turn_ = 0;
};

}  // namespace seneschal::steward
