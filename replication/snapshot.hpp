// A server's whole state at one seq, frozen and cut into chunks under a Merkle tree: what a checkpoint signs and
// state transfer moves. Chunk 0 is the head; then the roster, where there is an administrator; then the client table;
// then the application's own chunks.
#pragma once
#include "crypto/merkle.hpp"
#include "replication/application.hpp"
#include "replication/messages.hpp"

namespace seneschal::replication {

inline constexpr std::size_t kMaxChunk = Frozen::kMaxChunk;
inline constexpr std::size_t kMaxChunks = crypto::kMaxMerkleLeaves;
/// Leaves are told in blocks: 2^kBlockHeight digests under one proof.
inline constexpr std::size_t kBlockHeight = 10;
inline constexpr std::size_t kBlockLeaves = std::size_t{1} << kBlockHeight;

/// Last executed update of one client. The result is shared with the client table.
struct TableEntry {
  ClientId client;
  Timestamp timestamp;
  Seq seq;
  BoundedBytes<kMaxResult> result;
  auto fields() { return std::tie(client, timestamp, seq, result); }
  auto operator<=>(const TableEntry&) const = default;
};
/// As many as fit into about 16 KiB, at least one. Ascending over all table chunks.
struct TableChunk {
  SortedList<TableEntry, 4096> entries;
  auto fields() { return std::tie(entries); }
  bool operator==(const TableChunk&) const = default;
};
struct SnapshotHead {
  Seq seq;
  Digest application;  // `Application::digest`
  std::uint32_t table_chunks = 0;
  auto fields() { return std::tie(seq, application, table_chunks); }
  bool operator==(const SnapshotHead&) const = default;
};

/// What a checkpoint signs: binds number and content of all chunks, and with them the client table.
Digest snapshot_digest(std::size_t chunks, const Digest& root);

class Snapshot {
 public:
  /// `own` are the chunks of head and table.
  Snapshot(Seq seq, std::vector<SharedBytes> own, std::shared_ptr<const Frozen> application);

  Seq seq() const { return seq_; }
  std::size_t chunks() const { return own_.size() + application_->chunks(); }
  SharedBytes chunk(std::size_t index) const;
  /// Hashes about `bytes` more; true when all is hashed. What did not change since an earlier snapshot costs nothing.
  bool hash(std::size_t bytes);
  bool hashed() const { return tree_.has_value(); }

  // Only when all is hashed (CHECKed).
  const Digest& digest() const;
  const crypto::MerkleTree& tree() const;
  std::size_t blocks() const { return (chunks() + kBlockLeaves - 1) / kBlockLeaves; }
  /// Leaves of one block.
  std::span<const Digest> block(std::size_t index) const;

 private:
  Seq seq_;
  std::vector<SharedBytes> own_;
  std::shared_ptr<const Frozen> application_;
  std::vector<Digest> leaves_;
  std::optional<crypto::MerkleTree> tree_;
  Digest digest_;
};

/// Packs the table's entries, ascending by client.
std::vector<SharedBytes> pack_table(const std::vector<TableEntry>& entries);

}  // namespace seneschal::replication
