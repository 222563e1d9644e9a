// How a snapshot travels: somebody who lacks it asks for blocks of leaf digests, then for chunks. Everything is
// checked against the digest of a checkpoint, so it does not matter who sent it. [Steward 7]
#pragma once
#include "replication/snapshot.hpp"

namespace seneschal::replication {

inline constexpr std::size_t kMaxChunksAsked = 16;

/// Asks for parts of the snapshot of the checkpoint at `seq`: one block of leaves, or some chunks. With a MAC inside
/// a site, so that nobody can use up what another may ask for; bare between sites, where servers share no keys.
struct SnapshotRequest {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 16;
  static constexpr const char* kName = "SnapshotRequest";
  static constexpr std::size_t kMaxSize = 64 + 4 * kMaxChunksAsked + 1024;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac) | bit(AuthKind::Bare);
  static constexpr Prefix kPrefix = Prefix::None;
  Seq seq;
  std::optional<std::uint32_t> block;
  SortedList<std::uint32_t, kMaxChunksAsked> chunks;
  auto fields() { return std::tie(seq, block, chunks); }
  bool operator==(const SnapshotRequest&) const = default;
};

/// A block of leaf digests with its proof. `chunks` and `root` are what the checkpoint's digest binds.
struct SnapshotBlock {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 17;
  static constexpr const char* kName = "SnapshotBlock";
  static constexpr std::size_t kMaxSize = 128 + 32 * kBlockLeaves + 32 * crypto::kMaxMerkleProof + 1024;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac) | bit(AuthKind::Bare);
  static constexpr Prefix kPrefix = Prefix::None;
  Seq seq;
  std::uint32_t chunks = 0;
  Digest root;
  std::uint32_t block = 0;
  List<Digest, kBlockLeaves> leaves;
  List<Digest, crypto::kMaxMerkleProof> proof;
  auto fields() { return std::tie(seq, chunks, root, block, leaves, proof); }
  bool operator==(const SnapshotBlock&) const = default;
};

struct SnapshotChunk {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 18;
  static constexpr const char* kName = "SnapshotChunk";
  static constexpr std::size_t kMaxSize = 64 + kMaxChunk + 1024;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac) | bit(AuthKind::Bare);
  static constexpr Prefix kPrefix = Prefix::None;
  Seq seq;
  std::uint32_t index = 0;
  BoundedBytes<kMaxChunk> bytes;
  auto fields() { return std::tie(seq, index, bytes); }
  bool operator==(const SnapshotChunk&) const = default;
};

/// The message that answers a request for block `index` of `snapshot`.
SnapshotBlock block_message(const Snapshot& snapshot, std::size_t index);

}  // namespace seneschal::replication
