#include "steward/adoption.hpp"

#include "base/check.hpp"

namespace seneschal::steward {
namespace {
constexpr std::size_t kPiece = 64 * 1024;
/// Pieces written per turn of the disk: nothing that this server says waits for them, except what comes behind.
constexpr int kPiecesAtOnce = 8;
}  // namespace

SnapshotRecord StatePieces::next() {
  SnapshotRecord record{proof_.seq, {}, static_cast<std::uint32_t>(next_), static_cast<std::uint32_t>(chunks_), {}};
  if (next_ == 0) record.proof = *proof_.proof;
  std::size_t bytes = 0;
  while (!done() && bytes < kPiece && record.chunks.items.size() < SnapshotRecord::kMaxChunks) {
    SharedBytes chunk = chunk_(next_++);
    bytes += chunk->size();
    record.chunks.items.push_back({*chunk});
  }
  return record;
}

void Adoption::begin(StateTransfer::State state) {
  state_ = std::move(state);
  // By value: the chunks are shared, and `state_` may move.
  pieces_.emplace(state_->proof, state_->chunks.size(),
                  [chunks = state_->chunks](std::size_t index) { return chunks[index]; });
  waits_for_ = {};
}

// Records of a server that abstains wait for nothing: they are never durable.
bool Adoption::logged() const {
  return context_.settings.durability != Durability::None && context_.views.participating();
}

void Adoption::advance(Effects& fx) {
  if (!active() || !logged() || waits_for_ != Ticket{}) return;
  for (int i = 0; i < kPiecesAtOnce && !pieces_->done(); ++i) waits_for_ = context_.save(pieces_->next(), fx);
}

void Adoption::on_done(Ticket ticket) {
  if (ticket == waits_for_) waits_for_ = {};
}

bool Adoption::complete() const {
  return active() && (!logged() || (pieces_->done() && waits_for_ == Ticket{}));
}

StateTransfer::State Adoption::take() {
  CHECK(complete());
  StateTransfer::State state = std::move(*state_);
  drop();
  return state;
}

void Adoption::drop() {
  state_.reset();
  pieces_.reset();
  waits_for_ = {};
}

}  // namespace seneschal::steward
