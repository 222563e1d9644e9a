#include "steward/global_constraint.hpp"

namespace seneschal::steward {

void GlobalConstraints::view_changed(Instant now, bool global) {
  sent_.clear();
  chosen_ = {};
  pieces_.clear();
  result_.reset();
  reported_by_.clear();
  agreed_aru_.reset();
  claims_shown_ = false;
  agreed_base_.reset();
  retry_.start(now, Duration{0});  // claims and questions afresh for the new representative
  if (!global) return;
  if (!aru_ || (*aru_)->gv != context_.views.global()) aru_at_ = now;
  claims_.clear();
  targeted_ = false;
  constraints_.clear();
  if (aru_ && (*aru_)->gv != context_.views.global()) aru_.reset();
}

std::optional<Instant> GlobalConstraints::oldest() const {
  auto own = constraints_.find(context_.self.site);
  bool answered = own != constraints_.end() && aru_ && own->second->base >= (*aru_)->aru;
  // A site that is further ahead than a constraint reaches answers with ordered entries: it has nothing outstanding.
  if (aru_ && !answered && !ahead()) return aru_at_;
  if (leading() && !result_) return aru_at_;
  return std::nullopt;
}

bool GlobalConstraints::ahead() const {
  return context_.history.aru().value > (*aru_)->aru.value + context_.history.window();
}

// ---- the leader site's ARU ----

std::optional<Reject> GlobalConstraints::on_claim(Instant, const Verified<AruClaim>& message, Effects&) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  if (message.body().gv != context_.views.global() || !leading()) return Reject::WrongView;
  auto [held, first] = claims_.try_emplace(message.signer().server().index, Held<AruClaim>::of(message));
  if (!first && held->second->aru >= message.body().aru) return Reject::Duplicate;
  held->second = Held<AruClaim>::of(message);
  return std::nullopt;
}

// (!) The f+1-st highest of q claims: at least one correct server has come that far, and its site can follow; and at
// least f+1 correct ones of any q are at or above what was ordered with this site's help.
std::optional<Seq> GlobalConstraints::target(const std::vector<Seq>& claims) const {
  if (claims.size() < context_.own().quorum()) return std::nullopt;
  std::vector<Seq> sorted = claims;
  std::ranges::sort(sorted, std::greater{});
  return sorted[context_.own().faults];
}

std::optional<Reject> GlobalConstraints::on_claims(const Verified<AruClaims>& message) {
  if (!leading()) return Reject::NotLeaderSite;
  std::map<ServerIndex, Seq> claims;
  for (const auto& claim : message.body().claims) {
    if (!context_.is_local(claim.signer()) || claim.body.gv != context_.views.global()) return Reject::WrongView;
    claims.emplace(claim.signer().server().index, claim.body.aru);
  }
  std::vector<Seq> values;
  for (const auto& [server, aru] : claims) values.push_back(aru);
  auto aru = target(values);
  if (!aru) return Reject::Malformed;
  if (targeted_ && *aru <= target_) return Reject::Duplicate;
  targeted_ = true;
  target_ = *aru;
  context_.certify(target_);  // a correct server has executed it: fetch up to there first
  return std::nullopt;
}

void GlobalConstraints::share_aru(Instant now, Effects& fx) {
  if (!targeted_ || context_.history.aru() < target_ || agreed_aru_ == target_) return;
  agreed_aru_ = target_;
  signing_.withdraw(AruMessage::kType);  // what a lower claim called for
  AruMessage message{context_.views.global(), target_};
  signing_.agree(now, {AruMessage::kType, message.gv, {}, {}},
                 share(site_message(context_.membership, context_.self.site, message)), context_.promised, fx);
}

std::optional<Reject> GlobalConstraints::take(Instant now, const Held<AruMessage>& message, Effects& fx) {
  if (message.signer != Principal::of(context_.views.leader_site(message->gv))) return Reject::NotLeaderSite;
  if (message->gv < context_.views.global()) return Reject::WrongView;
  if (message.signer == Principal::of(context_.self.site))
    signing_.combined(now, content_of_sealed(*message.sealed), message.sealed);
  context_.promise(message->gv, fx);  // only its leader site can have signed it
  context_.certify(message->aru);
  if (aru_ && (*aru_)->gv == message->gv && (*aru_)->aru >= message->aru) return Reject::Duplicate;
  aru_ = message;
  context_.aru_message = message;
  aru_at_ = now;
  retry_.start(now, Duration{0});
  return std::nullopt;
}

// ---- every site's answer ----

void GlobalConstraints::share_constraint(Instant now, Effects& fx) {
  const StateUnion* all = states_.constraint();
  // An answer to the ARU of a view that was left since says too little for the new one.
  if (!aru_ || (*aru_)->gv != context_.views.global() || all == nullptr) return;
  const Seq asked = states_.constraint_asked();
  if (asked != (*aru_)->aru || context_.history.aru() < asked || agreed_base_ == asked) return;
  GlobalConstraint message{context_.views.global(), asked, {}, {}};
  if (all->stable) message.stable = *all->stable.proof;
  std::vector<StateItem> missing;
  for (const auto& [seq, item] : all->items) {
    message.items.items.push_back(item);
    // Nothing is named that nobody could supply.
    if (!states_.batch(seq, item.digest) && seq > context_.history.aru()) missing.push_back(item);
  }
  if (!missing.empty()) {
    if (naming_.due == Instant::never()) naming_.start(now, Duration{0});
    if (naming_.fire(now, context_.settings.retransmit_local, context_.settings.retransmit_max))
      states_.fetch(missing, {Destination::to(context_.views.representative())}, AuthKind::Mac, fx);
    return;
  }
  agreed_base_ = asked;
  signing_.withdraw(GlobalConstraint::kType);
  naming_.stop();
  signing_.agree(now, {GlobalConstraint::kType, message.gv, {}, {}},
                 share(site_message(context_.membership, context_.self.site, message)), context_.promised, fx);
}

bool GlobalConstraints::well_formed(const GlobalConstraint& message, const Principal& signer) const {
  Seq last = message.base;
  if (message.stable) {
    const auto stable = context_.stable_of(*message.stable);
    if (!stable || stable->seq <= message.base) return false;
    last = stable->seq;
  }
  for (const StateItem& item : message.items) {
    if (item.seq <= last || item.gv > message.gv) return false;
    last = item.seq;
    // Only the site that led a view may report certificates of it. [Steward 5]
    if (item.kind == EntryKind::Certificate && Principal::of(context_.views.leader_site(item.gv)) != signer)
      return false;
  }
  return true;
}

std::optional<Reject> GlobalConstraints::take(Instant now, const Held<GlobalConstraint>& message, Effects& fx) {
  if (message->gv != context_.views.global()) return Reject::WrongView;
  SiteId site = message.signer.site();
  bool own = site == context_.self.site;
  if (own) signing_.combined(now, content_of_sealed(*message.sealed), message.sealed);
  if (!own && !leading()) return Reject::NotLeaderSite;
  if (!well_formed(*message, message.signer)) return Reject::Malformed;
  if (message->stable) context_.stabilize(*context_.stable_of(*message->stable), fx);
  auto [held, first] = constraints_.try_emplace(site, message);
  if (!first && held->second->base >= message->base) return Reject::Duplicate;
  held->second = message;
  if (own && context_.views.is_representative()) answer(0, fx);
  return std::nullopt;
}

void GlobalConstraints::answer(std::uint32_t round, Effects& fx) {
  auto own = constraints_.find(context_.self.site);
  if (own == constraints_.end() || leading()) return;
  GlobalViewNews news;
  news.relay = true;
  news.constraint = own->second.embed();
  fx.send(context_.some_of(context_.views.leader_site(), round), news, {.auth = AuthKind::Bare});
}

void GlobalConstraints::asked_again(Instant now, Effects& fx) {
  if (!aru_ || leading()) return;
  if (ahead())
    show_entries(now, answers_++, fx);
  else
    answer(answers_++, fx);
}

// A leader site that is more than W behind catches up and asks again: its gaps are other sites' history. [Steward 7]
void GlobalConstraints::show_entries(Instant now, std::uint32_t round, Effects& fx) {
  const SiteId leader = context_.views.leader_site();
  if ((*aru_)->aru < context_.history.base())
    return context_.show_stable(now, context_.some_of(leader, round), Principal::of(leader), fx);
  for (std::uint64_t i = 1; i <= context_.settings.reconcile_entries; ++i) {
    const Entry* entry = context_.history.find((*aru_)->aru + i);
    if (entry == nullptr || !entry->order || !entry->batch) return;
    std::vector<Destination> to = context_.some_of(leader, round);
    // The question may be a recorded one.
    if (!context_.budgets.may_answer_site(now, leader, ordered_entry_size(*entry) * to.size())) return;
    fx.send(std::move(to), ordered_entry(*entry), {.auth = AuthKind::Bare});
  }
}

// ---- the set ----

void GlobalConstraints::choose(Effects& fx) {
  if (!leading() || !context_.views.is_representative() || !sent_.empty()) return;
  auto own = constraints_.find(context_.self.site);
  std::size_t majority = context_.membership.site_majority();
  if (own == constraints_.end() || constraints_.size() < majority) return;
  sent_.push_back(own->second);
  for (const auto& [site, constraint] : constraints_)
    if (site != context_.self.site && sent_.size() < majority) sent_.push_back(constraint);
  send_set({Destination::to(context_.self.site)}, true, fx);
}

void GlobalConstraints::send_set(const std::vector<Destination>& to, bool loopback, Effects& fx) const {
  std::set<Digest> chosen;
  for (const auto& constraint : sent_) chosen.insert(crypto::sha256(*constraint.sealed));
  CollectedConstraint piece;
  piece.lv = context_.views.local();
  piece.chosen.items.assign(chosen.begin(), chosen.end());
  for (const auto& constraint : sent_) {
    piece.constraint = constraint.embed();
    fx.send(to, piece, {.loopback = loopback});
  }
}

void GlobalConstraints::supply(Instant now, ServerIndex server, Effects& fx) {
  std::size_t bytes = 0;
  for (const auto& constraint : sent_) bytes += constraint.sealed->size();
  if (bytes != 0 && context_.budgets.may_answer_repeated(now, server, bytes))
    send_set({Destination::to(context_.local(server))}, false, fx);
}

std::optional<Reject> GlobalConstraints::on_collected(const Verified<CollectedConstraint>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const CollectedConstraint& m = message.body();
  if (!leading()) return Reject::NotLeaderSite;
  if (m.lv != context_.views.local() || m.constraint.body.gv != context_.views.global()) return Reject::WrongView;
  if (message.signer().server() != context_.views.representative()) return Reject::NotRepresentative;
  if (result_) return Reject::Duplicate;  // the first valid set of a (gv, lv) stays [Steward 4]
  std::size_t majority = context_.membership.site_majority();
  Digest id = crypto::sha256(m.constraint.sealed);
  auto constraint = Held<GlobalConstraint>::of(m.constraint);
  if (m.chosen.size() != majority || !std::ranges::binary_search(m.chosen.items, id) ||
      !well_formed(*constraint, constraint.signer))
    return Reject::Malformed;
  if (chosen_.items != m.chosen.items) {
    chosen_ = m.chosen;
    pieces_.clear();
  }
  pieces_.try_emplace(id, std::move(constraint));
  if (pieces_.size() < majority) return std::nullopt;
  StateUnion all;
  std::set<Principal> sites;
  // (!) A set may mix bases: the highest counts, that of a stable Checkpoint too, and entries at or below it are
  // ignored.
  for (const auto& [digest, piece] : pieces_) {
    all.base = std::max(all.base, piece->base);
    sites.insert(piece.signer);
  }
  for (const auto& [digest, piece] : pieces_)
    if (piece->stable) all.raise(*context_.stable_of(*piece->stable));
  if (sites.size() < majority || !sites.contains(Principal::of(context_.self.site))) return Reject::Malformed;
  for (const auto& [digest, piece] : pieces_)
    for (const StateItem& item : piece->items) {
      all.add(item);
      if (item.kind == EntryKind::Ordered) context_.certify(item.seq);
    }
  for (const auto& [digest, piece] : pieces_)
    for (const StateItem& item : piece->items)
      if (auto held = all.items.find(item.seq); held != all.items.end() && held->second == item)
        reported_by_[item.seq].push_back(piece.signer.site());
  if (all.stable) context_.stabilize(all.stable, fx);
  context_.tell_views(EventKind::Constrained, all.base, Principal::of(context_.self), fx);
  result_ = std::move(all);
  return std::nullopt;
}

// The representative needs the batches to propose them, and the entries that are ordered somewhere.
void GlobalConstraints::fetch_missing(Instant now, Effects& fx) {
  if (!result_ || !leading() || !context_.views.is_representative()) return;
  std::vector<StateItem> missing;
  for (auto it = result_->items.upper_bound(context_.history.aru()); it != result_->items.end(); ++it) {
    const auto& [seq, item] = *it;
    const Entry* entry = context_.history.find(seq);
    bool held = entry != nullptr && entry->order;
    if (!held && item.kind != EntryKind::Ordered) held = bool(states_.batch(seq, item.digest));
    if (!held) missing.push_back(item);
  }
  if (missing.empty()) return fetch_.stop();
  if (fetch_.due == Instant::never()) fetch_.start(now, Duration{0});
  if (!fetch_.fire(now, context_.settings.retransmit_wide, context_.settings.retransmit_max)) return;
  // Each time another one of the sites that reported the entry, and other f+1 servers of it: a site may be out of
  // reach by now, and of f+1 servers one is correct.
  const std::uint32_t round = fetch_.count - 1;
  std::map<std::pair<SiteId, std::uint32_t>, std::vector<StateItem>> ask;
  for (const StateItem& item : missing) {
    const std::vector<SiteId>& sites = reported_by_[item.seq];
    const auto count = static_cast<std::uint32_t>(sites.size());
    ask[{sites[round % count], round / count}].push_back(item);
  }
  for (const auto& [where, items] : ask) {
    const auto& [site, turn] = where;
    bool own = site == context_.self.site;
    std::vector<Destination> from = context_.some_of(site, turn);
    std::erase(from, Destination::to(context_.self));
    states_.fetch(items, from, own ? AuthKind::Mac : AuthKind::Bare, fx);
  }
}

void GlobalConstraints::settle(Instant now, Effects& fx) {
  if (!context_.views.participating()) return;
  if (context_.durable()) {
    if (leading()) share_aru(now, fx);
    share_constraint(now, fx);
  }
  if (aru_ && context_.views.is_representative()) {
    auto own = constraints_.find(context_.self.site);
    StateKey key{StateContext::Constraint, context_.views.global(), context_.views.local(), (*aru_)->aru};
    bool answered = own != constraints_.end() && own->second->base >= key.base;
    if (!answered && !states_.collecting(key) && context_.history.aru() >= key.base) states_.collect(now, key, fx);
  }
  // As soon as there are enough, not only when it is time to try again.
  if (leading() && context_.views.is_representative() && !result_ && !claims_shown_) show_claims(fx);
  choose(fx);
  fetch_missing(now, fx);
}

void GlobalConstraints::on_tick(Instant now, Effects& fx) {
  if (!context_.views.participating() || context_.views.global() == GlobalView{}) return;
  if (!busy() || !context_.durable()) return;  // claims and questions count on what is logged [Steward 8]
  if (!retry_.fire(now, context_.settings.retransmit_wide, context_.settings.retransmit_max)) return;
  bool representative = context_.views.is_representative();
  std::uint32_t round = retry_.count - 1;
  if (leading() && !result_) {
    bool self = representative;
    fx.send(self ? std::vector<Destination>{} : std::vector{Destination::to(context_.views.representative())},
            AruClaim{context_.views.global(), context_.history.aru()}, {.loopback = self});
    if (representative) show_claims(fx);
    if (!sent_.empty()) send_set({Destination::to(context_.self.site)}, true, fx);
    if (representative || round >= 2) ask(round, fx);
  }
}

void GlobalConstraints::show_claims(Effects& fx) {
  std::vector<Seq> values;
  for (const auto& [server, claim] : claims_) values.push_back(claim->aru);
  // Again when this site has caught up with one that was too far ahead to answer.
  const auto aru = target(values);
  if (!aru || (aru_ && *aru <= (*aru_)->aru)) return;
  claims_shown_ = true;
  AruClaims all;
  for (const auto& [server, claim] : claims_) all.claims.items.push_back(claim.embed());
  fx.send(Destination::to(context_.self.site), all, {.auth = AuthKind::Bare, .loopback = true});
}

// The question goes to every site that has not answered it; the first time to all servers.
void GlobalConstraints::ask(std::uint32_t round, Effects& fx) {
  if (!aru_) return;
  if (round == 0 && context_.settings.delivery == Delivery::Multicast)
    return fx.forward(Destination::all(), aru_->sealed);
  GlobalViewNews news;
  news.relay = true;
  news.aru = aru_->embed();
  std::vector<Destination> to;
  for (std::uint16_t s = 0; s < context_.sites(); ++s) {
    auto answered = constraints_.find(SiteId(s));
    if (SiteId(s) == context_.self.site || (answered != constraints_.end() && answered->second->base >= (*aru_)->aru))
      continue;
    for (const Destination& d : context_.some_of(SiteId(s), round)) to.push_back(d);
  }
  if (!to.empty()) fx.send(std::move(to), news, {.auth = AuthKind::Bare});
}

}  // namespace seneschal::steward
