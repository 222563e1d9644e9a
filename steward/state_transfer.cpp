#include "steward/state_transfer.hpp"

namespace seneschal::steward {
namespace {
using replication::SnapshotBlock;
using replication::SnapshotChunk;
using replication::SnapshotRequest;
using Piece = replication::SnapshotAssembly::Piece;

/// A state's pieces that are held at a time.
constexpr std::size_t kMaxStateBytes = std::size_t{512} << 20;
/// Servers that owe an answer at a time, and chunks that one is asked for.
constexpr std::size_t kParallel = 3;
constexpr std::size_t kChunksNearby = 8;
constexpr std::size_t kChunksFarAway = 4;
/// Of what may be drawn at once: this much time's worth.
constexpr Duration kLendAhead = 200ms;
/// Without anything useful for this long a transfer does not advance: it aims at a newer Checkpoint if there is one.
constexpr Duration kStalled = 4s;
}  // namespace

StateTransfer::StateTransfer(Context& context, Checkpoints& checkpoints)
    : context_(context), checkpoints_(checkpoints), assembly_(kMaxStateBytes) {
  for (std::uint16_t s = 0; s < context.sites(); ++s)
    for (std::uint16_t i = 0; i < context.membership.site(SiteId(s)).servers; ++i)
      if (ServerId id{SiteId(s), ServerIndex(i)}; id != context.self) sources_[id];
}

std::optional<Reject> StateTransfer::on_request(Instant now, const Verified<SnapshotRequest>& message, Effects& fx) {
  const SnapshotRequest& m = message.body();
  bool near = context_.is_local(message.signer());
  if (near != (message.header().auth == AuthKind::Mac)) return Reject::BadSignature;
  auto snapshot = checkpoints_.lend(now, m.seq);
  Destination to = Destination::to(message.signer().server());
  if (snapshot == nullptr) {
    if (m.seq < context_.history.checkpoint()) context_.show_checkpoint(now, {to}, message.signer(), fx);
    return Reject::Superseded;
  }
  SendOptions options{.auth = near ? AuthKind::Mac : AuthKind::Bare};
  if (m.block && *m.block < snapshot->blocks()) {
    if (!pays(now, message.signer(), 32 * snapshot->block(*m.block).size())) return Reject::Overloaded;
    fx.send(to, block_message(*snapshot, *m.block), options);
  }
  for (std::uint32_t index : m.chunks) {
    if (index >= snapshot->chunks()) return Reject::Malformed;
    SharedBytes chunk = snapshot->chunk(index);
    if (!pays(now, message.signer(), chunk->size())) return Reject::Overloaded;
    fx.send(to, SnapshotChunk{m.seq, index, {*chunk}}, options);
  }
  return std::nullopt;
}

// Catching up never starves ordering: so many bytes a second for each who asks, less for those who cross a wide-area
// link and whose name is only claimed.
bool StateTransfer::pays(Instant now, const Principal& asker, std::size_t bytes) {
  bool near = context_.is_local(asker);
  std::uint64_t rate = near ? context_.settings.lend_near : context_.settings.lend_far;
  Instant& until = paid_until_.try_emplace(asker, now).first->second;
  if (until - now > kLendAhead) return false;
  until = std::max(until, now) + Duration(static_cast<std::int64_t>(bytes * 1'000'000'000 / rate));
  return true;
}

StateTransfer::Source* StateTransfer::source_of(const Principal& sender) {
  auto it = sender.is_server() ? sources_.find(sender.server()) : sources_.end();
  return it == sources_.end() ? nullptr : &it->second;
}

template <class M>
std::optional<Reject> StateTransfer::take_piece(Instant now, const Verified<M>& message, Effects& fx) {
  bool near = context_.is_local(message.signer());
  if (near != (message.header().auth == AuthKind::Mac)) return Reject::BadSignature;
  Source* source = source_of(message.signer());
  if (source == nullptr) return Reject::UnknownSender;
  Piece piece = assembly_.add(message.body());
  judge(now, *source, near, piece);
  if (piece == Piece::Forged) return Reject::Malformed;
  if (piece == Piece::TooLarge) return Reject::Overloaded;
  if (piece == Piece::Known) return Reject::Duplicate;
  useful_at_ = now;
  context_.transferring = true;
  ask(now, fx);
  return std::nullopt;
}

std::optional<Reject> StateTransfer::on_block(Instant now, const Verified<SnapshotBlock>& message, Effects& fx) {
  if (Source* source = source_of(message.signer()); source != nullptr && source->block == message.body().block)
    source->block.reset();
  return take_piece(now, message, fx);
}

std::optional<Reject> StateTransfer::on_chunk(Instant now, const Verified<SnapshotChunk>& message, Effects& fx) {
  if (Source* source = source_of(message.signer())) source->chunks.erase(message.body().index);
  return take_piece(now, message, fx);
}

// What is genuine is taken from anybody. A name from another site is only claimed, so a forged piece under it costs
// its bearer a pause, not his place: otherwise a liar could take the places of all who are honest.
void StateTransfer::judge(Instant now, Source& source, bool proven, Piece piece) {
  if (source.busy && !source.block && source.chunks.empty()) source.busy = false;
  if (piece == Piece::Useful) {
    source.strikes = 0;
  } else if (piece == Piece::Forged) {
    ++forged_;
    source.busy = false;
    source.block.reset();
    source.chunks.clear();
    if (proven) source.set_aside = true;
    strike(now, source);
  }
}

void StateTransfer::strike(Instant now, Source& source) const {
  source.strikes = std::min(source.strikes + 1, 8u);
  Duration wait = context_.settings.retransmit_wide * (1 << (source.strikes - 1));
  source.not_before = now + std::min(wait, context_.settings.retransmit_max);
}

void StateTransfer::progressed(Instant now) {
  moved_at_ = now;
  if (assembly_.active() && context_.history.aru() >= assembly_.seq()) end();
}

// Entries are cheaper than a state, as long as somebody has them.
bool StateTransfer::wanted(Instant now) const {
  Seq aru = context_.history.aru();
  Seq target = context_.history.checkpoint();
  if (target <= aru || unreadable_ || handed_out_) return false;
  return target.value - aru.value > context_.settings.history_span ||
         now - moved_at_ > 3 * context_.settings.reconcile_after;
}

void StateTransfer::aim(Instant now) {
  target_ = context_.checkpoint;
  assembly_.aim(target_->seq, target_->digest, checkpoints_.newest());
  useful_at_ = now;
  for (auto& [id, source] : sources_) {
    source.busy = false;
    source.block.reset();
    source.chunks.clear();
  }
}

void StateTransfer::end() {
  assembly_.drop();
  target_ = {};
  context_.transferring = false;
  // Who forged a piece under its MAC is a proven liar: it is not asked again in this life.
  for (auto& [id, source] : sources_) source = {.set_aside = source.set_aside};
}

void StateTransfer::on_tick(Instant now, Effects& fx) {
  if (!assembly_.active()) {
    if (!wanted(now)) return;
    aim(now);
  }
  bool stalled = now - useful_at_ > kStalled;
  if (stalled) context_.transferring = false;
  if (stalled && context_.history.checkpoint() > assembly_.seq()) aim(now);
  for (auto& [id, source] : sources_) {
    if (!source.busy || now - source.asked_at < 2 * context_.settings.retransmit_wide) continue;
    source.busy = false;
    source.block.reset();
    source.chunks.clear();
    strike(now, source);
  }
  ask(now, fx);
}

void StateTransfer::ask(Instant now, Effects& fx) {
  std::set<std::uint32_t> blocks;
  std::set<std::uint32_t> chunks;
  std::size_t owing = 0;
  for (const auto& [id, source] : sources_) {
    if (source.block) blocks.insert(*source.block);
    chunks.insert(source.chunks.begin(), source.chunks.end());
    owing += source.busy ? 1 : 0;
  }
  for (; owing < kParallel; ++owing) {
    // Whoever failed least; among them our own site first, and not all of us the same server.
    std::pair<const ServerId, Source>* best = nullptr;
    auto rank = [&](const ServerId& id, const Source& source) {
      std::uint32_t n = context_.membership.site(id.site).servers;
      return std::tuple(source.strikes, id.site != context_.self.site,
                        (id.index.value + n - context_.self.index.value % n) % n, id);
    };
    for (auto& item : sources_) {
      if (item.second.busy || item.second.set_aside || item.second.not_before > now) continue;
      if (best == nullptr || rank(item.first, item.second) < rank(best->first, best->second)) best = &item;
    }
    if (best == nullptr) return;
    bool near = best->first.site == context_.self.site;
    SnapshotRequest request{assembly_.seq(), assembly_.missing_block(blocks), {}};
    if (!request.block)
      request.chunks.items = assembly_.missing_chunks(chunks, near ? kChunksNearby : kChunksFarAway);
    if (!request.block && request.chunks.empty()) return;
    Source& source = best->second;
    source.busy = true;
    source.asked_at = now;
    source.block = request.block;
    source.chunks = {request.chunks.begin(), request.chunks.end()};
    if (request.block) blocks.insert(*request.block);
    chunks.insert(source.chunks.begin(), source.chunks.end());
    fx.send(Destination::to(best->first), request, {.auth = near ? AuthKind::Mac : AuthKind::Bare});
  }
}

StateTransfer::State StateTransfer::take() {
  State state{assembly_.seq(), target_, assembly_.chunks()};
  end();
  handed_out_ = context_.transferring = true;
  return state;
}

void StateTransfer::taken_over(bool readable) {
  handed_out_ = context_.transferring = false;
  if (!readable) unreadable_ = true;
}

}  // namespace seneschal::steward
