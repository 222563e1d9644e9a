#include "replication/kv_leaves.hpp"

#include "base/check.hpp"
#include "base/codec.hpp"
#include "crypto/digest.hpp"
#include "crypto/merkle.hpp"
#include "replication/kv.hpp"

namespace seneschal::replication::kv {

Digest entry_hash(const Bytes& key, const Bytes& value) {
  // The key's length separates key and value.
  Byte size[4];
  for (int i = 0; i < 4; ++i) size[i] = static_cast<Byte>(key.size() >> (24 - 8 * i));
  return crypto::sha256({size, key, value});
}

class FrozenLeaves final : public Frozen {
 public:
  explicit FrozenLeaves(const Leaves::Map& leaves) {
    leaves_.reserve(leaves.size());
    for (const auto& [bound, leaf] : leaves) leaves_.emplace_back(bound, leaf);
  }
  std::size_t chunks() const override { return leaves_.size(); }
  SharedBytes chunk(std::size_t index) const override { return share(bytes(index)); }
  Digest leaf(std::size_t index) const override {
    const Leaves::Leaf& leaf = *leaves_[index].second;
    // A leaf keeps its bound while it is shared, so the digest of both is the leaf's own.
    if (!leaf.digest) leaf.digest = crypto::merkle_leaf(bytes(index));
    return *leaf.digest;
  }
  std::size_t cost(std::size_t index) const override {
    const Leaves::Leaf& leaf = *leaves_[index].second;
    return leaf.digest ? 0 : leaf.weight;
  }

 private:
  Bytes bytes(std::size_t index) const {
    const auto& [bound, leaf] = leaves_[index];
    Bytes out;
    Writer writer(out);
    writer.number(bound.size(), 4);
    writer.raw(bound);
    append(out, Leaves::encode(*leaf));
    return out;
  }
  std::vector<std::pair<Bytes, std::shared_ptr<const Leaves::Leaf>>> leaves_;
};

Leaves::Leaves() {
  leaves_.emplace(Bytes{}, std::make_shared<Leaf>());
}

Bytes Leaves::encode(const Leaf& leaf) {
  Bytes out;
  out.reserve(leaf.weight + 4);
  Writer writer(out);
  writer.number(leaf.items.size(), 4);
  for (const Item& item : leaf.items) {
    writer.number(item.key.size(), 4);
    writer.raw(item.key);
    writer.number(item.stored.value.size(), 4);
    writer.raw(item.stored.value);
  }
  return out;
}

// A leaf that a frozen state holds as well is copied before it changes.
Leaves::Leaf& Leaves::own(Map::iterator at) {
  if (at->second.use_count() > 1) at->second = std::make_shared<Leaf>(*at->second);
  at->second->changed();
  return *at->second;
}

const Stored* Leaves::find(const Bytes& key) const {
  const auto& items = std::prev(leaves_.upper_bound(key))->second->items;
  auto it = std::ranges::lower_bound(items, key, ByBytes{}, &Item::key);
  return it != items.end() && it->key == key ? &it->stored : nullptr;
}

std::optional<Stored> Leaves::set(const Bytes& key, std::optional<Stored> value) {
  auto at = leaf_of(key);
  std::optional<Stored> old;
  if (!value && find(key) == nullptr) return old;
  Leaf& leaf = own(at);
  auto it = std::ranges::lower_bound(leaf.items, key, ByBytes{}, &Item::key);
  if (it != leaf.items.end() && it->key == key) {
    leaf.weight -= it->weight();
    bytes_ -= key.size() + it->stored.value.size();
    old = std::move(it->stored);
    if (value) {
      it->stored = std::move(*value);
    } else {
      it = leaf.items.erase(it);
      --size_;
    }
  } else if (value) {
    it = leaf.items.insert(it, Item{key, std::move(*value)});
    ++size_;
  }
  if (value) {
    leaf.weight += it->weight();
    bytes_ += key.size() + it->stored.value.size();
  }
  return old;
}

void Leaves::settle(const std::vector<const Bytes*>& keys) {
  for (const Bytes* key : keys) rebalance(leaf_of(*key));
}

void Leaves::rebalance(Map::iterator at) {
  if (at->second->weight > kMost && at->second->items.size() > 1) return split(at);
  if (at->second->weight >= kLeast) return;
  auto next = std::next(at);
  if (next != leaves_.end() && at->second->weight + next->second->weight <= kJoined) return join(at, next);
  if (at == leaves_.begin()) return;
  auto before = std::prev(at);
  if (at->second->items.empty() || at->second->weight + before->second->weight <= kJoined) join(before, at);
}

// In the middle, as far as entries allow; the halves may still be too large after a batch of large entries.
void Leaves::split(Map::iterator at) {
  Leaf& leaf = own(at);
  std::size_t before = 0;
  std::size_t cut = 0;
  while (cut < leaf.items.size() && 2 * before + leaf.items[cut].weight() < leaf.weight)
    before += leaf.items[cut++].weight();
  cut = std::clamp<std::size_t>(cut, 1, leaf.items.size() - 1);
  auto upper = std::make_shared<Leaf>();
  for (std::size_t i = cut; i < leaf.items.size(); ++i) {
    upper->weight += leaf.items[i].weight();
    upper->items.push_back(std::move(leaf.items[i]));
  }
  leaf.items.resize(cut);
  leaf.weight -= upper->weight;
  Bytes bound = upper->items.front().key;
  auto above = leaves_.emplace_hint(std::next(at), std::move(bound), std::move(upper));
  for (auto half : {at, above})
    if (half->second->weight > kMost && half->second->items.size() > 1) split(half);
}

void Leaves::join(Map::iterator left, Map::iterator right) {
  Leaf& leaf = own(left);
  // Copied, not moved: a frozen state may hold the right one.
  leaf.items.insert(leaf.items.end(), right->second->items.begin(), right->second->items.end());
  leaf.weight += right->second->weight;
  leaves_.erase(right);
}

std::shared_ptr<const Frozen> Leaves::freeze() const {
  return std::make_shared<FrozenLeaves>(leaves_);
}

bool Leaves::append_leaf(Span chunk, std::size_t max_bytes) {
  Reader in(chunk);
  Key bound;
  std::size_t count = 0;
  if (!decode_from(in, bound) || !in.count(count, chunk.size(), 8)) return false;
  const bool first = size_ == 0 && leaves_.size() == 1 && leaves_.begin()->second->items.empty() && !appended_;
  if (first != bound.value.empty()) return false;
  if (!first && !ByBytes{}(leaves_.rbegin()->first, bound.value)) return false;
  auto leaf = std::make_shared<Leaf>();
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry;
    if (!decode_from(in, entry)) return false;
    const Bytes* last = leaf->items.empty() ? nullptr : &leaf->items.back().key;
    if (last != nullptr ? !ByBytes{}(*last, entry.key.value) : ByBytes{}(entry.key.value, bound.value)) return false;
    bytes_ += entry.key.value.size() + entry.value.value.size();
    if (bytes_ > max_bytes) return false;
    Digest hash = entry_hash(entry.key.value, entry.value.value);
    leaf->items.push_back({std::move(entry.key.value), {std::move(entry.value.value), hash}});
    leaf->weight += leaf->items.back().weight();
  }
  if (in.remaining() != 0) return false;
  if (!first && !leaves_.rbegin()->second->items.empty() &&
      !ByBytes{}(leaves_.rbegin()->second->items.back().key, bound.value))
    return false;
  size_ += count;
  leaves_.insert_or_assign(std::move(bound.value), std::move(leaf));
  appended_ = true;
  return true;
}

void Leaves::append_entry(Bytes key, Stored stored) {
  auto last = std::prev(leaves_.end());
  Item item{std::move(key), std::move(stored)};
  if (last->second->weight + item.weight() > kJoined && !last->second->items.empty())
    last = leaves_.emplace_hint(leaves_.end(), item.key, std::make_shared<Leaf>());
  ++size_;
  bytes_ += item.key.size() + item.stored.value.size();
  last->second->weight += item.weight();
  last->second->items.push_back(std::move(item));
}

}  // namespace seneschal::replication::kv
