#include "crypto/merkle.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

#include <bit>

namespace seneschal::crypto {

namespace {
constexpr Byte kLeafPrefix[] = {0};
constexpr Byte kNodePrefix[] = {1};

// Largest power of two strictly below `count`, which is at least 2.
std::size_t split_point(std::size_t count) {
  return std::bit_floor(count - 1);
}
}  // namespace

Digest merkle_leaf(Span entry) {
  return sha256({Span(kLeafPrefix), entry});
}

Digest merkle_node(const Digest& left, const Digest& right) {
  return sha256({Span(kNodePrefix), Span(left.bytes), Span(right.bytes)});
}

Digest merkle_root(std::span<const Digest> leaves) {
  CHECK(leaves.size() <= kMaxMerkleLeaves);
  if (leaves.empty()) return sha256(Span{});
  if (leaves.size() == 1) return leaves[0];
  const std::size_t split = split_point(leaves.size());
  return merkle_node(merkle_root(leaves.first(split)), merkle_root(leaves.subspan(split)));
}

std::vector<Digest> merkle_proof(std::span<const Digest> leaves, std::size_t index) {
  CHECK(index < leaves.size());
  if (leaves.size() == 1) return {};
  const std::size_t split = split_point(leaves.size());
  const bool in_left = index < split;
  std::vector<Digest> proof = in_left ? merkle_proof(leaves.first(split), index)  //
                                      : merkle_proof(leaves.subspan(split), index - split);
  proof.push_back(in_left ? merkle_root(leaves.subspan(split)) : merkle_root(leaves.first(split)));
  return proof;
}

namespace {
// The root that `proof` implies for a leaf; nothing if the proof has the wrong length for this position.
std::optional<Digest> implied_root(const Digest& leaf, std::size_t index, std::size_t count,
                                   std::span<const Digest> proof) {
  if (count == 1) return proof.empty() ? std::optional(leaf) : std::nullopt;
  if (proof.empty()) return std::nullopt;
  const std::size_t split = split_point(count);
  const bool in_left = index < split;
  const auto below = implied_root(leaf, in_left ? index : index - split, in_left ? split : count - split,
                                  proof.first(proof.size() - 1));
  if (!below) return std::nullopt;
  return in_left ? merkle_node(*below, proof.back()) : merkle_node(proof.back(), *below);
}
}  // namespace

bool merkle_verify(const Digest& root, const Digest& leaf, std::size_t index, std::size_t count,
                   std::span<const Digest> proof) {
  if (count == 0 || count > kMaxMerkleLeaves || index >= count || proof.size() > kMaxMerkleProof) return false;
  return implied_root(leaf, index, count, proof) == root;
}

// Splitting at the largest power of two is pairing neighbours level by level, a last odd one moving up unchanged.
MerkleTree::MerkleTree(std::vector<Digest> leaves) {
  CHECK(!leaves.empty() && leaves.size() <= kMaxMerkleLeaves);
  levels_.push_back(std::move(leaves));
  while (levels_.back().size() > 1) {
    const auto& below = levels_.back();
    std::vector<Digest> level;
    level.reserve((below.size() + 1) / 2);
    for (std::size_t i = 0; i + 1 < below.size(); i += 2) level.push_back(merkle_node(below[i], below[i + 1]));
    if (below.size() % 2 == 1) level.push_back(below.back());
    levels_.push_back(std::move(level));
  }
}

std::vector<Digest> MerkleTree::proof(std::size_t index, std::size_t height) const {
  std::vector<Digest> proof;
  for (std::size_t level = height; level + 1 < levels_.size(); ++level, index /= 2) {
    CHECK(index < levels_[level].size());
    if (const std::size_t sibling = index ^ 1; sibling < levels_[level].size())
      proof.push_back(levels_[level][sibling]);
  }
  return proof;
}

}  // namespace seneschal::crypto
