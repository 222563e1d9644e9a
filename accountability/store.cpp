// Reading a graph from disk.
#include "accountability/store.hpp"

#include "crypto/digest.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

/// Files called PREFIX-NUMBER.ENDING, by number.
std::map<std::uint64_t, std::string> numbered(const std::string& folder, const std::string& prefix,
                                              const std::string& ending) {
  std::map<std::uint64_t, std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix + "-") || !name.ends_with(ending)) continue;
    const std::string digits = name.substr(prefix.size() + 1, name.size() - prefix.size() - 1 - ending.size());
    std::uint64_t number = 0;
    const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (bad == std::errc{} && end == digits.data() + digits.size() && !digits.empty())
      found.emplace(number, entry.path().string());
  }
  return found;
}

}  // namespace

Bytes Head::signed_bytes() const {
  Head bare = *this;
  bare.signature.value.clear();
  Bytes bytes = to_bytes("seneschal/graph/head/6");
  append(bytes, encode(bare));
  return bytes;
}

std::expected<Head, std::string> read_head(Span bytes) {
  auto head = decode<Head>(bytes);
  if (head && head->format == kHeadFormat) return std::move(*head);
  constexpr std::uint64_t kCount = 0xffff;
  const auto format = decode<std::uint64_t>(bytes.first(std::min<std::size_t>(bytes.size(), 8)));
  if (format && (*format & ~kCount) == (kHeadFormat & ~kCount) && *format != kHeadFormat)
    return std::unexpected("of form " + std::to_string(*format & kCount) + ", and this program reads form " +
                           std::to_string(kHeadFormat & kCount));
  // Up to form 5 a head began with the first update of its graph.
  constexpr std::uint64_t kMostUpdates = std::uint64_t{1} << 48;
  if (format && *format > 0 && *format < kMostUpdates && bytes.size() > 100)
    return std::unexpected("of form 5 or earlier, and this program reads form " +
                           std::to_string(kHeadFormat & kCount) +
                           ": an operation that changed nothing hid who wrote before it there");
  return std::unexpected("unreadable (" + std::string(to_string(head ? Reject::Malformed : head.error())) + ")");
}

bool Store::is_in(const std::string& folder) {
  std::error_code error;
  return !numbered(folder, "graph", ".seg").empty() || fs::exists(folder + "/open.log", error) ||
         fs::exists(folder + "/head", error);
}

Result<Store> Store::open(const std::string& folder) {
  std::error_code error;
  Store store;
  store.folder_ = folder;
  if (!fs::is_directory(folder, error))
    return failure(folder + ": no such folder; name the folder of a graph with --graph, or run this command in it");
  if (!is_in(folder))
    return failure(
        folder +
        ": no graph in this folder (expected graph-*.seg, open.log or head); name the folder of one with --graph");
  if (fs::exists(folder + "/head", error)) {
    auto file = MappedFile::open(folder + "/head");
    if (!file) return std::unexpected(file.error());
    auto head = read_head(file->bytes());
    if (head)
      store.head_ = std::move(*head);
    else if (head.error().starts_with("of form"))
      return failure(folder + "/head: a graph " + head.error() +
                     "; ask it with the program that wrote it, and move the folder away to begin a new one");
    else
      store.note(folder + "/head", head.error());
  }
  store.load_snapshot_names();
  store.find_begin();
  store.load_blocks();
  store.load_rest();
  return store;
}

void Store::load_snapshot_names() {
  for (const auto& [number, path] : numbered(folder_, "snapshot", ".snap")) snapshots_.emplace_back(number);
}

/// Where the chain begins: the head knows, or without a full block the log.
void Store::find_begin() {
  std::error_code error;
  if (head_) {
    begin_ = UpdateId(std::clamp<std::uint64_t>(head_->begin, 1, std::uint64_t{1} << 62));
  }
  if (numbered(folder_, "graph", ".seg").empty() && fs::exists(folder_ + "/open.log", error)) {
    if (auto file = MappedFile::open(folder_ + "/open.log")) {
      const FrameScan scan = scan_frames(file->bytes());
      const auto rows = std::ranges::find(scan.frames, FrameKind::Rows, &Frame::kind);
      if (rows != scan.frames.end() && rows->first.value > 0) begin_ = rows->first;
    }
  }
  closed_ = begin_;
}

void Store::load_blocks() {
  std::vector<Block> blocks;
  bool good = true;
  for (const auto& [number, path] : numbered(folder_, "graph", ".seg")) {
    auto file = MappedFile::open(path);
    const auto lost = [&](const std::string& what) {
      lost_from_ = closed_.value;
      note(file ? path : folder_, what + "; updates from " + std::to_string(closed_.value) + " on cannot be used");
      good = false;
    };
    if (!file) {
      lost(file.error().message);
      break;
    }
    if (blocks.empty()) closed_ = UpdateId(number);
    if (closed_.value != number) {
      lost("expected to begin at update " + std::to_string(closed_.value));
      break;
    }
    const FrameScan scan = scan_frames(file->bytes());
    segment_good_ = 0;
    for (const Frame& frame : scan.frames) {
      auto block = Block::parse(frame.content);
      if (frame.kind != FrameKind::Block || !block || block->first() != closed_ || block->count() != kBlockUpdates) {
        lost("before byte " + std::to_string(frame.end) + ": " +
             (block ? "not the block that should follow" : block.error()));
        break;
      }
      // Where the first blocks were dropped, the chain is taken up as it is: the head vouches for its end.
      const bool starts = Digest{block->header().before}.is_zero();
      if (blocks.empty() && starts) begin_ = closed_;
      const bool chained = blocks.empty() ? closed_ != UpdateId(1) || starts : block->header().before == chain_.bytes;
      if (!chained) {
        lost("before byte " + std::to_string(frame.end) + ": this block was not made after the one before it");
        break;
      }
      chain_ = crypto::sha256(frame.content);
      closed_ = block->end();
      segment_good_ = frame.end;
      if (head_ && head_->closed == closed_.value) chain_at_head_ = chain_;
      blocks.push_back(std::move(*block));
    }
    if (good && scan.problem) lost(*scan.problem);
    segments_.push_back(std::move(*file));
    if (!good) break;
  }
  if (head_ && head_->closed == begin_.value) chain_at_head_ = Digest{};  // signed before the first full block
  if (!blocks.empty()) {
    const Graph full = *Graph::of(blocks, blocks.front().first());
    last_closed_seq_ = full.seq(UpdateId(closed_.value - 1));
  }
  if (good) load_open(blocks);
  // Where it begins, the head says, but not more than there is; without a head what was dropped is before the oldest
  // snapshot.
  const UpdateId first = blocks.empty() ? closed_ : blocks.front().first();
  const UpdateId end = blocks.empty() ? closed_ : blocks.back().end();
  UpdateId base = first;
  const auto kept = numbered(folder_, "payloads", ".seg");
  if (head_)
    base = std::clamp(UpdateId(head_->base), first, std::max(first, end));
  else if (base.value > 1 || (!kept.empty() && kept.begin()->first > base.value)) {
    if (snapshots_.empty())
      note(folder_, "the first updates are gone, and there is no snapshot");
    else
      base = std::clamp(snapshots_.front().next(), base, std::max(base, end));
  }
  auto graph = Graph::of(std::move(blocks), base);
  if (graph)
    graph_ = std::move(*graph);
  else
    note(folder_, graph.error());
}

void Store::load_open(std::vector<Block>& blocks) {
  const std::string path = folder_ + "/open.log";
  std::error_code error;
  if (!fs::exists(path, error)) return;
  auto file = MappedFile::open(path);
  if (!file) return note(folder_, file.error().message);
  const FrameScan scan = scan_frames(file->bytes());
  Builder open({}, begin_, closed_, chain_, last_closed_seq_);
  for (const Frame& frame : scan.frames) {
    auto rows = frame.kind == FrameKind::Rows
                    ? Block::parse(frame.content)
                    : std::expected<Block, std::string>(std::unexpected("unexpected frame"));
    // Updates whose block was closed before the log was cut are known already.
    const bool fits = rows && rows->first() <= open.next() &&
                      each_row(*rows, [&](UpdateId id, ClientId client, Seq seq, const Formula& formula) {
                        if (id < open.next()) return true;
                        return open.add(client, seq, formula).has_value() && open.open_first() == closed_;
                      });
    if (!fits) {
      note(path, "before byte " + std::to_string(frame.end) + ": " +
                     (rows ? "updates that do not follow the ones before" : rows.error()));
      break;
    }
  }
  if (scan.problem) note(path, *scan.problem + "; what was flushed before it is used");
  open_block_ = open.open_first() == closed_ ? open.open_block() : Bytes{};
  if (!open_block_.empty()) blocks.push_back(*Block::parse(open_block_));
}

void Store::load_rest() {
  for (const auto& [number, path] : numbered(folder_, "payloads", ".seg")) {
    auto file = MappedFile::open(path);
    if (!file) {
      note(folder_, file.error().message);
      continue;
    }
    payloads_.push_back(std::move(*file));
    payload_firsts_.emplace_back(number);
  }
}

std::optional<std::string> Store::damage() const {
  if (lost_from_ == 0) return std::nullopt;
  return folder_ + ": updates from " + std::to_string(lost_from_) + " on are damaged";
}

std::optional<std::string> Store::doubt(const Verifier& verify) const {
  if (!head_) return "there is no signed head";
  if (!verify(head_->signer, head_->signed_bytes(), head_->signature.value))
    return "the head's signature is not that of " + to_string(head_->signer);
  if (auto wrong = updates_doubt()) return wrong;
  return payload_doubt();
}

std::optional<std::string> Store::updates_doubt() const {
  if (!head_) return std::nullopt;
  if (head_->closed > closed_.value || head_->next > whole().end().value)
    return "the head covers updates up to " + std::to_string(head_->next - 1) + ", the files reach " +
           std::to_string(whole().end().value - 1);
  if (!chain_at_head_ || *chain_at_head_ != head_->chain)
    return "the blocks up to update " + std::to_string(head_->closed - 1) + " are not those that were signed";
  if (digest_at(UpdateId(head_->next)) != head_->digest)
    return "updates " + std::to_string(head_->closed) + " to " + std::to_string(head_->next - 1) +
           " are not those that were signed";
  if (whole().base().value > head_->base)
    return "updates " + std::to_string(head_->base) + " to " + std::to_string(whole().base().value - 1) +
           " are gone, with which the graph began when it was signed";
  if (head_->base > 1 && std::ranges::find(snapshots_, UpdateId(head_->base - 1)) == snapshots_.end())
    return "the snapshot after update " + std::to_string(head_->base - 1) +
           " is gone, with which the graph began when it was signed";
  return std::nullopt;
}

std::optional<Digest> Store::digest_at(UpdateId next) const {
  if (next > whole().end() || next < whole().origin()) return std::nullopt;
  if (next == closed_) return chain_;
  if (next == begin_) return Digest{};
  // The graph got longer since then: the updates of that block up to there, again.
  const Block& block = whole().blocks()[whole().block_index(next == whole().end() ? UpdateId(next.value - 1) : next)];
  const Digest before{block.header().before};
  if (block.first() == next) return before;
  Builder then({}, begin_, block.first(), before);
  each_row(block, [&](UpdateId id, ClientId client, Seq seq, const Formula& formula) {
    return id < next && then.add(client, seq, formula).has_value();
  });
  return then.digest();
}

void Store::end_at(UpdateId end) {
  if (end >= graph_.end()) return;
  whole_ = std::move(graph_);
  std::vector<Block> blocks;
  for (const Block& block : whole_->blocks()) {
    if (block.first() >= end) break;
    if (block.end() <= end) {
      blocks.push_back(block);
      continue;
    }
    Builder part({}, begin_, block.first(), Digest{block.header().before});
    each_row(block, [&](UpdateId id, ClientId client, Seq seq, const Formula& formula) {
      return id < end && part.add(client, seq, formula).has_value();
    });
    last_block_ = part.open_block();
    blocks.push_back(*Block::parse(last_block_));
  }
  graph_ = *Graph::of(std::move(blocks), std::min(whole_->base(), end));
}

UpdateId Store::payloads_end() const {
  UpdateId next(head_ ? head_->next : begin_.value);
  const UpdateId end = graph_.end();
  Span before;  // the frame before
  for (const MappedFile& file : payloads_) {
    for (const Frame& frame : scan_frames(file.bytes()).frames) {
      const bool later = frame.end_id() > next;
      if (later && (frame.first > next || frame.end_id() > end || frame.content.size() < kChainedBytes ||
                    (!before.empty() && !equal(frame.content.first(32), crypto::sha256(before).bytes))))
        return next;
      if (later) next = frame.end_id();
      before = frame.content;
    }
  }
  return next;
}

void Store::cut_at(UpdateId end) {
  if (end >= graph_.end()) return;
  std::vector<Block> blocks;
  for (const Block& block : graph_.blocks()) {
    if (block.end() <= end) {
      blocks.push_back(block);
      continue;
    }
    closed_ = block.first();
    chain_ = Digest{block.header().before};
    last_closed_seq_ =
        blocks.empty() ? Seq{} : Graph::of(blocks, blocks.front().first())->seq(UpdateId(closed_.value - 1));
    Builder open({}, begin_, closed_, chain_, last_closed_seq_);
    each_row(block, [&](UpdateId id, ClientId client, Seq seq, const Formula& formula) {
      return id < end && open.add(client, seq, formula).has_value();
    });
    open_block_ = open.next() == closed_ ? Bytes{} : open.open_block();
    break;
  }
  const UpdateId base = std::min(graph_.base(), end);
  std::size_t segments = 0;
  segment_good_ = 0;
  for (; segments < segments_.size(); ++segments) {
    const FrameScan scan = scan_frames(segments_[segments].bytes());
    if (scan.frames.empty() || scan.frames.front().end_id() > closed_) break;
    for (const Frame& frame : scan.frames)
      if (frame.end_id() <= closed_) segment_good_ = frame.end;
  }
  segments_.erase(segments_.begin() + static_cast<std::ptrdiff_t>(segments), segments_.end());
  if (!open_block_.empty()) blocks.push_back(*Block::parse(open_block_));
  graph_ = *Graph::of(std::move(blocks), base);
}

std::optional<std::string> Store::payload_doubt() const {
  if (!head_ || head_->payloads.is_zero()) return std::nullopt;
  std::optional<Digest> chain;  // what was before the first file has left the graph: the head vouches for the end
  UpdateId next = graph_.base();
  for (const MappedFile& file : payloads_) {
    const FrameScan scan = scan_frames(file.bytes());
    for (const Frame& frame : scan.frames) {
      if (!chain && frame.first > graph_.base())
        return file.path() + ": the operations of updates " + std::to_string(graph_.base().value) + " to " +
               std::to_string(frame.first.value - 1) + " are gone, which were signed";
      if (chain == head_->payloads && next.value >= head_->next) return std::nullopt;  // the rest is not signed yet
      const bool known =
          frame.kind == FrameKind::Payloads || frame.kind == FrameKind::State || frame.kind == FrameKind::Time;
      if (!known || frame.content.size() < 32 || (chain && !equal(frame.content.first(32), chain->bytes)))
        return file.path() + ": before byte " + std::to_string(frame.end) + ": operations from update " +
               std::to_string(frame.first.value) + " on are not those that follow the ones before";
      chain = crypto::sha256(frame.content);
      next = frame.end_id();
    }
    if (scan.problem && next.value < head_->next) return file.path() + ": " + *scan.problem;
  }
  if (chain == head_->payloads) return std::nullopt;
  return folder_ + ": the operations up to update " + std::to_string(head_->next - 1) +
         (next.value < head_->next ? " are not all there" : " are not those that were signed");
}

std::optional<Digest> Store::noted_state(UpdateId last) const {
  // The first frame of the file that was begun at the snapshot.
  const std::string name = "/payloads-" + std::to_string(last.value + 1) + ".seg";
  const auto file = std::ranges::find_if(payloads_, [&](const MappedFile& f) { return f.path().ends_with(name); });
  if (file == payloads_.end()) return std::nullopt;
  constexpr std::size_t kFirstFrame = 1024;
  const FrameScan scan = scan_frames(file->bytes().first(std::min(file->bytes().size(), kFirstFrame)));
  if (scan.frames.empty() || scan.frames[0].kind != FrameKind::State || scan.frames[0].content.size() < 32)
    return std::nullopt;
  const auto note = decode<StateNote>(scan.frames[0].content.subspan(32));
  return note && note->last == last ? std::optional(note->state_digest) : std::nullopt;
}

Digest Store::digest() const {
  if (whole_) return digest_at(graph_.end()).value_or(Digest{});
  return open_block_.empty() ? chain_ : crypto::sha256(open_block_);
}

std::optional<Digest> Store::digest_of(UpdateId id) const {
  const auto payload = payload_of(id);
  return payload ? std::optional(payload->digest()) : std::nullopt;
}

std::optional<Payload> Store::payload_of(UpdateId id) const {
  const auto after = std::ranges::upper_bound(payload_firsts_, id);
  if (after == payload_firsts_.begin() || id >= whole().end()) return std::nullopt;
  const auto index = static_cast<std::size_t>(after - payload_firsts_.begin()) - 1;
  if (!found_.frame || found_.file != index || id < found_.frame->first()) found_ = {index, 0, std::nullopt};
  const Span bytes = payloads_[index].bytes();
  while (!found_.frame || id >= found_.frame->end()) {
    auto frame = frame_at(bytes, found_.at);
    if (!frame) return found_ = {}, std::nullopt;
    const std::size_t begin = std::exchange(found_.at, frame->end);
    if (frame->kind != FrameKind::Payloads || id >= frame->end_id()) continue;
    const FrameScan checked = scan_frames(bytes.subspan(begin, frame->end - begin));
    if (checked.frames.empty() || id < frame->first || !(found_.frame = PayloadFrame::of(*frame)))
      return found_ = {}, std::nullopt;
  }
  return found_.frame->at(id);
}

bool Store::each_payload(UpdateId from, const std::function<void(const Payload&)>& visit) const {
  UpdateId next = from;
  for (const MappedFile& file : payloads_) {
    for (const Frame& frame : scan_frames(file.bytes()).frames) {
      if (frame.kind != FrameKind::Payloads || frame.first > next || frame.end_id() <= next) continue;
      const auto view = PayloadFrame::of(frame);
      for (; view && next < view->end() && next < graph_.end(); next = next.next()) {
        const auto payload = view->at(next);
        if (!payload) return false;
        visit(*payload);
      }
    }
  }
  return next == graph_.end();
}

std::vector<TimeNote> Store::times() const {
  std::vector<TimeNote> notes;
  if (!head_ || head_->payloads.is_zero()) return notes;
  // What lies before a signed operation in the chain is signed. Behind the last one anybody may have put something.
  UpdateId next;
  for (const MappedFile& file : payloads_) {
    for (const Frame& frame : scan_frames(file.bytes()).frames) {
      if (frame.kind == FrameKind::Payloads) next = frame.end_id();
      if (frame.kind != FrameKind::Time || frame.content.size() <= kChainedBytes) continue;
      if (frame.first < graph_.base() || frame.first < next || frame.first.value >= head_->next) continue;
      if (const auto at = decode<std::uint64_t>(frame.content.subspan(kChainedBytes)))
        notes.push_back({frame.first, *at});
    }
  }
  return notes;
}

Result<Snapshot> Store::snapshot(UpdateId last) const {
  const std::string path = snapshot_path(last);
  auto file = MappedFile::open(path);
  if (!file) return std::unexpected(file.error());
  const FrameScan scan = scan_frames(file->bytes());
  if (scan.frames.size() != 1 || scan.frames[0].kind != FrameKind::Snapshot)
    return failure(path + ": " + scan.problem.value_or("not a snapshot"));
  auto snapshot = decode<Snapshot>(scan.frames[0].content);
  if (!snapshot) return failure(path + ": unreadable (" + std::string(to_string(snapshot.error())) + ")");
  return std::move(*snapshot);
}

std::vector<Span> Store::segments() const {
  std::vector<Span> all;
  for (const MappedFile& file : segments_) all.push_back(file.bytes());
  return all;
}

std::vector<std::string> Store::shrunk() const {
  std::vector<std::string> names;
  for (const MappedFile& file : segments_)
    if (file.shrank()) names.push_back(file.path());
  for (const MappedFile& file : payloads_)
    if (file.shrank()) names.push_back(file.path());
  return names;
}

}  // namespace seneschal::accountability
