#include "bft/bft_core.hpp"

#include "bft/restoration.hpp"

namespace seneschal::bft {
namespace {
Context make_context(ServerIndex self, const Membership& membership, const Settings& settings) {
  CHECK(validate(membership).has_value() && settings.validate().has_value());
  const SiteInfo& group = membership.sites[0];
  CHECK(self.value < group.servers);
  return {self, membership, settings, group.servers, group.faults, View(0), true};
}
}  // namespace

BftCore::BftCore(ServerIndex self, const Membership& membership, Settings settings,
                 std::unique_ptr<replication::Application> application)
    : context_(make_context(self, membership, settings)),
      execution_(std::move(application), membership, settings.log_span),
      ordering_(context_),
      checkpoints_(context_),
      renewal_(context_, checkpoints_, execution_),
      catch_up_(context_, ordering_, checkpoints_),
      requests_(context_, execution_) {}

MessageTable BftCore::message_table() {
  return MessageTable::of<Prepare, Commit, PrePrepare, replication::Update, replication::Query, Checkpoint, Status,
                          Entry, Doubt>();
}

void BftCore::start(Instant now, std::span<const Record> log, Effects& fx) {
  restore(now, log, fx);
  catch_up_.start(now);
  if (log.empty() || !context_.participating) return;
  ordering_.resume(execution_.executed(), fx);
  checkpoints_.resume(fx);
  proceed(now, fx);
}

// [BFT 10] The whole log is read before anything is said: one with a record that makes no sense is as good as none.
void BftCore::restore(Instant now, std::span<const Record> log, Effects& fx) {
  if (auto state = newest_state(log)) install(*state, fx);
  const Seq installed = execution_.executed();
  Restoration restoration(context_, ordering_, checkpoints_, installed,
                          [&](Seq seq, std::shared_ptr<const Batch> batch, const Digest& digest) {
                            if (seq > installed) execution_.execute(seq, *batch, digest, fx);
                            catch_up_.history().skip_to(Seq(seq.value - 1));
                            catch_up_.history().push(seq, digest, std::move(batch));
                            if (seq > installed && checkpoints_.due(seq))
                              checkpoints_.restore_own(seq, execution_.digest());
                          });
  for (const Record& record : log) {
    context_.logged += record.size();
    if (restoration.take(record, execution_.executed())) continue;
    context_.participating = false;
    fx.lose_log();
    break;
  }
  catch_up_.history().skip_to(execution_.executed());
  restoration.finish(now, execution_.executed());
}

void BftCore::install(const KeptState& state, Effects& fx) {
  if (!execution_.install(state.seq, state.chunks, fx)) return;  // then the entries after it do not follow
  checkpoints_.restore_own(state.seq, execution_.digest());
  Event event = context_.event(EventKind::Checkpointed, state.seq, execution_.digest());
  event.state = execution_.state();
  fx.event(event);
}

void BftCore::on_done(Instant, Ticket ticket, const JobResult&, Effects& fx) {
  renewal_.on_done(ticket, fx);
  renewal_.advance(fx);
}

void BftCore::on_message(Instant now, const Inbound& message, Effects& fx) {
  if (auto refused = dispatch(now, message, fx)) fx.reject(*refused);
  proceed(now, fx);
}

std::optional<Reject> BftCore::dispatch(Instant now, const Inbound& message, Effects& fx) {
  Seq executed = execution_.executed();
  if (auto prepare = message.as<Prepare>()) return ordering_.on_prepare(now, *prepare, fx);
  if (auto doubt = message.as<Doubt>()) {
    auto refused = ordering_.on_doubt(now, *doubt, fx);
    requests_.put_back(now, ordering_.take_returned());
    return refused;
  }
  if (auto commit = message.as<Commit>()) return ordering_.on_commit(now, *commit, fx);
  if (auto proposal = message.as<PrePrepare>()) {
    const PrePrepare& m = proposal->body();
    if (!execution_.may_order(m.batch, m.seq)) return Reject::UnknownClient;  // [Membership 4]
    return ordering_.on_pre_prepare(now, *proposal, fx);
  }
  if (auto update = message.as<replication::Update>()) return requests_.on_update(now, *update, fx);
  if (auto query = message.as<replication::Query>()) return requests_.on_query(now, *query, fx);
  if (auto checkpoint = message.as<Checkpoint>()) return checkpoints_.on_checkpoint(*checkpoint, executed, fx);
  if (auto status = message.as<Status>()) return catch_up_.on_status(now, *status, executed, fx);
  if (auto entry = message.as<Entry>()) return catch_up_.on_entry(now, *entry, executed, fx);
  return Reject::UnknownType;
}

void BftCore::on_time(Instant now, Effects& fx) {
  catch_up_.on_time(now, execution_.executed(), fx);
  proceed(now, fx);
}

void BftCore::proceed(Instant now, Effects& fx) {
  for (;;) {
    Seq next = execution_.executed().next();
    const Slot* slot = ordering_.log().find(next);
    if (slot != nullptr && slot->committed) {
      execute(now, next, slot->batch, slot->digest, slot, fx);
    } else if (auto decided = catch_up_.take(next)) {
      execute(now, next, std::move(decided->batch), decided->digest, nullptr, fx);
    } else {
      break;
    }
  }
  if (checkpoints_.base() > ordering_.log().base()) ordering_.log().advance(checkpoints_.base());
  if (context_.is_primary() && context_.participating) {
    Seq executed = execution_.executed();
    while (ordering_.has_room(executed)) {
      auto batch = requests_.cut(now, ordering_.in_flight(executed));
      if (!batch) break;
      ordering_.propose(now, executed, std::move(*batch), fx);
    }
  }
  catch_up_.watch(now, execution_.executed());
  renewal_.advance(fx);
}

void BftCore::execute(Instant now, Seq seq, std::shared_ptr<const Batch> batch, const Digest& digest,
                      const Slot* slot, Effects& fx) {
  ExecutedRecord record{seq, digest, {}};
  if (slot == nullptr || !slot->saved) record.batch = Vouched<Batch>{*batch};
  context_.save(std::move(record), fx);
  const replication::Executed done = execution_.execute(seq, *batch, digest, fx);
  catch_up_.history().push(seq, digest, std::move(batch));
  Duration took = slot != nullptr ? catch_up_.measure(now, *slot) : Duration{};
  if (done.some_left) requests_.clients_left();
  requests_.on_executed(now, done.clients, took, fx);
  catch_up_.on_progress(now, seq, slot == nullptr, took);
  if (checkpoints_.due(seq)) {
    renewal_.freeze();
    checkpoints_.take(seq, execution_.digest(), fx);
  }
  checkpoints_.on_executed(seq);
}

std::optional<Instant> BftCore::deadline() const {
  Instant at = std::min(catch_up_.deadline(), requests_.deadline());
  if (at == Instant::never()) return std::nullopt;
  return at;
}

Admission BftCore::admission() const {
  Admission admission;
  admission.min_view = admission.max_view = context_.view.value;
  // Votes for what is executed are of no use any more: they are not even checked.
  admission.min_seq = execution_.executed().value + 1;
  admission.max_seq = ordering_.log().top().value;
  return admission;
}

void BftCore::status(StatusList& out) const {
  auto number = [&](const char* name, std::uint64_t value) { out.emplace_back(name, std::to_string(value)); };
  number("view", context_.view.value);
  out.emplace_back("primary", context_.is_primary() ? "yes" : "no");
  out.emplace_back("participating", context_.participating ? "yes" : "no: the log is lost");
  number("executed", execution_.executed().value);
  number("clients", execution_.roster().members());
  number("proposed", ordering_.proposed().value);
  number("stable", checkpoints_.stable().value);
  number("log_bytes", renewal_.log_bytes());
  number("log_renewals", renewal_.count());
  number("log_base", ordering_.log().base().value);
  number("waiting", requests_.waiting());
  number("watched", requests_.watched().size());
  number("statuses_sent", catch_up_.statuses_sent());
  out.emplace_back("diverged", checkpoints_.diverged() ? "yes" : "no");
}

}  // namespace seneschal::bft
