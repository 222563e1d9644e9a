// What will happen, ordered by time, then by insertion. A 4-ary heap of small values: no allocation per event, and
// the children of one place share a cache line or two.
#pragma once
#include "base/check.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <vector>

namespace seneschal::world {

/// Something that events happen to. What `kind` and `payload` mean is its own business; payloads are usually indexes
/// into a `Slab` of its own.
class Handler {
 public:
  virtual void fire(Instant now, std::uint32_t kind, std::uint32_t payload) = 0;

 protected:
  ~Handler() = default;
};

struct QueuedEvent {
  std::int64_t at_ns;
  std::uint64_t order;
  Handler* handler;  // never compared
  std::uint32_t kind;
  std::uint32_t payload;

  bool before(const QueuedEvent& other) const {
    return at_ns != other.at_ns ? at_ns < other.at_ns : order < other.order;
  }
};

class EventQueue {
 public:
  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  const QueuedEvent& top() const { return heap_.front(); }

  void push(Instant at, Handler& handler, std::uint32_t kind, std::uint32_t payload) {
    const QueuedEvent event{at.ns, next_order_++, &handler, kind, payload};
    std::size_t place = heap_.size();
    heap_.push_back(event);
    while (place > 0) {
      const std::size_t parent = (place - 1) / kArity;
      if (!event.before(heap_[parent])) break;
      heap_[place] = heap_[parent];
      place = parent;
    }
    heap_[place] = event;
  }

  QueuedEvent pop() {
    CHECK(!heap_.empty());
    const QueuedEvent result = heap_.front();
    const QueuedEvent last = heap_.back();
    heap_.pop_back();
    if (!heap_.empty()) sink(last);
    return result;
  }

 private:
  static constexpr std::size_t kArity = 4;

  void sink(const QueuedEvent& event) {
    const std::size_t size = heap_.size();
    std::size_t place = 0;
    for (;;) {
      const std::size_t first = place * kArity + 1;
      if (first >= size) break;
      const std::size_t end = first + kArity < size ? first + kArity : size;
      std::size_t least = first;
      for (std::size_t child = first + 1; child < end; ++child)
        if (heap_[child].before(heap_[least])) least = child;
      if (!heap_[least].before(event)) break;
      heap_[place] = heap_[least];
      place = least;
    }
    heap_[place] = event;
  }

  std::vector<QueuedEvent> heap_;
  std::uint64_t next_order_ = 0;
};

/// Values with stable small indexes, reused: what event payloads point at.
template <class T>
class Slab {
 public:
  std::uint32_t put(T value) {
    if (free_.empty()) {
      items_.push_back(std::move(value));
      return static_cast<std::uint32_t>(items_.size() - 1);
    }
    const std::uint32_t index = free_.back();
    free_.pop_back();
    items_[index] = std::move(value);
    return index;
  }
  T take(std::uint32_t index) {
    T value = std::move(items_[index]);
    items_[index] = T{};
    free_.push_back(index);
    return value;
  }
  const T& at(std::uint32_t index) const { return items_[index]; }
  T& at(std::uint32_t index) { return items_[index]; }
  /// Places, free ones included: those hold T{}.
  std::size_t size() const { return items_.size(); }
  std::size_t in_use() const { return items_.size() - free_.size(); }

 private:
  std::vector<T> items_;
  std::vector<std::uint32_t> free_;
};

}  // namespace seneschal::world
