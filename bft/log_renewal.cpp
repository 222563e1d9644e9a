#include "bft/log_renewal.hpp"

namespace seneschal::bft {
namespace {
/// Written per input and per turn of the disk: keeps neither the I/O thread nor the votes behind it waiting for long.
constexpr std::size_t kPiece = 64 * 1024;
}  // namespace

void LogRenewal::freeze() {
  if (context_.settings.durability == Durability::None || !context_.participating) return;
  frozen_[execution_.executed()] = execution_.freeze();
}

void LogRenewal::advance(Effects& fx) {
  if (context_.settings.durability == Durability::None || !context_.participating) return;
  note_stable();
  if (waits_for_ != Ticket{} || (!running_ && !begin())) return;
  const replication::Snapshot& state = *running_->state;
  SnapshotRecord record{
      state.seq(), static_cast<std::uint32_t>(running_->next), static_cast<std::uint32_t>(state.chunks()), {}};
  std::size_t bytes = 0;
  while (running_->next < state.chunks() && bytes < kPiece &&
         record.chunks.items.size() < SnapshotRecord::kMaxChunks) {
    SharedBytes chunk = state.chunk(running_->next++);
    bytes += chunk->size();
    record.chunks.items.push_back({*chunk});
  }
  waits_for_ = context_.save(std::move(record), fx);
}

void LogRenewal::note_stable() {
  frozen_.erase(frozen_.begin(), frozen_.lower_bound(checkpoints_.base()));
  if (checkpoints_.stable() <= marked_ || checkpoints_.record().ticket == Ticket{}) return;
  marked_ = checkpoints_.stable();
  // Of those that the base covers only the newest is of use, so that at most about L / K are kept.
  while (marks_.size() > 1 && marks_[1].covered <= checkpoints_.base()) marks_.erase(marks_.begin());
  const Seq reach(marked_.value + context_.settings.log_span);
  marks_.push_back({std::max(reach, execution_.executed()), checkpoints_.record()});
}

// When the log is twice what the last renewal wrote, and a constant: at most every second byte written is a
// renewal's.
bool LogRenewal::begin() {
  if (log_bytes() < 2 * size_ + context_.settings.log_growth || checkpoints_.diverged()) return false;
  auto state = frozen_.find(checkpoints_.base());
  if (state == frozen_.end()) return false;
  const auto beyond =
      std::ranges::find_if(marks_, [&](const Mark& mark) { return mark.covered > checkpoints_.base(); });
  if (beyond == marks_.begin()) return false;
  running_ = Running{state->second, *(beyond - 1), 0, context_.logged};
  marks_.erase(marks_.begin(), beyond);
  return true;
}

void LogRenewal::on_done(Ticket ticket, Effects& fx) {
  if (ticket != waits_for_ || ticket == Ticket{}) return;
  waits_for_ = {};
  if (running_->next < running_->state->chunks()) return;
  fx.forget_before(running_->mark.record.ticket);
  forgotten_ = running_->mark.record.logged;
  size_ = context_.logged - running_->logged_before;
  ++count_;
  running_.reset();
}

}  // namespace seneschal::bft
