// Merkle trees shaped as in RFC 6962: one signature over a root stands for many entries.
#pragma once
#include "base/bytes.hpp"

#include <span>
#include <vector>

namespace seneschal::crypto {

/// No tree here has more leaves: a batch of entries is far smaller.
inline constexpr std::size_t kMaxMerkleLeaves = 65536;
/// Longest inclusion proof of such a tree.
inline constexpr std::size_t kMaxMerkleProof = 16;

/// Leaf and inner hashes have different prefixes, so that neither can pass for the other.
Digest merkle_leaf(Span entry);
Digest merkle_node(const Digest& left, const Digest& right);

/// Root over leaf hashes; split at the largest power of two below the count, a last leaf is never duplicated. The
/// root of no leaves is SHA-256 of nothing.
Digest merkle_root(std::span<const Digest> leaves);
/// Siblings from the leaf up to the root. `index` must be below the count.
std::vector<Digest> merkle_proof(std::span<const Digest> leaves, std::size_t index);
/// True if `leaf` is number `index` of the `count` leaves under `root`. Safe on anything a peer sends.
bool merkle_verify(const Digest& root, const Digest& leaf, std::size_t index, std::size_t count,
                   std::span<const Digest> proof);

/// A tree with all its levels, for whoever proves many leaves: a proof costs its length.
class MerkleTree {
 public:
  /// From 1 to kMaxMerkleLeaves leaves (CHECKed).
  explicit MerkleTree(std::vector<Digest> leaves);
  const Digest& root() const { return levels_.back().front(); }
  const std::vector<Digest>& leaves() const { return levels_.front(); }
  /// Proves node `index` of those `height` levels above the leaves: it is the root of leaves [index * 2^height,
  /// (index + 1) * 2^height), the last such block being shorter. `merkle_verify` takes the proof with the number of
  /// blocks as its count. A height above the root's is the root's.
  std::vector<Digest> proof(std::size_t index, std::size_t height = 0) const;

 private:
  std::vector<std::vector<Digest>> levels_;  // leaves first
};

}  // namespace seneschal::crypto
