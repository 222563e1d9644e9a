#include "steward/collective_state.hpp"

namespace seneschal::steward {
namespace {
constexpr Duration kStateSpacing = 20ms;
}  // namespace

std::optional<Reject> CollectiveState::check_key(const StateKey& key) const {
  const Views& views = context_.views;
  if (!views.current(key.gv, key.lv)) return Reject::WrongView;
  if (key.context == StateContext::Constraint) return std::nullopt;
  bool pending = key.context == StateContext::Pending;
  return pending == views.at_leader_site() ? std::nullopt : std::optional(Reject::NotLeaderSite);
}

void CollectiveState::view_changed() {
  exchanges_ = {};
  search_.clear();
  wanted_batches_.clear();
  // What is ordered needs no proof, and what is outranked decides nothing; the rest may be asked for by others in the
  // next view. So at most one proof for each seq of the window outlives a view, whatever a faulty server shows.
  std::map<Seq, StateItem> best;
  for (const auto& [item, evidence] : evidence_)
    if (auto [held, first] = best.try_emplace(item.seq, item); !first && outranks(item, held->second))
      held->second = item;
  std::erase_if(evidence_, [&](const auto& e) {
    return e.first.seq <= context_.history.aru() || best.at(e.first.seq) != e.first;
  });
  std::erase_if(batches_, [&](const auto& b) { return b.first.first <= context_.history.aru(); });
}

// ---- the representative asks, servers answer ----

void CollectiveState::collect(Instant now, const StateKey& key, Effects& fx) {
  Exchange& exchange = slot(key.context);
  if (exchange.request == key) return;
  exchange.request = key;
  exchange.answers.clear();
  exchange.answered.clear();
  exchange.sent.clear();
  exchange.retry.start(now, context_.settings.retransmit_local);
  fx.send(Destination::to(context_.self.site), StateRequest{key}, {.after = context_.promised, .loopback = true});
}

std::optional<Reject> CollectiveState::on_request(Instant now, const Verified<StateRequest>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const StateKey& key = message.body().key;
  if (auto refused = check_key(key)) return refused;
  if (message.signer().server() != context_.views.representative()) return Reject::NotRepresentative;
  if (!context_.views.participating()) return Reject::NotConstrained;
  Seq aru = context_.history.aru();
  Destination to = Destination::to(message.signer().server());
  if (key.base > aru) context_.hear(std::min(key.base, aru + 2 * context_.history.window()));
  // A constraint says what this server holds above the base: first it must have come that far. [Steward 5]
  if (key.context == StateContext::Constraint && key.base > aru) return Reject::MissingBatch;
  if (aru.value > key.base.value + context_.history.window()) {
    if (key.base < context_.history.base()) {  // of that nothing is kept
      context_.show_stable(now, {to}, message.signer(), fx);
      return Reject::Superseded;
    }
    // History up to here is ordered: the representative has to catch up first.
    auto [last, first] = answered_.try_emplace(message.signer(), now);
    if (!first && now - last->second < kStateSpacing) return Reject::Overloaded;
    last->second = now;
    for (std::uint64_t i = 1; i <= context_.settings.reconcile_entries; ++i) {
      const Entry* entry = context_.history.find(key.base + i);
      if (entry == nullptr || !entry->order || !entry->batch) break;
      fx.send(to, ordered_entry(*entry), {.auth = AuthKind::Bare});
    }
    return Reject::Superseded;
  }
  bool own = message.signer() == Principal::of(context_.self);
  fx.send(own ? std::vector<Destination>{} : std::vector<Destination>{to},
          ServerState{key, items(key), context_.stable_above(key.base)},
          {.after = context_.promised, .loopback = own});
  return std::nullopt;
}

// (!) What was dropped under a stable Checkpoint, or never seen before a state was installed, must not look like
// gaps: the state tells of that Checkpoint, and its items begin above it. [Steward 7]
StateItems CollectiveState::items(const StateKey& key) const {
  StateItems items;
  Seq end = context_.history.aru() + 2 * context_.history.window();
  for (Seq seq = std::max(key.base, context_.history.stable()).next(); seq <= end && items.size() < kMaxStateItems;
       ++seq) {
    const Entry* entry = context_.history.find(seq);
    if (entry == nullptr) continue;
    if (auto item = best(seq, *entry, key)) items.items.push_back(*item);
  }
  return items;
}

// Of what this server holds of `seq`, the part that outranks the rest.
std::optional<StateItem> CollectiveState::best(Seq seq, const Entry& entry, const StateKey& key) const {
  if (entry.order)
    return StateItem{seq, EntryKind::Ordered, entry.order->proposal->gv, {}, entry.order->proposal->digest};
  std::optional<StateItem> item;
  // The local exchange is about this global view only: what lower ones left is the constraint's business.
  auto counts = [&](GlobalView gv) { return key.context == StateContext::Constraint || gv == key.gv; };
  if (entry.proposal && counts(entry.proposal->gv))
    item = StateItem{seq, EntryKind::Proposed, entry.proposal->gv, {}, entry.proposal->digest};
  if (entry.certificate && key.context != StateContext::Global && counts(entry.certificate->gv)) {
    StateItem certificate{seq, EntryKind::Certificate, entry.certificate->gv, entry.certificate->lv,
                          entry.certificate->digest()};
    if (!item || outranks(certificate, *item)) item = certificate;
  }
  return item;
}

// Everything that can be said of a state without its proofs.
std::optional<Reject> CollectiveState::check_state(const ServerState& state) const {
  const StateKey& key = state.key;
  Seq last = key.base;
  if (state.stable) {
    const auto stable = context_.stable_of(*state.stable);
    if (!stable || stable->seq <= key.base) return Reject::Malformed;
    last = stable->seq;
  }
  for (const StateItem& item : state.items) {
    if (item.seq <= last || item.seq.value > key.base.value + 3 * context_.history.window()) return Reject::Malformed;
    last = item.seq;
    if (item.gv > key.gv) return Reject::Malformed;
    if (item.kind != EntryKind::Certificate && item.lv != LocalView{}) return Reject::Malformed;
    if (item.kind == EntryKind::Ordered) continue;
    if (key.context != StateContext::Constraint && item.gv != key.gv) return Reject::Malformed;
    if (item.kind != EntryKind::Certificate) continue;
    // Only the site that led a view has certificates of it. [Steward 5]
    if (context_.views.leader_site(item.gv) != context_.self.site) return Reject::Malformed;
  }
  return std::nullopt;
}

std::optional<Reject> CollectiveState::on_state(Instant now, const Verified<ServerState>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const ServerState& state = message.body();
  if (auto refused = check_key(state.key)) return refused;
  Exchange& exchange = slot(state.key.context);
  if (exchange.request != state.key) return Reject::Superseded;
  if (!exchange.sent.empty()) return Reject::Duplicate;
  if (auto refused = check_state(state)) return refused;
  if (state.stable) context_.stabilize(*context_.stable_of(*state.stable), fx);
  // One answer to each request: a server that goes on naming other entries must not keep this one searching.
  const ServerIndex server = message.signer().server().index;
  if (!exchange.answered.insert(server).second) return Reject::Duplicate;
  exchange.answers[server] = Held<ServerState>::of(message);
  settle(now, fx);
  return std::nullopt;
}

// Only states whose every entry is proven to the representative go into the bundle, so that nobody can make it name
// what cannot be shown or supplied. [Steward 4]
void CollectiveState::try_bundle(Exchange& exchange, ProofSearch::Wanted& wanted, Effects& fx) {
  if (!exchange.request || !exchange.sent.empty()) return;
  std::vector<Held<ServerState>> whole;
  ProofSearch::Wanted missing;
  for (const auto& [server, state] : exchange.answers) {
    bool proves_all = true;
    for (const StateItem& item : state->items) {
      if (proven(item)) continue;
      proves_all = false;
      if (server != context_.self.index) missing[item].push_back(server);
    }
    if (proves_all) whole.push_back(state);
  }
  if (whole.size() >= context_.own().quorum()) {
    whole.resize(context_.own().quorum());
    exchange.sent = std::move(whole);
    return send_bundle(exchange, {Destination::to(context_.self.site)}, true, fx);
  }
  // Each server that named it says that it can prove it. Not all entries are asked of the same one first.
  for (auto& [item, holders] : missing) {
    const auto first = static_cast<std::ptrdiff_t>(item.seq.value % holders.size());
    std::ranges::rotate(holders, holders.begin() + first);
    wanted[item] = std::move(holders);
  }
}

void CollectiveState::send_bundle(const Exchange& exchange, const std::vector<Destination>& to, bool loopback,
                                  Effects& fx) const {
  CollectedState piece;
  std::set<Digest> chosen;
  for (const auto& state : exchange.sent) chosen.insert(crypto::sha256(*state.sealed));
  piece.chosen.items.assign(chosen.begin(), chosen.end());
  for (const auto& state : exchange.sent) {
    piece.state = state.embed();
    fx.send(to, piece, {.loopback = loopback});
  }
}

// Asked for by repeating a NewRep, which costs nothing: the answer is drawn from the neighbour's account. [Steward 7]
void CollectiveState::supply(Instant now, ServerIndex server, Effects& fx) {
  for (const Exchange& exchange : exchanges_) {
    std::size_t bytes = 0;
    for (const auto& state : exchange.sent) bytes += state.sealed->size();
    if (bytes != 0 && context_.budgets.may_answer_repeated(now, server, bytes))
      send_bundle(exchange, {Destination::to(context_.local(server))}, false, fx);
  }
}

// ---- everybody: the bundle ----

std::optional<Reject> CollectiveState::on_collected(Instant now, const Verified<CollectedState>& message,
                                                    Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const CollectedState& m = message.body();
  const StateKey& key = m.state.body.key;
  if (auto refused = check_key(key)) return refused;
  if (message.signer().server() != context_.views.representative()) return Reject::NotRepresentative;
  if (!context_.is_local(m.state.signer())) return Reject::WrongSite;
  if (m.chosen.size() != context_.own().quorum()) return Reject::Malformed;
  if (auto refused = check_state(m.state.body)) return refused;
  if (m.state.body.stable) context_.stabilize(*context_.stable_of(*m.state.body.stable), fx);
  Digest id = crypto::sha256(m.state.sealed);
  if (!std::ranges::binary_search(m.chosen.items, id)) return Reject::Malformed;
  Exchange& exchange = slot(key.context);
  // The first valid bundle of a (gv, lv) stays; constraints may follow for higher bases. [Steward 4]
  bool replaces = key.context == StateContext::Constraint && exchange.key && key.base > exchange.key->base;
  if (exchange.result && !replaces) return Reject::Duplicate;
  if (exchange.key != key || exchange.chosen.items != m.chosen.items) {
    exchange.key = key;
    exchange.chosen = m.chosen;
    exchange.states.clear();
    exchange.result.reset();
  }
  exchange.states.try_emplace(id, Held<ServerState>::of(m.state));
  settle(now, fx);
  return std::nullopt;
}

// Losers of the union need no proof: they decide nothing.
void CollectiveState::try_union(Exchange& exchange, ProofSearch::Wanted& wanted) const {
  if (exchange.result || !exchange.key || exchange.states.size() < context_.own().quorum()) return;
  StateUnion all{exchange.key->base, {}, {}};
  std::set<Principal> signers;
  for (const auto& [id, state] : exchange.states) {
    if (state->key != *exchange.key || !signers.insert(state.signer).second) return;
    if (state->stable) all.raise(*context_.stable_of(*state->stable));
  }
  for (const auto& [id, state] : exchange.states)
    for (const StateItem& item : state->items) all.add(item);
  ProofSearch::Wanted missing;
  for (const auto& [seq, item] : all.items)
    if (!proven(item)) missing.try_emplace(item);
  if (missing.empty()) {
    exchange.result = std::move(all);
    return;
  }
  for (auto& [item, holders] : missing) {
    // First the representative, which has seen all proofs, then those that named it.
    std::set<ServerIndex> known{context_.self.index};
    const auto add = [&](ServerIndex server) {
      if (known.insert(server).second) holders.push_back(server);
    };
    add(context_.views.representative().index);
    for (const auto& [id, state] : exchange.states)
      if (std::ranges::find(state->items, item) != state->items.end()) add(state.signer.server().index);
    if (!holders.empty()) wanted.try_emplace(item, std::move(holders));
  }
}

void CollectiveState::settle(Instant now, Effects& fx) {
  ProofSearch::Wanted wanted;
  for (Exchange& exchange : exchanges_) {
    try_bundle(exchange, wanted, fx);
    try_union(exchange, wanted);
  }
  search_.want(std::move(wanted));
  for (const auto& [server, items] : search_.due(now))
    ask(items, {Destination::to(context_.local(server))}, AuthKind::Mac, fx);
}

bool CollectiveState::busy() const {
  for (const Exchange& exchange : exchanges_)
    if ((exchange.request || exchange.key) && !exchange.result) return true;
  return false;
}

void CollectiveState::on_tick(Instant now, Effects& fx) {
  for (Exchange& exchange : exchanges_) {
    if (!exchange.request || exchange.result) continue;
    if (!exchange.retry.fire(now, context_.settings.retransmit_local, context_.settings.retransmit_max)) continue;
    if (!exchange.sent.empty()) {
      send_bundle(exchange, {Destination::to(context_.self.site)}, true, fx);
      continue;
    }
    exchange.answered.clear();
    if (exchange.request->context != StateContext::Constraint) exchange.request->base = context_.history.aru();
    std::erase_if(exchange.answers, [&](const auto& a) { return a.second->key != *exchange.request; });
    fx.send(Destination::to(context_.self.site), StateRequest{*exchange.request},
            {.after = context_.promised, .loopback = true});
  }
}

}  // namespace seneschal::steward
