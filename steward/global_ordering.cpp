#include "steward/global_ordering.hpp"

namespace seneschal::steward {
namespace {
bool holds_batch(const Entry& entry, const Digest& digest) {
  return entry.batch && entry.batch.digest == digest;
}
}  // namespace

std::optional<Reject> GlobalOrdering::check_site(const Principal& signer, GlobalView gv) const {
  return signer == Principal::of(context_.views.leader_site(gv)) ? std::nullopt
                                                                 : std::optional(Reject::NotLeaderSite);
}

// A lower view's Proposal may have come to nothing; none of the same or a higher view can contradict what is ordered.
void GlobalOrdering::note_conflict(const OrderCertificate& order, const Proposal& p) {
  if (p.gv >= order.proposal->gv) ++context_.alarms;
}

// Passing on what came from another site costs a multicast: the first time for nothing, then rarely per site and
// entry and within the site's budget, whoever sends it how often.
bool GlobalOrdering::may_relay(Instant now, Entry& entry, SiteId site, std::size_t bytes) {
  auto [last, first] = entry.relayed_at.try_emplace(site, now);
  if (first) return true;
  if (now - last->second < context_.settings.retransmit_local / 4) return false;
  if (!context_.budgets.may_relay_again(now, site, bytes * context_.own().servers)) return false;
  last->second = now;
  return true;
}

// A site is still at it, though the entry is ordered here: answer with that. [Steward 3.9] Its message may be a
// recorded one: rarely per site and entry, and within the site's budget.
void GlobalOrdering::answer_site(Instant now, Entry& entry, SiteId site, Effects& fx) {
  if (!entry.order || !entry.batch || site == context_.self.site) return;
  auto [last, first] = entry.answered_at.try_emplace(site, now);
  if (!first && now - last->second < context_.settings.retransmit_local) return;
  std::vector<Destination> to = context_.some_of(site, 0);
  if (!context_.budgets.may_answer_site(now, site, ordered_entry_size(entry) * to.size())) return;
  last->second = now;
  fx.send(std::move(to), ordered_entry(entry), {.auth = AuthKind::Bare});
}

std::optional<Reject> GlobalOrdering::on_proposal(Instant now, const Verified<Proposal>& message, Effects& fx) {
  if (auto refused = check_site(message.signer(), message.body().gv)) return refused;
  const Entry* entry = context_.history.find(message.body().seq);
  HeldBatch batch = entry == nullptr ? HeldBatch{} : entry->batch_of(message.body().digest);
  if (!batch) {
    context_.hear(message.body().seq);
    return Reject::MissingBatch;
  }
  return take_proposal(now, Held<Proposal>::of(message), batch, fx);
}

std::optional<Reject> GlobalOrdering::on_carrier(Instant now, const Verified<ProposalCarrier>& message, Effects& fx) {
  const ProposalCarrier& m = message.body();
  const Proposal& p = m.proposal.body;
  if (auto refused = check_site(m.proposal.signer(), p.gv)) return refused;
  context_.hear(p.seq);
  if (p.seq <= context_.history.aru()) {
    Entry* old = context_.history.at(p.seq);
    if (old == nullptr && m.relay)  // dropped under a stable Checkpoint: that is the answer [Steward 7]
      context_.show_stable(now, context_.some_of(m.proposal.signer().site(), 0), m.proposal.signer(), fx);
    if (old == nullptr || !old->order) return Reject::Superseded;
    if (old->order->proposal->digest != p.digest) {
      note_conflict(*old->order, p);
      return Reject::Conflict;
    }
    if (m.relay)
      answer_site(now, *old, m.proposal.signer().site(), fx);
    else
      answer_with_accept(now, *old, m.proposal.signer().site(), fx);
    return Reject::Superseded;
  }
  Entry* entry = context_.history.at(p.seq);
  if (entry == nullptr) return Reject::OutsideWindow;
  bool known = entry->proposal && entry->proposal->gv == p.gv && entry->proposal->digest == p.digest &&
               holds_batch(*entry, p.digest);
  std::optional<Reject> refused = known ? std::optional(Reject::Duplicate) : std::nullopt;
  if (known) {
    answer_with_accept(now, *entry, m.proposal.signer().site(), fx);
  } else {
    HeldBatch batch = entry->batch_of(p.digest);
    if (!batch) {
      batch = {batch_of(message), digest_of(m.batch.value)};
      if (batch.digest != p.digest) return Reject::Malformed;
    }
    refused = take_proposal(now, Held<Proposal>::of(m.proposal), batch, fx);
    if (m.relay && p.seq <= context_.history.stable())
      context_.show_stable(now, context_.some_of(m.proposal.signer().site(), 0), m.proposal.signer(), fx);
    if (refused && *refused != Reject::Duplicate) return refused;
  }
  if (m.relay && may_relay(now, *entry, m.proposal.signer().site(), message.bytes()->size())) {
    fx.send(Destination::to(context_.self.site), carrier(*entry, false), {.auth = AuthKind::Bare});
  }
  return refused;
}

std::optional<Reject> GlobalOrdering::take_proposal(Instant now, const Held<Proposal>& proposal,
                                                    const HeldBatch& batch, Effects& fx) {
  const Proposal& p = *proposal;
  Views& views = context_.views;
  context_.hear(p.seq);
  if (p.gv < views.global()) return Reject::WrongView;  // [Steward 5] below our promise
  // A server that missed every LocalViewNotice learns the representative here; lv only grows. [Steward 3.3]
  views.learn(views.leader_site(p.gv), p.lv);
  Entry* entry = context_.history.at(p.seq);
  if (entry == nullptr) return p.seq <= context_.history.aru() ? Reject::Superseded : Reject::OutsideWindow;
  if (entry->order && entry->order->proposal->digest != p.digest) {
    note_conflict(*entry->order, p);  // never a vote
    return Reject::Conflict;
  }
  if (p.seq <= context_.history.aru()) return Reject::Superseded;
  bool replaces = !entry->proposal || entry->proposal->gv < p.gv;
  if (!replaces && entry->proposal->digest != p.digest) {
    // One site, one (gv, seq), two digests: more of its servers are faulty than the model allows.
    if (entry->proposal->gv == p.gv) ++context_.alarms;
    return Reject::Conflict;
  }
  if (!replaces && holds_batch(*entry, p.digest)) return Reject::Duplicate;
  // Only a constrained leader site can have signed it: it moves our promise. [Steward 3.8]
  context_.promise(p.gv, fx);
  if (replaces) {
    entry->proposed_at = now;
    entry->given_at.reset();
  }
  entry->proposal = proposal;
  entry->batch = batch;
  entry->wide_retry.start(now, context_.settings.retransmit_wide);
  Digest content = content_of_sealed(*proposal.sealed);
  signed_event(content, proposal.signer, p.seq, p.gv, p.lv, fx);
  if (replaces)
    if (const auto sites = track(now, *entry); !sites.empty()) forward_proposal(*entry, sites, 0, fx);
  if (proposal.signer == Principal::of(context_.self.site)) {
    signing_.combined(now, content, proposal.sealed);
    if (views.is_representative()) send_proposal(*entry, fx);
  } else if (views.participating() && context_.history.may_vote(p.seq)) {
    // What a stable Checkpoint covers is not accepted any more: its state is what settles it. [Steward 7]
    // No agreement is needed here: the leader site's signature fixed the content. [Steward 3.8]
    Ticket saved = context_.save(AcceptedRecord{proposal.embed(), {*batch.batch}}, fx);
    agree_accept(now, *entry, saved, fx);
  }
  try_order(p.seq, *entry, fx);
  return std::nullopt;
}

void GlobalOrdering::agree_accept(Instant now, const Entry& entry, Ticket after, Effects& fx) {
  // The site's signature may come before the Proposal it is about: then no share of ours is needed any more.
  auto own = entry.accepts.find(context_.self.site);
  if (own != entry.accepts.end() && own->second->gv == entry.proposal->gv) return;
  Accept accept{entry.proposal->gv, entry.proposal->seq, entry.proposal->digest};
  signing_.agree(now, {Accept::kType, accept.gv, {}, accept.seq},
                 share(site_message(context_.membership, context_.self.site, accept)), after, fx);
}

void GlobalOrdering::signed_event(const Digest& content, const Principal& site, Seq seq, GlobalView gv, LocalView lv,
                                  Effects& fx) const {
  fx.event({.kind = EventKind::SiteSigned,
            .seq = seq,
            .view = gv.value,
            .sub_view = lv.value,
            .digest = content,
            .state = {},
            .who = site,
            .timestamp = {}});
}

std::optional<Reject> GlobalOrdering::on_relayed_accept(Instant now, const Verified<RelayedAccept>& message,
                                                        Effects& fx) {
  Held<Accept> accept = Held<Accept>::of(message.body().accept);
  Entry* entry = accept->seq > context_.history.aru() ? context_.history.at(accept->seq) : nullptr;
  if (entry != nullptr && may_relay(now, *entry, accept.signer.site(), accept.sealed->size())) {
    fx.forward(Destination::to(context_.self.site), accept.sealed);
  }
  return take_accept(now, std::move(accept), true, fx);
}

std::optional<Reject> GlobalOrdering::on_accept(Instant now, const Verified<Accept>& message, Effects& fx) {
  return take_accept(now, Held<Accept>::of(message), false, fx);
}

// `asks`: sent again, for want of an answer. One that is only late, or that two servers combined, asks for nothing.
// Without multicast the first one is relayed, too: then only one that was here before asks.
std::optional<Reject> GlobalOrdering::take_accept(Instant now, Held<Accept> accept, bool asks, Effects& fx) {
  // DEVIATION(TR Fig. 7): the leader site sends no Accept; its Proposal counts as one, and is not counted twice.
  if (accept.signer == Principal::of(context_.views.leader_site(accept->gv))) return Reject::WrongSite;
  context_.hear(accept->seq);
  Entry* entry = context_.history.at(accept->seq);
  if (entry == nullptr) return accept->seq <= context_.history.aru() ? Reject::Superseded : Reject::OutsideWindow;
  SiteId site = accept.signer.site();
  bool own = site == context_.self.site;
  // Early ones are kept, one per site and seq, of the highest gv. [Steward 3.8]
  auto it = entry->accepts.find(site);
  const bool held = it != entry->accepts.end() && it->second->gv >= accept->gv;
  const bool again = asks && (held || context_.settings.delivery == Delivery::Multicast);
  if (again && accept->seq <= context_.history.aru())
    answer_site(now, *entry, site, fx);
  else if (again)
    answer_with_accept(now, *entry, site, fx);
  if (held) return Reject::Duplicate;
  Seq seq = accept->seq;
  Digest content = content_of_sealed(*accept.sealed);
  signed_event(content, accept.signer, seq, accept->gv, {}, fx);
  if (own) {
    signing_.combined(now, content, accept.sealed);
  }
  // [Steward 6] a second server sends it as well while another site has missed others
  const bool repeats = forwarding_.accepted(now, seq, site);
  if (own && (repeats || context_.views.is_representative())) send_accept(accept, fx);
  entry->accepts[site] = std::move(accept);
  try_order(seq, *entry, fx);
  return std::nullopt;
}

void GlobalOrdering::try_order(Seq seq, Entry& entry, Effects& fx) {
  if (entry.order || !entry.proposal || !holds_batch(entry, entry.proposal->digest)) return;
  std::size_t needed = context_.membership.site_majority() - 1;
  OrderCertificate certificate{entry.proposal, {}};
  for (const auto& [site, accept] : entry.accepts)
    if (accept->gv == entry.proposal->gv && accept->digest == entry.proposal->digest &&
        accept.signer != entry.proposal.signer && certificate.accepts.size() < needed)
      certificate.accepts.emplace(site, accept);
  if (certificate.accepts.size() < needed) return;
  entry.order = std::move(certificate);
  forwarding_.ordered(seq);
  context_.ordered(seq, entry.proposal->gv);
  context_.order_saved = context_.save(OrderedRecord{{ordered_entry(entry)}}, fx);
  fx.event({.kind = EventKind::Ordered,
            .seq = seq,
            .view = entry.proposal->gv.value,
            .sub_view = entry.proposal->lv.value,
            .digest = entry.proposal->digest,
            .state = {},
            .who = Principal::of(context_.self),
            .timestamp = {}});
}

bool GlobalOrdering::valid_certificate(const OrderedEntry& m) const {
  const Proposal& p = m.proposal.body;
  if (check_site(m.proposal.signer(), p.gv)) return false;
  if (m.accepts.size() != context_.membership.site_majority() - 1) return false;
  std::set<Principal> sites{m.proposal.signer()};  // distinct, and other than the proposing one
  for (const auto& accept : m.accepts)
    if (accept.body.gv != p.gv || accept.body.seq != p.seq || accept.body.digest != p.digest ||
        !sites.insert(accept.signer()).second)
      return false;
  return true;
}

std::optional<Reject> GlobalOrdering::on_ordered_entry(const Verified<OrderedEntry>& message, Effects& fx) {
  const OrderedEntry& m = message.body();
  const Proposal& p = m.proposal.body;
  if (!valid_certificate(m)) return Reject::Malformed;
  context_.certify(p.seq);
  if (p.seq <= context_.history.aru()) return Reject::Duplicate;
  Entry* entry = context_.history.at(p.seq);
  if (entry == nullptr) return Reject::OutsideWindow;
  if (entry->order) {
    if (entry->order->proposal->digest != p.digest) ++context_.alarms;
    return Reject::Duplicate;
  }
  if (!holds_batch(*entry, p.digest)) {
    HeldBatch batch{batch_of(message), digest_of(m.batch.value)};
    if (batch.digest != p.digest) return Reject::Malformed;
    entry->batch = batch;
  }
  entry->proposal = Held<Proposal>::of(m.proposal);
  entry->accepts.clear();
  for (const auto& accept : m.accepts) entry->accepts[accept.signer().site()] = Held<Accept>::of(accept);
  signed_event(content_of_sealed(*entry->proposal.sealed), entry->proposal.signer, p.seq, p.gv, p.lv, fx);
  try_order(p.seq, *entry, fx);
  return std::nullopt;
}

std::optional<Instant> GlobalOrdering::oldest() const {
  std::optional<Instant> oldest;
  for (const auto& [seq, entry] : context_.history.open())
    if (entry.proposal && !entry.order) oldest = std::min(oldest.value_or(entry.proposed_at), entry.proposed_at);
  return oldest;
}

bool GlobalOrdering::busy() const {
  if (forwarding_.busy()) return true;
  for (const auto& [seq, entry] : context_.history.open())
    if (entry.proposal || entry.pre_prepare || !entry.accepts.empty()) return true;
  return false;
}

}  // namespace seneschal::steward
