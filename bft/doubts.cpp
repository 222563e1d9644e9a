// Ordering, when some servers cannot check what the primary proposes. [BFT 9]
#include "bft/ordering.hpp"

namespace seneschal::bft {

std::set<std::uint16_t> Doubtful::doubted_by(const Digest& of, std::size_t count) const {
  std::map<std::uint16_t, std::size_t> votes;
  for (const auto& [server, doubt] : doubts)
    if (doubt.digest == of)
      for (std::uint16_t update : doubt.updates) ++votes[update];
  std::set<std::uint16_t> doubted;
  for (const auto& [update, n] : votes)
    if (n >= count) doubted.insert(update);
  return doubted;
}

Doubtful& Ordering::doubtful(Slot& slot) {
  if (slot.doubtful == nullptr) slot.doubtful = std::make_unique<Doubtful>();
  return *slot.doubtful;
}

// The primary's proposal for a slot that holds another one: it may know that the other is given up, and we not yet.
Reject Ordering::set_aside(Slot& slot, const Verified<PrePrepare>& message) {
  doubtful(slot).next = std::make_shared<const Verified<PrePrepare>>(message);
  return Reject::Equivocation;
}

std::optional<Reject> Ordering::doubt(Instant now, Slot& slot, const Verified<PrePrepare>& message,
                                      const Digest& digest, Effects& fx) {
  Doubtful& d = doubtful(slot);
  d.proposal = std::make_shared<const Verified<PrePrepare>>(message);
  d.digest = digest;
  if (stand_for(slot, digest) < context_.f + 1u) {
    Doubt doubt{context_.view, slot.seq, digest, false, {}};
    doubt.updates.items.assign(message.unproven().begin(), message.unproven().end());
    say(now, slot, std::move(doubt), fx);
  }
  weigh(now, slot, fx);
  return Reject::BadInnerSignature;
}

void Ordering::say(Instant, Slot& slot, Doubt doubt, Effects& fx) {
  if (!context_.participating) return;
  Doubtful& d = doubtful(slot);
  d.own = doubt;
  if (!doubt.final) {
    context_.broadcast(doubt, fx, AuthKind::Authenticator);
    d.doubts[context_.self] = std::move(doubt);
    return;
  }
  // A promise, so it is durable before it leaves, and counts here, too, only when it comes back. [BFT 10]
  d.promised.push_back(doubt.digest);
  d.promised_at = context_.save(PromiseRecord{doubt.view, doubt.seq, doubt.digest}, fx);
  fx.send(context_.everybody(), doubt, {.auth = AuthKind::Authenticator, .after = d.promised_at, .loopback = true});
}

void Ordering::restore_promise(Seq seq, const Digest& digest) {
  if (!log_.contains(seq)) return;
  Doubtful& d = doubtful(log_.at(seq));
  d.promised.push_back(digest);
  d.own = Doubt{context_.view, seq, digest, true, {}};
  d.doubts[context_.self] = *d.own;
}

std::size_t Ordering::stand_for(const Slot& slot, const Digest& digest) const {
  std::uint64_t voters = slot.prepares.voters(digest) | slot.commits.voters(digest);
  const Doubtful* d = slot.doubtful.get();
  if (d != nullptr && d->proposal != nullptr && d->digest == digest) voters |= bit_of(context_.primary());
  return static_cast<std::size_t>(std::popcount(voters));
}

void Ordering::weigh(Instant now, Slot& slot, Effects& fx) {
  Doubtful* d = slot.doubtful.get();
  if (d == nullptr || d->proposal == nullptr || slot.known() || d->barred(d->digest)) return;
  if (stand_for(slot, d->digest) >= context_.f + 1u) {
    auto held = std::exchange(d->proposal, nullptr);
    slot.proposal = held->bytes();
    const Batch* batch = &held->body().batch;
    return adopt(now, slot, {std::move(held), batch}, d->digest, fx);
  }
  if (!d->own || d->own->digest != d->digest || d->doubters(d->digest, false) < context_.quorum()) return;
  Doubt promise = *d->own;
  promise.final = true;
  say(now, slot, std::move(promise), fx);
  give_up(now, slot, Digest(d->digest), fx);
}

std::optional<Reject> Ordering::on_doubt(Instant now, const Verified<Doubt>& message, Effects& fx) {
  const Doubt& doubt = message.body();
  if (auto refused = refuse(doubt.view, doubt.seq)) return refused;
  ServerIndex from = message.signer().server().index;
  if (from == context_.primary()) return Reject::Conflict;
  Slot& slot = log_.at(doubt.seq);
  Doubtful& d = doubtful(slot);
  if (d.is_given_up(doubt.digest)) return Reject::Superseded;
  auto known = d.doubts.find(from);
  if (known != d.doubts.end() && known->second.digest == doubt.digest && known->second.final >= doubt.final)
    return Reject::Duplicate;
  d.doubts[from] = doubt;
  if (!context_.is_primary()) d.doubts[from].updates.items.clear();  // only the primary has a use for them
  weigh(now, slot, fx);
  give_up(now, slot, doubt.digest, fx);
  return std::nullopt;
}

void Ordering::give_up(Instant now, Slot& slot, Digest digest, Effects& fx) {
  Doubtful& d = *slot.doubtful;
  if (d.is_given_up(digest) || d.doubters(digest, true) < context_.quorum()) return;
  if (d.given_up.size() >= Doubtful::kAttempts || slot.committed) return;
  if (slot.prepared && slot.digest == digest) return;  // more than f servers are faulty: say no more
  d.given_up.push_back(digest);
  auto doubted = d.doubted_by(digest, 1);
  auto distrusted = d.doubted_by(digest, context_.f + 1u);
  std::erase_if(d.doubts, [&](const auto& other) { return other.second.digest == digest; });
  slot.prepares.forget(digest);
  slot.commits.forget(digest);
  std::shared_ptr<const Batch> batch;
  if (slot.known() && slot.digest == digest) {
    batch = std::exchange(slot.batch, nullptr);
    slot.proposal.reset();
    slot.saved = slot.prepare_sent = false;
  }
  if (d.proposal != nullptr && d.digest == digest) d.proposal.reset();
  if (context_.is_primary()) {
    if (batch != nullptr) propose_rest(now, slot, *batch, doubted, distrusted, fx);
  } else if (auto next = std::exchange(d.next, nullptr)) {
    on_pre_prepare(now, *next, fx);
  }
}

// Whoever doubts for no reason delays an update by a batch. One that f+1 doubt has at least one correct server
// against it.
void Ordering::propose_rest(Instant now, Slot& slot, const Batch& batch, const std::set<std::uint16_t>& doubted,
                            const std::set<std::uint16_t>& distrusted, Effects& fx) {
  PrePrepare proposal{context_.view, slot.seq, {}};
  for (std::uint16_t i = 0; i < batch.updates.size(); ++i) {
    const auto& update = batch.updates.items[i];
    if (doubted.contains(i))
      returned_.push_back({update, distrusted.contains(i)});
    else
      proposal.batch.updates.items.push_back(update);
  }
  put_forward(now, std::move(proposal), fx);
}

}  // namespace seneschal::bft
