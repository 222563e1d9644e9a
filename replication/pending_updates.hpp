// Updates that wait for something: to be put into a batch (pool) or to be executed (watch list). One per client, so
// both are bounded by the membership.
#pragma once
#include "base/check.hpp"
#include "base/time.hpp"
#include "replication/messages.hpp"

#include <map>
#include <optional>
#include <set>

namespace seneschal::replication {

/// Updates waiting to be ordered, first come first served, at most one per client: the one with the highest
/// timestamp. Remembers what was taken, so that a retransmission is not proposed twice.
class PendingUpdates {
 public:
  explicit PendingUpdates(std::size_t capacity) : capacity_(capacity) {}

  /// Keeps `update` (its sender must be a client; proven by the gate). Refusals: Duplicate (this or a later timestamp
  /// waits or was taken), Overloaded (pool full).
  std::optional<Reject> add(Signed<Update> update) {
    ClientId client = update.signer().client();
    Timestamp timestamp = update.body.timestamp;
    if (auto it = taken_.find(client); it != taken_.end() && it->second >= timestamp) return Reject::Duplicate;
    if (auto it = waiting_.find(client); it != waiting_.end()) {
      Entry& entry = it->second;
      if (entry.update.body.timestamp >= timestamp) return Reject::Duplicate;
      bytes_ += update.sealed.size();
      bytes_ -= entry.update.sealed.size();
      entry.update = std::move(update);  // keeps its place: a client gains and loses nothing by trying again
      return std::nullopt;
    }
    if (waiting_.size() >= capacity_) return Reject::Overloaded;
    bytes_ += update.sealed.size();
    order_.emplace(next_arrival_, client);
    waiting_.emplace(client, Entry{next_arrival_++, std::move(update)});
    return std::nullopt;
  }

  bool empty() const { return waiting_.empty(); }
  std::size_t size() const { return waiting_.size(); }
  /// Sealed bytes that wait.
  std::size_t bytes() const { return bytes_; }

  /// Takes the oldest updates: at most `max_count`, and at most `max_bytes` encoded, but always one if any waits.
  Batch take(std::size_t max_count, std::size_t max_bytes) {
    Batch batch;
    std::size_t size = 4;
    while (!order_.empty() && batch.updates.size() < max_count) {
      auto it = waiting_.find(order_.begin()->second);
      Signed<Update>& update = it->second.update;
      std::size_t more = 4 + update.sealed.size();
      if (!batch.updates.empty() && size + more > max_bytes) break;
      size += more;
      bytes_ -= update.sealed.size();
      taken_[it->first] = update.body.timestamp;
      batch.updates.items.push_back(std::move(update));
      order_.erase(order_.begin());
      waiting_.erase(it);
    }
    return batch;
  }

  /// The client's update of this timestamp was executed: nothing up to it needs to wait any longer.
  void discharge(ClientId client, Timestamp timestamp) {
    auto it = waiting_.find(client);
    if (it == waiting_.end() || it->second.update.body.timestamp > timestamp) return;
    bytes_ -= it->second.update.sealed.size();
    order_.erase(it->second.arrival);
    waiting_.erase(it);
  }

  /// Clients that left: those for which `gone(client)`.
  template <class Gone>
  void forget_if(const Gone& gone) {
    std::vector<ClientId> waiting;
    for (const auto& [client, entry] : waiting_)
      if (gone(client)) waiting.push_back(client);
    for (ClientId client : waiting) discharge(client, Timestamp(~std::uint64_t{0}));
    std::erase_if(taken_, [&](const auto& taken) { return gone(taken.first); });
  }

  /// What was taken may be proposed again (a new view starts from nothing).
  void forget_taken() { taken_.clear(); }
  void forget_taken(ClientId client) { taken_.erase(client); }

 private:
  struct Entry {
    std::uint64_t arrival;
    Signed<Update> update;
  };
  std::size_t capacity_;
  std::size_t bytes_ = 0;
  std::uint64_t next_arrival_ = 0;
  std::map<ClientId, Entry> waiting_;
  std::map<std::uint64_t, ClientId> order_;
  std::map<ClientId, Timestamp> taken_;
};

/// Updates whose execution a server insists on, at most one per client. [Steward 3.2]
class WatchList {
 public:
  struct Entry {
    Timestamp timestamp;
    Instant since;
    SharedBytes sealed;  // to be passed on again
  };

  /// Watches an update; a higher timestamp replaces the client's older one and starts its wait anew (or a client that
  /// keeps replacing its update would make it look old for ever). False if this or a later one is watched already.
  bool watch(ClientId client, Timestamp timestamp, Instant now, SharedBytes sealed) {
    auto it = by_client_.find(client);
    if (it != by_client_.end()) {
      if (it->second.timestamp >= timestamp) return false;
      by_age_.erase({it->second.since, client});
    }
    by_client_[client] = {timestamp, now, std::move(sealed)};
    by_age_.emplace(now, client);
    return true;
  }
  /// Some update of the client with this timestamp was executed.
  void discharge(ClientId client, Timestamp timestamp) {
    auto it = by_client_.find(client);
    if (it == by_client_.end() || it->second.timestamp > timestamp) return;
    by_age_.erase({it->second.since, client});
    by_client_.erase(it);
  }
  /// Clients that left, those for which `gone(client)`: nobody owes them anything.
  template <class Gone>
  void forget_if(const Gone& gone) {
    std::vector<ClientId> watched;
    for (const auto& [client, entry] : by_client_)
      if (gone(client)) watched.push_back(client);
    for (ClientId client : watched) discharge(client, Timestamp(~std::uint64_t{0}));
  }
  /// Since when the oldest watched update waits.
  std::optional<Instant> oldest() const {
    if (by_age_.empty()) return std::nullopt;
    return by_age_.begin()->first;
  }
  /// The client of the oldest; CHECKed that there is one.
  ClientId oldest_client() const {
    CHECK(!by_age_.empty());
    return by_age_.begin()->second;
  }
  const std::map<ClientId, Entry>& entries() const { return by_client_; }
  bool empty() const { return by_client_.empty(); }
  std::size_t size() const { return by_client_.size(); }

 private:
  std::map<ClientId, Entry> by_client_;
  std::set<std::pair<Instant, ClientId>> by_age_;
};

}  // namespace seneschal::replication
