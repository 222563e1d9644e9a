// Which Checkpoint is stable: M sites have signed it. [Steward 7]
#pragma once
#include "steward/threshold_signing.hpp"

#include <set>

namespace seneschal::steward {

/// Collects the Checkpoints of all sites until M of them agree, tells other sites what they may have missed, idle or
/// not, and answers those that are behind. Bounded: one Checkpoint per site for each multiple of K in (stable,
/// stable + L].
class Stability {
 public:
  Stability(Context& context, ThresholdSigning& signing) : context_(context), signing_(signing) {}

  /// After a restart: other sites may have missed what this server knows to be stable.
  void start(Instant now);
  /// A site's word. Ours comes here, too, when its shares are combined.
  std::optional<Reject> on_checkpoint(Instant now, const Verified<Checkpoint>& message, Effects& fx);
  std::optional<Reject> on_news(Instant now, const Verified<CheckpointNews>& message, Effects& fx);
  std::optional<Reject> on_stable(Instant now, const Verified<StableCheckpoint>& message, Effects& fx);

  /// When it is time: what other sites may have missed is sent again.
  void on_tick(Instant now, Effects& fx);
  Instant deadline() const { return std::min(unstable_retry_.due, silent_retry_.due); }

  /// Checkpoints held that are not stable.
  std::size_t held() const;

 private:
  std::optional<Reject> take(Instant now, const Held<Checkpoint>& checkpoint, Effects& fx);
  void become_stable(Seq seq, Effects& fx);
  void forget_old();
  bool speaks(std::uint32_t round) const;
  void tell_unstable(const std::set<Seq>& own, std::uint32_t round, Effects& fx);
  void tell_silent(std::uint32_t round, Effects& fx);
  std::vector<SiteId> silent_sites() const;

  Context& context_;
  ThresholdSigning& signing_;
  std::map<Seq, std::map<SiteId, Held<Checkpoint>>> held_;
  std::map<SiteId, Seq> signed_;  // the highest Checkpoint of each other site
  Seq looked_own_;                // our highest Checkpoint when unstable ones were looked for last
  Seq looked_stable_;             // the stable one when silent sites were looked for last
  Retry unstable_retry_;
  Retry silent_retry_;
};

}  // namespace seneschal::steward
