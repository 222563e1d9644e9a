#include "steward/core.hpp"

namespace seneschal::steward {
StewardCore::StewardCore(ServerId self, const Membership& membership, Settings settings,
                         std::unique_ptr<replication::Application> application)
    : context_(self, membership, settings, std::move(application)),
      timers_(context_.settings, context_.membership, self.site),
      reach_(context_, timers_, writes_),
      signing_(context_),
      states_(context_),
      sequencing_(context_, signing_, states_),
      global_(context_, signing_, timers_),
      updates_(context_, sequencing_, timers_),
      neglect_(context_.settings),
      neglect_by_all_(context_.settings),
      pace_(context_, timers_, signing_, sequencing_, updates_),
      reconciliation_(context_),
      local_view_(context_, signing_, states_, timers_),
      global_view_(context_, signing_, timers_),
      constraints_(context_, signing_, states_),
      stability_(context_, signing_),
      checkpoints_(context_, signing_),
      transfer_(context_, checkpoints_),
      adoption_(context_),
      renewal_(context_, checkpoints_, sequencing_, global_view_, signing_) {
  CHECK(context_.settings.validate().has_value());
  CHECK(validate(context_.membership).has_value());
}

MessageTable StewardCore::message_table() {
  return MessageTable::of<Update, replication::Query, PrePrepare, Prepare, SigShare, ShareRequest, SignerSet,
                          CorruptedServer, Proposal, Accept, LocalViewNotice, ProposalCarrier, RelayedAccept,
                          ForwardedUpdate, ReconcileRequest, OrderedEntry, NewRep, StateRequest, ServerState,
                          CollectedState, PreinstallProof, EntryRequest, EntryEvidence, GlobalViewAttempt, AruClaim,
                          AruClaims, GlobalViewChange, AruMessage, GlobalConstraint, CollectedConstraint,
                          GlobalViewNews, RoundTrip, Checkpoint, StableCheckpoint, CheckpointNews,
                          replication::SnapshotRequest, replication::SnapshotBlock, replication::SnapshotChunk>();
}

void StewardCore::start(Instant now, std::span<const Record> log, Effects& fx) {
  // A log that cannot be read is as good as none: such a server counts among the f and only learns. [Steward 8.5]
  restoring_ = true;
  if (!restore(now, log, fx)) {
    context_.views.abstain();
    fx.lose_log();
  }
  restoring_ = false;
  reconciliation_.start(now);
  stability_.start(now);
  local_view_.start(now, fx);
  global_view_.start(now, fx);
  seen_ = {context_.views.global(), context_.views.local()};
  reach_.start(now);
  if (context_.views.participating()) {
    measure_write(now, fx);
    global_.resume(now, fx);
    sequencing_.resume(now, fx);
  }
  settle(now, fx);
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
    if (!refused) proposal_came(now, m->body().proposal.body.seq);
    return refused;
  }
  if (auto m = message.as<Accept>()) return global_.on_accept(now, *m, fx);
  if (auto m = message.as<Proposal>()) {
    auto refused = global_.on_proposal(now, *m, fx);
    if (!refused) proposal_came(now, m->body().seq);
    return refused;
  }
  if (auto m = message.as<RelayedAccept>()) return global_.on_relayed_accept(now, *m, fx);
  if (auto m = message.as<replication::Query>()) return updates_.on_query(now, *m, fx);
  if (auto m = message.as<ReconcileRequest>()) return reconciliation_.on_request(now, *m, fx);
  if (auto m = message.as<LocalViewNotice>()) return local_view_.on_notice(now, *m, fx);
  if (auto m = message.as<OrderedEntry>()) {
    auto refused = global_.on_ordered_entry(*m, fx);
    if (!refused) reconciliation_.entry_came(now, *m, fx);
    const bool no_room = refused == Reject::Duplicate || refused == Reject::OutsideWindow;
    if (no_room && states_.take_certificate(now, *m, fx)) refused.reset();
    return refused;
  }
  return dispatch_state(now, message, fx);
}

void StewardCore::proposal_came(Instant now, Seq seq) {
  sequencing_.proposal_signed(now, seq);
  updates_.proposed(now, seq);
}

std::optional<Reject> StewardCore::dispatch_state(Instant now, const Inbound& message, Effects& fx) {
  if (auto m = message.as<Checkpoint>()) return stability_.on_checkpoint(now, *m, fx);
  if (auto m = message.as<CheckpointNews>()) return stability_.on_news(now, *m, fx);
  if (auto m = message.as<StableCheckpoint>()) return stability_.on_stable(now, *m, fx);
  if (auto m = message.as<replication::SnapshotRequest>()) return transfer_.on_request(now, *m, fx);
  if (auto m = message.as<replication::SnapshotBlock>()) return transfer_.on_block(now, *m, fx);
  if (auto m = message.as<replication::SnapshotChunk>()) return transfer_.on_chunk(now, *m, fx);
  return dispatch_local(now, message, fx);
}

std::optional<Reject> StewardCore::dispatch_local(Instant now, const Inbound& message, Effects& fx) {
  if (auto m = message.as<PrePrepare>()) return sequencing_.on_pre_prepare(now, *m, fx);
  if (auto m = message.as<Prepare>()) return sequencing_.on_prepare(now, *m, fx);
  if (auto m = message.as<SigShare>()) return signing_.on_share(now, *m, fx);
  if (auto m = message.as<ShareRequest>()) return signing_.on_request(now, *m, fx);
  if (auto m = message.as<SignerSet>()) return signing_.on_signer_set(now, *m, fx);
  if (auto m = message.as<CorruptedServer>()) return signing_.on_corrupted(*m, fx);
  return dispatch_views(now, message, fx);
}

std::optional<Reject> StewardCore::dispatch_views(Instant now, const Inbound& message, Effects& fx) {
  if (auto m = message.as<NewRep>()) return local_view_.on_new_rep(now, *m, fx);
  if (auto m = message.as<PreinstallProof>()) return local_view_.on_proof(now, *m, fx);
  if (auto m = message.as<StateRequest>()) return states_.on_request(now, *m, fx);
  if (auto m = message.as<ServerState>()) return states_.on_state(now, *m, fx);
  if (auto m = message.as<CollectedState>()) return states_.on_collected(now, *m, fx);
  if (auto m = message.as<EntryRequest>()) return states_.on_entry_request(now, *m, fx);
  if (auto m = message.as<EntryEvidence>()) return states_.on_evidence(now, *m, fx);
  if (auto m = message.as<GlobalViewAttempt>()) return global_view_.on_attempt(now, *m, fx);
  if (auto m = message.as<GlobalViewChange>()) return global_view_.take(now, Held<GlobalViewChange>::of(*m), fx);
  if (auto m = message.as<GlobalViewNews>()) return on_news(now, *m, fx);
  if (auto m = message.as<AruClaim>()) return constraints_.on_claim(now, *m, fx);
  if (auto m = message.as<AruClaims>()) return constraints_.on_claims(*m);
  if (auto m = message.as<AruMessage>()) return constraints_.take(now, Held<AruMessage>::of(*m), fx);
  if (auto m = message.as<GlobalConstraint>()) return constraints_.take(now, Held<GlobalConstraint>::of(*m), fx);
  if (auto m = message.as<CollectedConstraint>()) return constraints_.on_collected(*m, fx);
  if (auto m = message.as<RoundTrip>()) return reach_.on_round_trip(now, *m, fx);
  return Reject::UnknownType;
}

std::optional<Reject> StewardCore::on_news(Instant now, const Verified<GlobalViewNews>& message, Effects& fx) {
  const GlobalViewNews& m = message.body();
  std::optional<Reject> refused = Reject::Duplicate;
  GlobalView highest;
  auto note = [&](GlobalView gv, std::optional<Reject> result) {
    highest = std::max(highest, gv);
    if (!result) refused.reset();
  };
  for (const auto& change : m.changes)
    note(change.body.gv, global_view_.take(now, Held<GlobalViewChange>::of(change), fx));
  if (m.proposal && m.proposal->signer() == Principal::of(context_.views.leader_site(m.proposal->body.gv))) {
    bool news = m.proposal->body.gv > context_.views.global();
    context_.promise(m.proposal->body.gv, fx);
    note(m.proposal->body.gv, news ? std::nullopt : std::optional(Reject::Duplicate));
  }
  if (m.aru) note(m.aru->body.gv, constraints_.take(now, Held<AruMessage>::of(*m.aru), fx));
  if (m.constraint) {
    if (m.constraint->body.gv != seen_.first) settle_views(now, fx);  // its view may just have been entered
    note(m.constraint->body.gv, constraints_.take(now, Held<GlobalConstraint>::of(*m.constraint), fx));
  }
  if (m.relay && !refused) {
    GlobalViewNews inside = m;
    inside.relay = false;
    fx.send(Destination::to(context_.self.site), inside, {.auth = AuthKind::Bare});
  }
  // Only those who ask are answered, so that answers are not answered. Who still asks for a view that is preinstalled
  // here lacks the proof.
  if (!m.relay) return refused;
  // A question shows how far the asker has come; nothing would be anybody's.
  if (highest == GlobalView{}) return Reject::Malformed;
  bool behind = (!m.changes.empty() && highest <= context_.views.global()) || highest < context_.views.global();
  bool again = m.aru && refused;
  if ((!behind && !again) || context_.views.global() == GlobalView{}) return refused;
  if (!global_view_.may_answer(now, message.signer())) return Reject::Overloaded;
  if (!behind) {
    constraints_.asked_again(now, fx);
    return refused;
  }
  GlobalViewNews proof = global_view_.proof();
  if (!context_.may_draw(now, message.signer().server(), encode(proof).size())) return Reject::Overloaded;
  fx.send(Destination::to(message.signer().server()), proof, {.auth = AuthKind::Bare});
  return refused;
}

void StewardCore::on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) {
  if (ticket == context_.promised) context_.promised = {};
  if (ticket == context_.order_saved) context_.order_saved = {};
  if (std::holds_alternative<Persisted>(result)) writes_.durable(now, ticket);
  signing_.on_done(now, ticket, result, fx);
  checkpoints_.on_done(ticket);
  renewal_.on_done(ticket, fx);
  adoption_.on_done(ticket);
  settle(now, fx);
}

// [Steward 6] Without a recent write a server cannot tell whether work waits for a representative or for disks. It
// writes its promise, which is on record already: that changes nothing.
void StewardCore::measure_write(Instant now, Effects& fx) {
  if (!context_.views.participating() || !writes_.unknown(now)) return;
  context_.save(PromiseRecord{context_.views.global()}, fx);
}

void StewardCore::on_time(Instant now, Effects& fx) {
  if (now >= next_tick_) {
    next_tick_ = Instant::never();
    measure_write(now, fx);
    timers_.set_write_time(writes_.time(now));
    sequencing_.on_tick(now, fx);
    for (const auto& missing : signing_.on_tick(now, fx)) global_.supply(missing.what, missing.servers, fx);
    global_.on_tick(now, pace_.allowance(), fx);
    updates_.on_tick(now, pace_.allowance(), fx);
    transfer_.on_tick(now, fx);
    states_.on_tick(now, fx);
    if (reach_.on_tick(now, fx)) updates_.majority_lost(now, fx);
    timers_.set_share_time(signing_.share_time());
    timers_.set_views(context_.views.global(), context_.ordered_in);
    constraints_.on_tick(now, fx);
    // [Steward 7] while a state or old entries come in, this server suspects nobody, and what has waited waits anew
    const Duration transit = timers_.representative_timeout();
    const auto neglected = neglect_.since(now, updates_.oldest_here(), transit, proposed());
    const auto by_all = neglect_by_all_.since(now, updates_.oldest_anywhere(), transit, proposed());
    if (context_.transferring || catching_up(now)) caught_up_at_ = now;
    global_view_.on_tick(now, oldest_work(now, by_all), fx);
    const auto oldest = oldest_work(now, neglected);
    if (oldest && now - std::max(*oldest, executed_at_) > transit / 3) reach_.doubt(now, fx);
    local_view_.on_tick(now, oldest, fx);
    pace_.on_tick(now, local_view_.preinstalled() && !context_.transferring &&
                           (!context_.views.at_leader_site() || context_.views.constrained()));
    if (pace_.too_slow()) local_view_.too_slow(now, fx);
  }
  reconciliation_.on_tick(now, fx);
  stability_.on_tick(now, fx);
  local_view_.on_idle(now, fx);
  global_view_.on_idle(now, fx);
  settle(now, fx);
}

// After every input: what has become possible.
void StewardCore::settle(Instant now, Effects& fx) {
  adopt(now, fx);
  execute(now, fx);
  // More may be ordered above a newer stable Checkpoint.
  if (checkpoints_.advance(now, fx)) sequencing_.adopt_early(now, fx);
  settle_views(now, fx);
  sequencing_.propose(now, fx);
  if (!adoption_.active()) renewal_.advance(fx);
  if (context_.views.participating())
    writes_.asked(now, context_.last_saved);
  else
    writes_.stop();
  // An armed tick that finds nothing to do is not armed again.
  if (next_tick_ == Instant::never() && busy()) next_tick_ = now + context_.settings.tick;
}

void StewardCore::settle_views(Instant now, Effects& fx) {
  states_.settle(now, fx);
  local_view_.settle(now, fx);
  global_view_.settle(now, fx);
  constraints_.settle(now, fx);
  std::pair views{context_.views.global(), context_.views.local()};
  if (views != seen_) {
    bool global = views.first != seen_.first;
    seen_ = views;
    if (global) {
      local_view_.global_view_changed(now);
      global_view_.view_changed(now);
      context_.tell_views(EventKind::ViewEntered, context_.history.aru(), Principal::of(context_.views.leader_site()),
                          fx);
    }
    constraints_.view_changed(now, global);
    states_.view_changed();
    signing_.view_changed(now, fx);
    sequencing_.view_changed();
    global_.view_changed(now);
    updates_.view_changed(now);
    neglect_.view_changed(now);
    neglect_by_all_.view_changed(now);
    local_view_.settle(now, fx);
  }
  constrain(fx);
  auto server = local_view_.take_asking();
  if (!server || !context_.views.is_representative()) return;
  states_.supply(now, *server, fx);
  constraints_.supply(now, *server, fx);
}

// [Steward 4] A server takes part once it knows what binds it and has executed up to the base of that: below it, it
// would take for gaps what others have discarded.
void StewardCore::constrain(Effects&) {
  Views& views = context_.views;
  if (views.constrained() || !views.at_leader_site() || !local_view_.preinstalled()) return;
  Bounds bounds{states_.local(), constraints_.result()};
  if (bounds.local == nullptr) return;
  if (views.global() != GlobalView{} && bounds.global == nullptr) return;
  Seq aru = context_.history.aru();
  if (aru < bounds.base()) {
    // The local base is only the representative's word: it may make us look around, but not wait for ever.
    context_.hear(std::min(bounds.base(), aru + 2 * context_.history.window()));
    return;
  }
  views.constrain(required(bounds));
}

// [Steward 4] [Steward 5] Since when the oldest outstanding work waits. Not "no progress at all": that would let a
// representative starve one client while it serves others.
std::optional<Instant> StewardCore::oldest_work(Instant now, std::optional<Instant> neglected) {
  if (context_.transferring) return std::nullopt;
  std::optional<Instant> oldest = neglected;
  auto consider = [&](std::optional<Instant> since) {
    if (since) oldest = std::min(oldest.value_or(*since), *since);
  };
  consider(global_.oldest());
  consider(global_view_.oldest());
  consider(constraints_.oldest());
  if (context_.certified <= context_.history.aru() || behind_.first != context_.history.aru())
    behind_ = {context_.history.aru(), now};
  if (context_.certified > context_.history.aru()) consider(behind_.second);
  bool replays = !context_.views.fixed().empty() && context_.views.fixed().rbegin()->first > context_.history.aru();
  bool bound = !context_.views.at_leader_site() || context_.views.constrained();
  if (local_view_.unfinished() || !bound || replays) consider(local_view_.since());
  if (oldest) oldest = std::max(*oldest, caught_up_at_);
  return oldest;
}

// The highest seq up to which everything is proposed.
Seq StewardCore::proposed() const {
  Seq proposed = context_.history.aru();
  for (const auto& [seq, entry] : context_.history.open()) {
    // One that waits for less to be under way was proposed when it came.
    const bool shown = entry.pre_prepare && context_.views.current(entry.pre_prepare->gv, entry.pre_prepare->lv);
    if (seq != proposed.next() || (!shown && !entry.adopted && !entry.proposal)) break;
    proposed = seq;
  }
  return proposed;
}

// Others have ordered so much more that it would be a state, if the entries did not come.
bool StewardCore::catching_up(Instant now) const {
  return std::max(context_.certified, context_.history.stable()) >
             context_.history.aru() + context_.settings.history_span &&
         now - behind_.second < context_.settings.reconcile_idle;
}

// [Steward 3.9] in seq order, without gaps
void StewardCore::execute(Instant now, Effects& fx) {
  bool moved = false;
  for (;;) {
    const Entry* entry = context_.history.find(context_.history.aru().next());
    if (entry == nullptr || !entry->order || !entry->batch) break;
    const std::shared_ptr<const Batch> batch =
        entry->batch.batch;  // the entry may go with what a stable Checkpoint covers
    const replication::Executed done =
        context_.execution.execute(context_.history.aru().next(), *batch, entry->batch.digest, fx);
    context_.history.advance();
    context_.hear(context_.history.aru());
    checkpoints_.executed();
    moved = true;
    executed_at_ = now;
    if (restoring_) continue;
    if (done.some_left) clients_left();
    neglect_.executed(now, context_.history.aru(), done.clients, *batch);
    neglect_by_all_.executed(now, context_.history.aru(), done.clients, *batch);
    updates_.executed(now, done.clients, fx);
    sequencing_.executed(now, done.clients, fx);
  }
  if (!moved) return;
  signing_.forget(context_.history.aru());
  reconciliation_.progressed(now);
  transfer_.progressed(now);
}

// A fetched state takes the place of ours when the log has it. The log holds one state in pieces at a time: a renewal
// that is under way is given up, its pieces are of a state below this one.
void StewardCore::adopt(Instant now, Effects& fx) {
  if (adoption_.active() && adoption_.seq() <= context_.history.aru()) {
    adoption_.drop();  // entries were faster
    transfer_.taken_over(true);
  }
  if (transfer_.complete()) {
    renewal_.give_up();
    adoption_.begin(transfer_.take());
  }
  adoption_.advance(fx);
  if (adoption_.complete()) install(now, adoption_.take(), fx);
}

// The state of a stable Checkpoint takes the place of ours. It changes no promise and nothing above it. [Steward 7]
void StewardCore::install(Instant now, StateTransfer::State state, Effects& fx) {
  const bool readable = context_.execution.install(state.seq, state.chunks, fx).has_value();
  transfer_.taken_over(readable);
  if (!readable) {
    // Genuine chunks that this program cannot read: it is not the one that the others run. It goes on from its own
    // state, after a restart as well.
    ++context_.alarms;
    context_.save(DiscardedRecord{state.seq}, fx);
    return;
  }
  context_.history.jump(state.seq);
  checkpoints_.installed(state.proof, fx);
  signing_.forget(state.seq);
  executed_elsewhere(now, fx);
  reconciliation_.progressed(now);
  transfer_.progressed(now);
}

// Clients whose updates were executed while this server was away.
void StewardCore::executed_elsewhere(Instant now, Effects& fx) {
  clients_left();
  std::vector<ClientId> served;
  std::vector<ClientId> all;
  for (const auto& [client, last] : context_.execution.clients().entries()) {
    all.push_back(client);
    auto watched = updates_.watched().entries().find(client);
    if (watched != updates_.watched().entries().end() && watched->second.timestamp <= last.timestamp)
      served.push_back(client);
  }
  updates_.executed(now, served, fx);
  sequencing_.executed(now, all, fx);
}

bool StewardCore::busy() const {
  return global_.busy() || signing_.busy() || updates_.busy() || sequencing_.busy() || transfer_.busy() ||
         context_.heard > context_.history.aru() || states_.busy() || local_view_.unfinished() ||
         global_view_.busy() || constraints_.busy() ||
         (context_.views.at_leader_site() && !context_.views.constrained());
}

std::optional<Instant> StewardCore::deadline() const {
  Instant at = std::min({next_tick_, reconciliation_.deadline(), local_view_.deadline(), sequencing_.deadline(),
                         stability_.deadline(), checkpoints_.deadline()});
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
  out.emplace_back("participating", views.participating() ? "yes" : "no: the log is lost");
  out.emplace_back("executed", std::to_string(context_.execution.executed().value));
  out.emplace_back("state_digest", to_hex(context_.execution.digest().bytes));
  out.emplace_back("clients", std::to_string(context_.execution.roster().members()));
  out.emplace_back("entries", std::to_string(context_.history.size()));
  out.emplace_back("checkpoint", std::to_string(context_.history.stable().value));
  out.emplace_back("checkpoints_held", std::to_string(stability_.held()));
  out.emplace_back("snapshots", std::to_string(checkpoints_.snapshots()));
  out.emplace_back("log_bytes", std::to_string(context_.logged));
  out.emplace_back("log_renewals", std::to_string(renewal_.count()));
  out.emplace_back("evidence", std::to_string(states_.evidence()));
  out.emplace_back("adopting", adoption_.active() ? "yes: a fetched state is being written to the log" : "no");
  out.emplace_back("transfer_missing", std::to_string(transfer_.missing()));
  out.emplace_back("forged_pieces", std::to_string(transfer_.forged()));
  out.emplace_back("diverged", checkpoints_.diverged() ? "yes" : "no");
  out.emplace_back("signing", std::to_string(signing_.agreed()));
  out.emplace_back("waiting_updates", std::to_string(sequencing_.waiting()));
  out.emplace_back("watched_updates", std::to_string(updates_.watched().size()));
  out.emplace_back("batch_gap_us", std::to_string(sequencing_.rule().gap().count() / 1000));
  out.emplace_back("sites_reached", std::to_string(context_.reached));
  const auto us = [](Duration timer) { return std::to_string(timer.count() / 1000); };
  out.emplace_back("round_trip_us", us(timers_.round_trip()));
  out.emplace_back("write_us", us(timers_.write_time()));
  out.emplace_back("t1_us", us(timers_.representative_timeout()));
  out.emplace_back("t2_us", us(timers_.leader_representative_timeout()));
  out.emplace_back("t3_us", us(timers_.leader_site_timeout()));
  out.emplace_back("overdue_us", us(pace_.overdue()));
  out.emplace_back("pace_tolerance", std::to_string(pace_.tolerance()));
  out.emplace_back("alarms", std::to_string(context_.alarms));
}

}  // namespace seneschal::steward
