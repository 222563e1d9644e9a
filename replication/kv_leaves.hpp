// The entries of the `kv` application in leaves that are copied on write, so that a state can be frozen while
// operations go on: freezing copies one pointer per leaf, and only leaves that changed since are ever copied or
// hashed.
#pragma once
#include "replication/application.hpp"

#include <map>
#include <vector>

namespace seneschal::replication::kv {

struct Stored {
  Bytes value;
  Digest hash;  // of key and value, so that removing the entry from a sum of hashes costs nothing
};

/// The order of keys: bytes, lexicographic. Not vector's own comparison, about which g++ 12 warns falsely.
struct ByBytes {
  bool operator()(const Bytes& a, const Bytes& b) const { return as_text(a) < as_text(b); }
};

/// An ordered map. Where leaves begin depends on the settled operations alone, never on what was tried and taken back
/// or on when the state was frozen: servers with the same history have the same leaves.
class Leaves {
 public:
  /// Encoded bytes: a leaf above kMost is split, one below kLeast joins a neighbour if both fit into kJoined.
  static constexpr std::size_t kMost = 16 * 1024;
  static constexpr std::size_t kLeast = 3 * 1024;
  static constexpr std::size_t kJoined = 12 * 1024;

  Leaves();
  std::size_t size() const { return size_; }
  std::size_t leaves() const { return leaves_.size(); }
  const Stored* find(const Bytes& key) const;
  /// Sets or erases; returns what was there.
  std::optional<Stored> set(const Bytes& key, std::optional<Stored> value);
  /// The changes of these keys are final: splits and joins the leaves they are in.
  void settle(const std::vector<const Bytes*>& keys);
  /// Calls `visit(key, stored)` in order from `first` on until it returns false.
  template <class F>
  void each_from(const Bytes& first, F&& visit) const {
    for (auto it = std::prev(leaves_.upper_bound(first)); it != leaves_.end(); ++it)
      for (const Item& item : it->second->items)
        if (!ByBytes{}(item.key, first) && !visit(item.key, item.stored)) return;
  }

  std::shared_ptr<const Frozen> freeze() const;
  /// Appends a leaf as `Frozen::chunk` encoded it; false if it is damaged or out of order.
  bool append_leaf(Span chunk, std::size_t max_bytes);
  /// Appends an entry above all others, to leaves that are packed anew.
  void append_entry(Bytes key, Stored stored);
  /// Of keys and values.
  std::size_t bytes() const { return bytes_; }

 private:
  friend class FrozenLeaves;
  struct Item {
    Bytes key;
    Stored stored;
    std::size_t weight() const { return 8 + key.size() + stored.value.size(); }
  };
  struct Leaf {
    std::vector<Item> items;               // ascending by key
    std::size_t weight = 0;                // encoded
    mutable std::optional<Digest> digest;  // of the encoded leaf, once somebody asked
    void changed() { digest.reset(); }
  };
  using Map = std::map<Bytes, std::shared_ptr<Leaf>, ByBytes>;  // by lower bound; the first is the empty key

  static Bytes encode(const Leaf& leaf);
  Map::iterator leaf_of(const Bytes& key) { return std::prev(leaves_.upper_bound(key)); }
  Leaf& own(Map::iterator at);
  void rebalance(Map::iterator at);
  void split(Map::iterator at);
  void join(Map::iterator left, Map::iterator right);

  Map leaves_;
  std::size_t size_ = 0;
  bool appended_ = false;  // by `append_leaf`
  std::size_t bytes_ = 0;
};

/// What `Stored::hash` is.
Digest entry_hash(const Bytes& key, const Bytes& value);

}  // namespace seneschal::replication::kv
