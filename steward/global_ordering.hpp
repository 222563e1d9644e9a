// ASSIGN-A-GLOBAL-ORDER: sites accept the leader site's Proposals, and a majority of sites orders them. [Steward 3.7]
// [Steward 3.8] [Steward 3.9] [TR Fig. 7]
#pragma once
#include "steward/forwarding.hpp"
#include "steward/threshold_signing.hpp"

namespace seneschal::steward {

class GlobalOrdering {
 public:
  GlobalOrdering(Context& context, ThresholdSigning& signing, const Timers& timers)
      : context_(context), signing_(signing), forwarding_(context.membership, context.self, timers) {}

  /// A Proposal without its batch: our own site's, just combined or passed on by a neighbour.
  std::optional<Reject> on_proposal(Instant now, const Verified<Proposal>& message, Effects& fx);
  std::optional<Reject> on_carrier(Instant now, const Verified<ProposalCarrier>& message, Effects& fx);
  std::optional<Reject> on_accept(Instant now, const Verified<Accept>& message, Effects& fx);
  std::optional<Reject> on_relayed_accept(Instant now, const Verified<RelayedAccept>& message, Effects& fx);
  /// An order certificate with its batch: final, whatever view this server is in.
  std::optional<Reject> on_ordered_entry(const Verified<OrderedEntry>& message, Effects& fx);

  /// `allowance`: what a round inside a site may take. [Steward 6, Pace]
  void on_tick(Instant now, Duration allowance, Effects& fx);
  /// Sends the Proposal and its batch to servers of our site that may lack it.
  void supply(const Purpose& what, const std::vector<ServerIndex>& servers, Effects& fx);
  /// Since when the oldest Proposal waits to be ordered.
  std::optional<Instant> oldest() const;
  /// True while a Proposal or Accept is known that is not ordered.
  bool busy() const;

  /// From the log. [Steward 8]
  void restore_accepted(const AcceptedRecord& record);
  bool restore_ordered(const OrderedEntry& entry);
  /// The whole log was read: stands by the Accepts of what is still open.
  void resume(Instant now, Effects& fx);
  void view_changed(Instant now);

 private:
  std::optional<Reject> take_proposal(Instant now, const Held<Proposal>& proposal, const HeldBatch& batch,
                                      Effects& fx);
  std::optional<Reject> check_site(const Principal& signer, GlobalView gv) const;
  void note_conflict(const OrderCertificate& order, const Proposal& p);
  bool may_relay(Instant now, Entry& entry, SiteId site, std::size_t bytes);
  void answer_site(Instant now, Entry& entry, SiteId site, Effects& fx);
  std::optional<Reject> take_accept(Instant now, Held<Accept> accept, bool asks, Effects& fx);
  bool valid_certificate(const OrderedEntry& entry) const;
  void signed_event(const Digest& content, const Principal& site, Seq seq, GlobalView gv, LocalView lv,
                    Effects& fx) const;
  void agree_accept(Instant now, const Entry& entry, Ticket after, Effects& fx);
  /// Returns the sites to which this server sends the Proposal at once.
  std::vector<SiteId> track(Instant now, const Entry& entry);
  void forward_late(Instant now, Effects& fx);
  void forward_proposal(const Entry& entry, const std::vector<SiteId>& sites, std::uint32_t turn, Effects& fx);
  void answer_with_accept(Instant now, Entry& entry, SiteId site, Effects& fx);
  void send_proposal(const Entry& entry, Effects& fx);
  void send_accept(const Held<Accept>& accept, Effects& fx);
  void try_order(Seq seq, Entry& entry, Effects& fx);
  void give(Instant now, Entry& entry, Duration allowance, Effects& fx);
  void retry_proposal(const Entry& entry, Effects& fx);
  void retry_accept(const Entry& entry, Effects& fx);
  ProposalCarrier carrier(const Entry& entry, bool relay) const;

  Context& context_;
  ThresholdSigning& signing_;
  Forwarding forwarding_;
};

}  // namespace seneschal::steward
