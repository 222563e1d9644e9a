// Writing a graph to disk.
#include "accountability/store.hpp"
#include "base/check.hpp"
#include "crypto/digest.hpp"

#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;
/// PREFIX, a number, SUFFIX.
std::optional<std::uint64_t> number_of(std::string_view name, std::string_view prefix, std::string_view suffix) {
  std::uint64_t number = 0;
  if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() <= prefix.size() + suffix.size())
    return std::nullopt;
  const char* const end = name.data() + name.size() - suffix.size();
  const auto [stop, bad] = std::from_chars(name.data() + prefix.size(), end, number);
  return bad == std::errc{} && stop == end ? std::optional(number) : std::nullopt;
}

/// The file's number if its name carries one, 0 otherwise; nothing if it is no file of a graph.
std::optional<std::uint64_t> graph_file(const std::string& name) {
  for (const char* prefix : {"graph-", "payloads-"})
    if (const auto number = number_of(name, prefix, ".seg")) return number;
  if (const auto number = number_of(name, "snapshot-", ".snap")) return number;
  for (const char* one : {"head", "open.log"})
    if (name == one) return 0;
  return std::nullopt;
}

// While it is there a graph is being moved aside, to `before-` the number in it.
constexpr const char* kMoving = "/moving";
// The state that the new graph will begin with.
constexpr const char* kNewState = "/snapshot.new-graph";

/// Goes on with moving a graph to `before-FIRST`, from wherever an earlier try ended: what belongs to the new one, or
/// is there already, was begun by that and goes.
Status move_aside(const std::string& folder, std::uint64_t first) {
  const std::string aside = folder + "/before-" + std::to_string(first);
  std::error_code error;
  fs::create_directories(aside, error);
  if (error) return failure(aside + ": cannot make the folder: " + error.message());
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename().string());
  for (const std::string& name : names) {
    const auto number = graph_file(name);
    if (!number) continue;
    const std::string from = folder + "/" + name, to = aside + "/" + name;
    if (*number + 1 >= first || fs::exists(to, error))
      fs::remove(from, error);
    else
      fs::rename(from, to, error);
    if (error) return failure(from + ": cannot be moved aside: " + error.message());
  }
  return {};
}

}  // namespace

StoreWriter::StoreWriter(std::string folder, const StoreOptions& options, Signer signer,
                         std::shared_ptr<FileLock> lock)
    : folder_(std::move(folder)), options_(options), signer_(std::move(signer)), lock_(std::move(lock)) {}

Result<std::unique_ptr<StoreWriter>> StoreWriter::open(const std::string& folder, const StoreOptions& options,
                                                       Signer signer) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return failure(folder + ": cannot make the folder: " + error.message());
  auto lock = FileLock::take(folder + "/lock", false);
  if (!lock) return failure(lock.error().message + "; does another program write this graph?");
  if (Status done = finish_moving(folder); !done) return std::unexpected(done.error());
  Store before;
  if (Store::is_in(folder)) {
    auto store = Store::open(folder);
    if (!store) return failure(store.error().message + "; nothing was changed");
    before = std::move(*store);
    if (Status good = acceptable(before, options, signer); !good)
      return failure(good.error().message + "; nothing was changed: move the folder away to begin a new graph");
    // What the head covers is durable, in all files. Of what came after it a power cut may have taken different parts
    // of each: what is not in all of them goes, and the replica executes it again or begins a graph anew.
    if (before.head_ && options.payloads) before.cut_at(before.payloads_end());
  }
  std::unique_ptr<StoreWriter> writer(
      new StoreWriter(folder, options, std::move(signer), std::make_shared<FileLock>(std::move(*lock))));
  if (!before.head_) {  // there is no update yet, and what a crash left of an earlier beginning is of no use
    before = Store();
    if (Status done = remove_files(folder); !done) return std::unexpected(done.error());
  }
  if (Status good = writer->recover(before); !good) return std::unexpected(good.error());
  // From the first update on there is a head: a graph without one is not gone on with.
  if (!before.head_)
    if (Status done = writer->seal(); !done) return std::unexpected(done.error());
  return writer;
}

/// A crash while a graph was moved aside: it is moved to the end, and the next one begins with nothing.
Status StoreWriter::finish_moving(const std::string& folder) {
  std::error_code error;
  if (!fs::exists(folder + kMoving, error)) return {};
  std::uint64_t first = 0;
  std::ifstream(folder + kMoving) >> first;
  if (first == 0) return failure(folder + kMoving + ": unreadable; move the folder away to begin a new graph");
  if (Status done = move_aside(folder, first); !done) return done;
  fs::remove(folder + kNewState, error);
  fs::remove(folder + kMoving, error);
  return {};
}

Status StoreWriter::remove_files(const std::string& folder) {
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder, error)) names.push_back(entry.path().filename().string());
  for (const std::string& name : names)
    if (graph_file(name) && !fs::remove(folder + "/" + name, error))
      return failure(folder + "/" + name + ": cannot be removed: " + error.message());
  return {};
}

/// Whether `before` is what this signer signed, undamaged, so that it can be gone on with.
Status StoreWriter::acceptable(const Store& before, const StoreOptions& options, const Signer& signer) {
  std::error_code error;
  if (!before.head_ && fs::exists(before.folder_ + "/head", error)) return failure(before.notes_.front());
  if (!before.head_ && (before.graph_.size() > 0 || !before.segments_.empty() || before.damage()))
    return failure(before.folder_ + ": there are updates, and no head: nobody vouches for them");
  if (!before.head_) return {};
  const Head& head = *before.head_;
  const std::string path = before.folder_ + "/head: ";
  if (signer.verify && head.signer != signer.self)
    return failure(path + "signed by " + to_string(head.signer) + ", not by " + to_string(signer.self));
  if (signer.verify && !signer.verify(head.signed_bytes(), head.signature.value))
    return failure(path + "its signature is not that of " + to_string(signer.self));
  const std::string_view was = as_text(head.application.value);
  if (!was.empty() && !options.application.empty() && was != options.application)
    return failure(path + "the graph is of application '" + std::string(was) + "', this is '" + options.application +
                   "'");
  if (before.graph_.end().value < head.next) {
    std::string why;
    for (const std::string& note : before.notes_) why += "\n  " + note;
    return failure(before.folder_ + ": the graph was signed up to update " + std::to_string(head.next - 1) +
                   " but is good only up to " + std::to_string(before.graph_.end().value - 1) + why);
  }
  if (const auto doubt = before.updates_doubt()) return failure(before.folder_ + ": " + *doubt);
  if (options.payloads)
    if (const auto doubt = before.payload_doubt()) return failure(*doubt);
  return {};
}

Result<std::unique_ptr<StoreWriter>> StoreWriter::begin_anew(const Snapshot& state, std::size_t keep_before) {
  const std::uint64_t first = state.last.value + 1;
  std::error_code error;
  // The state first: if there is no room for it, the graph stays as it is.
  auto made = snapshot_frame(state);
  if (!made) return std::unexpected(made.error());
  if (Status done = replace_file(folder_ + kNewState, *made); !done) return std::unexpected(done.error());
  if (Status done = replace_file(folder_ + kMoving, as_span(std::to_string(first))); !done)
    return std::unexpected(done.error());
  if (Status done = move_aside(folder_, first); !done) return std::unexpected(done.error());
  fs::rename(folder_ + kNewState, folder_ + "/snapshot-" + std::to_string(state.last.value) + ".snap", error);
  if (error) return failure(folder_ + ": cannot write the snapshot: " + error.message());
  Store empty;
  empty.begin_ = empty.closed_ = state.last.next();
  empty.last_closed_seq_ = state.seq;
  empty.graph_ = *Graph::of({}, empty.begin_);
  std::unique_ptr<StoreWriter> writer(new StoreWriter(folder_, options_, signer_, lock_));
  if (Status done = writer->recover(empty); !done) return std::unexpected(done.error());
  if (options_.payloads)
    if (Status done = writer->note_state(state.last, state.state_digest); !done) return std::unexpected(done.error());
  writer->last_time_ms_ = last_time_ms_;
  if (options_.payloads && last_time_ms_ != 0)
    if (Status done = writer->write_time(last_time_ms_ + kTimeNoteMs); !done) return std::unexpected(done.error());
  if (Status done = writer->seal(); !done) return std::unexpected(done.error());
  if (!fs::remove(folder_ + kMoving, error)) return failure(folder_ + kMoving + ": cannot be removed");
  std::map<std::uint64_t, fs::path> before;
  for (const auto& entry : fs::directory_iterator(folder_, error))
    if (const auto number = number_of(entry.path().filename().string(), "before-", ""))
      before.emplace(*number, entry.path());
  for (; before.size() > keep_before; before.erase(before.begin())) fs::remove_all(before.begin()->second, error);
  return writer;
}

Status StoreWriter::recover(const Store& store) {
  builder_ = std::make_unique<Builder>(
      [this](UpdateId first, std::uint32_t count, const Bytes& block) { block_closed(first, count, block); },
      store.begin_, store.closed_, store.chain_, store.last_closed_seq_);
  // Segments after a damaged one are of no use; the last good one is cut to what is good and gone on with.
  std::vector<std::string> segments;
  for (const MappedFile& file : store.segments_) segments.push_back(file.path());
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const std::string path = entry.path().string();
    const std::string name = entry.path().filename().string();
    if (name.starts_with("graph-") && name.ends_with(".seg") && std::ranges::find(segments, path) == segments.end())
      fs::rename(path, path + ".unusable");
  }
  if (!segments.empty()) {
    auto file = FrameFile::open(segments.back(), store.segment_good_);
    if (!file) return std::unexpected(file.error());
    segment_ = std::move(*file);
    new_segment_ = false;
  }
  // A snapshot of updates that a power cut took will be taken again.
  std::error_code error;
  for (const UpdateId last : store.snapshots_)
    if (last >= store.graph_.end()) fs::remove(store.snapshot_path(last), error);
  base_ = store.graph_.base();
  if (store.head_) base_ = std::max(base_, UpdateId(store.head_->base));  // a crash while old files were removed
  flushed_ = store.closed_;
  payloads_from_ = store.graph_.end();
  Bytes log;
  if (!store.open_block_.empty()) {
    each_row(*Block::parse(store.open_block_), [&](UpdateId id, ClientId client, Seq seq, const Formula& formula) {
      const auto taken = builder_->add(client, seq, formula);
      CHECK(taken.has_value() && *taken == id);
      return true;
    });
    const auto count = static_cast<std::uint32_t>(next().value - flushed_.value);
    log = make_frame(FrameKind::Rows, flushed_, count, builder_->open_rows(flushed_));
    flushed_ = next();
    signed_in_log_ = true;
  }
  if (Status done = replace_file(folder_ + "/open.log", log); !done) return done;
  auto open = FrameFile::open(folder_ + "/open.log", log.size());
  if (!open) return std::unexpected(open.error());
  open_ = std::move(*open);
  return options_.payloads ? recover_payloads(store) : Status{};
}

Status StoreWriter::recover_payloads(const Store& store) {
  std::optional<UpdateId> noted;
  for (std::size_t i = 0; i < store.payloads_.size(); ++i) {
    const MappedFile& file = store.payloads_[i];
    payload_firsts_.push_back(store.payload_firsts_[i]);
    std::size_t keep = 0;
    for (const Frame& frame : scan_frames(file.bytes()).frames) {
      if (frame.end_id() > store.graph_.end()) continue;
      note_places(frame.first, frame.end_id(), std::exchange(keep, frame.end));
      payload_chain_ = crypto::sha256(frame.content);
      if (frame.kind == FrameKind::State) noted = UpdateId(frame.first.value - 1);
    }
    auto payloads = FrameFile::open(file.path(), keep);
    if (!payloads) return std::unexpected(payloads.error());
    payloads_ = std::move(*payloads);
  }
  if (!payloads_.is_open())
    if (Status made = new_payload_file(); !made) return made;
  // A crash between a snapshot and its note.
  const UpdateId last(store.graph_.end().value - 1);
  if (noted == last || std::ranges::find(store.snapshots_, last) == store.snapshots_.end()) return {};
  const auto snapshot = store.snapshot(last);
  if (!snapshot) return {};
  if (Status made = new_payload_file(); !made) return made;
  return note_state(last, snapshot->state_digest);
}

/// `content` begins with the digest of the one before.
Status StoreWriter::write_payloads(FrameKind kind, UpdateId first, std::uint32_t count, Span content) {
  const std::uint64_t at = payloads_.size();
  if (Status done = write(payloads_, kind, first, count, content); !done) return done;
  payload_chain_ = crypto::sha256(content);
  note_places(first, first + count, at);
  return {};
}

void StoreWriter::note_places(UpdateId first, UpdateId end, std::uint64_t at) {
  if (first < begin()) return;
  // What is not there any more keeps the place of what comes after it: it is not found there.
  while (begin().value + kPlaced * places_.size() < end.value) places_.push_back(at);
}

Status StoreWriter::note_state(UpdateId last, const Digest& state_digest) {
  Bytes content = to_bytes(payload_chain_.bytes);
  append(content, encode(StateNote{last, state_digest}));
  return write_payloads(FrameKind::State, last.next(), 0, content);
}

Status StoreWriter::new_payload_file() {
  auto file = FrameFile::open(folder_ + "/payloads-" + std::to_string(next().value) + ".seg", 0);
  if (!file) return std::unexpected(file.error());
  payloads_ = std::move(*file);
  if (payload_firsts_.empty() || payload_firsts_.back() != next()) payload_firsts_.push_back(next());
  return {};
}

Status StoreWriter::write(FrameFile& file, FrameKind kind, UpdateId first, std::uint32_t count, Span content) {
  if (Status done = file.append(kind, first, count, content); !done) return done;
  bytes_written_ += content.size();
  return {};
}

void StoreWriter::block_closed(UpdateId first, std::uint32_t count, const Bytes& block) {
  const auto step = [this](Status done) {
    if (!done && trouble_) trouble_ = done;
  };
  if (new_segment_ || segment_.size() + block.size() > options_.segment_bytes) {
    if (segment_.is_open()) step(segment_.sync());
    auto file = FrameFile::open(folder_ + "/graph-" + std::to_string(first.value) + ".seg", 0);
    if (!file) return step(std::unexpected(file.error()));
    segment_ = std::move(*file);
    new_segment_ = false;
  }
  if (!trouble_) return;  // a hole in the order is worse than a shorter graph
  step(write(segment_, FrameKind::Block, first, count, block));
  // `add` has not seen the last digest of this block yet: flush writes them.
}

std::expected<UpdateId, Refusal> StoreWriter::add(ClientId client, Seq seq, std::span<const UpdateId> names) {
  return builder_->add(client, seq, names);
}

std::expected<UpdateId, Refusal> StoreWriter::add(const NewUpdate& update) {
  if (!update.named.empty()) {
    const std::vector<UpdateId> leaves = update.formula.leaves();
    if (update.declared != update.named.size() || leaves.size() < update.declared)
      return std::unexpected(Refusal::DigestMissing);
    if (auto bad = builder_->problem(update.formula)) return std::unexpected(*bad);
    std::size_t compared = 0;
    for (std::size_t i = 0; i < update.declared; ++i) {
      const auto known = payload(leaves[i]);
      if (!known) continue;
      compared += known->signed_bytes();
      if (compared > kMostCompared) return std::unexpected(Refusal::TooMuchToCheck);
      if (known->digest() != update.named[i]) return std::unexpected(Refusal::DigestMismatch);
    }
  }
  const auto id = builder_->add(update.client, update.seq, update.formula);
  if (!id) return id;
  if (options_.payloads) new_payloads_.add(update);
  return id;
}

std::optional<Digest> StoreWriter::digest_of(UpdateId id) const {
  const auto known = payload(id);
  return known ? std::optional(known->digest()) : std::nullopt;
}

// What was dropped is not looked for, though a crash may have left its files: all servers must come to the same
// answer.
std::optional<Payload> StoreWriter::payload(UpdateId id) const {
  if (!options_.payloads || id < base_ || id >= next()) return std::nullopt;
  if (id >= payloads_from_) return new_payloads_.at(static_cast<std::uint32_t>(id.value - payloads_from_.value), id);
  const auto after = std::ranges::upper_bound(payload_firsts_, id);
  if (after == payload_firsts_.begin()) return std::nullopt;
  const UpdateId first = *std::prev(after);
  if (looked_ && looked_->first == first)
    if (auto known = payload_in(looked_->file.bytes(), first, id)) return known;
  looked_.reset();
  auto file = MappedFile::open(folder_ + "/payloads-" + std::to_string(first.value) + ".seg");
  if (!file) return std::nullopt;
  looked_ = Looked{first, std::move(*file)};
  return payload_in(looked_->file.bytes(), first, id);
}

std::optional<Payload> StoreWriter::payload_in(Span file, UpdateId first, UpdateId id) const {
  // From the frame on that the last placed update before it is in, if that is in this file.
  const std::uint64_t slot = (id.value - begin().value) / kPlaced;
  std::uint64_t at = begin().value + slot * kPlaced >= first.value ? places_.at(slot) : 0;
  for (auto frame = frame_at(file, at); frame; frame = frame_at(file, frame->end)) {
    if (frame->kind != FrameKind::Payloads || id >= frame->end_id()) continue;
    const auto view = PayloadFrame::of(*frame);
    return view ? view->at(id) : std::nullopt;
  }
  return std::nullopt;
}

Status StoreWriter::flush() {
  if (!trouble_) return trouble_;
  if (const std::uint32_t count = new_payloads_.count(); count > 0) {
    const Span content = new_payloads_.finish(payload_chain_);
    if (Status done = write_payloads(FrameKind::Payloads, payloads_from_, count, content); !done) return done;
    new_payloads_.clear();
  }
  payloads_from_ = next();
  const UpdateId open_first = builder_->open_first();
  if (open_first > flushed_) {  // the log's updates are in a full block now
    // Where the head covers some of them, that must be durable first. Others a power cut may take.
    if (std::exchange(signed_in_log_, false))
      if (Status done = segment_.sync(); !done) return done;
    if (Status done = open_.cut(0); !done) return done;
    flushed_ = open_first;
  }
  if (flushed_ == next()) return {};
  const auto count = static_cast<std::uint32_t>(next().value - flushed_.value);
  if (Status done = write(open_, FrameKind::Rows, flushed_, count, builder_->open_rows(flushed_)); !done) return done;
  flushed_ = next();
  return {};
}

Status StoreWriter::sync() {
  if (Status done = flush(); !done) return done;
  for (FrameFile* file : {&segment_, &payloads_, &open_})
    if (Status done = file->sync(); !done) return done;
  return {};
}

Status StoreWriter::seal() {
  if (Status done = sync(); !done) return done;
  Head head;
  head.begin = begin().value;
  head.base = base_.value;
  head.application.value = to_bytes(options_.application);
  if (options_.payloads) head.payloads = payload_chain_;
  head.closed = builder_->open_first().value;
  head.chain = builder_->chain();
  head.next = next().value;
  head.digest = digest();
  head.signer = signer_.self;
  signed_in_log_ = head.closed < head.next;
  if (signer_.sign) head.signature.value = signer_.sign(head.signed_bytes());
  return replace_file(folder_ + "/head", encode(head));
}

Status StoreWriter::note_time(std::uint64_t unix_ms) {
  if (!options_.payloads || (last_time_ms_ != 0 && unix_ms < last_time_ms_ + kTimeNoteMs)) return {};
  if (Status done = flush(); !done) return done;  // it follows what was added before it
  last_time_ms_ = unix_ms;
  return write_time(unix_ms);
}

Status StoreWriter::write_time(std::uint64_t unix_ms) {
  Bytes content = to_bytes(payload_chain_.bytes);
  append(content, encode(unix_ms));
  return write_payloads(FrameKind::Time, next(), 0, content);
}

Result<Bytes> StoreWriter::snapshot_frame(const Snapshot& snapshot) const {
  const Bytes content = encode(snapshot);
  if (content.size() > kMaxFrame) return failure(folder_ + ": the state is too large for a snapshot");
  return make_frame(FrameKind::Snapshot, snapshot.last, 1, content);
}

Status StoreWriter::snapshot(Seq seq, std::vector<Bytes> chunks, const Digest& state_digest) {
  // Durable: a power cut must not leave a snapshot of updates that are not there.
  if (Status done = sync(); !done) return done;
  Snapshot snapshot;
  snapshot.last = UpdateId(next().value - 1);
  snapshot.seq = seq;
  snapshot.state_digest = state_digest;
  for (Bytes& chunk : chunks) snapshot.chunks.items.push_back({std::move(chunk)});
  auto frame = snapshot_frame(snapshot);
  if (!frame) return std::unexpected(frame.error());
  const std::string path = folder_ + "/snapshot-" + std::to_string(snapshot.last.value) + ".snap";
  if (Status done = replace_file(path, *frame); !done) return done;
  new_segment_ = true;
  if (!options_.payloads) return {};
  if (Status made = new_payload_file(); !made) return made;
  if (Status done = note_state(snapshot.last, state_digest); !done) return done;
  // Where what is before leaves the graph, the times of what follows are known all the same.
  return last_time_ms_ == 0 ? Status{} : write_time(last_time_ms_ + kTimeNoteMs);
}

Status StoreWriter::drop_before(UpdateId keep) {
  std::error_code error;
  if (!fs::exists(folder_ + "/snapshot-" + std::to_string(keep.value) + ".snap", error))
    return failure(folder_ + ": there is no snapshot after update " + std::to_string(keep.value));
  looked_.reset();
  // What remains must be vouched for, and that nothing before it does.
  const UpdateId before = std::exchange(base_, std::max(base_, keep.next()));
  if (Status done = seal(); !done) {
    base_ = before;
    return done;
  }
  // Snapshots first: without an older one, older operations are of no use.
  std::vector<fs::path> old;
  for (const auto& entry : fs::directory_iterator(folder_))
    if (const auto number = number_of(entry.path().filename().string(), "snapshot-", ".snap");
        number && *number < keep.value)
      old.push_back(entry.path());
  for (const std::string_view prefix : {"payloads-", "graph-"}) {
    std::map<std::uint64_t, fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (const auto number = number_of(entry.path().filename().string(), prefix, ".seg"))
        files.emplace(*number, entry.path());
    // A file goes if the next one begins before what is kept: then nothing in it is needed.
    for (auto it = files.begin(); it != files.end() && std::next(it) != files.end(); ++it) {
      if (std::next(it)->first > keep.value + 1) break;
      old.push_back(it->second);
    }
  }
  for (const fs::path& path : old)
    if (!fs::remove(path, error)) return failure(path.string() + ": cannot remove: " + error.message());
  return {};
}

}  // namespace seneschal::accountability
