// ASSIGN-SEQUENCE: the leader site agrees on the batch of each seq. [Steward 3.4] [Steward 3.5] [TR Fig. 6]
#pragma once
#include "steward/batching.hpp"
#include "steward/collective_state.hpp"
#include "steward/in_flight.hpp"
#include "steward/records.hpp"
#include "steward/threshold_signing.hpp"

namespace seneschal::steward {

class Sequencing {
 public:
  Sequencing(Context& context, ThresholdSigning& signing, const CollectiveState& states);

  /// An update for the representative to order. Refusals: AlreadyExecuted, Duplicate, Overloaded, NotRepresentative.
  std::optional<Reject> submit(Instant now, const Signed<Update>& update);
  /// Representative: cuts as many batches as the rule and the window allow.
  void propose(Instant now, Effects& fx);

  std::optional<Reject> on_pre_prepare(Instant now, const Verified<PrePrepare>& message, Effects& fx);
  std::optional<Reject> on_prepare(Instant now, const Verified<Prepare>& message, Effects& fx);

  /// The site signed the Proposal of `seq`.
  void proposal_signed(Instant now, Seq seq) { rule_.signed_by_site(now, seq); }
  /// The entry at the ARU was executed: `clients` had updates in it.
  void executed(Instant now, const std::vector<ClientId>& clients, Effects& fx);
  /// Clients left: nothing of theirs waits any more.
  void clients_left();
  /// The window moved: PrePrepares that were ahead of it may fit now.
  void adopt_early(Instant now, Effects& fx);
  void on_tick(Instant now, Effects& fx);

  /// A new (gv, lv): what was pending in the old one comes back through the union or from those who watch it.
  void view_changed();

  /// When `propose` may have something to do.
  Instant deadline() const;
  bool busy() const { return !pool_.empty() || rule_.unsigned_count() != 0; }
  std::size_t waiting() const { return pool_.size(); }
  const BatchRule& rule() const { return rule_; }
  const InFlight& in_flight() const { return in_flight_; }
  /// When this server last voted for a PrePrepare.
  Instant last_adopted() const { return last_adopted_; }
  /// When it last voted for one with room for another update that no view change demanded.
  Instant last_with_room() const { return last_with_room_; }
  /// A PrePrepare of this view waits here until less is under way.
  bool holds_back() const;
  /// A PrePrepare of this view holds the update, or a later one of its client: then nobody owes this one a place, and
  /// a client that gives out several at once makes no representative look idle.
  bool assigned(ClientId client, Timestamp timestamp) const {
    auto it = assigned_.lower_bound({client, timestamp});
    return it != assigned_.end() && it->first.first == client;
  }

  /// From the log: a PrePrepare this representative sent, a vote this server gave. [Steward 8]
  void restore_proposed(const PrePrepare& pre_prepare);
  void restore_prepared(const Signed<PrePrepare>& pre_prepare);
  void restore_certificate(const CertificateRecord& record);
  void restore_batch(const BatchRecord& record);
  /// PrePrepares that this representative sent, and that have not come back to it.
  const std::map<Seq, PrePrepare>& underway() const { return underway_; }
  /// Sends the restored PrePrepares again, never others for their seqs.
  void resume(Instant now, Effects& fx);

 private:
  std::optional<Reject> check(const PrePrepare& m, const Entry& entry, const Digest& digest) const;
  std::optional<Reject> check_updates(const PrePrepare& m) const;
  bool taken(Seq seq) const;
  bool replay(Instant now, Effects& fx);
  void adopt(Instant now, Entry& entry, Effects& fx);
  bool may_adopt(Seq seq) const;
  std::optional<Reject> duplicate(Instant now, const PrePrepare& m, Entry& entry, Effects& fx);
  void send_pre_prepare(Instant now, PrePrepare m, Effects& fx);
  void complete_certificate(Instant now, Seq seq, Entry& entry, Effects& fx);
  std::optional<Reject> answer_with_entry(Instant now, ServerId to, Entry& entry, Effects& fx);

  Context& context_;
  ThresholdSigning& signing_;
  const CollectiveState& states_;
  replication::PendingUpdates pool_;
  BatchRule rule_;
  InFlight in_flight_;
  Seq last_assigned_;
  Instant last_adopted_{};
  Instant last_with_room_{};
  bool blocked_ =
      true;  // no batch can be cut until something else happens: the window is full, or this is not our task
  /// (client, timestamp) to seq, of all PrePrepares of this view above aru - W: nothing is put into two of them.
  std::map<std::pair<ClientId, Timestamp>, Seq> assigned_;
  std::map<Seq, PrePrepare> restored_;
  std::map<Seq, HeldBatch> restored_batches_;  // until the log is read
  std::map<Seq, PrePrepare> underway_;         // of this view, above the ARU
  std::set<Seq> proposed_;                     // sent in this view, above the ARU
};

}  // namespace seneschal::steward
