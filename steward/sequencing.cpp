#include "steward/sequencing.hpp"

namespace seneschal::steward {

Sequencing::Sequencing(Context& context, ThresholdSigning& signing, const CollectiveState& states)
    : context_(context),
      signing_(signing),
      states_(states),
      pool_(replication::most_members(context.membership)),
      rule_(context.settings.batch_gap_max),
      in_flight_(2 * context.settings.batch_max_bytes) {}

std::optional<Reject> Sequencing::submit(Instant now, const Signed<Update>& update) {
  if (!context_.views.at_leader_site() || !context_.views.is_representative()) return Reject::NotRepresentative;
  ClientId client = update.signer().client();
  if (context_.execution.clients().executed(client, update.body.timestamp)) return Reject::AlreadyExecuted;
  if (assigned_.contains({client, update.body.timestamp})) return Reject::Duplicate;
  auto refused = pool_.add(update);
  if (!refused) rule_.update_arrived(now);
  return refused;
}

Instant Sequencing::deadline() const {
  return pool_.empty() || blocked_ ? Instant::never() : rule_.ready_at();
}

void Sequencing::propose(Instant now, Effects& fx) {
  const Views& views = context_.views;
  blocked_ = !views.at_leader_site() || !views.is_representative() || !views.constrained() || !views.participating();
  if (blocked_ || !replay(now, fx)) {
    blocked_ = true;
    return;
  }
  // Entries in flight between sites delay a cut only when they fill W or the links; one that this site has not signed
  // yet does always.
  while (!pool_.empty() && now >= rule_.ready_at()) {
    Seq seq = std::max(last_assigned_, context_.history.aru()).next();
    while (taken(seq)) ++seq;
    blocked_ = !context_.history.in_window(seq) || !in_flight_.has_room();
    if (blocked_) return;
    Batch batch = pool_.take(context_.settings.batch_max, context_.settings.batch_max_bytes);
    last_assigned_ = seq;
    rule_.cut(now, seq);
    send_pre_prepare(now, {views.global(), views.local(), seq, std::move(batch)}, fx);
  }
}

// What the views demand is a matter of the union, not of what this server happens to hold of lower views.
bool Sequencing::taken(Seq seq) const {
  if (context_.views.fixed(seq) != nullptr) return true;
  const Entry* entry = context_.history.find(seq);
  return entry != nullptr && (entry->order || (entry->proposal && entry->proposal->gv == context_.views.global()));
}

// [Steward 4] Before anything new: what a restarted representative had sent, then what the union and the constraint
// demand. False while something of that cannot be sent yet.
bool Sequencing::replay(Instant now, Effects& fx) {
  Seq aru = context_.history.aru();
  proposed_.erase(proposed_.begin(), proposed_.upper_bound(aru));
  for (auto& [seq, pre_prepare] : std::exchange(restored_, {}))
    if (context_.history.in_window(seq) && proposed_.insert(seq).second) send_pre_prepare(now, pre_prepare, fx);
  const Views& views = context_.views;
  for (auto it = views.fixed().upper_bound(aru); it != views.fixed().end(); ++it) {
    const auto& [seq, fixed] = *it;
    const Entry* entry = context_.history.find(seq);
    if (fixed.ordered || proposed_.contains(seq) || (entry != nullptr && entry->order)) continue;
    if (!context_.history.in_window(seq)) return false;
    HeldBatch batch = states_.batch(seq, fixed.digest);
    if (!batch) return false;  // it is being fetched
    proposed_.insert(seq);
    rule_.cut(now, seq);
    send_pre_prepare(now, {views.global(), views.local(), seq, *batch.batch}, fx);
  }
  return true;
}

void Sequencing::view_changed() {
  pool_ = replication::PendingUpdates(replication::most_members(context_.membership));
  rule_.view_changed();
  in_flight_.view_changed();
  assigned_.clear();
  restored_.clear();
  proposed_.clear();
  underway_.clear();
  last_assigned_ = {};
}

// [Steward 3.4] persisted before it is sent; it counts here, too, only when it comes back signed.
void Sequencing::send_pre_prepare(Instant now, PrePrepare m, Effects& fx) {
  in_flight_.cut(now, m.seq, encoded_size(m.batch));
  // Before it comes back signed, too: what a restarted representative repeats must not be put into another one.
  for (const auto& update : m.batch.updates) {
    ClientId client = update.signer().client();
    assigned_.emplace(std::pair{client, update.body.timestamp}, m.seq);
    pool_.discharge(client, update.body.timestamp);  // a replayed batch may hold what was watched meanwhile
  }
  underway_[m.seq] = m;
  Ticket saved = context_.save(ProposedRecord{{m}}, fx);
  fx.event({.kind = EventKind::Prepared,
            .seq = m.seq,
            .view = m.gv.value,
            .sub_view = m.lv.value,
            .digest = digest_of(m.batch),
            .state = {},
            .who = Principal::of(context_.self),
            .timestamp = {}});
  fx.send(Destination::to(context_.self.site), m, {.after = saved, .loopback = true});
}

std::optional<Reject> Sequencing::on_pre_prepare(Instant now, const Verified<PrePrepare>& message, Effects& fx) {
  const PrePrepare& m = message.body();
  const Views& views = context_.views;
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  if (!views.at_leader_site()) return Reject::NotLeaderSite;
  if (!views.current(m.gv, m.lv)) return Reject::WrongView;
  if (message.signer().server() != views.representative()) return Reject::NotRepresentative;
  if (m.seq <= std::max(context_.history.aru(), context_.history.stable())) {
    Entry* entry = context_.history.at(m.seq);
    // [Steward 7] nothing at or below a stable Checkpoint is prepared: the answer is that Checkpoint
    if (m.seq <= context_.history.stable() && (entry == nullptr || !entry->order)) {
      context_.show_stable(now, {Destination::to(message.signer().server())}, message.signer(), fx);
      return Reject::Superseded;
    }
    return entry == nullptr
               ? Reject::Superseded
               : answer_with_entry(now, message.signer().server(), *entry, fx).value_or(Reject::Superseded);
  }
  if (!context_.history.in_reach(m.seq)) {
    // Others may know a newer stable Checkpoint: look around for it. [Steward 7]
    context_.hear(std::min(m.seq, context_.history.aru() + 2 * context_.settings.window));
    return Reject::OutsideWindow;
  }
  context_.hear(m.seq);
  Entry& entry = *context_.history.at(m.seq);
  if (entry.pre_prepare && views.current(entry.pre_prepare->gv, entry.pre_prepare->lv)) {
    if (entry.pre_prepare_digest == digest_of(m.batch)) return duplicate(now, m, entry, fx);
    fx.accuse(message.signer(), "two PrePrepares for one (gv, lv, seq)", {entry.pre_prepare.sealed, message.bytes()});
    return Reject::Equivocation;
  }
  Digest digest = digest_of(m.batch);
  if (auto refused = check(m, entry, digest)) return refused;
  entry.pre_prepare = Held<PrePrepare>::of(message);
  entry.pre_prepare_digest = digest;
  entry.shown_at = now;
  entry.adopted = false;
  // Ahead of our window, not of the representative's: it is kept until our ARU follows. The same if more is under way
  // than links carry.
  if (!may_adopt(m.seq)) return Reject::OutsideWindow;
  adopt(now, entry, fx);
  return std::nullopt;
}

// Everything that [Steward 3.4] demands except the window.
std::optional<Reject> Sequencing::check(const PrePrepare& m, const Entry& entry, const Digest& digest) const {
  const Views& views = context_.views;
  if (!views.constrained()) return Reject::NotConstrained;
  if (entry.order && entry.order->proposal->digest != digest) return Reject::Conflict;
  if (entry.proposal && entry.proposal->gv == m.gv && entry.proposal->digest != digest) return Reject::Conflict;
  for (const auto& update : m.batch.updates)
    if (update.header.auth != AuthKind::Signature) return Reject::Malformed;  // a MAC convinces no other server
  if (const FixedEntry* fixed = views.fixed(m.seq))
    return fixed->digest == digest ? std::nullopt : std::optional(Reject::Constrained);
  if (m.batch.updates.empty()) return Reject::EmptyBatch;
  if (m.batch.updates.size() > context_.settings.batch_max) return Reject::TooLong;
  if (m.batch.updates.size() > 1 && replication::encoded_size(m.batch) > context_.settings.batch_max_bytes)
    return Reject::TooLong;
  return check_updates(m);
}

std::optional<Reject> Sequencing::check_updates(const PrePrepare& m) const {
  if (!context_.execution.may_order(m.batch, m.seq)) return Reject::UnknownClient;  // [Membership 4]
  std::set<std::pair<ClientId, Timestamp>> seen;
  for (const auto& update : m.batch.updates) {
    std::pair key{update.signer().client(), update.body.timestamp};
    if (key.second.value == 0) return Reject::StaleTimestamp;  // a question, not an update
    if (!seen.insert(key).second) return Reject::RepeatedUpdate;
    if (auto it = assigned_.find(key); it != assigned_.end() && it->second != m.seq) return Reject::RepeatedUpdate;
    // A correct representative has executed everything up to seq - W, and never offers what was executed there. What
    // was executed since then it may not know: execution will skip it.
    const auto* last = context_.execution.clients().find(key.first);
    if (last != nullptr && last->timestamp >= key.second && last->seq.value + context_.settings.window <= m.seq.value)
      return Reject::AlreadyExecuted;
  }
  return std::nullopt;
}

// [Steward 3, Batching] Its neighbours keep a representative from filling the queues of links. What a view change
// demands is never too much.
bool Sequencing::may_adopt(Seq seq) const {
  if (!context_.history.in_window(seq)) return false;
  return context_.views.is_representative() || context_.views.fixed(seq) != nullptr || in_flight_.has_room_for(seq);
}

bool Sequencing::holds_back() const {
  return std::ranges::any_of(context_.history.open(), [&](const auto& open) {
    const Entry& entry = open.second;
    // One beyond the window waits for our ARU: a representative that sends it and nothing else is idle all the same.
    return entry.pre_prepare && !entry.adopted && context_.history.in_window(open.first) && !may_adopt(open.first) &&
           context_.views.current(entry.pre_prepare->gv, entry.pre_prepare->lv);
  });
}

void Sequencing::adopt(Instant now, Entry& entry, Effects& fx) {
  const PrePrepare& m = *entry.pre_prepare;
  in_flight_.cut(now, m.seq, encoded_size(m.batch));
  if (context_.views.fixed(m.seq) == nullptr && has_room(m.batch, context_.settings))
    last_with_room_ = std::max(last_with_room_, entry.shown_at);  // it was cut before that, whenever it is voted for
  entry.adopted = true;
  last_adopted_ = now;
  if (entry.pre_prepare.signer == Principal::of(context_.self)) underway_.erase(m.seq);
  for (const auto& update : m.batch.updates)
    assigned_.emplace(std::pair{update.signer().client(), update.body.timestamp}, m.seq);
  entry.local_retry.start(now, context_.settings.retransmit_local);
  if (!entry.batch) entry.batch = {{entry.pre_prepare.body, &m.batch}, entry.pre_prepare_digest};
  if (entry.pre_prepare.signer != Principal::of(context_.self) && context_.views.participating()) {
    Ticket saved = context_.save(PreparedRecord{{entry.pre_prepare.embed()}}, fx);
    fx.event({.kind = EventKind::Prepared,
              .seq = m.seq,
              .view = m.gv.value,
              .sub_view = m.lv.value,
              .digest = entry.pre_prepare_digest,
              .state = {},
              .who = Principal::of(context_.self),
              .timestamp = {}});
    fx.send(Destination::to(context_.self.site), Prepare{m.gv, m.lv, m.seq, entry.pre_prepare_digest},
            {.after = saved, .loopback = true});
  }
  complete_certificate(now, m.seq, entry, fx);
}

std::optional<Reject> Sequencing::answer_with_entry(Instant now, ServerId to, Entry& entry, Effects& fx) {
  if (!entry.order || !entry.batch || to == context_.self) return std::nullopt;
  if (!context_.budgets.may_answer_repeated(now, to.index, ordered_entry_size(entry))) return Reject::Overloaded;
  fx.send(Destination::to(to), ordered_entry(entry), {.auth = AuthKind::Bare});
  return std::nullopt;
}

// The representative sends it again because it misses Prepares or shares: ours may have been lost. [Steward 7]
std::optional<Reject> Sequencing::duplicate(Instant now, const PrePrepare& m, Entry& entry, Effects& fx) {
  if (!entry.adopted || entry.pre_prepare.signer == Principal::of(context_.self)) return Reject::Duplicate;
  ServerId representative = context_.views.representative();
  SharedBytes answer;
  if (entry.proposal && entry.proposal->gv == m.gv)
    answer = entry.proposal.sealed;
  else if (auto own = entry.prepares.find(context_.self.index); own != entry.prepares.end())
    answer = own->second.sealed;
  if (answer != nullptr && context_.budgets.may_answer_repeated(now, representative.index, answer->size()))
    fx.forward(Destination::to(representative), answer);
  return Reject::Duplicate;
}

std::optional<Reject> Sequencing::on_prepare(Instant now, const Verified<Prepare>& message, Effects& fx) {
  const Prepare& m = message.body();
  const Views& views = context_.views;
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  if (!views.at_leader_site()) return Reject::NotLeaderSite;
  if (!views.current(m.gv, m.lv)) return Reject::WrongView;
  ServerId sender = message.signer().server();
  if (sender == views.representative()) return Reject::WrongSenderKind;  // its PrePrepare is its vote
  Entry* entry = context_.history.at(m.seq);
  if (entry == nullptr) return m.seq <= context_.history.aru() ? Reject::Superseded : Reject::OutsideWindow;
  if (m.seq <= context_.history.aru()) return Reject::Superseded;
  auto it = entry->prepares.find(sender.index);
  if (it != entry->prepares.end() && views.current(it->second->gv, it->second->lv)) {
    if (it->second->digest != m.digest) {
      fx.accuse(message.signer(), "two Prepares for one (gv, lv, seq)", {it->second.sealed, message.bytes()});
      return Reject::Equivocation;
    }
    // It goes on preparing because it has not seen the site's signature. [Steward 7]
    if (entry->proposal && entry->proposal->gv == m.gv && sender != context_.self &&
        context_.budgets.may_answer_repeated(now, sender.index, entry->proposal.sealed->size()))
      fx.forward(Destination::to(sender), entry->proposal.sealed);
    return Reject::Duplicate;
  }
  if (sender == context_.self) entry->pre_prepared_at = now;
  entry->prepares[sender.index] = Held<Prepare>::of(message);  // also before the PrePrepare: no order is promised
  complete_certificate(now, m.seq, *entry, fx);
  return std::nullopt;
}

void Sequencing::complete_certificate(Instant now, Seq seq, Entry& entry, Effects& fx) {
  const Views& views = context_.views;
  if (!entry.pre_prepare || !entry.adopted || !views.current(entry.pre_prepare->gv, entry.pre_prepare->lv)) return;
  if (entry.certificate && views.current(entry.certificate->gv, entry.certificate->lv)) return;
  std::map<ServerIndex, Held<Prepare>> matching;
  for (const auto& [server, prepare] : entry.prepares)
    if (views.current(prepare->gv, prepare->lv) && prepare->digest == entry.pre_prepare_digest &&
        matching.size() < 2u * context_.own().faults)
      matching.emplace(server, prepare);
  if (matching.size() < 2u * context_.own().faults) return;

  CertificateRecord record{views.global(), views.local(), seq, entry.pre_prepare_digest, {}};
  for (const auto& [server, prepare] : matching) record.prepares.items.push_back(prepare.embed());
  HeldBatch batch{{entry.pre_prepare.body, &entry.pre_prepare->batch}, entry.pre_prepare_digest};
  entry.certificate = PrepareCertificate{views.global(), views.local(), std::move(batch), std::move(matching)};
  Ticket saved = context_.save(std::move(record), fx);
  // [Steward 3.5] shared only while (gv, lv) is current; in the state before the share job starts
  if (!views.participating() || (entry.proposal && entry.proposal->gv == views.global())) return;
  Proposal proposal{views.global(), views.local(), seq, entry.pre_prepare_digest};
  signing_.agree(now, {Proposal::kType, proposal.gv, proposal.lv, seq},
                 share(site_message(context_.membership, context_.self.site, proposal)), saved, fx);
}

void Sequencing::executed(Instant now, const std::vector<ClientId>& clients, Effects& fx) {
  Seq aru = context_.history.aru();
  rule_.signed_by_site(now, aru);
  in_flight_.executed(now, aru);
  underway_.erase(underway_.begin(), underway_.upper_bound(aru));
  for (ClientId client : clients)
    if (const auto* last = context_.execution.clients().find(client)) pool_.discharge(client, last->timestamp);
  if (assigned_.size() > 0)
    std::erase_if(assigned_, [&](const auto& a) { return a.second.value + context_.settings.window <= aru.value; });
  adopt_early(now, fx);
}

void Sequencing::clients_left() {
  pool_.forget_if([&](ClientId client) { return context_.execution.roster().member(client) == nullptr; });
}

void Sequencing::adopt_early(Instant now, Effects& fx) {
  for (auto& [seq, entry] : context_.history.open()) {
    if (!entry.pre_prepare || entry.adopted || entry.order || !may_adopt(seq)) continue;
    if (!context_.views.current(entry.pre_prepare->gv, entry.pre_prepare->lv)) continue;
    if (auto refused = check(*entry.pre_prepare, entry, entry.pre_prepare_digest))
      fx.reject(*refused);
    else
      adopt(now, entry, fx);
  }
}

void Sequencing::on_tick(Instant now, Effects& fx) {
  if (!context_.views.at_leader_site() || !context_.views.participating()) return;
  Duration first = std::max(context_.settings.retransmit_local, 4 * rule_.signing_time());
  for (auto& [seq, entry] : context_.history.open()) {
    if (!entry.adopted || entry.order || !context_.views.current(entry.pre_prepare->gv, entry.pre_prepare->lv))
      continue;
    if (entry.proposal && entry.proposal->gv == context_.views.global()) continue;  // the site has signed
    if (!entry.local_retry.fire(now, first, context_.settings.retransmit_max)) continue;
    if (context_.views.is_representative()) {
      fx.forward(Destination::to(context_.self.site), entry.pre_prepare.sealed);
    } else if (auto own = entry.prepares.find(context_.self.index); own != entry.prepares.end()) {
      // First the representative alone: it answers with the signed Proposal if there is one.
      bool alone = entry.local_retry.count == 1;
      fx.forward(alone ? Destination::to(context_.views.representative()) : Destination::to(context_.self.site),
                 own->second.sealed);
    }
  }
}

void Sequencing::restore_proposed(const PrePrepare& pre_prepare) {
  last_assigned_ = std::max(last_assigned_, pre_prepare.seq);
  restored_[pre_prepare.seq] = pre_prepare;
}

void Sequencing::restore_prepared(const Signed<PrePrepare>& pre_prepare) {
  Entry* entry = context_.history.at(pre_prepare.body.seq);
  if (entry == nullptr || pre_prepare.body.seq <= context_.history.aru()) return;
  entry->pre_prepare = Held<PrePrepare>::of(pre_prepare);
  entry->pre_prepare_digest = digest_of(pre_prepare.body.batch);
}

void Sequencing::restore_batch(const BatchRecord& record) {
  if (record.seq <= context_.history.aru() || context_.history.at(record.seq) == nullptr) return;
  restored_batches_[record.seq] = {std::make_shared<const Batch>(record.batch.value), digest_of(record.batch.value)};
}

// The highest (gv, lv) stays, whatever the order of the records.
void Sequencing::restore_certificate(const CertificateRecord& record) {
  Entry* entry = record.seq > context_.history.aru() ? context_.history.at(record.seq) : nullptr;
  if (entry == nullptr) return;
  HeldBatch batch = entry->batch_of(record.digest);
  if (auto own = restored_.find(record.seq);
      !batch && own != restored_.end() && digest_of(own->second.batch) == record.digest)
    batch = {std::make_shared<const Batch>(own->second.batch), record.digest};
  if (auto kept = restored_batches_.find(record.seq);
      !batch && kept != restored_batches_.end() && kept->second.digest == record.digest)
    batch = kept->second;
  if (!batch) return;
  if (entry->certificate &&
      std::pair(entry->certificate->gv, entry->certificate->lv) >= std::pair(record.gv, record.lv))
    return;
  PrepareCertificate certificate{record.gv, record.lv, std::move(batch), {}};
  for (const auto& prepare : record.prepares)
    certificate.prepares.emplace(prepare.signer().server().index, Held<Prepare>::of(prepare));
  entry->certificate = std::move(certificate);
}

void Sequencing::resume(Instant now, Effects& fx) {
  restored_batches_.clear();
  std::erase_if(restored_, [&](const auto& r) { return !context_.views.current(r.second.gv, r.second.lv); });
  // What was sent in views that were left leaves no gap in this one.
  last_assigned_ = restored_.empty() ? Seq{} : restored_.rbegin()->first;
  for (auto& [seq, entry] : context_.history.open())
    if (entry.pre_prepare && !entry.adopted && context_.history.in_window(seq) &&
        context_.views.current(entry.pre_prepare->gv, entry.pre_prepare->lv))
      adopt(now, entry, fx);
}

}  // namespace seneschal::steward
