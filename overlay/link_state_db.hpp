// The node's copy of everybody's link state.
#pragma once
#include "overlay/routing.hpp"
#include "overlay/wire.hpp"

#include <map>

namespace seneschal::overlay {

class LinkStateDb {
 public:
  struct Entry {
    LinkState state;
    Instant received;
  };
  enum class Outcome { Newer, Same, Older };

  LinkStateDb(std::size_t max_nodes, Duration max_age) : max_nodes_(max_nodes), max_age_(max_age) {}

  /// Errors: Malformed (a neighbour twice, or itself), Expired, Overloaded (too many origins).
  std::expected<Outcome, Reject> offer(Instant now, const LinkState& state);
  const Entry* find(NodeId origin) const;
  const std::map<NodeId, Entry>& entries() const { return entries_; }
  /// The state as it should be sent now: older by the time it was held.
  LinkState aged(Instant now, const Entry& entry) const;
  /// Forgets what was not renewed; true if there was any. `self` is never forgotten.
  bool expire(Instant now, NodeId self);
  Instant deadline(NodeId self) const;
  /// Links that both ends advertise, each way at the price that its own end asks.
  std::vector<Edge> edges() const;

 private:
  Instant dies_at(const Entry& entry) const {
    return entry.received + (max_age_ - std::chrono::seconds(entry.state.age_s));
  }
  std::size_t max_nodes_;
  Duration max_age_;
  std::map<NodeId, Entry> entries_;
};

}  // namespace seneschal::overlay
