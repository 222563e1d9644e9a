// What was proven already, so that it is not proven again.
#pragma once
#include "base/bytes.hpp"

#include <vector>

namespace seneschal {

/// A bounded set of digests, oldest out first. A ring holds them in order of age; an open-addressing table of
/// (hash, place in the ring) finds them, so that a miss, the usual case, touches one cache line. Grows with what is
/// in it.
class ProofMemory {
 public:
  explicit ProofMemory(std::size_t capacity);
  bool contains(const Digest& id) const { return find(id) != nullptr; }
  void add(const Digest& id);
  std::size_t size() const { return ring_.size(); }

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::uint32_t place = 0;  // in the ring, from 1; 0: free
  };

  const Slot* find(const Digest& id) const;
  void insert(std::uint32_t hash, std::uint32_t place);
  void erase(const Digest& id);
  void grow();
  std::size_t mask() const { return slots_.size() - 1; }

  std::size_t capacity_;
  std::size_t oldest_ = 0;  // in the ring, once it is full
  std::vector<Digest> ring_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace seneschal
