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

}  // namespace seneschal::crypto
