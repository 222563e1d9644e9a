#include "bft/ordering.hpp"

#include "crypto/digest.hpp"

namespace seneschal::bft {

Digest proposal_digest(const Verified<PrePrepare>& message) {
  constexpr std::size_t kBefore = 16;  // view and seq
  Span body = Span(*message.bytes()).subspan(Header::kSize, message.header().body_size);
  return crypto::sha256({as_span("seneschal/batch"), body.subspan(kBefore)});
}

Ordering::Ordering(const Context& context) : context_(context), log_(context.settings.log_span, context.n) {}

bool Ordering::has_room(Seq executed) const {
  Seq next = std::max(proposed_, executed).next();
  return log_.contains(next) && in_flight(executed) < context_.settings.window;
}

void Ordering::propose(Instant now, Seq executed, Batch batch, Effects& fx) {
  CHECK(context_.is_primary() && has_room(executed) && context_.participating);
  proposed_ = std::max(proposed_, executed).next();
  put_forward(now, {context_.view, proposed_, std::move(batch)}, fx);
}

void Ordering::put_forward(Instant now, PrePrepare proposal, Effects& fx) {
  Digest digest = replication::digest_of(proposal.batch);
  Ticket saved = context_.save(AdoptedRecord{{proposal}}, fx);
  context_.broadcast(proposal, fx, context_.auth(), saved);
  fx.event(context_.event(EventKind::Prepared, proposal.seq, digest));
  if (context_.signatures()) return;  // comes back signed
  Slot& slot = log_.at(proposal.seq);
  slot.adopted = saved;
  adopt(now, slot, std::make_shared<const Batch>(std::move(proposal.batch)), digest, fx);
}

std::optional<Reject> Ordering::refuse(View view, Seq seq) const {
  if (view != context_.view) return Reject::WrongView;
  if (!log_.contains(seq)) return Reject::OutsideWindow;
  return std::nullopt;
}

std::optional<Reject> Ordering::on_pre_prepare(Instant now, const Verified<PrePrepare>& message, Effects& fx) {
  const PrePrepare& proposal = message.body();
  if (auto refused = refuse(proposal.view, proposal.seq)) return refused;
  if (message.signer().server().index != context_.primary()) return Reject::NotRepresentative;
  if (message.header().body_size > kMaxBatchBytes) return Reject::TooLong;  // could not be passed on as an Entry
  if (context_.signatures())
    for (const auto& update : proposal.batch.updates)
      if (update.header.auth != AuthKind::Signature) return Reject::BadInnerSignature;
  Digest digest = proposal_digest(message);
  Slot& slot = log_.at(proposal.seq);
  const Doubtful* doubtful = slot.doubtful.get();
  if (doubtful != nullptr && doubtful->barred(digest)) return Reject::Superseded;
  if (slot.known() && slot.digest == digest) {
    if (slot.proposal == nullptr) slot.proposal = message.bytes();
    return Reject::Duplicate;
  }
  bool doubted = doubtful != nullptr && doubtful->proposal != nullptr;
  if (doubted && doubtful->digest == digest) return Reject::Duplicate;
  if (slot.known() || doubted) {
    // Two batches under one (view, seq), and the first is not given up. [PBFT 4.2] Only signatures prove it to
    // others.
    if (!context_.signatures()) return set_aside(slot, message);
    if (slot.proposal != nullptr)
      fx.accuse(message.signer(), "two proposals for one view and seq", {slot.proposal, message.bytes()});
    return Reject::Equivocation;
  }
  // Nothing may be left of a proposal that was given up; else there is no reason to propose nothing.
  if (proposal.batch.updates.empty() && (doubtful == nullptr || doubtful->given_up.empty()))
    return Reject::EmptyBatch;
  if (!message.unproven().empty()) return doubt(now, slot, message, digest, fx);
  slot.proposal = message.bytes();
  auto held = std::make_shared<const Verified<PrePrepare>>(message);
  adopt(now, slot, {held, &held->body().batch}, digest, fx);
  return std::nullopt;
}

void Ordering::adopt(Instant now, Slot& slot, std::shared_ptr<const Batch> batch, const Digest& digest, Effects& fx) {
  if (slot.doubtful != nullptr) slot.doubtful->proposal.reset();
  slot.batch = std::move(batch);
  slot.digest = digest;
  slot.since = now;
  slot.saved = context_.participating;  // the primary's own is in the log since it was proposed
  if (!context_.is_primary() && context_.participating) {
    slot.prepare_sent = true;
    slot.adopted = context_.save(AdoptedRecord{{{context_.view, slot.seq, *slot.batch}}}, fx);
    context_.vote(Prepare{context_.view, slot.seq, digest}, slot.adopted, fx);
    fx.event(context_.event(EventKind::Prepared, slot.seq, digest));
  }
  advance(slot, fx);
}

std::optional<Reject> Ordering::on_prepare(Instant now, const Verified<Prepare>& message, Effects& fx) {
  const Prepare& prepare = message.body();
  if (auto refused = refuse(prepare.view, prepare.seq)) return refused;
  ServerIndex from = message.signer().server().index;
  if (from == context_.primary()) return Reject::Conflict;  // its PrePrepare is its vote
  Slot& slot = log_.at(prepare.seq);
  if (slot.doubtful != nullptr && slot.doubtful->is_given_up(prepare.digest)) return Reject::Superseded;
  if (!slot.prepares.add(from, prepare.digest)) return Reject::Duplicate;
  if (context_.signatures()) slot.prepare_proofs.push_back(message.bytes());
  weigh(now, slot, fx);
  advance(slot, fx);
  return std::nullopt;
}

std::optional<Reject> Ordering::on_commit(Instant now, const Verified<Commit>& message, Effects& fx) {
  const Commit& commit = message.body();
  if (auto refused = refuse(commit.view, commit.seq)) return refused;
  Slot& slot = log_.at(commit.seq);
  if (!slot.commits.add(message.signer().server().index, commit.digest)) return Reject::Duplicate;
  weigh(now, slot, fx);
  advance(slot, fx);
  return std::nullopt;
}

void Ordering::count_commit(ServerIndex from, const Entry& claim, Effects& fx) {
  if (refuse(claim.view, claim.seq)) return;
  Slot& slot = log_.at(claim.seq);
  bool news = slot.commits.add(from, claim.digest);
  // It has prepared too, and its Prepare may be what we miss: it sends none any more for what it executed.
  if (from != context_.primary()) news = slot.prepares.add(from, claim.digest) || news;
  if (news) advance(slot, fx);
}

void Ordering::advance(Slot& slot, Effects& fx) {
  if (!slot.known()) return;  // early votes wait in the slot
  // prepared: the proposal and 2f matching Prepares of distinct backups. [PBFT 4.2]
  if (!slot.prepared && slot.prepares.count(slot.digest) >= 2u * context_.f) {
    slot.prepared = true;
    if (context_.participating) {
      slot.certified = context_.save(PreparedRecord{context_.view, slot.seq, slot.digest}, fx);
      context_.vote(Commit{context_.view, slot.seq, slot.digest}, slot.certified, fx);
    }
  }
  // committed: 2f+1 matching Commits. [PBFT 4.2]
  // DEVIATION(PBFT 4.2): the paper wants our own prepared certificate too; f+1 correct servers among the 2f+1 hold
  // one, so it adds nothing, and a lost Prepare need not delay us.
  if (!slot.committed && slot.commits.count(slot.digest) >= context_.quorum()) {
    slot.committed = true;
    fx.event(context_.event(EventKind::Ordered, slot.seq, slot.digest));
  }
}

std::optional<Reject> Ordering::on_supply(Instant now, const Verified<Entry>& message, Effects& fx) {
  const Entry& entry = message.body();
  if (auto refused = refuse(entry.view, entry.seq)) return refused;
  if (!entry.batch) return Reject::MissingBatch;
  Slot& slot = log_.at(entry.seq);
  if (slot.known()) return Reject::Duplicate;
  if (slot.doubtful != nullptr && slot.doubtful->barred(entry.digest)) return Reject::Superseded;
  std::uint64_t support = slot.prepares.voters(entry.digest) | slot.commits.voters(entry.digest);
  if (message.signer().server().index == context_.primary()) support |= bit_of(context_.primary());
  // f+1 servers stand for the digest: a correct one has accepted the primary's proposal and the clients' words in it.
  if (std::popcount(support) < context_.f + 1) return Reject::MissingBatch;
  if (replication::digest_of(entry.batch->value) != entry.digest) return Reject::Conflict;
  auto held = std::make_shared<const Verified<Entry>>(message);
  adopt(now, slot, {held, &held->body().batch->value}, entry.digest, fx);
  return std::nullopt;
}

void Ordering::resend(const Slot& slot, ServerIndex to, const SlotStatus& has, bool supply, Effects& fx) const {
  if (!context_.participating) return;
  if (slot.doubtful != nullptr && slot.doubtful->own && !slot.committed)
    fx.send(Destination::to(Context::server(to)), *slot.doubtful->own,
            {.auth = AuthKind::Authenticator, .after = slot.doubtful->promised_at});
  if (!slot.known()) return;
  if (!has.batch) {
    if (slot.proposal != nullptr && context_.signatures())
      fx.forward(Destination::to(Context::server(to)), slot.proposal);
    else if (context_.is_primary())
      context_.send(to, PrePrepare{context_.view, slot.seq, *slot.batch}, slot.adopted, fx);
    if (supply && !context_.signatures())
      fx.send(Destination::to(Context::server(to)),
              Entry{context_.view, slot.seq, false, slot.digest, Vouched<Batch>{*slot.batch}},
              {.auth = AuthKind::Mac});
  }
  if (slot.prepare_sent && (has.prepares & bit_of(context_.self)) == 0)
    context_.send(to, Prepare{context_.view, slot.seq, slot.digest}, slot.adopted, fx);
  if (slot.prepared && (has.commits & bit_of(context_.self)) == 0)
    context_.send(to, Commit{context_.view, slot.seq, slot.digest}, slot.certified, fx);
}

void Ordering::restore_slot(Instant now, Seq seq, std::shared_ptr<const Batch> batch, const Digest& digest,
                            bool prepared) {
  if (!log_.contains(seq)) return;
  Slot& slot = log_.at(seq);
  slot.batch = std::move(batch);
  slot.digest = digest;
  slot.since = now;
  slot.saved = true;
  slot.prepare_sent = !context_.is_primary();
  slot.prepared = prepared;
}

void Ordering::resume(Seq executed, Effects& fx) {
  for (Seq seq = executed.next(); seq <= log_.highest(); ++seq) {
    const Slot* slot = log_.find(seq);
    if (slot == nullptr || !slot->known()) continue;
    if (context_.is_primary()) context_.broadcast(PrePrepare{context_.view, seq, *slot->batch}, fx, context_.auth());
    if (slot->prepare_sent) context_.vote(Prepare{context_.view, seq, slot->digest}, {}, fx);
    if (slot->prepared) context_.vote(Commit{context_.view, seq, slot->digest}, {}, fx);
  }
}

void Ordering::push(Seq seq, Effects& fx) const {
  const Slot* slot = log_.find(seq);
  if (slot == nullptr || !slot->known()) return;
  std::uint64_t voted = slot->prepares.seen() | slot->commits.seen();
  for (std::uint16_t i = 0; i < context_.n; ++i) {
    ServerIndex to(i);
    if (to == context_.self || (voted & bit_of(to)) != 0) continue;
    SlotStatus has{seq, false, ~std::uint64_t{0}, ~std::uint64_t{0}};
    resend(*slot, to, has, false, fx);
  }
}

}  // namespace seneschal::bft
