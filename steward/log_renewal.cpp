#include "steward/log_renewal.hpp"

namespace seneschal::steward {
namespace {
/// Per turn of the disk. The first is what votes wait for when little else is written, the second what the I/O thread
/// encodes in one input.
constexpr std::uint64_t kLeastPerTurn = 64 * 1024;
constexpr std::uint64_t kMostPerTurn = 1024 * 1024;
}  // namespace

void LogRenewal::advance(Effects& fx) {
  if (waits_for_ != Ticket{} || !context_.views.participating()) return;
  // Entries that were still to be written are gone: the newest stable Checkpoint covers them by now.
  if (running_ && running_->entries_left() && context_.history.base() > running_->written) running_.reset();
  if (!running_ && !begin(fx)) return;
  // At least as much as all others wrote since the last turn: so a renewal ends, and the log grows by no more than
  // what it writes meanwhile.
  const std::uint64_t others = context_.logged - running_->logged_at_turn;
  const std::uint64_t until = context_.logged + std::clamp<std::uint64_t>(others, kLeastPerTurn, kMostPerTurn);
  while (running_->entries_left() && context_.logged < until) write_next_entry(fx);
  while (!running_->entries_left() && !running_->pieces.done() && context_.logged < until)
    write(running_->pieces.next(), fx);
  running_->logged_at_turn = context_.logged;
}

// A log of twice what the last renewal wrote, and a constant: so at most every second byte written is a renewal's.
bool LogRenewal::begin(Effects& fx) {
  if (context_.settings.durability == Durability::None) return false;
  if (context_.logged < 2 * size_ + context_.settings.log_growth) return false;
  auto state = checkpoints_.proven();
  if (state == nullptr) return false;
  const Seq seq = state->seq();
  const Seq last = context_.history.all().empty() ? seq : context_.history.all().rbegin()->first;
  const std::size_t chunks = state->chunks();
  StatePieces pieces(context_.stable, chunks, [state](std::size_t index) { return state->chunk(index); });
  running_ = Running{seq, last, std::move(pieces), {}, context_.logged, context_.logged};
  write_views(fx);
  return true;
}

void LogRenewal::write(decltype(LogRecord::what) what, Effects& fx) {
  waits_for_ = context_.save(std::move(what), fx);
  if (running_->first == Ticket{}) running_->first = waits_for_;
}

void LogRenewal::write_views(Effects& fx) {
  const Views& views = context_.views;
  write(PromiseRecord{views.global()}, fx);
  write(LocalViewRecord{views.local()}, fx);
  write(AttemptRecord{global_view_.attempted()}, fx);
  if (auto announced = signing_.announcement()) write(std::move(*announced), fx);
  write(StableRecord{*context_.stable.proof}, fx);
  write(ProgressRecord{context_.last_ordered, context_.ordered_in}, fx);
  for (const auto& [seq, pre_prepare] : sequencing_.underway()) write(ProposedRecord{{pre_prepare}}, fx);
}

void LogRenewal::write_next_entry(Effects& fx) {
  const auto next = context_.history.all().upper_bound(running_->written);
  const bool any = next != context_.history.all().end() && next->first <= running_->last;
  running_->written = any ? next->first : running_->last;
  if (any) write_entry(next->first, next->second, fx);
}

// What is ordered is final, so nothing else about it binds. Votes in views that were left bind no more: the records
// of the views do.
void LogRenewal::write_entry(Seq seq, const Entry& entry, Effects& fx) {
  if (entry.order && entry.batch) return write(OrderedRecord{{ordered_entry(entry)}}, fx);
  if (const auto& held = entry.certificate) {
    write(BatchRecord{seq, {*held->batch.batch}}, fx);
    CertificateRecord record{held->gv, held->lv, seq, held->digest(), {}};
    for (const auto& [server, prepare] : held->prepares) record.prepares.items.push_back(prepare.embed());
    write(std::move(record), fx);
  }
  // The leader site accepts nothing: its servers stand by their certificates.
  const bool accepted = entry.proposal && entry.proposal.signer != Principal::of(context_.self.site) && entry.batch &&
                        entry.batch.digest == entry.proposal->digest;
  if (accepted) write(AcceptedRecord{entry.proposal.embed(), {*entry.batch.batch}}, fx);
  if (!entry.adopted || !context_.views.current(entry.pre_prepare->gv, entry.pre_prepare->lv)) return;
  if (entry.pre_prepare.signer == Principal::of(context_.self))
    write(ProposedRecord{{*entry.pre_prepare}}, fx);
  else
    write(PreparedRecord{{entry.pre_prepare.embed()}}, fx);
}

void LogRenewal::on_done(Ticket ticket, Effects& fx) {
  if (ticket != waits_for_ || ticket == Ticket{}) return;
  waits_for_ = {};
  if (!running_ || running_->entries_left() || !running_->pieces.done()) return;
  fx.forget_before(running_->first);
  size_ = context_.logged - running_->logged_before;
  context_.logged = size_;
  ++count_;
  running_.reset();
}

}  // namespace seneschal::steward
