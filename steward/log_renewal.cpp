#include "steward/log_renewal.hpp"

namespace seneschal::steward {

void LogRenewal::advance(Effects& fx) {
  if (waits_for_ != Ticket{} || !context_.views.participating()) return;
  if (!running_ && !begin()) return;
  if (context_.history.base() > running_->state) {
    running_.reset();  // entries above that state are gone already: the next Checkpoint will do
    return;
  }
  if (!running_->pieces.done()) {
    write(running_->pieces.next(), fx);
  } else {
    write_what_binds(fx);
    running_->closed = true;
  }
}

// A log of twice what the last renewal wrote, and a constant: so at most every second byte written is a renewal's.
bool LogRenewal::begin() {
  if (context_.settings.durability == Durability::None) return false;
  if (context_.logged < 2 * size_ + context_.settings.log_growth) return false;
  auto state = checkpoints_.proven();
  if (state == nullptr) return false;
  const Seq seq = state->seq();
  const std::size_t chunks = state->chunks();
  StatePieces pieces(context_.checkpoint, chunks, [state](std::size_t index) { return state->chunk(index); });
  running_ = Running{seq, std::move(pieces), false, {}, context_.logged};
  return true;
}

void LogRenewal::write(decltype(LogRecord::what) what, Effects& fx) {
  waits_for_ = context_.save(std::move(what), fx);
  if (running_->first == Ticket{}) running_->first = waits_for_;
}

void LogRenewal::write_what_binds(Effects& fx) {
  const Views& views = context_.views;
  write(PromiseRecord{views.global()}, fx);
  write(LocalViewRecord{views.local()}, fx);
  write(AttemptRecord{global_view_.attempted()}, fx);
  if (auto announced = signing_.announcement()) write(std::move(*announced), fx);
  write(CheckpointRecord{context_.checkpoint.embed()}, fx);
  write(ProgressRecord{context_.last_ordered, context_.ordered_in}, fx);
  for (const auto& [seq, entry] : context_.history.all())
    if (seq > running_->state) write_entry(seq, entry, fx);
  for (const auto& [seq, pre_prepare] : sequencing_.underway()) write(ProposedRecord{{pre_prepare}}, fx);
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
  if (!running_ || !running_->closed) return;
  fx.forget_before(running_->first);
  size_ = context_.logged - running_->logged_before;
  context_.logged = size_;
  ++count_;
  running_.reset();
}

}  // namespace seneschal::steward
