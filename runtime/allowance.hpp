// Budgets by time: what a peer may make this server do for it.
#pragma once
#include "base/time.hpp"

#include <algorithm>
#include <cstdint>
#include <map>

namespace seneschal {

/// So many units (bytes, checks) a second, and so many at once. Both at least 1; a draw is below 2^33 units.
struct Allowance {
  std::uint64_t per_second = 1;
  std::uint64_t burst = 1;

  constexpr Duration time_for(std::uint64_t units) const {
    return Duration(static_cast<std::int64_t>(units * 1'000'000'000 / per_second));
  }
};

/// One account per key, at most `capacity` of them: enough for all keys where those are bounded (by the membership,
/// say); else settled accounts make room, and who finds none is not charged. An account with anything left pays any
/// one draw and goes into debt: a draw larger than the burst is late, but never impossible.
template <class Key>
class Accounts {
 public:
  explicit Accounts(Allowance allowance, std::size_t capacity = ~std::size_t{0})
      : allowance_(allowance), capacity_(capacity) {}

  /// True if more than `reserve` of the burst is left.
  bool solvent(Instant now, const Key& key, std::uint64_t reserve = 0) const {
    auto it = paid_until_.find(key);
    return it == paid_until_.end() || it->second - now < allowance_.time_for(allowance_.burst - reserve);
  }
  void charge(Instant now, const Key& key, std::uint64_t units) {
    if (paid_until_.size() >= capacity_ && !paid_until_.contains(key)) {
      std::erase_if(paid_until_, [&](const auto& account) { return account.second <= now; });
      if (paid_until_.size() >= capacity_) return;
    }
    Instant& until = paid_until_.try_emplace(key, now).first->second;
    until = std::max(until, now) + allowance_.time_for(units);
  }
  /// Both; false if the account is empty.
  bool draw(Instant now, const Key& key, std::uint64_t units) {
    if (!solvent(now, key)) return false;
    charge(now, key, units);
    return true;
  }
  /// This key will not be seen again.
  void forget(const Key& key) { paid_until_.erase(key); }
  /// Nor will those for which `gone(key)`.
  template <class Gone>
  void forget_if(const Gone& gone) {
    std::erase_if(paid_until_, [&](const auto& account) { return gone(account.first); });
  }
  std::size_t size() const { return paid_until_.size(); }

 private:
  Allowance allowance_;
  std::size_t capacity_;
  std::map<Key, Instant> paid_until_;  // when everything drawn so far is made up for
};

}  // namespace seneschal
