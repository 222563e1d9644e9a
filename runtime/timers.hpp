// Named deadlines of one core. Ties break in key order, so that a run is reproducible.
#pragma once
#include "base/time.hpp"

#include <map>
#include <optional>
#include <set>
#include <utility>

namespace seneschal {

/// At most one deadline per key. `Key` is any ordered type (an enum, or an enum with a seq).
template <class Key>
class TimerSet {
 public:
  /// Arms or re-arms `key`.
  void set(const Key& key, Instant at) {
    cancel(key);
    by_key_.emplace(key, at);
    by_time_.emplace(at, key);
  }
  /// Arms `key` only if it is not armed.
  void set_if_idle(const Key& key, Instant at) {
    if (!armed(key)) set(key, at);
  }
  void cancel(const Key& key) {
    auto it = by_key_.find(key);
    if (it == by_key_.end()) return;
    by_time_.erase({it->second, key});
    by_key_.erase(it);
  }
  bool armed(const Key& key) const { return by_key_.contains(key); }
  std::optional<Instant> next() const {
    if (by_time_.empty()) return std::nullopt;
    return by_time_.begin()->first;
  }
  /// Takes the earliest deadline at or before `now`, or nothing.
  std::optional<Key> pop(Instant now) {
    if (by_time_.empty() || by_time_.begin()->first > now) return std::nullopt;
    Key key = by_time_.begin()->second;
    cancel(key);
    return key;
  }
  std::size_t size() const { return by_key_.size(); }

 private:
  std::map<Key, Instant> by_key_;
  std::set<std::pair<Instant, Key>> by_time_;
};

}  // namespace seneschal
