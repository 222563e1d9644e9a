#include "steward/log_renewal.hpp"

namespace seneschal::steward {
namespace {
/// Written per input and per turn of the disk: keeps neither the I/O thread nor the votes behind it waiting for long.
constexpr std::size_t kPiece = 64 * 1024;
}  // namespace

void LogRenewal::advance(Effects& fx) {
  if (waits_for_ != Ticket{} || !context_.views.participating()) return;
  if (!running_ && !begin()) return;
  if (context_.history.base() > running_->state->seq()) {
    running_.reset();  // entries above that state are gone already: the next Checkpoint will do
    return;
  }
  if (running_->next < running_->state->chunks()) {
    write_piece(fx);
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
  running_ = Running{std::move(state), context_.checkpoint, 0, false, {}, context_.logged};
  return true;
}

void LogRenewal::write(decltype(LogRecord::what) what, Effects& fx) {
  waits_for_ = context_.save(std::move(what), fx);
  if (running_->first == Ticket{}) running_->first = waits_for_;
}

void LogRenewal::write_piece(Effects& fx) {
  const replication::Snapshot& state = *running_->state;
  SnapshotRecord record{running_->proof.embed(),
                        static_cast<std::uint32_t>(running_->next),
                        static_cast<std::uint32_t>(state.chunks()),
                        {}};
  std::size_t bytes = 0;
  while (running_->next < state.chunks() && bytes < kPiece &&
         record.chunks.items.size() < SnapshotRecord::kMaxChunks) {
    SharedBytes chunk = state.chunk(running_->next++);
    bytes += chunk->size();
    record.chunks.items.push_back({*chunk});
  }
  write(std::move(record), fx);
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
    if (seq > running_->state->seq()) write_entry(seq, entry, fx);
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
