#include "bft/catch_up.hpp"

namespace seneschal::bft {
namespace {
/// One answer carries at most about this much.
constexpr std::size_t kAnswerBytes = 128 * 1024;
/// A primary pushes this many stuck proposals at a time.
constexpr std::uint64_t kPushed = 8;
}  // namespace

void History::push(Seq seq, const Digest& digest, std::shared_ptr<const Batch> batch) {
  CHECK(items_.empty() || seq == last_.next());
  std::size_t bytes = replication::encoded_size(*batch);
  last_ = seq;
  items_.push_back({digest, std::move(batch), bytes});
  bytes_ += bytes;
  while (items_.size() > max_items_ || (bytes_ > max_bytes_ && items_.size() > 1)) {
    bytes_ -= items_.front().bytes;
    items_.pop_front();
  }
}

void History::skip_to(Seq seq) {
  if (last_ == seq) return;
  items_.clear();
  bytes_ = 0;
  last_ = seq;
}

const History::Item* History::find(Seq seq) const {
  if (items_.empty() || seq > last_ || seq < oldest()) return nullptr;
  return &items_[seq.value - oldest().value];
}

CatchUp::CatchUp(const Context& context, Ordering& ordering, const Checkpoints& checkpoints)
    : context_(context),
      ordering_(ordering),
      checkpoints_(checkpoints),
      history_(context.settings.history_span, context.settings.history_bytes),
      answered_(context.n, Instant{std::numeric_limits<std::int64_t>::min() / 2}) {}

bool CatchUp::outstanding(Seq executed) const {
  return ordering_.log().highest() > executed || told_ > executed || checkpoints_.stable() > executed ||
         executed.value >= checkpoints_.stable().value + context_.settings.checkpoint_interval;
}

Duration CatchUp::patience() const {
  const Settings& s = context_.settings;
  Duration base =
      round_.count() == 0 ? s.retransmit_first : std::clamp(round_ * 3, s.retransmit_min, s.retransmit_max);
  return std::min(base * (std::int64_t{1} << std::min(doublings_, 20u)), s.retransmit_max);
}

void CatchUp::watch(Instant now, Seq executed) {
  bool is = outstanding(executed);
  if (is && !was_outstanding_) {
    last_progress_ = now;
    tick_at_ = std::min(tick_at_, now + patience());
  }
  was_outstanding_ = is;
  if (is && eager_) tick_at_ = std::min(tick_at_, std::max(now, last_status_ + 2 * spacing()));
}

Duration CatchUp::measure(Instant now, const Slot& slot) {
  if (slot.since > last_asked_)
    disturbed_ = 0;
  else if (++disturbed_ <= 2 * context_.settings.window)
    return {};
  return now - slot.since;
}

void CatchUp::on_progress(Instant now, Seq executed, bool supplied, Duration took) {
  if (took.count() > 0) round_ = round_.count() == 0 ? took : round_ + (took - round_) / 8;
  last_progress_ = now;
  doublings_ = 0;
  eager_ = supplied;
  claims_.erase(claims_.begin(), claims_.upper_bound(executed));
}

void CatchUp::on_time(Instant now, Seq executed, Effects& fx) {
  if (now < tick_at_) return;
  if (!outstanding(executed)) {
    // A server that missed the last messages of a busy time would otherwise never learn of them.
    send_status(now, executed, fx);
    tick_at_ = now + context_.settings.idle_status;
    return;
  }
  // Under load entries go on being executed while lost checkpoints eat up the window; do not wait until it is full.
  std::uint64_t interval = context_.settings.checkpoint_interval;
  bool overdue = executed.value >= checkpoints_.stable().value + interval + interval / 2;
  Instant due = (overdue || eager_ ? last_status_ : last_progress_) + (eager_ ? 2 * spacing() : patience());
  if (now < due) {
    tick_at_ = due;
    return;
  }
  send_status(now, executed, fx);
  if (context_.is_primary() && now >= last_progress_ + patience())
    for (std::uint64_t i = 1; i <= kPushed; ++i) ordering_.push(executed + i, fx);
  eager_ = false;
  ++doublings_;
  last_progress_ = now;
  tick_at_ = now + patience();
}

void CatchUp::send_status(Instant now, Seq executed, Effects& fx) {
  last_status_ = last_asked_ = now;
  Status status{context_.view, executed, checkpoints_.stable(), turn_++, {}};
  std::uint64_t highest = std::min(ordering_.log().highest().value, executed.value + Status::kMaxSlots);
  for (std::uint64_t seq = executed.value + 1; seq <= highest; ++seq)
    if (const Slot* slot = ordering_.log().find(Seq(seq)))
      status.slots.items.push_back({slot->seq, slot->known(), slot->prepares.seen(), slot->commits.seen()});
  context_.broadcast(status, fx, AuthKind::Authenticator);
}

bool CatchUp::supplies(ServerIndex to, std::uint32_t turn) const {
  // f+1 of the others at a time, so one of them is correct; a different f+1 at each turn.
  auto others = static_cast<std::uint32_t>(context_.n - 1);
  std::uint32_t place = (static_cast<std::uint32_t>(context_.self.value) + context_.n - to.value - 1) % context_.n;
  return (place + others - turn % others) % others < static_cast<std::uint32_t>(context_.f + 1);
}

std::optional<Reject> CatchUp::on_status(Instant now, const Verified<Status>& message, Seq executed, Effects& fx) {
  const Status& status = message.body();
  ServerIndex from = message.signer().server().index;
  // Not more often than a correct server asks: or a faulty one makes us fill our own link.
  if (now < answered_[from.value] + spacing()) return Reject::Overloaded;
  answered_[from.value] = last_asked_ = now;
  told_ = std::max(told_, std::min(status.executed, executed + context_.settings.log_span));
  checkpoints_.resend(from, status.stable, fx);
  if (status.executed < executed) send_entries(from, status, executed, fx);
  send_slots(from, status, executed, fx);
  return std::nullopt;
}

void CatchUp::send_entries(ServerIndex to, const Status& status, Seq executed, Effects& fx) const {
  bool with_batch = supplies(to, status.turn);
  std::size_t budget = kAnswerBytes;
  std::uint64_t last = std::min(executed.value, status.executed.value + kSpan);
  for (std::uint64_t seq = status.executed.value + 1; seq <= last; ++seq) {
    const History::Item* item = history_.find(Seq(seq));
    if (item == nullptr) return;  // older than what is kept: it needs a state transfer
    Entry entry{context_.view, Seq(seq), true, item->digest, std::nullopt};
    if (with_batch) {
      if (item->bytes > budget) return;
      budget -= item->bytes;
      entry.batch = Vouched<Batch>{*item->batch};
    }
    fx.send(Destination::to(Context::server(to)), entry, {.auth = AuthKind::Mac});
  }
}

void CatchUp::send_slots(ServerIndex to, const Status& status, Seq executed, Effects& fx) const {
  if (status.view != context_.view) return;
  bool supply = supplies(to, status.turn);
  std::uint64_t first = std::max(executed, status.executed).value + 1;
  std::uint64_t last = std::min(ordering_.log().highest().value, first + kSpan - 1);
  std::size_t budget = kAnswerBytes;
  for (std::uint64_t seq = first; seq <= last; ++seq) {
    const Slot* slot = ordering_.log().find(Seq(seq));
    if (slot == nullptr) continue;
    auto it = std::ranges::lower_bound(status.slots.items, Seq(seq), {}, &SlotStatus::seq);
    bool listed = it != status.slots.items.end() && it->seq == Seq(seq);
    SlotStatus has = listed ? *it : SlotStatus{Seq(seq)};
    if (slot->known() && !has.batch) {
      std::size_t bytes = replication::encoded_size(*slot->batch);
      has.batch = bytes > budget;  // votes only: the next answer brings the batch
      if (!has.batch) budget -= bytes;
    }
    ordering_.resend(*slot, to, has, supply, fx);
  }
}

std::optional<Reject> CatchUp::on_entry(Instant now, const Verified<Entry>& message, Seq executed, Effects& fx) {
  const Entry& entry = message.body();
  if (entry.seq <= executed) return Reject::AlreadyExecuted;
  if (!entry.committed) return ordering_.on_supply(now, message, fx);
  if (entry.seq.value > executed.value + kSpan) return Reject::OutsideWindow;
  if (entry.batch && replication::digest_of(entry.batch->value) != entry.digest) return Reject::Conflict;
  // Whoever holds the certificate also committed: together with others' Commits the claim may already be enough.
  ordering_.count_commit(message.signer().server().index, entry, fx);
  auto& claims = claims_[entry.seq];
  claims.resize(context_.n);
  auto& claim = claims[message.signer().server().index.value];
  // The same claim without its batch says less than what is here.
  if (claim && claim->body().digest == entry.digest && (claim->body().batch || !entry.batch))
    return Reject::Duplicate;
  claim = message;
  return std::nullopt;
}

std::optional<CatchUp::Decided> CatchUp::take(Seq seq) {
  auto it = claims_.find(seq);
  if (it == claims_.end()) return std::nullopt;
  const Slot* slot = ordering_.log().find(seq);
  for (const auto& candidate : it->second) {
    if (!candidate) continue;
    const Digest& digest = candidate->body().digest;
    std::size_t count = 0;
    std::shared_ptr<const Batch> batch;
    if (slot != nullptr && slot->known() && slot->digest == digest) batch = slot->batch;
    for (const auto& claim : it->second) {
      if (!claim || claim->body().digest != digest) continue;
      ++count;
      if (batch == nullptr && claim->body().batch) {
        auto held = std::make_shared<const Verified<Entry>>(*claim);
        batch = {held, &held->body().batch->value};
      }
    }
    // One of f+1 is correct and holds a commit certificate: final in whatever view. [BFT 6]
    if (count >= context_.f + 1u && batch != nullptr) return Decided{digest, std::move(batch)};
  }
  return std::nullopt;
}

}  // namespace seneschal::bft
