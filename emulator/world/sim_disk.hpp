// A process's log on a simulated disk: group commit as in the daemon's log, and what a crash leaves of it.
#pragma once
#include "base/bytes.hpp"
#include "base/prng.hpp"
#include "runtime/effects.hpp"

#include <algorithm>
#include <deque>
#include <vector>

namespace seneschal::world {

/// What of the log is there when a process starts again.
enum class DiskFate : std::uint8_t {
  Kept,  // the process ended, the machine did not: all that was appended
  Torn,  // power was lost: all that was durable, and a part of what was being written
  Lost,  // the disk is gone
  kLast = Lost,
};

/// Records are appended, then written in groups: everything that came while one group was being written is the next.
class SimDisk {
 public:
  /// `keep`: records can be read back after a crash; without, only their order and number is known.
  explicit SimDisk(bool keep) : keep_(keep) {}

  void append(Bytes record, Ticket ticket) { waiting_.push_back({keep_ ? std::move(record) : Bytes(), ticket}); }
  /// True if a write has to be begun now; it is under way until `finish_write`.
  bool begin_write() {
    if (!writing_.empty() || waiting_.empty() || failed_) return false;
    writing_.swap(waiting_);
    return true;
  }
  struct Item {
    Bytes record;
    Ticket ticket;
  };
  /// What has become durable.
  std::vector<Item> finish_write() {
    std::vector<Item> group(std::make_move_iterator(writing_.begin()), std::make_move_iterator(writing_.end()));
    writing_.clear();
    for (const Item& item : group)
      if (keep_) durable_.push_back(item);
    return group;
  }
  /// Space is given back a segment at a time, so some of it stays. Returns how many records are gone.
  std::size_t forget_before(Ticket ticket) {
    const auto needed = std::ranges::find_if(durable_, [&](const Item& item) { return item.ticket >= ticket; });
    const auto before = needed - durable_.begin();
    const auto forgotten = before - before % kSegment;
    durable_.erase(durable_.begin(), durable_.begin() + forgotten);
    return static_cast<std::size_t>(forgotten);
  }
  /// Full, or broken: nothing becomes durable any more in this life.
  void fail() { failed_ = true; }
  bool failed() const { return failed_; }
  /// The process ends. `draw` chooses how much of a torn write is there.
  void crash(DiskFate fate, std::uint64_t draw) {
    const auto unsynced = writing_.size() + waiting_.size();
    auto survive = fate == DiskFate::Lost || failed_ ? 0 : unsynced;
    if (fate == DiskFate::Torn && survive > 0) survive = draw % (unsynced + 1);
    for (std::deque<Item>* queue : {&writing_, &waiting_})
      for (Item& item : *queue)
        if (keep_ && survive > 0) {
          durable_.push_back(std::move(item));
          --survive;
        }
    writing_.clear();
    waiting_.clear();
    if (fate == DiskFate::Lost) durable_.clear();
    for (Item& item : durable_) item.ticket = {};  // tickets begin anew in the next life
    failed_ = false;
  }
  std::vector<Bytes> records() const {
    std::vector<Bytes> list;
    for (const Item& item : durable_) list.push_back(item.record);
    return list;
  }

 private:
  static constexpr std::ptrdiff_t kSegment = 16;  // records

  bool keep_;
  bool failed_ = false;
  std::deque<Item> durable_;
  std::deque<Item> writing_;
  std::deque<Item> waiting_;
};

}  // namespace seneschal::world
