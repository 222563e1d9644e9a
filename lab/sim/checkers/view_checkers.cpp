#include "lab/sim/checkers/view_checkers.hpp"

#include "lab/sim/checkers/order_checkers.hpp"
#include "lab/sim/checkers/union_checkers.hpp"

namespace seneschal::lab::sim {

using steward::Accept;
using steward::EntryKind;
using steward::Proposal;
using steward::ServerState;
using steward::StateContext;
using steward::StateItem;
using steward::StateKey;

namespace {

template <class M>
std::optional<M> body_in(const SealedParts& parts) {
  if (parts.header.protocol != M::kProtocol || parts.header.type != M::kType) return std::nullopt;
  auto body = decode<M>(parts.body);
  if (!body) return std::nullopt;
  return std::move(*body);
}
template <class M>
std::optional<M> body_in(Span message) {
  const auto parts = parse_sealed(message);
  if (!parts) return std::nullopt;
  return body_in<M>(*parts);
}

std::string views_text(GlobalView gv, LocalView lv) {
  return "(gv " + std::to_string(gv.value) + ", lv " + std::to_string(lv.value) + ")";
}

/// Said by the process that sends it, not passed on.
bool own_words(const Principal& from, const SealedParts& parts) {
  return from.is_server() && parts.header.sender == from;
}

}  // namespace

// ---- Bound ----

void Bound::on_event(Instant, const Principal& self, const Event& event) {
  if (!self.is_server()) return;
  if (event.kind != seneschal::EventKind::Executed && !tells_state(event)) return;
  Seq& executed = executed_[self.server()];
  executed = std::max(executed, event.seq);
}

void Bound::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!own_words(from, parts)) return;
  const ServerId server = from.server();
  if (auto bundle = body_in<steward::CollectedState>(parts)) {
    const StateKey& key = bundle->state.body.key;
    if (key.context != StateContext::Pending) return;
    const auto [held, first] = local_base_.try_emplace({key.gv, key.lv}, key.base);
    held->second = std::min(held->second, key.base);
    return;
  }
  if (!facts_.correct(server)) return;
  if (auto vote = body_in<steward::Prepare>(parts))
    prepared(at, server, vote->gv, vote->lv, vote->seq, vote->digest);
  else if (auto proposed = body_in<steward::PrePrepare>(parts))
    prepared(at, server, proposed->gv, proposed->lv, proposed->seq, replication::digest_of(proposed->batch));
}

void Bound::prepared(Instant at, ServerId server, GlobalView gv, LocalView lv, Seq seq, const Digest& digest) {
  Entry& entry = entries_[seq];
  if (!entry.prepared[{gv, lv}].emplace(digest, server).second) return;
  check(at, seq, entry);
  Seq base;
  if (const auto local = local_base_.find({gv, lv}); local != local_base_.end()) base = local->second;
  if (const auto global = base_.find(gv); global != base_.end()) base = std::max(base, global->second);
  if (executed_[server] < base)
    fail(at, "server " + to_string(server) + " votes in " + views_text(gv, lv) + " having executed " +
                 std::to_string(executed_[server].value) + ", below the base " + std::to_string(base.value));
}

void Bound::on_site_signed(Instant at, SiteId site, Span message) {
  if (auto proposal = body_in<Proposal>(message)) {
    Entry& entry = entries_[proposal->seq];
    entry.proposed[proposal->gv][proposal->lv] = proposal->digest;
    check(at, proposal->seq, entry);
  } else if (auto accept = body_in<Accept>(message)) {
    Entry& entry = entries_[accept->seq];
    entry.accepted[{accept->gv, accept->digest}].insert(site);
    check(at, accept->seq, entry);
  } else if (auto aru = body_in<steward::AruMessage>(message)) {
    const auto [held, first] = base_.try_emplace(aru->gv, aru->aru);
    held->second = std::min(held->second, aru->aru);
  }
}

// [Steward 3.9] The Proposal counts as its own site's Accept.
bool Bound::ordered(const Entry& entry, GlobalView gv, const Digest& digest) const {
  const auto accepts = entry.accepted.find({gv, digest});
  if (accepts == entry.accepted.end()) return false;
  const SiteId leader(static_cast<std::uint16_t>(gv.value % facts_.membership.sites.size()));
  return accepts->second.size() - accepts->second.count(leader) + 1 >= facts_.membership.site_majority();
}

void Bound::check(Instant at, Seq seq, const Entry& entry) {
  for (const auto& [gv, by_local_view] : entry.proposed)
    for (const auto& [lv, digest] : by_local_view) {
      const bool final = ordered(entry, gv, digest);
      for (auto later = entry.prepared.upper_bound({gv, lv}); later != entry.prepared.end(); ++later) {
        const auto& [views, votes] = *later;
        if (views.first != gv && !final) break;
        for (const auto& [other, server] : votes)
          if (other != digest)
            fail(at, "server " + to_string(server) + " prepares " + other.brief() + " for seq " +
                         std::to_string(seq.value) + " in " + views_text(views.first, views.second) + ", where " +
                         digest.brief() + " of " + views_text(gv, lv) + (final ? " is ordered" : " is signed"));
      }
    }
}

// ---- Remembers ----

bool Remembers::concerns(const StateKey& key, const StateItem& item) {
  if (item.seq <= key.base || item.gv > key.gv) return false;
  if (item.kind == EntryKind::Certificate && key.context == StateContext::Global) return false;
  return key.context == StateContext::Constraint || item.gv == key.gv;
}

bool Remembers::names(const ServerState& state, const StateItem& item) {
  for (const StateItem& named : state.items)
    if (named.seq == item.seq) return named.kind == EntryKind::Ordered || !ranks_above(item, named);
  return false;
}

void Remembers::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!own_words(from, parts) || !facts_.correct(from.server())) return;
  auto state = body_in<ServerState>(parts);
  if (!state) return;
  Server& server = servers_[from.server()];
  for (const auto* shared : {&server.proposals, &server.accepts})
    for (auto it = shared->upper_bound(state->key.base); it != shared->end(); ++it)
      if (concerns(state->key, it->second) && !names(*state, it->second))
        fail(at, "server " + to_string(from.server()) + " leaves out of its state above " +
                     std::to_string(state->key.base.value) + " what it shared for at seq " +
                     std::to_string(it->first.value) + " in " + views_text(it->second.gv, it->second.lv));
  server.states[static_cast<std::size_t>(state->key.context)] = std::move(*state);
}

void Remembers::on_share(Instant at, ServerId id, Span message) {
  if (!facts_.correct(id)) return;
  Server& server = servers_[id];
  StateItem item;
  std::map<Seq, StateItem>* shared = nullptr;
  if (auto proposal = body_in<Proposal>(message)) {
    item = {proposal->seq, EntryKind::Certificate, proposal->gv, proposal->lv, proposal->digest};
    shared = &server.proposals;
  } else if (auto accept = body_in<Accept>(message)) {
    item = {accept->seq, EntryKind::Proposed, accept->gv, {}, accept->digest};
    shared = &server.accepts;
  } else {
    return;
  }
  auto [held, first] = shared->try_emplace(item.seq, item);
  if (!first && ranks_above(item, held->second)) held->second = item;
  for (const auto& state : server.states) {
    if (!state || !concerns(state->key, item) || names(*state, item)) continue;
    if (std::pair(state->key.gv, state->key.lv) <= std::pair(item.gv, item.lv)) continue;
    // At the same global view only certificates belong to a local view.
    if (item.kind != EntryKind::Certificate && state->key.gv == item.gv) continue;
    fail(at, "server " + to_string(id) + " shares for seq " + std::to_string(item.seq.value) + " of " +
                 views_text(item.gv, item.lv) + " after a state in " + views_text(state->key.gv, state->key.lv) +
                 " that did not name it");
  }
}

// ---- ViewSteps ----

bool ViewSteps::preinstalled(GlobalView gv) const {
  if (gv <= shown_ || gv == GlobalView{}) return true;
  std::size_t sites = 0;
  for (const auto& [site, highest] : changes_) sites += highest >= gv ? 1 : 0;
  return sites >= facts_.membership.site_majority();
}

void ViewSteps::on_site_signed(Instant, SiteId site, Span message) {
  if (auto change = body_in<steward::GlobalViewChange>(message))
    changes_[site] = std::max(changes_[site], change->gv);
  else if (auto proposal = body_in<Proposal>(message))
    shown_ = std::max(shown_, proposal->gv);
  else if (auto aru = body_in<steward::AruMessage>(message))
    shown_ = std::max(shown_, aru->gv);
}

// [Steward 5] One site's GlobalViewChange never preinstalls a view.
void ViewSteps::on_event(Instant at, const Principal& self, const Event& event) {
  if (self.is_server() && (event.kind == EventKind::Executed || tells_state(event))) {
    Seq& executed = executed_[self.server()];
    executed = std::max(executed, event.seq);
  }
  if (facts_.protocol != Protocol::Steward || event.kind != seneschal::EventKind::ViewEntered) return;
  if (!preinstalled(GlobalView(event.view)))
    fail(at, to_string(self) + " is in gv " + std::to_string(event.view) + ", which no majority of sites asked for");
}

template <class View>
std::size_t ViewSteps::at_least(const std::map<ServerId, View>& said, SiteId site, View view,
                                std::optional<ServerId> except) {
  std::size_t count = 0;
  for (const auto& [server, highest] : said)
    count += server.site == site && highest >= view && server != except ? 1 : 0;
  return count;
}

void ViewSteps::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!own_words(from, parts)) return;
  if (auto message = body_in<steward::NewRep>(parts)) new_rep(at, from.server(), message->lv);
  if (auto message = body_in<steward::GlobalViewAttempt>(parts)) attempt(at, from.server(), message->gv);
  if (auto message = body_in<steward::AruClaim>(parts)) claim(from.server(), *message);
  // The representative's own claim is seen only here.
  if (auto message = body_in<steward::AruClaims>(parts))
    for (const auto& signed_claim : message->claims)
      if (signed_claim.signer().is_server()) claim(signed_claim.signer().server(), signed_claim.body);
}

void ViewSteps::claim(ServerId server, const steward::AruClaim& message) {
  Seq& claimed = claims_[{message.gv, server}];
  claimed = std::max(claimed, message.aru);
}

// [Steward 4] Only from a view that is preinstalled, or behind f+1 others.
void ViewSteps::new_rep(Instant at, ServerId server, LocalView lv) {
  LocalView& said = new_reps_[server];
  if (lv <= said) return;
  const SiteInfo& site = facts_.membership.site(server.site);
  const bool first = lv.value == 1;
  const bool proven = at_least(new_reps_, server.site, LocalView(lv.value - 1), {}) >= site.quorum();
  const bool joins = at_least(new_reps_, server.site, lv, server) >= site.faults + 1u;
  said = lv;
  if (facts_.correct(server) && !first && !proven && !joins)
    fail(at, "server " + to_string(server) + " asks for lv " + std::to_string(lv.value) +
                 " although the one before was never preinstalled");
}

// [Steward 5] v+1 of the highest view that is preinstalled, or behind f+1 others.
void ViewSteps::attempt(Instant at, ServerId server, GlobalView gv) {
  GlobalView& said = attempts_[server];
  if (gv <= said) return;
  const bool joins = at_least(attempts_, server.site, gv, server) >= facts_.membership.site(server.site).faults + 1u;
  said = gv;
  if (facts_.correct(server) && !joins && !preinstalled(GlobalView(gv.value - 1)))
    fail(at, "server " + to_string(server) + " attempts gv " + std::to_string(gv.value) +
                 " although the one before was never preinstalled");
}

// [Steward 5] The f+1-st highest of q claims: one correct server at least has come that far; and who shares it, too.
void ViewSteps::on_share(Instant at, ServerId server, Span message) {
  if (!facts_.correct(server)) return;
  const auto aru = body_in<steward::AruMessage>(message);
  if (!aru || aru->aru == Seq{}) return;
  std::size_t claims = 0;
  for (const auto& [who, claimed] : claims_)
    claims += who.first == aru->gv && who.second.site == server.site && claimed >= aru->aru ? 1 : 0;
  if (claims < facts_.membership.site(server.site).faults + 1u)
    fail(at, "server " + to_string(server) + " shares the ARU " + std::to_string(aru->aru.value) + ", which only " +
                 std::to_string(claims) + " servers claim");
  if (executed_[server] < aru->aru)
    fail(at, "server " + to_string(server) + " shares the ARU " + std::to_string(aru->aru.value) +
                 " and has executed " + std::to_string(executed_[server].value));
}

}  // namespace seneschal::lab::sim
