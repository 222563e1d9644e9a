#include "overlay/routing.hpp"

#include <algorithm>
#include <tuple>

namespace seneschal::overlay {

std::optional<std::uint32_t> Routes::index_of(NodeId node) const {
  const auto at = std::ranges::lower_bound(nodes_, node);
  if (at == nodes_.end() || *at != node) return std::nullopt;
  return static_cast<std::uint32_t>(at - nodes_.begin());
}

void Routes::rebuild(std::vector<Edge> edges) {
  nodes_.assign(1, self_);
  for (const Edge& edge : edges) {
    nodes_.push_back(edge.from);
    nodes_.push_back(edge.to);
  }
  std::ranges::sort(nodes_);
  nodes_.erase(std::ranges::unique(nodes_).begin(), nodes_.end());
  self_index_ = *index_of(self_);

  std::ranges::sort(edges);
  adjacent_.assign(nodes_.size(), {});
  for (const Edge& edge : edges)
    adjacent_[*index_of(edge.from)].emplace_back(*index_of(edge.to), std::max<std::uint32_t>(edge.cost, 1));

  trees_.clear();
  branches_.clear();
  own_ = tree_from(self_index_);
  next_.assign(nodes_.size(), kNone);
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    if (i == self_index_ || own_.hops[i] == kNone) continue;
    std::uint32_t at = i;
    while (own_.parent[at] != self_index_) at = own_.parent[at];
    next_[i] = at;
  }
}

void Routes::set_members(std::map<GroupId, std::vector<NodeId>> members) {
  members_ = std::move(members);
  branches_.clear();
}

// Dijkstra over an array: networks have at most a few hundred nodes, and this runs only when the map changes.
Routes::Tree Routes::tree_from(std::uint32_t root) const {
  const std::size_t n = nodes_.size();
  Tree tree{std::vector<std::uint64_t>(n, ~std::uint64_t{0}), std::vector<std::uint32_t>(n, kNone),
            std::vector<std::uint32_t>(n, kNone)};
  std::vector<bool> done(n, false);
  tree.cost[root] = 0;
  tree.hops[root] = 0;
  for (;;) {
    std::uint32_t best = kNone;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (done[i] || tree.hops[i] == kNone) continue;
      if (best == kNone || std::tie(tree.cost[i], tree.hops[i]) < std::tie(tree.cost[best], tree.hops[best]))
        best = i;
    }
    if (best == kNone) return tree;
    done[best] = true;
    for (const auto& [to, cost] : adjacent_[best]) {
      const auto offer = std::make_tuple(tree.cost[best] + cost, tree.hops[best] + 1, best);
      if (done[to] || offer >= std::make_tuple(tree.cost[to], tree.hops[to], tree.parent[to])) continue;
      std::tie(tree.cost[to], tree.hops[to], tree.parent[to]) = offer;
    }
  }
}

const Routes::Tree& Routes::cached_tree(std::uint32_t root) {
  if (root == self_index_) return own_;
  const auto [at, fresh] = trees_.try_emplace(root);
  if (fresh) at->second = tree_from(root);
  return at->second;
}

std::optional<NodeId> Routes::next_hop(NodeId to) const {
  const auto index = index_of(to);
  if (!index || next_[*index] == kNone) return std::nullopt;
  return nodes_[next_[*index]];
}

std::optional<std::uint64_t> Routes::distance(NodeId to) const {
  const auto index = index_of(to);
  if (!index || own_.hops[*index] == kNone) return std::nullopt;
  return own_.cost[*index];
}

Branches Routes::compute(std::uint32_t source, const std::vector<NodeId>& members) {
  const Tree& tree = cached_tree(source);
  Branches out;
  if (tree.hops[self_index_] == kNone) return out;
  if (source != self_index_) out.parent = nodes_[tree.parent[self_index_]];
  for (NodeId member : members) {
    const auto index = index_of(member);
    if (!index || *index == self_index_ || tree.hops[*index] == kNone) continue;
    // Climb towards the source; if we are on the way, the node below us is a child.
    std::uint32_t at = *index;
    while (at != source && tree.parent[at] != self_index_) at = tree.parent[at];
    if (at != source) out.children.push_back(nodes_[at]);
  }
  std::ranges::sort(out.children);
  out.children.erase(std::ranges::unique(out.children).begin(), out.children.end());
  return out;
}

const Branches& Routes::branches(NodeId source, GroupId group) {
  if (const auto at = branches_.find({source, group}); at != branches_.end()) return at->second;
  const auto root = index_of(source);
  const auto members = members_.find(group);
  if (!root || members == members_.end()) return nowhere_;
  if (branches_.size() >= kMaxCached) branches_.clear();
  return branches_.emplace(std::make_pair(source, group), compute(*root, members->second)).first->second;
}

}  // namespace seneschal::overlay
