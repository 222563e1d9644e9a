#include "overlay/link_state_db.hpp"

namespace seneschal::overlay {
namespace {

bool well_formed(const LinkState& state) {
  // The list is sorted by node, then cost: a node named twice stands next to itself.
  for (std::size_t i = 0; i < state.neighbours.size(); ++i) {
    const Neighbour& neighbour = state.neighbours.items[i];
    if (neighbour.node == state.id.origin || neighbour.cost_us == 0) return false;
    if (i > 0 && state.neighbours.items[i - 1].node == neighbour.node) return false;
  }
  return true;
}

const Neighbour* find_neighbour(const LinkState& state, NodeId node) {
  for (const Neighbour& neighbour : state.neighbours)
    if (neighbour.node == node) return &neighbour;
  return nullptr;
}

}  // namespace

std::expected<LinkStateDb::Outcome, Reject> LinkStateDb::offer(Instant now, const LinkState& state) {
  if (!well_formed(state)) return std::unexpected(Reject::Malformed);
  const auto at = entries_.find(state.id.origin);
  if (at != entries_.end()) {
    if (state.id < at->second.state.id) return Outcome::Older;
    if (state.id == at->second.state.id) return Outcome::Same;
  }
  if (std::chrono::seconds(state.age_s) >= max_age_) return std::unexpected(Reject::Expired);
  if (at == entries_.end() && entries_.size() >= max_nodes_) return std::unexpected(Reject::Overloaded);
  entries_.insert_or_assign(state.id.origin, Entry{state, now});
  return Outcome::Newer;
}

const LinkStateDb::Entry* LinkStateDb::find(NodeId origin) const {
  const auto at = entries_.find(origin);
  return at == entries_.end() ? nullptr : &at->second;
}

LinkState LinkStateDb::aged(Instant now, const Entry& entry) const {
  LinkState state = entry.state;
  const auto held = std::chrono::duration_cast<std::chrono::seconds>(now - entry.received).count();
  state.age_s = static_cast<std::uint16_t>(std::min<std::int64_t>(state.age_s + held, 0xffff));
  return state;
}

bool LinkStateDb::expire(Instant now, NodeId self) {
  return std::erase_if(entries_,
                       [&](const auto& item) { return item.first != self && dies_at(item.second) <= now; }) > 0;
}

Instant LinkStateDb::deadline(NodeId self) const {
  Instant earliest = Instant::never();
  for (const auto& [origin, entry] : entries_)
    if (origin != self) earliest = std::min(earliest, dies_at(entry));
  return earliest;
}

std::vector<Edge> LinkStateDb::edges() const {
  std::vector<Edge> edges;
  for (const auto& [origin, entry] : entries_) {
    for (const Neighbour& neighbour : entry.state.neighbours) {
      const Entry* other = find(neighbour.node);
      if (other == nullptr || find_neighbour(other->state, origin) == nullptr) continue;
      edges.push_back({origin, neighbour.node, neighbour.cost_us});
    }
  }
  return edges;
}

}  // namespace seneschal::overlay
