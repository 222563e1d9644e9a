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
/// Of what a neighbour may draw in a second: so much of it at once.
constexpr std::uint64_t kAtOnce = 5;
/// A server of another site that has answered in part and is silent for this long may lend us no more for now.
constexpr Duration kPause = 300ms;
/// For this long after a transfer began it may turn to a Checkpoint that a neighbour turned to a moment later.
constexpr Duration kTogether = 4s;
/// Without anything useful for this long a transfer does not advance: it aims at a newer Checkpoint if there is one.
constexpr Duration kStalled = 4s;
/// Pieces in that time that make it worthwhile to go on.
constexpr std::uint32_t kFew = 64;
/// Entries that have not brought a server closer to the newest Checkpoint for this long will not.
constexpr Duration kNoCloser = 3s;
}  // namespace

StateTransfer::StateTransfer(Context& context, Checkpoints& checkpoints)
    : context_(context),
      checkpoints_(checkpoints),
      assembly_(kMaxStateBytes),
      near_({context.settings.lend_near, context.settings.lend_near / kAtOnce}) {
  for (std::uint16_t s = 0; s < context.sites(); ++s)
    for (std::uint16_t i = 0; i < context.membership.site(SiteId(s)).servers; ++i)
      if (ServerId id{SiteId(s), ServerIndex(i)}; id != context.self) sources_[id];
}

std::optional<Reject> StateTransfer::on_request(Instant now, const Verified<SnapshotRequest>& message, Effects& fx) {
  const SnapshotRequest& m = message.body();
  bool near = context_.is_local(message.signer());
  if (near != (message.header().auth == AuthKind::Mac)) return Reject::BadSignature;
  auto snapshot = checkpoints_.lend(now, m.seq);
  const ServerId to_whom = message.signer().server();
  Destination to = Destination::to(to_whom);
  if (snapshot == nullptr) {
    if (m.seq < context_.history.stable()) context_.show_stable(now, {to}, message.signer(), fx);
    return Reject::Superseded;
  }
  SendOptions options{.auth = near ? AuthKind::Mac : AuthKind::Bare};
  if (m.block && *m.block < snapshot->blocks()) {
    if (!pays(now, to_whom, 32 * snapshot->block(*m.block).size())) return Reject::Overloaded;
    fx.send(to, block_message(*snapshot, *m.block), options);
  }
  for (std::uint32_t index : m.chunks) {
    if (index >= snapshot->chunks()) return Reject::Malformed;
    SharedBytes chunk = snapshot->chunk(index);
    if (!pays(now, to_whom, chunk->size())) return Reject::Overloaded;
    fx.send(to, SnapshotChunk{m.seq, index, {*chunk}}, options);
  }
  return std::nullopt;
}

// Catching up never starves ordering: so many bytes a second for each neighbour who asks; what crosses a wide-area
// link for a name that is only claimed is drawn from the account of its site.
bool StateTransfer::pays(Instant now, ServerId asker, std::size_t bytes) {
  return asker.site == context_.self.site ? near_.draw(now, asker.index, bytes)
                                          : context_.may_draw_catching_up(now, asker, bytes);
}

StateTransfer::Source* StateTransfer::source_of(const Principal& sender) {
  auto it = sender.is_server() ? sources_.find(sender.server()) : sources_.end();
  return it == sources_.end() ? nullptr : &it->second;
}

template <class M>
std::optional<Reject> StateTransfer::take_piece(Instant now, const Verified<M>& message, bool asked, Effects& fx) {
  bool near = context_.is_local(message.signer());
  if (near != (message.header().auth == AuthKind::Mac)) return Reject::BadSignature;
  Source* source = source_of(message.signer());
  if (source == nullptr) return Reject::UnknownSender;
  if (asked) source->heard_at = now;
  Piece piece = Piece::Known;
  if constexpr (std::is_same_v<M, SnapshotChunk>) {
    const SnapshotChunk& chunk = message.body();
    // What neighbours fetch helps most if all of them fetch the same state.
    if (near && assembly_.active() && chunk.seq > assembly_.seq() && chunk.seq == context_.history.stable() &&
        now - wanted_at_ < kTogether)
      aim(now, fx);
    // Of another Checkpoint: most chunks are the same.
    piece = chunk.seq == assembly_.seq() ? assembly_.add(chunk) : assembly_.add_shared(chunk.bytes.value);
    if (!near && piece == Piece::Useful) pass_on(chunk, fx);
  } else {
    piece = assembly_.add(message.body());
  }
  judge(now, *source, asked, near, piece);
  if (piece == Piece::Forged) return Reject::Malformed;
  if (piece == Piece::TooLarge) return Reject::Overloaded;
  if (piece == Piece::Known) return Reject::Duplicate;
  useful_at_ = now;
  ++useful_;
  begun_ = true;
  context_.transferring = true;
  ask(now, fx);
  return std::nullopt;
}

std::optional<Reject> StateTransfer::on_block(Instant now, const Verified<SnapshotBlock>& message, Effects& fx) {
  Source* source = source_of(message.signer());
  const bool asked = source != nullptr && source->block == message.body().block;
  if (asked) source->block.reset();
  return take_piece(now, message, asked, fx);
}

std::optional<Reject> StateTransfer::on_chunk(Instant now, const Verified<SnapshotChunk>& message, Effects& fx) {
  Source* source = source_of(message.signer());
  const bool asked = source != nullptr && source->chunks.erase(message.body().index) > 0;
  return take_piece(now, message, asked, fx);
}

// When a whole site is behind, each chunk crosses the wide area once, not once per server: whoever fetched it gives
// it to its neighbours, and each begins to ask elsewhere. [Steward 7]
void StateTransfer::pass_on(const SnapshotChunk& chunk, Effects& fx) const {
  for (std::uint16_t i = 0; i < context_.membership.site(context_.self.site).servers; ++i)
    if (const ServerIndex index(i); index != context_.self.index)
      fx.send(Destination::to(context_.local(index)), chunk, {.auth = AuthKind::Mac});
}

// What is genuine is taken from anybody. A name from another site is only claimed, so a forged piece under it costs
// its bearer a pause, not his place: otherwise a liar could take the places of all who are honest.
// That a neighbour passes on what it fetches does not make it a source: it has no state to lend yet.
void StateTransfer::judge(Instant now, Source& source, bool asked, bool proven, Piece piece) {
  if (source.busy && !source.block && source.chunks.empty()) source.busy = false;
  if (piece == Piece::Useful) {
    if (!asked && proven) return;
    source.strikes = 0;
    source.lends = true;
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
  source.lends = false;
  source.strikes = std::min(source.strikes + 1, 8u);
  Duration wait = context_.settings.retransmit_wide * (1 << (source.strikes - 1));
  source.not_before = now + std::min(wait, context_.settings.retransmit_max);
}

void StateTransfer::progressed(Instant now) {
  moved_at_ = now;
  if (assembly_.active() && context_.history.aru() >= assembly_.seq()) end();
}

// Entries are cheaper than a state, as long as somebody has them and they come faster than new ones are ordered. What
// changed since the state that was installed last is little: each transfer ends closer to where the others are.
bool StateTransfer::wanted(Instant now) {
  Seq aru = context_.history.aru();
  Seq target = context_.history.stable();
  if (target <= aru || unreadable_ || handed_out_) {
    nearest_ = {};
    return false;
  }
  const std::uint64_t gap = target.value - aru.value;
  if (!nearest_ || gap < nearest_->gap) nearest_ = {gap, now};
  return gap > context_.settings.history_kept || now - moved_at_ > 3 * context_.settings.reconcile_after ||
         now - nearest_->since > kNoCloser;
}

void StateTransfer::aim(Instant now, Effects& fx) {
  nearest_ = {};
  looked_at_ = now;
  useful_ = 0;
  begun_ = false;
  target_ = context_.stable;
  assembly_.aim(target_.seq, target_.digest, checkpoints_.newest());
  useful_at_ = now;
  for (auto& [id, source] : sources_) {
    source.busy = false;
    source.block.reset();
    source.chunks.clear();
    if (id.site != context_.self.site) {
      // Asks for nothing yet: whoever is asked for a state keeps it a while.
      fx.send(Destination::to(id), SnapshotRequest{assembly_.seq(), {}, {}}, {.auth = AuthKind::Bare});
      continue;
    }
    source.lends = false;  // a neighbour may have this one, or not
    source.strikes = 0;
    source.not_before = now;
  }
}

void StateTransfer::end() {
  assembly_.drop();
  target_ = {};
  context_.transferring = false;
  // A server that sent a forged piece with a valid MAC is faulty: it is not asked again until a restart.
  for (auto& [id, source] : sources_) source = {.set_aside = source.set_aside};
}

void StateTransfer::on_tick(Instant now, Effects& fx) {
  if (!assembly_.active()) {
    if (!wanted(now)) return;
    wanted_at_ = now;
    aim(now, fx);
  }
  bool stalled = now - useful_at_ > kStalled;
  if (stalled) context_.transferring = false;
  // Few have what was the newest state some time ago.
  const bool slow = now - looked_at_ > kStalled && std::exchange(useful_, 0) < kFew;
  if (now - looked_at_ > kStalled) looked_at_ = now;
  // No server has this state any more: the next Checkpoint came before our request.
  const bool late = !begun_ && now - useful_at_ > context_.settings.retransmit_wide;
  if ((stalled || slow || late) && context_.history.stable() > assembly_.seq()) aim(now, fx);
  for (auto& [id, source] : sources_) {
    const bool near = id.site == context_.self.site;
    const Duration patience = near ? context_.settings.retransmit_local : 2 * context_.settings.retransmit_wide;
    const bool answered = !near && source.heard_at > source.asked_at;
    if (!source.busy || (answered ? now - source.heard_at < kPause : now - source.asked_at < patience)) continue;
    source.busy = false;
    source.block.reset();
    source.chunks.clear();
    if (!answered) strike(now, source);
  }
  ask(now, fx);
}

void StateTransfer::ask(Instant now, Effects& fx) {
  std::set<std::uint32_t> blocks;
  std::set<std::uint32_t> chunks;
  std::size_t owing = 0;
  for (const auto& [id, source] : sources_) {
    if (!source.busy || doubtful(id, source)) continue;
    if (source.block) blocks.insert(*source.block);
    chunks.insert(source.chunks.begin(), source.chunks.end());
    ++owing;
  }
  // Neighbours often lag for the same reason: until one has lent something it is asked beside others, for what they
  // are asked for, too.
  for (auto& [id, source] : sources_) {
    if (!doubtful(id, source) || source.busy || source.set_aside || source.not_before > now) continue;
    std::set<std::uint32_t> same_blocks = blocks;
    std::set<std::uint32_t> same_chunks = chunks;
    ask_of(now, id, source, same_blocks, same_chunks, fx);
  }
  for (; owing < kParallel; ++owing) {
    // Whoever failed least; among them our own site first, then in turn, and not all of us the same server.
    std::pair<const ServerId, Source>* best = nullptr;
    auto rank = [&](const ServerId& id, const Source& source) {
      std::uint32_t n = context_.membership.site(id.site).servers;
      return std::tuple(source.strikes, id.site != context_.self.site, source.asked_at,
                        (id.index.value + n - context_.self.index.value % n) % n, id);
    };
    for (auto& item : sources_) {
      if (item.second.busy || item.second.set_aside || item.second.not_before > now) continue;
      if (doubtful(item.first, item.second)) continue;
      if (best == nullptr || rank(item.first, item.second) < rank(best->first, best->second)) best = &item;
    }
    if (best == nullptr) return;
    if (!ask_of(now, best->first, best->second, blocks, chunks, fx)) return;
  }
}

bool StateTransfer::doubtful(ServerId id, const Source& source) const {
  return id.site == context_.self.site && !source.lends;
}

// `blocks`, `chunks`: what is asked for already. False if there is nothing else.
bool StateTransfer::ask_of(Instant now, ServerId id, Source& source, std::set<std::uint32_t>& blocks,
                           std::set<std::uint32_t>& chunks, Effects& fx) {
  const bool near = id.site == context_.self.site;
  SnapshotRequest request{assembly_.seq(), assembly_.missing_block(blocks), {}};
  if (!request.block)
    request.chunks.items =
        assembly_.missing_chunks(chunks, near ? kChunksNearby : kChunksFarAway, context_.self.index.value,
                                 context_.membership.site(context_.self.site).servers);
  if (!request.block && request.chunks.empty()) return false;
  source.busy = true;
  source.asked_at = now;
  source.block = request.block;
  source.chunks = {request.chunks.begin(), request.chunks.end()};
  if (request.block) blocks.insert(*request.block);
  chunks.insert(source.chunks.begin(), source.chunks.end());
  fx.send(Destination::to(id), request, {.auth = near ? AuthKind::Mac : AuthKind::Bare});
  return true;
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
