// Leaving a leader site: attempts inside a site, site-signed view changes between sites. [Steward 5] [TR Fig. 10]
#pragma once
#include "steward/threshold_signing.hpp"
#include "steward/timers.hpp"

namespace seneschal::steward {

/// A view is preinstalled when M sites have signed a change to it or a higher one, or its leader site has signed a
/// Proposal or AruMessage of it. Servers attempt only the view after the highest preinstalled one, so that isolated
/// sites do not climb and all shares fall on one number.
class GlobalViewChanges {
 public:
  GlobalViewChanges(Context& context, ThresholdSigning& signing, Timers& timers)
      : context_(context), signing_(signing), timers_(timers) {}

  void start(Instant now, Effects& fx);
  std::optional<Reject> on_attempt(Instant now, const Verified<GlobalViewAttempt>& message, Effects& fx);
  /// From whoever; `from` gets the proof if it is behind.
  std::optional<Reject> take(Instant now, const Held<GlobalViewChange>& change, Effects& fx);

  void settle(Instant now, Effects& fx);
  void on_tick(Instant now, std::optional<Instant> oldest, Effects& fx);
  void on_idle(Instant now, Effects& fx);  // whether or not there is work
  void view_changed(Instant now) {
    since_ = now;
    standing_by_.start(now, context_.settings.retransmit_wide);
  }

  /// Another site asks for a higher view: outstanding work since then.
  std::optional<Instant> oldest() const { return higher_since_; }
  /// What proves the current view to a server that is behind; empty in view 0.
  GlobalViewNews proof() const;
  bool may_answer(Instant now, const Principal& who);
  bool busy() const { return attempted_ > context_.views.global() || higher_since_.has_value(); }
  /// From the log. [Steward 8]
  GlobalView attempted() const { return attempted_; }
  void restore(GlobalView attempted) { attempted_ = std::max(attempted_, attempted); }

 private:
  Duration patience() const;
  /// Whether `proof()` would convince a server that is behind.
  bool proved() const;
  void attempt(Instant now, GlobalView gv, Effects& fx);
  void spread(std::uint32_t round, Effects& fx);

  Context& context_;
  ThresholdSigning& signing_;
  Timers& timers_;
  GlobalView attempted_;
  std::map<ServerIndex, GlobalView> attempts_;        // the highest of each server of this site
  std::map<SiteId, Held<GlobalViewChange>> changes_;  // the highest of each site
  std::optional<Instant> higher_since_;
  Instant since_{};
  Retry retry_;
  Retry standing_by_;
  std::map<Principal, Instant> answered_;  // bounded by the membership
};

}  // namespace seneschal::steward
