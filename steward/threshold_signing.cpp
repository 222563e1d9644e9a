#include "steward/threshold_signing.hpp"

namespace seneschal::steward {
namespace {
/// A share this much later than twice the median of its round counts as missed.
constexpr Duration kSlowShareSlack = 25ms;
constexpr Duration kResendSpacing = 50ms;
/// A server that is not among the signers still makes a share this often, to know how long one takes. [Steward 6]
constexpr Duration kMeasureShares = 5s;
/// Early instances about views per sender: the oldest makes room, since nothing else ever ends them.
constexpr std::size_t kEarlyViewMessages = 8;
}  // namespace

ThresholdSigning::ThresholdSigning(Context& context) : context_(context), choice_(context.own(), context.self.index) {
  choice_.reset(context_.views.representative().index);
  announced_ = choice_.chosen();
}

ThresholdSigning::Instance* ThresholdSigning::instance_for(Instant now, ServerIndex sender, const Name& name) {
  auto it = instances_.find(name);
  if (name.seq == Seq{}) {
    if (it != instances_.end() && (it->second.message || it->second.speakers.contains(sender))) return &it->second;
    forget_oldest_word(sender);
    Instance& instance = instances_[name];
    instance.speakers[sender] = now;
    return &instance;
  }
  if (it != instances_.end()) return &it->second;
  // Shares may overtake what they are about: keep them, but only as many per sender as an honest one could have. The
  // sender's own quota fills up, nobody else's. [Steward 3.6]
  if (!of_use(name.seq) || early_[sender] >= 4 * context_.settings.window) return nullptr;
  ++early_[sender];
  Instance& instance = instances_[name];
  instance.seq = name.seq;
  instance.begun_by = sender;
  return &instance;
}

// Nothing else ever ends an early instance about a view. What other servers said stays, whoever spoke of it first.
void ThresholdSigning::forget_oldest_word(ServerIndex sender) {
  const auto speaks = [&](const auto& i) { return i.second.speakers.contains(sender); };
  if (static_cast<std::size_t>(std::ranges::count_if(instances_, speaks)) < kEarlyViewMessages) return;
  auto oldest = instances_.end();
  for (auto it = instances_.begin(); it != instances_.end(); ++it)
    if (speaks(*it) &&
        (oldest == instances_.end() || it->second.speakers.at(sender) < oldest->second.speakers.at(sender)))
      oldest = it;
  Instance& instance = oldest->second;
  instance.speakers.erase(sender);
  instance.shares.erase(sender);
  instance.to.erase(sender);
  instance.proof_to.erase(sender);
  if (instance.speakers.empty()) drop(oldest);
}

// Shares of an entry's messages until it is executed; those of a Checkpoint until a newer one is stable.
bool ThresholdSigning::of_use(Seq seq) const {
  return context_.history.in_reach(seq) || (context_.due(seq) && context_.history.may_vote(seq));
}

void ThresholdSigning::release_quota(Instance& instance) {
  instance.speakers.clear();
  if (instance.begun_by) --early_[*instance.begun_by];
  instance.begun_by.reset();
}

void ThresholdSigning::agree(Instant now, const Purpose& what, SharedBytes message, Ticket after, Effects& fx) {
  const Name name{content_of(*message), what.seq};
  Instance& instance = instances_[name];
  if (instance.message || instance.sealed) return;
  release_quota(instance);
  instance.message = std::move(message);
  instance.what = what;
  instance.seq = what.seq;
  instance.since = now;
  bool about_view = what.seq == Seq{};  // [Steward 7] view change messages use fan-out `all`
  instance.to_all = !collecting() || about_view;
  instance.fallback.start(now, fallback_timeout());
  if (about_view) {
    // nobody collects
  } else if (collector()) {
    unseat_untrusted(fx);
    instance.ask.start(now, share_timeout());
    instance.asked = choice_.chosen();
    for (ServerIndex server : instance.asked) {
      if (instance.shares.contains(server)) choice_.answers_unasked(server);
      if (choice_.needs_asking(server) || !trust_.trusts(server)) request(name, instance, server, fx);
    }
  } else if (collecting() && announced_.contains(self())) {
    instance.to.insert(context_.views.representative().index);
  }
  instance.measuring = now - shared_at_ >= kMeasureShares;
  if (after.value == 0) {
    instance.durable = true;
    start_sharing(now, name, instance, fx);
  } else {
    pending_[after] = {Work::Durable, name, {}, {}, {}};
  }
  try_combine(name, instance, fx);
}

// The share job starts only when what binds this server to the message is durable, and somebody wants the share.
void ThresholdSigning::start_sharing(Instant now, Name name, Instance& instance, Effects& fx) {
  if (!instance.message || !instance.durable || instance.sealed) return;
  if (!current(instance.what)) return;
  bool own_use = (collector() && instance.asked.contains(self())) || instance.to_all || instance.measuring;
  if (!own_use && instance.to.empty() && instance.proof_to.empty()) return;
  if (!instance.own_share.empty()) return distribute(name, instance, fx);
  if (instance.sharing) return;
  instance.sharing = true;
  shared_at_ = now;
  fx.event({.kind = EventKind::Shared,
            .seq = instance.what.seq,
            .view = instance.what.gv.value,
            .sub_view = instance.what.lv.value,
            .digest = name.content,
            .state = {},
            .who = Principal::of(context_.self.site),
            .timestamp = {}});
  Ticket job = fx.run(ShareJob{instance.message});
  pending_[job] = {Work::Share, name, {}, {}, {}};
  share_jobs_[job] = now;
}

// [Steward 3.5] [Steward 5] nothing of a view that was left is shared any more
bool ThresholdSigning::current(const Purpose& what) const {
  const Views& views = context_.views;
  switch (what.type) {
    // [Steward 7] what a stable Checkpoint covers is settled, this site's Checkpoint included
    case Proposal::kType: return views.current(what.gv, what.lv) && what.seq > context_.history.stable();
    case Accept::kType: return what.gv == views.global() && what.seq > context_.history.stable();
    case Checkpoint::kType: return what.seq > context_.history.stable();
    case LocalViewNotice::kType: return what.lv == views.local();
    case GlobalViewChange::kType: return what.gv >= views.global();  // also for a view that is proved anew
    default: return what.gv == views.global();
  }
}

// Its unfinished jobs are forgotten with it: shares that come later begin another instance of the same content, which
// has agreed to nothing.
ThresholdSigning::Instances::iterator ThresholdSigning::drop(Instances::iterator instance) {
  std::erase_if(pending_, [&](const auto& p) {
    return p.second.work != Work::CheckEvidence && p.second.name == instance->first;
  });
  return instances_.erase(instance);
}

void ThresholdSigning::withdraw(std::uint8_t type) {
  for (auto it = instances_.begin(); it != instances_.end();) {
    const Instance& instance = it->second;
    it = instance.message && instance.what.type == type && !instance.sealed ? drop(it) : std::next(it);
  }
}

void ThresholdSigning::view_changed(Instant now, Effects& fx) {
  // A change to the view that has been reached is needed no more; `GlobalViewChanges` asks again if it is.
  auto settled = [&](const Purpose& what) {
    return !current(what) || (what.type == GlobalViewChange::kType && what.gv == context_.views.global());
  };
  for (auto it = instances_.begin(); it != instances_.end();)
    it = it->second.message && settled(it->second.what) ? drop(it) : std::next(it);
  choice_.reset(context_.views.representative().index);
  announced_ = SignerChoice::initial(context_.own(), context_.views.representative().index);
  announced_epoch_ = logged_epoch_ = 0;
  if (collector() && choice_.epoch() > 0) announce(fx);
  for (auto& [name, instance] : instances_) {
    if (!instance.message || instance.sealed || instance.seq == Seq{}) continue;
    instance.asked.clear();
    instance.invited.clear();
    if (collector()) {
      instance.asked = choice_.chosen();
      instance.ask.start(now, share_timeout());
    } else {
      instance.ask.stop();
      if (collecting() && announced_.contains(self())) instance.to.insert(context_.views.representative().index);
    }
    start_sharing(now, name, instance, fx);
  }
}

void ThresholdSigning::distribute(const Name& name, Instance& instance, Effects& fx) {
  if (instance.to_all) {
    send_share(name, instance, {Destination::to(context_.self.site)}, false, fx);
    instance.to_all = false;  // again when the fallback timer says so
  } else if (!instance.to.empty()) {
    std::vector<Destination> to;
    for (ServerIndex i : instance.to) to.push_back(Destination::to(context_.local(i)));
    send_share(name, instance, to, false, fx);
    instance.measuring = false;
  }
  instance.to.clear();
  give_proof(name, instance, fx);
}

void ThresholdSigning::send_share(const Name& name, Instance& instance, const std::vector<Destination>& to,
                                  bool proof, Effects& fx) {
  fx.send(to,
          SigShare{instance.what.seq, name.content, {instance.own_share}, {proof ? instance.own_proof : Bytes{}}});
}

// One proof per instance, however many ask: proofs are the most expensive thing a peer can make this server do.
void ThresholdSigning::give_proof(const Name& name, Instance& instance, Effects& fx) {
  if (instance.proof_to.empty()) return;
  if (instance.own_proof.empty()) {
    if (instance.proving) return;
    instance.proving = true;
    pending_[fx.run(ProveJob{instance.message})] = {Work::Prove, name, {}, {}, {}};
    return;
  }
  std::vector<Destination> to;
  for (ServerIndex i : instance.proof_to) to.push_back(Destination::to(context_.local(i)));
  instance.proof_to.clear();
  send_share(name, instance, to, true, fx);
}

std::optional<Reject> ThresholdSigning::on_share(Instant now, const Verified<SigShare>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const SigShare& m = message.body();
  ServerIndex sender = message.signer().server().index;
  if (blamed_.contains(sender)) return Reject::BadShare;
  if (m.share.value.empty()) return Reject::Malformed;
  const Name name{m.content, m.seq};
  Instance* instance = instance_for(now, sender, name);
  if (instance == nullptr) return m.seq <= context_.history.aru() ? Reject::Superseded : Reject::Overloaded;
  if (instance->sealed) {
    auto suspect = instance->suspects.find(sender);
    if (suspect != instance->suspects.end() && !m.proof.value.empty() && instance->to_prove.erase(sender) != 0) {
      check_proof(name, *instance, sender, message, fx);  // it was only late
      return std::nullopt;
    }
    // It missed the result. [Steward 7]
    auto [last, first] = instance->resent.try_emplace(sender, now);
    if (instance->rounds == 0 && first && now - instance->since < share_timeout()) return std::nullopt;  // just late
    if (!first && now - last->second < kResendSpacing) return Reject::Superseded;
    last->second = now;
    fx.forward(Destination::to(context_.local(sender)), instance->sealed);
    return std::nullopt;
  }
  auto it = instance->shares.find(sender);
  if (it != instance->shares.end()) {
    bool wanted = (instance->failed || instance->to_prove.contains(sender)) && instance->message &&
                  !m.proof.value.empty() && it->second.standing != Standing::Proven &&
                  it->second.standing != Standing::Checking;
    if (!wanted) return Reject::Duplicate;
    check_proof(name, *instance, sender, message, fx);
    return std::nullopt;
  }
  HeldShare& held = instance->shares[sender];
  held = {m.share.value, message, Standing::Unproven, now};
  // A server that is not chosen sends no share unasked: that is no sign of a fault.
  if (collector() && instance->asked.contains(sender) && instance->asked_each &&
      now - *instance->asked_each <= 2 * usual_ + kSlowShareSlack)
    choice_.answers_questions(sender);
  if ((instance->failed || instance->to_prove.contains(sender)) && !m.proof.value.empty())
    check_proof(name, *instance, sender, message, fx);
  if (instance->failed && m.proof.value.empty()) request(name, *instance, sender, fx);
  try_combine(name, *instance, fx);
  return std::nullopt;
}

std::optional<Reject> ThresholdSigning::on_request(Instant now, const Verified<ShareRequest>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const ShareRequest& m = message.body();
  ServerIndex sender = message.signer().server().index;
  if (blamed_.contains(sender)) return Reject::BadShare;
  const Name name{m.content, m.seq};
  Instance* instance = instance_for(now, sender, name);
  if (instance == nullptr) return m.seq <= context_.history.aru() ? Reject::Superseded : Reject::Overloaded;
  if (instance->sealed) {
    auto [last, first] = instance->resent.try_emplace(sender, now);
    if (!first && now - last->second < kResendSpacing) return Reject::Duplicate;
    last->second = now;
    fx.forward(Destination::to(context_.local(sender)), instance->sealed);
    return std::nullopt;
  }
  // Every answer costs a signature of ours, a request next to nothing.
  auto [heeded, first] = instance->heeded.try_emplace({sender, m.prove}, now);
  if (!first && now - heeded->second < kResendSpacing) return Reject::Duplicate;
  heeded->second = now;
  (m.prove ? instance->proof_to : instance->to).insert(sender);
  if (instance->message) start_sharing(now, name, *instance, fx);
  return std::nullopt;
}

std::optional<Reject> ThresholdSigning::on_signer_set(Instant now, const Verified<SignerSet>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  const SignerSet& m = message.body();
  if (m.lv != context_.views.local()) return Reject::WrongView;
  if (message.signer().server() != context_.views.representative()) return Reject::NotRepresentative;
  if (m.epoch <= announced_epoch_) return Reject::Superseded;
  if (m.signers.size() != context_.own().quorum()) return Reject::Malformed;
  for (ServerIndex i : m.signers)
    if (i.value >= context_.own().servers) return Reject::Malformed;
  announced_epoch_ = m.epoch;
  announced_ = {m.signers.begin(), m.signers.end()};
  if (!announced_.contains(self())) return std::nullopt;
  for (auto& [name, instance] : instances_) {
    bool sent = (!instance.own_share.empty() || instance.sharing) && !instance.measuring;
    if (!instance.message || instance.sealed || sent) continue;
    if (instance.seq == Seq{}) continue;
    instance.to.insert(context_.views.representative().index);
    start_sharing(now, name, instance, fx);
  }
  return std::nullopt;
}

void ThresholdSigning::try_combine(const Name& name, Instance& instance, Effects& fx) {
  if (!instance.message || instance.sealed || instance.combining) return;
  std::vector<OwnedShare> shares;
  for (const bool chosen : {true, false})  // [Steward 3.6] the chosen signers first
    for (const auto& [server, held] : instance.shares)
      if (announced_.contains(server) == chosen && shares.size() < context_.own().quorum() &&
          counts(instance, server, held))
        shares.push_back({server, held.share, {}});
  if (shares.size() < context_.own().quorum()) return;
  std::ranges::sort(shares, {}, &OwnedShare::owner);
  instance.combining = true;
  instance.combined_of.clear();
  for (const OwnedShare& share : shares) instance.combined_of.push_back(share.owner);
  pending_[fx.run(CombineJob{context_.self.site, instance.message, std::move(shares)})] = {
      Work::Combine, name, {}, {}, {}};
}

// [Steward 3.6] A share that nobody asked for counts only with its proof. Else servers that are not among the signers
// could send noise before the signers can send anything, and no combination would succeed.
bool ThresholdSigning::counts(const Instance& instance, ServerIndex server, const HeldShare& held) const {
  if (blamed_.contains(server)) return false;
  if (held.standing != Standing::Unproven) return held.standing == Standing::Proven;
  if (instance.failed || !trust_.trusts(server)) return false;
  const bool asks = collector() && instance.seq != Seq{};
  return !asks || instance.asked.contains(server) || instance.invited.contains(server);
}

// Their shares would take a proof each.
void ThresholdSigning::unseat_untrusted(Effects& fx) {
  bool changed = false;
  for (std::uint16_t i = 0; i < context_.own().servers; ++i)
    if (!trust_.trusts(ServerIndex(i))) changed = choice_.distrust(ServerIndex(i)) || changed;
  if (changed) announce(fx);
}

bool ThresholdSigning::on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) {
  if (auto job = share_jobs_.find(ticket); job != share_jobs_.end()) {
    share_time_ = std::max(now - job->second, share_time_ - share_time_ / 8);
    share_jobs_.erase(job);
  }
  auto it = pending_.find(ticket);
  if (it == pending_.end()) return false;
  Pending pending = std::move(it->second);
  pending_.erase(it);
  if (pending.work == Work::CheckEvidence) {
    if (auto* checked = std::get_if<CheckSharesResult>(&result)) evidence_checked(pending, checked->good.at(0), fx);
    return true;
  }
  auto found = instances_.find(pending.name);
  if (found == instances_.end()) return true;  // ordered in the meantime
  Instance& instance = found->second;
  if (pending.work == Work::Check) {
    if (auto* checked = std::get_if<CheckSharesResult>(&result)) share_checked(now, pending, checked->good.at(0), fx);
    return true;
  }
  if (instance.sealed) return true;
  if (pending.work == Work::Durable) {
    instance.durable = true;
    start_sharing(now, pending.name, instance, fx);
  } else if (auto* made = std::get_if<ShareResult>(&result)) {
    instance.own_share = made->share;
    if (!made->proof.empty()) instance.own_proof = made->proof;
    // Our own share needs no proof: this server made it.
    instance.shares.try_emplace(self(), HeldShare{made->share, std::nullopt, Standing::Proven, now});
    distribute(pending.name, instance, fx);
    try_combine(pending.name, instance, fx);
  } else if (auto* combination = std::get_if<CombineResult>(&result)) {
    instance.combining = false;
    if (!combination->signature) {
      combination_failed(now, pending.name, instance, fx);
    } else {
      if (collector() && !instance.asked.empty()) judge_response_times(instance, fx);
      Bytes sealed = *instance.message;
      append(sealed, *combination->signature);
      // It comes back through `on_message`, and counts then. [Steward 3.7]
      fx.forward(std::vector<Destination>{}, share(std::move(sealed)), {}, true);
    }
  }
  return true;
}

void ThresholdSigning::combined(Instant now, const Digest& content, const SharedBytes& sealed) {
  for (auto it = instances_.lower_bound({content, Seq{}}); it != instances_.end() && it->first.content == content;
       ++it)
    if (!it->second.sealed) end(now, it->second, sealed);
}

void ThresholdSigning::end(Instant now, Instance& instance, const SharedBytes& sealed) {
  instance.sealed = sealed;
  put_on_probation(instance);
  if (instance.message && instance.rounds == 0 && !collector()) note_duration(now - instance.since);
  if (!instance.message) instance.since = now;
  instance.shares.clear();
  instance.to.clear();
  instance.proof_to.clear();
  instance.ask.stop();
  instance.fallback.stop();
}

void ThresholdSigning::forget(Seq aru) {
  for (auto it = instances_.begin(); it != instances_.end();) {
    const Instance& instance = it->second;
    // A signed one stays for servers that still ask; one that others made stable first needs no signature of ours.
    const bool counts =
        instance.seq > context_.history.stable() || (instance.seq == context_.history.stable() && instance.sealed);
    bool checkpoint =
        context_.due(instance.seq) && counts && (instance.what.type == Checkpoint::kType || !instance.message);
    if (instance.seq > aru || instance.seq == Seq{} || checkpoint) {
      ++it;
      continue;
    }
    release_quota(it->second);
    it = drop(it);
  }
}

bool ThresholdSigning::busy() const {
  for (const auto& [name, instance] : instances_)
    if (!instance.sealed && instance.message && current(instance.what)) return true;
  return false;
}

// The median answer time of the round: f of the q asked cannot move it beyond a correct server's.
void ThresholdSigning::judge_response_times(Instance& instance, Effects& fx) {
  std::vector<Duration> times;
  for (const auto& [server, held] : instance.shares)
    if (server != self()) times.push_back(held.at - instance.since);
  if (times.empty()) return;
  std::ranges::sort(times);
  Duration median = std::max(times[(times.size() - 1) / 2], Duration{0});
  if (instance.rounds == 0) note_duration(median);
  bool changed = false;
  for (const auto& [server, held] : instance.shares) {
    if (!instance.asked.contains(server) || server == self()) continue;
    Duration took = held.at - instance.since;
    bool unproven = instance.failed && (held.standing == Standing::Unproven || held.standing == Standing::SetAside);
    if (unproven || took > 2 * median + std::max(kSlowShareSlack, usual_))
      changed = choice_.missed(server) || changed;
    else
      choice_.answered(server, std::max(took, Duration{0}));
  }
  if (changed) announce(fx);
}

void ThresholdSigning::note_duration(Duration took) {
  usual_ += (took - usual_) / 8;
}

void ThresholdSigning::announce(Effects& fx) {
  announced_ = choice_.chosen();
  announced_epoch_ = choice_.epoch();
  SignerSet set{context_.views.local(), announced_epoch_, {{announced_.begin(), announced_.end()}}};
  Ticket saved;
  if (announced_epoch_ > logged_epoch_) {
    logged_epoch_ = announced_epoch_;
    saved = context_.save(SignerSetRecord{set.lv, set.epoch, set.signers}, fx);
  }
  fx.send(Destination::to(context_.self.site), set, {.after = saved});
  for (auto& [name, instance] : instances_)  // they share what is open as well
    if (instance.message && !instance.sealed) instance.invited.insert(announced_.begin(), announced_.end());
}

void ThresholdSigning::restore_view() {
  choice_.reset(context_.views.representative().index);
  announced_ = choice_.chosen();
  announced_epoch_ = logged_epoch_ = 0;
}

std::optional<SignerSetRecord> ThresholdSigning::announcement() const {
  if (logged_epoch_ == 0) return std::nullopt;
  return SignerSetRecord{context_.views.local(), logged_epoch_, {{announced_.begin(), announced_.end()}}};
}

void ThresholdSigning::restore(const SignerSetRecord& record) {
  if (record.lv != context_.views.local() || !context_.views.is_representative()) return;
  announced_ = {record.signers.begin(), record.signers.end()};
  announced_epoch_ = logged_epoch_ = record.epoch;
  choice_.resume(announced_, record.epoch);
}

std::vector<ThresholdSigning::Missing> ThresholdSigning::on_tick(Instant now, Effects& fx) {
  std::vector<Missing> missing;
  for (auto& [name, instance] : instances_) {
    // What a stable Checkpoint covers is shared no more: no signer is to be missed for it.
    if (!instance.message || instance.sealed || !current(instance.what)) continue;
    if (now >= instance.proofs_due) {
      // A server that gave no proof is left out for this message. That does not prove a fault.
      instance.proofs_due = Instant::never();
      for (auto& [server, held] : instance.shares)
        if (held.standing == Standing::Unproven) held.standing = Standing::SetAside;
    }
    if (collector() && instance.seq != Seq{} &&
        instance.ask.fire(now, share_timeout(), context_.settings.retransmit_max))
      ask_missing(now, name, instance, missing, fx);
    if (instance.fallback.fire(now, fallback_timeout(), context_.settings.retransmit_max)) {
      instance.to_all = true;  // [Steward 3.6] on a timeout servers fall back to `all`
      ++instance.rounds;
      start_sharing(now, name, instance, fx);
      const bool asks = collector() && instance.seq != Seq{};
      // The first round may be lost; and without those on probation there may be too few.
      if (!asks && (instance.failed || trust_.doubts_anybody())) request_proofs(name, instance, fx);
    }
  }
  return missing;
}

void ThresholdSigning::ask_missing(Instant now, const Name& name, Instance& instance, std::vector<Missing>& missing,
                                   Effects& fx) {
  ++instance.rounds;
  instance.asked_each = now;
  bool changed = false;
  std::vector<ServerIndex> absent;
  for (std::uint16_t i = 0; i < context_.own().servers; ++i) {
    ServerIndex server(i);
    auto held = instance.shares.find(server);
    bool useful = held != instance.shares.end() && counts(instance, server, held->second);
    if (useful || server == self() || blamed_.contains(server)) continue;
    if (instance.asked.contains(server) && held == instance.shares.end()) changed = choice_.missed(server) || changed;
    request(name, instance, server, fx);
    if (held != instance.shares.end()) continue;
    instance.invited.insert(server);
    absent.push_back(server);
  }
  if (!absent.empty()) missing.push_back({instance.what, std::move(absent)});
  if (!instance.asked.contains(self())) {  // now every share counts, our own too
    instance.asked.insert(self());
    start_sharing(now, name, instance, fx);
  }
  if (changed || choice_.epoch() > 0) announce(fx);  // the announcement may have been lost
}

// A share that is here and does not count needs its proof.
void ThresholdSigning::request(const Name& name, Instance& instance, ServerIndex server, Effects& fx) {
  const bool prove = instance.failed || !trust_.trusts(server) || instance.shares.contains(server);
  if (prove) instance.to_prove.insert(server);
  fx.send(Destination::to(context_.local(server)), ShareRequest{instance.what.seq, name.content, prove},
          {.auth = AuthKind::Mac});
}

}  // namespace seneschal::steward
