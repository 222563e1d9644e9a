#include "steward/core.hpp"

namespace seneschal::steward {

StewardCore::StewardCore(ServerId self, const Membership& membership, Settings settings,
                         std::unique_ptr<replication::Application> application)
    : context_(self, membership, settings, std::move(application)),
      signing_(context_),
      sequencing_(context_, signing_),
      global_(context_, signing_),
      updates_(context_, sequencing_),
      reconciliation_(context_) {
  CHECK(context_.settings.validate().has_value());
  CHECK(validate(context_.membership).has_value());
}

MessageTable StewardCore::message_table() {
  return MessageTable::of<Update, replication::Query, PrePrepare, Prepare, SigShare, ShareRequest, SignerSet,
                          CorruptedServer, Proposal, Accept, LocalViewNotice, ProposalCarrier, RelayedAccept,
                          ForwardedUpdate, ReconcileRequest, OrderedEntry>();
}

void StewardCore::start(Instant now, std::span<const Record> log, Effects& fx) {
  // A log that cannot be read is as good as none: such a server counts among the f and only learns. [Steward 7]
  restoring_ = true;
  for (const Record& record : log) {
    if (restore(now, record, fx)) continue;
    context_.views.abstain();
    break;
  }
  restoring_ = false;
  reconciliation_.start(now);
  if (context_.views.participating()) {
    global_.resume(now, fx);
    sequencing_.resume(now, fx);
  }
  settle(now, fx);
}

bool StewardCore::restore(Instant now, const Record& bytes, Effects& fx) {
  auto record = decode_record(bytes);
  if (!record) return false;
  if (auto* promise = std::get_if<PromiseRecord>(&record->what)) {
    context_.views.promise(promise->gv);
  } else if (auto* proposed = std::get_if<ProposedRecord>(&record->what)) {
    sequencing_.restore_proposed(proposed->pre_prepare.value);
  } else if (auto* prepared = std::get_if<PreparedRecord>(&record->what)) {
    sequencing_.restore_prepared(prepared->pre_prepare.value);
  } else if (auto* accepted = std::get_if<AcceptedRecord>(&record->what)) {
    context_.views.promise(accepted->proposal.body.gv);
    global_.restore_accepted(*accepted);
  } else if (auto* ordered = std::get_if<OrderedRecord>(&record->what)) {
    global_.restore_ordered(ordered->entry.value);
    execute(now, fx);
  }
  // A certificate forms again from the Prepares; there is but one local view so far.
  return true;
}

void StewardCore::on_message(Instant now, const Inbound& message, Effects& fx) {
  if (auto refused = dispatch(now, message, fx)) fx.reject(*refused);
  settle(now, fx);
}

std::optional<Reject> StewardCore::dispatch(Instant now, const Inbound& message, Effects& fx) {
  if (auto m = message.as<Update>()) return updates_.on_update(now, *m, fx);
  if (auto m = message.as<ForwardedUpdate>()) return updates_.on_forwarded(now, *m, fx);
  if (auto m = message.as<ProposalCarrier>()) {
    auto refused = global_.on_carrier(now, *m, fx);
    if (!refused) sequencing_.proposal_signed(now, m->body().proposal.body.seq);
    return refused;
  }
  if (auto m = message.as<Accept>()) return global_.on_accept(now, *m, fx);
  if (auto m = message.as<Proposal>()) {
    auto refused = global_.on_proposal(now, *m, fx);
    if (!refused) sequencing_.proposal_signed(now, m->body().seq);
    return refused;
  }
  if (auto m = message.as<RelayedAccept>()) return global_.on_relayed_accept(now, *m, fx);
  if (auto m = message.as<replication::Query>()) return updates_.on_query(*m, fx);
  if (auto m = message.as<ReconcileRequest>()) return reconciliation_.on_request(now, *m, fx);
  if (auto m = message.as<LocalViewNotice>()) return on_notice(*m);
  if (auto m = message.as<OrderedEntry>()) {
    auto refused = global_.on_ordered_entry(*m, fx);
    if (!refused) reconciliation_.entry_came(now, m->signer());
    return refused;
  }
  return dispatch_local(now, message, fx);
}

std::optional<Reject> StewardCore::dispatch_local(Instant now, const Inbound& message, Effects& fx) {
  if (auto m = message.as<PrePrepare>()) return sequencing_.on_pre_prepare(now, *m, fx);
  if (auto m = message.as<Prepare>()) return sequencing_.on_prepare(now, *m, fx);
  if (auto m = message.as<SigShare>()) return signing_.on_share(now, *m, fx);
  if (auto m = message.as<ShareRequest>()) return signing_.on_request(now, *m, fx);
  if (auto m = message.as<SignerSet>()) return signing_.on_signer_set(now, *m, fx);
  if (auto m = message.as<CorruptedServer>()) return signing_.on_corrupted(*m, fx);
  return Reject::UnknownType;
}

std::optional<Reject> StewardCore::on_notice(const Verified<LocalViewNotice>& message) {
  SiteId site = message.signer().site();
  if (site == context_.self.site) return Reject::Superseded;  // we are in it
  return context_.views.learn(site, message.body().lv) ? std::nullopt : std::optional(Reject::Superseded);
}

void StewardCore::on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) {
  signing_.on_done(now, ticket, result, fx);
  settle(now, fx);
}

void StewardCore::on_time(Instant now, Effects& fx) {
  if (now >= next_tick_) {
    next_tick_ = Instant::never();
    sequencing_.on_tick(now, fx);
    for (const auto& missing : signing_.on_tick(now, fx)) global_.supply(missing.what, missing.servers, fx);
    global_.on_tick(now, fx);
    updates_.on_tick(now, fx);
  }
  reconciliation_.on_tick(now, fx);
  settle(now, fx);
}

// After every input: what has become possible.
void StewardCore::settle(Instant now, Effects& fx) {
  execute(now, fx);
  sequencing_.propose(now, fx);
  // An armed tick that finds nothing to do is not armed again.
  if (next_tick_ == Instant::never() && busy()) next_tick_ = now + context_.settings.tick;
}

// [Steward 3.9] in seq order, without gaps
void StewardCore::execute(Instant now, Effects& fx) {
  bool moved = false;
  for (;;) {
    const Entry* entry = context_.history.find(context_.history.aru().next());
    if (entry == nullptr || !entry->order || !entry->batch) break;
    std::vector<ClientId> clients =
        context_.execution.execute(context_.history.aru().next(), *entry->batch.batch, entry->batch.digest, fx);
    context_.history.advance();
    context_.hear(context_.history.aru());
    moved = true;
    if (restoring_) continue;
    updates_.executed(now, clients, fx);
    sequencing_.executed(now, clients, fx);
  }
  if (!moved) return;
  signing_.forget(context_.history.aru());
  reconciliation_.progressed(now);
}

bool StewardCore::busy() const {
  return global_.busy() || signing_.busy() || updates_.busy() || sequencing_.busy() ||
         context_.heard > context_.history.aru();
}

std::optional<Instant> StewardCore::deadline() const {
  Instant at = std::min({next_tick_, reconciliation_.deadline(), sequencing_.deadline()});
  return at == Instant::never() ? std::nullopt : std::optional(at);
}

Admission StewardCore::admission() const {
  Admission a;
  Seq aru = context_.history.aru();
  a.min_view = a.max_view = context_.views.global().value;
  a.min_sub_view = a.max_sub_view = context_.views.local().value;
  a.min_seq = aru.value - std::min(aru.value, context_.settings.window);
  a.max_seq = aru.value + 2 * context_.settings.window;
  return a;
}

void StewardCore::status(StatusList& out) const {
  const Views& views = context_.views;
  out.emplace_back("global_view", std::to_string(views.global().value));
  out.emplace_back("local_view", std::to_string(views.local().value));
  out.emplace_back("leader_site", std::to_string(views.leader_site().value));
  out.emplace_back("representative", to_string(views.representative()));
  out.emplace_back("participating", views.participating() ? "yes" : "no: the log could not be read");
  out.emplace_back("executed", std::to_string(context_.execution.executed().value));
  out.emplace_back("state_digest", to_hex(context_.execution.digest().bytes));
  out.emplace_back("entries", std::to_string(context_.history.size()));
  out.emplace_back("signing", std::to_string(signing_.size()));
  out.emplace_back("waiting_updates", std::to_string(sequencing_.waiting()));
  out.emplace_back("watched_updates", std::to_string(updates_.watched().size()));
  out.emplace_back("batch_gap_us", std::to_string(sequencing_.rule().gap().count() / 1000));
  out.emplace_back("alarms", std::to_string(context_.alarms));
}

}  // namespace seneschal::steward
