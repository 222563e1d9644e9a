// How Proposals and Accepts travel, first and again. [Steward 3.7] [Steward 7]
#include "steward/global_ordering.hpp"

namespace seneschal::steward {
namespace {
/// An Accept that takes this part of its allowance is usual; what takes longer is shown to the representative.
constexpr int kGivenAfter = 3;
}  // namespace

ProposalCarrier GlobalOrdering::carrier(const Entry& entry, bool relay) const {
  return {relay, entry.proposal.embed(), {*entry.batch.batch}};
}

void GlobalOrdering::send_proposal(const Entry& entry, Effects& fx) {
  if (context_.settings.delivery == Delivery::Multicast)
    return fx.send(Destination::all(), carrier(entry, false), {.auth = AuthKind::Bare});
  // Our own servers hold the batch: it came with the PrePrepare.
  fx.forward(Destination::to(context_.self.site), entry.proposal.sealed);
  std::vector<Destination> representatives;
  for (std::uint16_t s = 0; s < context_.sites(); ++s)
    if (SiteId(s) != context_.self.site)
      representatives.push_back(Destination::to(context_.views.representative(SiteId(s))));
  if (!representatives.empty()) fx.send(std::move(representatives), carrier(entry, true), {.auth = AuthKind::Bare});
}

void GlobalOrdering::send_accept(const Held<Accept>& accept, Effects& fx) {
  if (context_.settings.delivery == Delivery::Multicast) return fx.forward(Destination::all(), accept.sealed);
  fx.forward(Destination::to(context_.self.site), accept.sealed);
  std::vector<Destination> representatives;
  for (std::uint16_t s = 0; s < context_.sites(); ++s)
    if (SiteId(s) != context_.self.site)
      representatives.push_back(Destination::to(context_.views.representative(SiteId(s))));
  if (!representatives.empty())
    fx.send(std::move(representatives), RelayedAccept{accept.embed()}, {.auth = AuthKind::Bare});
}

void GlobalOrdering::supply(const Purpose& what, const std::vector<ServerIndex>& servers, Effects& fx) {
  if (what.type != Accept::kType) return;  // a PrePrepare is sent again by its own timer
  const Entry* entry = context_.history.find(what.seq);
  if (entry == nullptr || !entry->proposal || !entry->batch) return;
  std::vector<Destination> to;
  for (ServerIndex i : servers) to.push_back(Destination::to(context_.local(i)));
  fx.send(std::move(to), carrier(*entry, false), {.auth = AuthKind::Bare});
}

// [Steward 6] Whatever the representative leaves out, its neighbours send on.
std::vector<SiteId> GlobalOrdering::track(Instant now, const Entry& entry) {
  const Proposal& p = *entry.proposal;
  const std::size_t bytes = entry.proposal.sealed->size() + encoded_size(*entry.batch.batch);
  std::vector<SiteId> at_once = forwarding_.proposed(now, p.seq, bytes, context_.views.leader_site(p.gv),
                                                     context_.views.representative().index);
  for (const auto& [site, accept] : entry.accepts)
    if (accept->gv == p.gv) forwarding_.accepted(now, p.seq, site);
  return at_once;
}

void GlobalOrdering::forward_late(Instant now, Effects& fx) {
  for (const Forwarding::Due& due : forwarding_.due(now)) {
    const Entry* entry = context_.history.find(due.seq);
    if (entry == nullptr || !entry->proposal || entry->proposal->gv != context_.views.global() || !entry->batch)
      continue;
    // Without multicast an Accept that comes after the order stays with the representative.
    if (entry->order && context_.settings.delivery == Delivery::Representative) continue;
    if (context_.views.at_leader_site()) {
      forward_proposal(*entry, due.sites, due.turn, fx);
      continue;
    }
    auto own = entry->accepts.find(context_.self.site);
    if (own == entry->accepts.end() || own->second->gv != entry->proposal->gv) continue;
    std::vector<Destination> to;
    for (SiteId site : due.sites)
      for (const Destination& d : context_.some_of(site, due.turn)) to.push_back(d);
    fx.send(std::move(to), RelayedAccept{own->second.embed()}, {.auth = AuthKind::Bare});
  }
}

// One copy crosses the wide area for each site.
void GlobalOrdering::forward_proposal(const Entry& entry, const std::vector<SiteId>& sites, std::uint32_t turn,
                                      Effects& fx) {
  const bool group = context_.settings.delivery == Delivery::Multicast;
  std::vector<Destination> to;
  for (SiteId site : sites) {
    if (group)
      to.push_back(Destination::to(site));
    else
      for (const Destination& d : context_.some_of(site, turn)) to.push_back(d);
  }
  fx.send(std::move(to), carrier(entry, !group), {.auth = AuthKind::Bare});
}

// `site` goes on about an entry that our site has accepted long since: our representative may have kept the Accept
// from it. Its message may be a recorded one: rarely per site and entry, and within the site's budget.
void GlobalOrdering::answer_with_accept(Instant now, Entry& entry, SiteId site, Effects& fx) {
  auto own = entry.accepts.find(context_.self.site);
  if (site == context_.self.site || own == entry.accepts.end()) return;
  if (!forwarding_.accept_missed(now, own->second->seq)) return;
  auto [last, first] = entry.answered_at.try_emplace(site, now);
  if (!first && now - last->second < context_.settings.retransmit_local) return;
  if (!context_.budgets.may_answer_site(now, site, own->second.sealed->size())) return;
  last->second = now;
  fx.forward(Destination::to(site), own->second.sealed);
}

void GlobalOrdering::on_tick(Instant now, Duration allowance, Effects& fx) {
  forwarding_.set_allowance(allowance);
  forward_late(now, fx);
  for (auto& [seq, entry] : context_.history.open()) {
    if (!entry.proposal || entry.order || !entry.batch) continue;
    if (entry.proposal->gv != context_.views.global()) continue;  // nobody shares an Accept of it any more
    if (entry.proposal.signer != Principal::of(context_.self.site)) give(now, entry, allowance, fx);
    if (!entry.wide_retry.fire(now, context_.settings.retransmit_wide, context_.settings.retransmit_max)) continue;
    // "Rep, then any server": the others begin one round later. [Steward 7]
    bool representative = context_.views.is_representative();
    if (!representative && entry.wide_retry.count < 2) continue;
    if (entry.proposal.signer == Principal::of(context_.self.site)) {
      if (representative) retry_proposal(entry, fx);
    } else {
      retry_accept(entry, fx);
    }
  }
}

// A server may blame its representative for a late Accept only if it has sent it the Proposal itself. Reason: a
// faulty leader site can send the Proposal to other servers of this site first. [Steward 6, Pace]
void GlobalOrdering::give(Instant now, Entry& entry, Duration allowance, Effects& fx) {
  auto own = entry.accepts.find(context_.self.site);
  const bool accepted = own != entry.accepts.end() && own->second->gv == entry.proposal->gv;
  if (accepted || entry.given_at || now - entry.proposed_at <= allowance / kGivenAfter) return;
  entry.given_at = now;
  if (context_.views.is_representative()) return;
  fx.send(Destination::to(context_.views.representative()), carrier(entry, false), {.auth = AuthKind::Bare});
}

void GlobalOrdering::retry_proposal(const Entry& entry, Effects& fx) {
  std::vector<Destination> to;
  for (std::uint16_t s = 0; s < context_.sites(); ++s) {
    SiteId site(s);
    auto accept = entry.accepts.find(site);
    bool accepted = accept != entry.accepts.end() && accept->second->gv == entry.proposal->gv;
    if (site == context_.self.site || accepted) continue;
    for (const Destination& d : context_.some_of(site, entry.wide_retry.count - 1)) to.push_back(d);
  }
  if (!to.empty()) fx.send(std::move(to), carrier(entry, true), {.auth = AuthKind::Bare});
}

void GlobalOrdering::retry_accept(const Entry& entry, Effects& fx) {
  auto own = entry.accepts.find(context_.self.site);
  if (own == entry.accepts.end() || own->second->gv != entry.proposal->gv) return;
  std::vector<Destination> to;
  for (std::uint16_t s = 0; s < context_.sites(); ++s) {
    if (SiteId(s) == context_.self.site) continue;
    for (const Destination& d : context_.some_of(SiteId(s), entry.wide_retry.count - 1)) to.push_back(d);
  }
  if (!to.empty()) fx.send(std::move(to), RelayedAccept{own->second.embed()}, {.auth = AuthKind::Bare});
}

void GlobalOrdering::restore_accepted(const AcceptedRecord& record) {
  Entry* entry = context_.history.at(record.proposal.body.seq);
  if (entry == nullptr || entry->order || record.proposal.body.seq <= context_.history.aru()) return;
  entry->proposal = Held<Proposal>::of(record.proposal);
  entry->batch = {std::make_shared<const Batch>(record.batch.value), record.proposal.body.digest};
}

// A new representative answers for what it inherits from the beginning, not from where another's back-off had come
// to.
void GlobalOrdering::view_changed(Instant now) {
  forwarding_.view_changed();
  for (auto& [seq, entry] : context_.history.open()) {
    entry.given_at.reset();
    if (!entry.proposal || entry.order) continue;
    entry.wide_retry.start(now, context_.settings.retransmit_wide);
    if (entry.proposal->gv == context_.views.global() && entry.batch) track(now, entry);
  }
}

void GlobalOrdering::resume(Instant now, Effects& fx) {
  for (auto& [seq, entry] : context_.history.open()) {
    if (!entry.proposal || entry.order) continue;
    entry.wide_retry.start(now, context_.settings.retransmit_wide);
    if (entry.proposal->gv == context_.views.global() && context_.history.may_vote(seq))
      agree_accept(now, entry, {}, fx);
  }
}

bool GlobalOrdering::restore_ordered(const OrderedEntry& m) {
  Entry* entry = context_.history.at(m.proposal.body.seq);
  if (entry == nullptr || m.proposal.body.seq <= context_.history.aru()) return false;
  entry->proposal = Held<Proposal>::of(m.proposal);
  entry->batch = {std::make_shared<const Batch>(m.batch.value), m.proposal.body.digest};
  entry->order = OrderCertificate{entry->proposal, {}};
  for (const auto& accept : m.accepts) entry->order->accepts[accept.signer().site()] = Held<Accept>::of(accept);
  context_.ordered(m.proposal.body.seq, m.proposal.body.gv);
  return true;
}

}  // namespace seneschal::steward
