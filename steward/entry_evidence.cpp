// Proofs and batches of what states and constraints name by digest. [Steward 4] [Steward 5]
#include "steward/collective_state.hpp"

namespace seneschal::steward {
// Whether this server has seen what proves `item`. An order certificate of the same digest proves more than any vote
// for it; one of another digest proves nothing either way.
bool CollectiveState::proven(const StateItem& item) const {
  if (const Entry* entry = context_.history.find(item.seq)) {
    if (entry->order) {
      if (entry->order->proposal->digest == item.digest) return true;
    } else if (item.kind == EntryKind::Proposed && entry->proposal) {
      if (entry->proposal->gv == item.gv && entry->proposal->digest == item.digest) return true;
    }
    if (item.kind == EntryKind::Certificate && entry->certificate && entry->certificate->gv == item.gv &&
        entry->certificate->lv == item.lv && entry->certificate->digest() == item.digest)
      return true;
  }
  return evidence_.contains(item);
}

HeldBatch CollectiveState::batch(Seq seq, const Digest& digest) const {
  if (digest == no_op()) return {std::make_shared<const Batch>(), digest};
  if (const Entry* entry = context_.history.find(seq))
    if (HeldBatch held = entry->batch_of(digest)) return held;
  for (const auto& [item, evidence] : evidence_)
    if (item.seq == seq && item.digest == digest) return evidence.batch;
  auto it = batches_.find({seq, digest});
  return it == batches_.end() ? HeldBatch{} : it->second;
}

void CollectiveState::ask(const std::vector<StateItem>& items, const std::vector<Destination>& from, AuthKind auth,
                          Effects& fx) const {
  for (std::size_t first = 0; first < items.size(); first += EntryRequest::kMaxItems) {
    EntryRequest request;
    for (std::size_t i = first; i < items.size() && i < first + EntryRequest::kMaxItems; ++i)
      request.items.items.push_back(items[i]);
    for (const Destination& to : from) fx.send(to, request, {.auth = auth});
  }
}

void CollectiveState::fetch(const std::vector<StateItem>& items, const std::vector<Destination>& from, AuthKind auth,
                            Effects& fx) {
  for (const StateItem& item : items) wanted_batches_.insert(item);
  ask(items, from, auth, fx);
}

std::optional<Reject> CollectiveState::on_entry_request(Instant now, const Verified<EntryRequest>& message,
                                                        Effects& fx) {
  // As with ordered entries: a neighbour must not use up another's answers. [Steward 7]
  if (context_.is_local(message.signer()) && message.header().auth != AuthKind::Mac) return Reject::BadSignature;
  // No spacing: a view change may need a whole window of proofs at once. Each answer is paid for. [Steward 7]
  for (const StateItem& item : message.body().items)
    if (auto refused = answer(now, item, message.signer(), fx)) fx.reject(*refused);
  return std::nullopt;
}

std::optional<Reject> CollectiveState::answer(Instant now, const StateItem& item, const Principal& to, Effects& fx) {
  Destination back = Destination::to(to.server());
  const Entry* entry = context_.history.find(item.seq);
  if (entry != nullptr && entry->order && entry->batch && entry->order->proposal->digest == item.digest) {
    if (!context_.may_draw(now, to.server(), ordered_entry_size(*entry))) return Reject::Overloaded;
    fx.send(back, ordered_entry(*entry), {.auth = AuthKind::Bare});
    return std::nullopt;
  }
  if (auto it = evidence_.find(item); it != evidence_.end()) {
    if (!context_.may_draw(now, to.server(), it->second.sealed->size())) return Reject::Overloaded;
    fx.forward(back, it->second.sealed);
    return std::nullopt;
  }
  HeldBatch held = batch(item.seq, item.digest);
  if (!held) return Reject::MissingBatch;
  if (!context_.may_draw(now, to.server(), replication::encoded_size(*held.batch))) return Reject::Overloaded;
  EntryEvidence evidence{item, std::nullopt, {}, {*held.batch}};
  if (entry != nullptr && entry->proposal && entry->proposal->gv == item.gv && entry->proposal->digest == item.digest)
    evidence.proposal = entry->proposal.embed();
  // Servers of other sites could not check the Prepares.
  if (context_.is_local(to) && entry != nullptr && entry->certificate &&
      entry->certificate->digest() == item.digest && entry->certificate->gv == item.gv &&
      entry->certificate->lv == item.lv)
    for (const auto& [server, prepare] : entry->certificate->prepares)
      evidence.prepares.items.push_back(prepare.embed());
  fx.send(back, evidence, {.auth = AuthKind::Bare});
  return std::nullopt;
}

bool CollectiveState::proves(const EntryEvidence& m) const {
  const StateItem& item = m.item;
  if (item.kind == EntryKind::Proposed)
    return m.proposal && m.proposal->signer() == Principal::of(context_.views.leader_site(item.gv)) &&
           m.proposal->body.gv == item.gv && m.proposal->body.seq == item.seq &&
           m.proposal->body.digest == item.digest;
  if (item.kind != EntryKind::Certificate) return false;  // an order certificate travels as an OrderedEntry
  ServerIndex representative(static_cast<std::uint16_t>(item.lv.value % context_.own().servers));
  std::set<ServerIndex> voters;
  for (const auto& prepare : m.prepares) {
    const Prepare& p = prepare.body;
    if (!context_.is_local(prepare.signer()) || prepare.signer().server().index == representative) return false;
    if (p.gv != item.gv || p.lv != item.lv || p.seq != item.seq || p.digest != item.digest) return false;
    voters.insert(prepare.signer().server().index);
  }
  return voters.size() >= 2u * context_.own().faults;
}

std::optional<Reject> CollectiveState::on_evidence(Instant now, const Verified<EntryEvidence>& message, Effects& fx) {
  const EntryEvidence& m = message.body();
  bool for_batch = wanted_batches_.contains(m.item);
  if (!for_batch && !search_.wants(m.item)) return Reject::Duplicate;
  Digest digest = digest_of(m.batch.value);
  if (digest != m.item.digest) return Reject::Malformed;
  HeldBatch batch{batch_of(message), digest};
  if (for_batch) {
    batches_[{m.item.seq, digest}] = batch;
    wanted_batches_.erase(m.item);
  }
  if (!proves(m)) return for_batch ? std::nullopt : std::optional(Reject::Malformed);
  evidence_[m.item] = {message.bytes(), batch};
  settle(now, fx);
  return std::nullopt;
}

// (!) An installed state covers entries that a union may still name, and the history takes nothing below it any more.
// Their certificates are kept beside it, or the exchange would not end before the next view. [Steward 4, Proof]
bool CollectiveState::take_certificate(Instant now, const Verified<OrderedEntry>& message, Effects& fx) {
  const Proposal& p = message.body().proposal.body;
  const std::vector<StateItem> items = search_.wanted(p.seq, p.digest);
  if (items.empty() || digest_of(message.body().batch.value) != p.digest) return false;
  for (const StateItem& item : items) evidence_[item] = {message.bytes(), {batch_of(message), p.digest}};
  settle(now, fx);
  return true;
}

}  // namespace seneschal::steward
