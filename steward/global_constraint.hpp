// What binds a new leader site: its ARU goes to all sites, a majority of them answer with what they hold above it.
// [Steward 5] [TR Fig. 11]
#pragma once
#include "steward/collective_state.hpp"
#include "steward/threshold_signing.hpp"

namespace seneschal::steward {

class GlobalConstraints {
 public:
  GlobalConstraints(Context& context, ThresholdSigning& signing, CollectiveState& states)
      : context_(context), signing_(signing), states_(states) {}

  // ---- leader site: its ARU ----
  std::optional<Reject> on_claim(Instant now, const Verified<AruClaim>& message, Effects& fx);
  std::optional<Reject> on_claims(const Verified<AruClaims>& message);
  // ---- every site: the question and the answer ----
  std::optional<Reject> take(Instant now, const Held<AruMessage>& message, Effects& fx);
  std::optional<Reject> take(Instant now, const Held<GlobalConstraint>& message, Effects& fx);
  // ---- leader site: the set of (gv, lv) ----
  std::optional<Reject> on_collected(const Verified<CollectedConstraint>& message, Effects& fx);

  void settle(Instant now, Effects& fx);
  void on_tick(Instant now, Effects& fx);
  void view_changed(Instant now, bool global);
  /// The leader site asks once more: its server was not the only one to miss the answer.
  void asked_again(Instant now, Effects& fx);
  /// Sends the set again to a server that lacks it.
  void supply(Instant now, ServerIndex server, Effects& fx);

  /// The union of this (gv, lv)'s set; null if it is not complete.
  const StateUnion* result() const { return result_ ? &*result_ : nullptr; }
  /// The leader site's question, if it is of the current view.
  const std::optional<Held<AruMessage>>& aru() const { return aru_; }
  /// Since when an AruMessage waits for this site's answer, or this leader site for the answers.
  std::optional<Instant> oldest() const;
  bool busy() const { return oldest().has_value(); }

 private:
  bool leading() const { return context_.views.at_leader_site() && context_.views.global() != GlobalView{}; }
  /// This server has executed more than a constraint above the leader site's ARU can say.
  bool ahead() const;
  std::optional<Seq> target(const std::vector<Seq>& claims) const;
  void share_aru(Instant now, Effects& fx);
  void show_claims(Effects& fx);
  void share_constraint(Instant now, Effects& fx);
  void answer(std::uint32_t round, Effects& fx);
  void show_entries(Instant now, std::uint32_t round, Effects& fx);
  void ask(std::uint32_t round, Effects& fx);
  void choose(Effects& fx);
  void send_set(const std::vector<Destination>& to, bool loopback, Effects& fx) const;
  void fetch_missing(Instant now, Effects& fx);
  bool well_formed(const GlobalConstraint& message, const Principal& signer) const;

  Context& context_;
  ThresholdSigning& signing_;
  CollectiveState& states_;
  std::map<ServerIndex, Held<AruClaim>> claims_;  // of this gv, the highest of each server
  Seq target_;                                    // the highest ARU that q claims justify
  bool targeted_ = false;
  bool claims_shown_ = false;            // representative: to its site, in this (gv, lv)
  std::optional<Held<AruMessage>> aru_;  // of this gv, the highest
  Instant aru_at_;
  std::map<SiteId, Held<GlobalConstraint>> constraints_;  // of this gv, the highest base of each site
  std::vector<Held<GlobalConstraint>> sent_;              // representative: the set of this (gv, lv)
  SortedList<Digest, kMaxSites> chosen_;                  // the set that is coming in
  std::map<Digest, Held<GlobalConstraint>> pieces_;
  std::optional<StateUnion> result_;
  std::map<Seq, std::vector<SiteId>> reported_by_;  // the sites whose constraint names the entry that decides
  Retry retry_;
  Retry fetch_;
  Retry naming_;                   // fetches what this site's answer names
  std::optional<Seq> agreed_aru_;  // what this server shared in this (gv, lv)
  std::optional<Seq> agreed_base_;
  std::uint32_t answers_ = 0;
};

}  // namespace seneschal::steward
