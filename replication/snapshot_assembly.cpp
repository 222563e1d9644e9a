#include "replication/snapshot_assembly.hpp"

#include "base/check.hpp"

namespace seneschal::replication {

SnapshotBlock block_message(const Snapshot& snapshot, std::size_t index) {
  SnapshotBlock message;
  message.seq = snapshot.seq();
  message.chunks = static_cast<std::uint32_t>(snapshot.chunks());
  message.root = snapshot.tree().root();
  message.block = static_cast<std::uint32_t>(index);
  auto leaves = snapshot.block(index);
  message.leaves.items.assign(leaves.begin(), leaves.end());
  message.proof.items = snapshot.tree().proof(index, kBlockHeight);
  return message;
}

void SnapshotAssembly::aim(Seq seq, const Digest& digest, std::shared_ptr<const Snapshot> have) {
  active_ = true;
  seq_ = seq;
  digest_ = digest;
  leaves_.clear();
  missing_.clear();
  missing_leaves_.clear();
  unknown_ = {0};
  have_ = std::move(have);
  mine_.clear();
  if (have_ != nullptr && have_->hashed())
    for (std::uint32_t i = 0; i < have_->chunks(); ++i) mine_.emplace(have_->tree().leaves()[i], i);
}

void SnapshotAssembly::drop() {
  *this = SnapshotAssembly(max_bytes_);
}

SnapshotAssembly::Piece SnapshotAssembly::add(const SnapshotBlock& m) {
  if (!active_ || m.seq != seq_ || !unknown_.contains(m.block)) return Piece::Known;
  if (m.chunks == 0 || m.chunks > kMaxChunks || snapshot_digest(m.chunks, m.root) != digest_) return Piece::Forged;
  const std::size_t blocks = (m.chunks + kBlockLeaves - 1) / kBlockLeaves;
  const std::size_t from = m.block * kBlockLeaves;
  if (m.block >= blocks || m.leaves.size() != std::min(kBlockLeaves, m.chunks - from)) return Piece::Forged;
  if (!crypto::merkle_verify(m.root, crypto::merkle_root(m.leaves.items), m.block, blocks, m.proof.items))
    return Piece::Forged;
  if (leaves_.empty()) {
    leaves_.resize(m.chunks);
    for (std::uint32_t i = 0; i < blocks; ++i) unknown_.insert(i);
  }
  std::ranges::copy(m.leaves, leaves_.begin() + static_cast<std::ptrdiff_t>(from));
  unknown_.erase(m.block);
  if (unknown_.empty()) leaves_known();
  return Piece::Useful;
}

// What is held and not part of the wanted snapshot is of no more use.
void SnapshotAssembly::leaves_known() {
  std::set<Digest> wanted(leaves_.begin(), leaves_.end());
  for (auto it = held_.begin(); it != held_.end();) {
    if (wanted.contains(it->first)) {
      ++it;
      continue;
    }
    held_bytes_ -= it->second->size();
    it = held_.erase(it);
  }
  for (std::uint32_t i = 0; i < leaves_.size(); ++i) {
    if (held_.contains(leaves_[i]) || mine_.contains(leaves_[i])) continue;
    missing_.insert(i);
    missing_leaves_.emplace(leaves_[i], i);
  }
}

SnapshotAssembly::Piece SnapshotAssembly::add(const SnapshotChunk& m) {
  if (!active_ || m.seq != seq_ || !unknown_.empty()) return Piece::Known;
  if (m.index >= leaves_.size()) return Piece::Forged;
  if (crypto::merkle_leaf(m.bytes.value) != leaves_[m.index]) return Piece::Forged;
  return keep(m.index, m.bytes.value);
}

SnapshotAssembly::Piece SnapshotAssembly::add_shared(Span chunk) {
  if (!active_ || missing_.empty()) return Piece::Known;
  const auto it = missing_leaves_.find(crypto::merkle_leaf(chunk));
  return it == missing_leaves_.end() ? Piece::Known : keep(it->second, chunk);
}

SnapshotAssembly::Piece SnapshotAssembly::keep(std::uint32_t index, Span chunk) {
  if (!missing_.contains(index)) return Piece::Known;
  if (held_bytes_ + chunk.size() > max_bytes_) return Piece::TooLarge;
  missing_.erase(index);
  if (held_.emplace(leaves_[index], share(to_bytes(chunk))).second) held_bytes_ += chunk.size();
  return Piece::Useful;
}

std::optional<std::uint32_t> SnapshotAssembly::missing_block(const std::set<std::uint32_t>& asked) const {
  if (!active_) return std::nullopt;
  for (std::uint32_t block : unknown_)
    if (!asked.contains(block)) return block;
  return std::nullopt;
}

std::vector<std::uint32_t> SnapshotAssembly::missing_chunks(const std::set<std::uint32_t>& asked, std::size_t most,
                                                            std::size_t share, std::size_t shares) const {
  std::vector<std::uint32_t> found;
  const auto look = [&](auto from, auto to) {
    for (auto it = from; it != to && found.size() < most; ++it)
      if (!asked.contains(*it)) found.push_back(*it);
  };
  const auto begin = missing_.lower_bound(static_cast<std::uint32_t>(leaves_.size() * share / shares));
  look(begin, missing_.end());
  look(missing_.begin(), begin);
  std::ranges::sort(found);
  return found;
}

bool SnapshotAssembly::complete() const {
  return active_ && unknown_.empty() && missing_.empty();
}

std::vector<SharedBytes> SnapshotAssembly::chunks() const {
  CHECK(complete());
  std::vector<SharedBytes> all;
  all.reserve(leaves_.size());
  for (const Digest& leaf : leaves_) {
    auto held = held_.find(leaf);
    all.push_back(held != held_.end() ? held->second : have_->chunk(mine_.at(leaf)));
  }
  return all;
}

}  // namespace seneschal::replication
