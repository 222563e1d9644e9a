#include "runtime/proof_memory.hpp"

#include "base/check.hpp"

#include <cstring>

namespace seneschal {
namespace {
constexpr std::size_t kFirstSlots = 64;

// Digests are evenly spread already.
std::uint32_t hash_of(const Digest& id) {
  std::uint32_t hash;
  std::memcpy(&hash, id.bytes.data(), sizeof hash);
  return hash;
}
}  // namespace

ProofMemory::ProofMemory(std::size_t capacity) : capacity_(capacity), slots_(kFirstSlots) {
  CHECK(capacity < std::uint32_t{1} << 30);
}

const ProofMemory::Slot* ProofMemory::find(const Digest& id) const {
  const std::uint32_t hash = hash_of(id);
  for (std::size_t i = hash & mask(); slots_[i].place != 0; i = (i + 1) & mask())
    if (slots_[i].hash == hash && ring_[slots_[i].place - 1] == id) return &slots_[i];
  return nullptr;
}

void ProofMemory::insert(std::uint32_t hash, std::uint32_t place) {
  std::size_t i = hash & mask();
  while (slots_[i].place != 0) i = (i + 1) & mask();
  slots_[i] = {hash, place};
}

// Closes the gap: whatever a probe would not reach any more moves down.
void ProofMemory::erase(const Digest& id) {
  const Slot* found = find(id);
  CHECK(found != nullptr);
  std::size_t gap = static_cast<std::size_t>(found - slots_.data());
  for (std::size_t i = (gap + 1) & mask(); slots_[i].place != 0; i = (i + 1) & mask()) {
    const std::size_t home = slots_[i].hash & mask();
    if (((i - home) & mask()) < ((i - gap) & mask())) continue;  // still reached from its home
    slots_[gap] = slots_[i];
    gap = i;
  }
  slots_[gap] = {};
}

void ProofMemory::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  for (const Slot& slot : old)
    if (slot.place != 0) insert(slot.hash, slot.place);
}

void ProofMemory::add(const Digest& id) {
  if (capacity_ == 0 || contains(id)) return;
  if (ring_.size() < capacity_) {
    if (2 * (ring_.size() + 1) > slots_.size()) grow();
    ring_.push_back(id);
    return insert(hash_of(id), static_cast<std::uint32_t>(ring_.size()));
  }
  erase(ring_[oldest_]);
  ring_[oldest_] = id;
  insert(hash_of(id), static_cast<std::uint32_t>(oldest_ + 1));
  oldest_ = (oldest_ + 1) % capacity_;
}

}  // namespace seneschal
