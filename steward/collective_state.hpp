// CONSTRUCT-COLLECTIVE-STATE: what q servers of a site hold above a base becomes one union that every server works
// out for itself. [Steward 4] [Steward 5] [TR Fig. 12]
#pragma once
#include "steward/constraints.hpp"
#include "steward/context.hpp"
#include "steward/proof_search.hpp"

#include <array>
#include <set>

namespace seneschal::steward {

/// Two exchanges at a time: the local one (Pending or Global) and that of a GlobalConstraint. Both belong to the
/// current (gv, lv) and end with it. Bounded: one state per server and exchange, proofs only of what those states
/// name.
class CollectiveState {
 public:
  explicit CollectiveState(Context& context) : context_(context), search_(context.settings, context.own().faults) {}

  /// Representative: asks for the states of `key`; asks again until there is a union. A higher base replaces a lower.
  void collect(Instant now, const StateKey& key, Effects& fx);
  std::optional<Reject> on_request(Instant now, const Verified<StateRequest>& message, Effects& fx);
  std::optional<Reject> on_state(Instant now, const Verified<ServerState>& message, Effects& fx);
  std::optional<Reject> on_collected(Instant now, const Verified<CollectedState>& message, Effects& fx);

  /// Proofs and batches of entries.
  std::optional<Reject> on_entry_request(Instant now, const Verified<EntryRequest>& message, Effects& fx);
  std::optional<Reject> on_evidence(Instant now, const Verified<EntryEvidence>& message, Effects& fx);
  /// A valid order certificate that the history has no room for: true if an exchange needs it as a proof.
  bool take_certificate(Instant now, const Verified<OrderedEntry>& message, Effects& fx);
  /// Something may be proven now that was not: an entry was ordered or proposed.
  void settle(Instant now, Effects& fx);
  void on_tick(Instant now, Effects& fx);
  void view_changed();

  /// The union this server holds in the current views; null if there is none yet.
  const StateUnion* local() const { return done(exchanges_[0]); }
  const StateUnion* constraint() const { return done(exchanges_[1]); }
  /// The base that the exchange of `constraint` was asked about; the union's own may be higher.
  Seq constraint_asked() const { return exchanges_[1].key ? exchanges_[1].key->base : Seq{}; }
  /// This representative has asked for the states of `key`, whatever the base.
  bool collecting_any(StateKey key) const {
    if (!slot(key.context).request) return false;
    key.base = slot(key.context).request->base;
    return slot(key.context).request == key;
  }
  bool collecting(const StateKey& key) const { return slot(key.context).request == key; }
  /// Sends the bundle again to a server that lacks it.
  void supply(Instant now, ServerIndex server, Effects& fx);

  /// The batch of an entry, wherever this server holds it.
  HeldBatch batch(Seq seq, const Digest& digest) const;
  /// Asks `from` for the batches of these entries, whose digests a site's signature vouches for, or for their order
  /// certificates.
  void fetch(const std::vector<StateItem>& items, const std::vector<Destination>& from, AuthKind auth, Effects& fx);
  bool busy() const;
  /// Proofs held for others.
  std::size_t evidence() const { return evidence_.size(); }
  /// Entries whose proofs this server asks others for.
  std::size_t wanted() const { return search_.size(); }
  /// What this server would report.
  StateItems items(const StateKey& key) const;

 private:
  struct Exchange {
    // representative
    std::optional<StateKey> request;
    std::map<ServerIndex, Held<ServerState>> answers;
    std::set<ServerIndex> answered;       // since the last request: one state each
    std::vector<Held<ServerState>> sent;  // the bundle
    Retry retry;
    // everybody
    std::optional<StateKey> key;  // of the bundle that is coming in
    SortedList<Digest, kMaxServersPerSite> chosen;
    std::map<Digest, Held<ServerState>> states;
    std::optional<StateUnion> result;  // complete and proven
  };
  struct Evidence {
    SharedBytes sealed;  // of the carrier it came in, to be passed on
    HeldBatch batch;
  };

  static std::size_t slot_of(StateContext context) { return context == StateContext::Constraint ? 1 : 0; }
  Exchange& slot(StateContext context) { return exchanges_[slot_of(context)]; }
  const Exchange& slot(StateContext context) const { return exchanges_[slot_of(context)]; }
  // The views may have changed a moment ago, in the same input: what was collected before says too little now.
  // **(!)**
  const StateUnion* done(const Exchange& exchange) const {
    const bool present =
        exchange.result && exchange.key->gv == context_.views.global() && exchange.key->lv == context_.views.local();
    return present ? &*exchange.result : nullptr;
  }

  std::optional<Reject> check_key(const StateKey& key) const;
  std::optional<Reject> check_state(const ServerState& state) const;
  std::optional<StateItem> best(Seq seq, const Entry& entry, const StateKey& key) const;
  bool proven(const StateItem& item) const;
  void try_bundle(Exchange& exchange, ProofSearch::Wanted& wanted, Effects& fx);
  void send_bundle(const Exchange& exchange, const std::vector<Destination>& to, bool loopback, Effects& fx) const;
  void try_union(Exchange& exchange, ProofSearch::Wanted& wanted) const;
  std::optional<Reject> answer(Instant now, const StateItem& item, const Principal& to, Effects& fx);
  bool proves(const EntryEvidence& evidence) const;
  void ask(const std::vector<StateItem>& items, const std::vector<Destination>& from, AuthKind auth,
           Effects& fx) const;

  Context& context_;
  std::array<Exchange, 2> exchanges_;
  ProofSearch search_;                  // proofs asked for: only those are taken
  std::set<StateItem> wanted_batches_;  // a site vouches for the entry, only its batch is missing
  std::map<StateItem, Evidence> evidence_;
  std::map<std::pair<Seq, Digest>, HeldBatch> batches_;
  std::map<Principal, Instant> answered_;  // bounded by the membership
};

}  // namespace seneschal::steward
