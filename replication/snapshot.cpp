#include "replication/snapshot.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

namespace seneschal::replication {

Digest snapshot_digest(std::size_t chunks, const Digest& root) {
  Bytes bytes = to_bytes("seneschal/snapshot/1");
  Writer out(bytes);
  out.number(chunks, 4);
  out.raw(root.bytes);
  return crypto::sha256(bytes);
}

Snapshot::Snapshot(Seq seq, std::vector<SharedBytes> own, std::shared_ptr<const Frozen> application)
    : seq_(seq), own_(std::move(own)), application_(std::move(application)) {
  CHECK(!own_.empty() && chunks() <= kMaxChunks);
  leaves_.reserve(chunks());
}

SharedBytes Snapshot::chunk(std::size_t index) const {
  CHECK(index < chunks());
  return index < own_.size() ? own_[index] : application_->chunk(index - own_.size());
}

bool Snapshot::hash(std::size_t bytes) {
  if (tree_) return true;
  std::size_t spent = 0;
  while (leaves_.size() < chunks() && spent < bytes) {
    std::size_t index = leaves_.size();
    if (index < own_.size()) {
      spent += own_[index]->size();
      leaves_.push_back(crypto::merkle_leaf(*own_[index]));
    } else {
      spent += 64 + application_->cost(index - own_.size());
      leaves_.push_back(application_->leaf(index - own_.size()));
    }
  }
  if (leaves_.size() < chunks()) return false;
  tree_.emplace(std::move(leaves_));
  digest_ = snapshot_digest(chunks(), tree_->root());
  return true;
}

const Digest& Snapshot::digest() const {
  CHECK(tree_);
  return digest_;
}

const crypto::MerkleTree& Snapshot::tree() const {
  CHECK(tree_);
  return *tree_;
}

std::span<const Digest> Snapshot::block(std::size_t index) const {
  CHECK(index < blocks());
  std::span<const Digest> leaves(tree().leaves());
  std::size_t from = index * kBlockLeaves;
  return leaves.subspan(from, std::min(kBlockLeaves, leaves.size() - from));
}

std::vector<SharedBytes> pack_table(const std::vector<TableEntry>& entries) {
  constexpr std::size_t kTarget = 16 * 1024;
  std::vector<SharedBytes> chunks;
  TableChunk chunk;
  std::size_t size = 0;
  for (const TableEntry& entry : entries) {
    chunk.entries.items.push_back(entry);
    size += 24 + entry.result.value.size();
    if (size < kTarget) continue;
    chunks.push_back(share(encode(chunk)));
    chunk.entries.items.clear();
    size = 0;
  }
  if (!chunk.entries.empty()) chunks.push_back(share(encode(chunk)));
  return chunks;
}

}  // namespace seneschal::replication
