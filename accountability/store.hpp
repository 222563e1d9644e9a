// The graph on disk. [Graph 4]
//
//   graph-FIRST.seg     full blocks, chained by digests; a new file at 64 MiB and at each snapshot
//   open.log            the updates after the last full block, one frame per flush
//   payloads-FIRST.seg  what clients signed and what was executed of it, the digests of states, and when updates came
//                       in by this server's clock, chained (optional); a new file at each snapshot
//   snapshot-LAST.snap  the application's state right after update LAST
//   head                how far the graph goes and its digest, signed
//   findings.txt        what the operator said
//   lock                one writer at a time
//   moving              while the graph here is moved to before- the number in it
//   before-FIRST/       an earlier graph, which ended where a state was taken over from other servers
//
// A crash loses at most what was not flushed. Whatever is cut off or damaged is named, and what is before it is used.
#pragma once
#include "accountability/frames.hpp"
#include "accountability/graph.hpp"
#include "accountability/mapped_file.hpp"
#include "accountability/marking.hpp"
#include "accountability/payloads.hpp"
#include "base/principal.hpp"
#include "replication/application.hpp"

#include <map>

namespace seneschal::accountability {

/// The form of the files and what dependencies mean in them. A graph of another one is refused: what it says of who
/// depends on whom is not what is asked here.
inline constexpr std::uint64_t kHeadFormat = 0x5345'4e45'5343'0006;  // the last two bytes count

struct Head {
  std::uint64_t format = kHeadFormat;
  std::uint64_t begin = 1;   // first update of the chain: what is named before it is the snapshot it begins with
  std::uint64_t base = 1;    // first update that is kept: what is before it was dropped, to the last
  std::uint64_t closed = 1;  // one past the last update of a full block
  Digest chain;              // of the full blocks
  std::uint64_t next = 1;    // one past the last update
  Digest digest;             // of all
  Digest payloads;           // of all that was signed and executed, and of the states of snapshots; zero if not kept
  BoundedBytes<64> application;  // by name: whose operations they are; empty if nobody said
  Principal signer;
  BoundedBytes<1024> signature;
  auto fields() {
    return std::tie(format, begin, base, closed, chain, next, digest, payloads, application, signer, signature);
  }
  bool operator==(const Head&) const = default;
  /// What is signed: a domain and everything but the signature.
  Bytes signed_bytes() const;
};

/// The error says whether it is of another form.
std::expected<Head, std::string> read_head(Span bytes);

/// When updates came in: those before `first` were executed before `unix_ms`, those from there to the next note less
/// than `kTimeNoteMs` later.
struct TimeNote {
  UpdateId first;
  std::uint64_t unix_ms = 0;
  auto operator<=>(const TimeNote&) const = default;
};
/// Notes are so far apart at least.
inline constexpr std::uint64_t kTimeNoteMs = 1000;

struct Signer {
  Principal self;
  std::function<Bytes(Span)> sign;
  /// Whether a signature is its own: a head by anybody else is not gone on from. Without it that is not checked.
  std::function<bool(Span message, Span signature)> verify;
};
using Verifier = std::function<bool(const Principal&, Span message, Span signature)>;

struct Snapshot {
  UpdateId last;  // the state right after it; 0: before everything
  Seq seq;
  Digest state_digest;
  List<BoundedBytes<replication::Frozen::kMaxChunk>, 65536> chunks;  // as `Application::freeze` cuts it
  auto fields() { return std::tie(last.value, seq, state_digest, chunks); }
};

/// Part of the chain of payloads: this is the state after `last`.
struct StateNote {
  UpdateId last;
  Digest state_digest;
  auto fields() { return std::tie(last.value, state_digest); }
};

/// A graph on disk, read-only. Memory: the views of its blocks, about 1/500 of the files.
class Store {
 public:
  /// Error only if there is no graph at all; damage is a note.
  static Result<Store> open(const std::string& folder);

  /// True if `folder` has files of a graph, readable or not.
  static bool is_in(const std::string& folder);

  const Graph& graph() const { return graph_; }
  /// Leaves out the updates from `end` on; what is signed is still compared with all that is there.
  void end_at(UpdateId end);
  const std::string& folder() const { return folder_; }
  /// What is damaged or missing, file by file.
  const std::vector<std::string>& notes() const { return notes_; }
  /// The first thing that makes updates unusable; nothing if none is.
  std::optional<std::string> damage() const;
  const std::optional<Head>& head() const { return head_; }
  /// Nothing if the head is there, is what `verify` takes for its signer's word, and fits the graph and all that is
  /// kept of its updates; else what is wrong. Reads everything.
  std::optional<std::string> doubt(const Verifier& verify) const;
  /// Nothing if the updates that the head covers are there and are those that it was made over, whoever signed it;
  /// else what is wrong.
  std::optional<std::string> updates_doubt() const;
  /// Nothing if the operations and the notes of states are those that the head was made over; else what is wrong, and
  /// where. Reads all of them.
  std::optional<std::string> payload_doubt() const;
  /// The digest of the state after `last`, as the chain of payloads has it.
  std::optional<Digest> noted_state(UpdateId last) const;
  /// The first update of the chain of blocks, which may have left the graph.
  UpdateId begin() const { return begin_; }
  Digest digest() const;
  /// The digest that the graph had when `next` was its next update; nothing if that is not in the blocks that are
  /// here. At most one block is made again.
  std::optional<Digest> digest_at(UpdateId next) const;
  /// What the update's client signed, and what was executed of it; nothing if that was not kept, or has left the
  /// graph.
  std::optional<Payload> payload_of(UpdateId id) const;
  /// Of what the update's client signed; nothing if that was not kept, or has left the graph.
  std::optional<Digest> digest_of(UpdateId id) const;
  /// Operations in order, from `from` on; false if some are missing.
  bool each_payload(UpdateId from, const std::function<void(const Payload&)>& visit) const;
  /// When the updates that the head covers came in, by the clock of the server that wrote the graph. Signed if there
  /// is no `doubt`; that server's word alone.
  std::vector<TimeNote> times() const;
  /// Ids of the snapshots that are there, ascending.
  const std::vector<UpdateId>& snapshots() const { return snapshots_; }
  Result<Snapshot> snapshot(UpdateId last) const;
  std::string snapshot_path(UpdateId last) const {
    return folder_ + "/snapshot-" + std::to_string(last.value) + ".snap";
  }
  /// The files of full blocks: what a CRC pass reads.
  std::vector<Span> segments() const;
  /// Files that shrank while they were read.
  std::vector<std::string> shrunk() const;

 private:
  friend class StoreWriter;
  void load_blocks();
  void load_open(std::vector<Block>& blocks);
  void load_rest();
  void load_snapshot_names();
  void find_begin();
  /// How far the operations go that follow those which the head covers, to the end of a frame, and no further than
  /// the updates.
  UpdateId payloads_end() const;
  /// Leaves out the updates from `end` on for whoever goes on writing there.
  void cut_at(UpdateId end);
  void note(const std::string& path, const std::string& what) { notes_.push_back(path + ": " + what); }

  std::string folder_;
  std::vector<MappedFile> segments_, payloads_;
  std::vector<std::string> notes_;
  std::vector<UpdateId> snapshots_;
  std::optional<Head> head_;
  Digest chain_;
  Seq last_closed_seq_;
  UpdateId begin_{1}, closed_{1};
  std::optional<Digest> chain_at_head_;  // after the full block where the head was signed
  Bytes open_block_;
  std::size_t segment_good_ = 0;  // bytes of the last segment that are good
  std::uint64_t lost_from_ = 0;   // damage: updates from here on are gone; 0: none
  Graph graph_;
  std::optional<Graph> whole_;            // if `graph_` is not all
  Bytes last_block_;                      // of `graph_`, if that ends in the middle of one
  std::vector<UpdateId> payload_firsts_;  // of `payloads_`, in order
  /// Where `digest_of` found the last one: the next is likely to be there, too.
  struct Found {
    std::size_t file = 0, at = 0;
    std::optional<PayloadFrame> frame;
  };
  mutable Found found_;
  const Graph& whole() const { return whole_ ? *whole_ : graph_; }
};

struct StoreOptions {
  bool payloads = false;
  std::size_t segment_bytes = 64 * 1024 * 1024;
  std::string application;  // what executes the operations; empty: not told
};

/// Appends to a graph on disk; goes on where an earlier life stopped. One writer per folder.
class StoreWriter {
 public:
  /// Error if what the head signed is damaged, if there are updates without a head, if the head is not this signer's
  /// or of another application, and if another program writes the folder: then nothing is changed.
  static Result<std::unique_ptr<StoreWriter>> open(const std::string& folder, const StoreOptions& options,
                                                   Signer signer);
  /// Begins anew at `state`, taken over from other servers. What was in the folder moves to `before-FIRST` in it; of
  /// such folders only the latest `keep_before` stay. This writer is of no use any more, even after an error; a crash
  /// at any point leaves what `open` can go on from.
  Result<std::unique_ptr<StoreWriter>> begin_anew(const Snapshot& state, std::size_t keep_before);

  UpdateId begin() const { return builder_->base(); }
  UpdateId next() const { return builder_->next(); }
  Digest digest() const { return builder_->digest(); }
  Seq last_seq() const { return builder_->last_seq(); }
  /// Takes an update in memory; `flush` writes it.
  std::expected<UpdateId, Refusal> add(const NewUpdate& update);
  /// Without payloads: the fast way.
  std::expected<UpdateId, Refusal> add(ClientId client, Seq seq, std::span<const UpdateId> names);
  /// What was added survives the end of this process.
  Status flush();
  /// Flushes, makes everything durable, signs the head.
  Status seal();
  /// The state right after the last update added. Begins new segments.
  Status snapshot(Seq seq, std::vector<Bytes> chunks, const Digest& state_digest);
  /// All that was added so far was executed before `unix_ms`. Kept once a second at most, and with payloads only.
  Status note_time(std::uint64_t unix_ms);
  /// Removes segments and snapshots before `keep`, a snapshot.
  Status drop_before(UpdateId keep);
  /// Of what was added with `id`; nothing if that is not kept, or has left the graph.
  std::optional<Digest> digest_of(UpdateId id) const;
  std::uint64_t bytes_written() const { return bytes_written_; }

 private:
  StoreWriter(std::string folder, const StoreOptions& options, Signer signer, std::shared_ptr<FileLock> lock);
  static Status acceptable(const Store& before, const StoreOptions& options, const Signer& signer);
  void block_closed(UpdateId first, std::uint32_t count, const Bytes& block);
  Status recover(const Store& store);
  Status recover_payloads(const Store& store);
  Status new_payload_file();
  Status write_payloads(FrameKind kind, UpdateId first, std::uint32_t count, Span content);
  Status write_time(std::uint64_t unix_ms);
  Status note_state(UpdateId last, const Digest& state_digest);
  Result<Bytes> snapshot_frame(const Snapshot& snapshot) const;
  Status sync();
  static Status finish_moving(const std::string& folder);
  static Status remove_files(const std::string& folder);
  Status write(FrameFile& file, FrameKind kind, UpdateId first, std::uint32_t count, Span content);

  std::string folder_;
  StoreOptions options_;
  Signer signer_;
  std::shared_ptr<FileLock> lock_;  // of the folder
  std::unique_ptr<Builder> builder_;
  FrameFile segment_, open_, payloads_;
  UpdateId base_{1};             // the first update that is kept
  UpdateId flushed_{1};          // one past the last update in a file
  PayloadBuilder new_payloads_;  // since the last flush
  Digest payload_chain_;
  std::vector<UpdateId> payload_firsts_;  // of the files, in order
  /// Of every kPlaced-th update: where in its file the frame begins that it is in.
  static constexpr std::uint64_t kPlaced = 256;
  std::vector<std::uint64_t> places_;
  void note_places(UpdateId first, UpdateId end, std::uint64_t at);
  /// The file that was looked into last stays mapped.
  struct Looked {
    UpdateId first;
    MappedFile file;
  };
  mutable std::optional<Looked> looked_;
  std::optional<Payload> payload(UpdateId id) const;
  std::optional<Payload> payload_in(Span file, UpdateId first, UpdateId id) const;
  UpdateId payloads_from_{1};
  std::uint64_t last_time_ms_ = 0;
  bool new_segment_ = true;
  bool signed_in_log_ = false;  // some of what the head covers is in the log only
  Status trouble_;              // the first failure to write a block: told by the next flush
  std::uint64_t bytes_written_ = 0;
};

}  // namespace seneschal::accountability
