// Shortest paths. Every node that has the same map computes the same trees: ties go to fewer hops, then to the lower
// predecessor id.
#pragma once
#include "base/ids.hpp"

#include <map>
#include <optional>
#include <vector>

namespace seneschal::overlay {

struct Edge {
  NodeId from;
  NodeId to;
  std::uint32_t cost = 1;  // microseconds, at least 1
  auto operator<=>(const Edge&) const = default;
};

/// The way a multicast packet of one source takes at this node.
struct Branches {
  /// Whom it comes from; nothing at the source itself and where the source cannot be reached.
  std::optional<NodeId> parent;
  /// Whom it goes to, ascending.
  std::vector<NodeId> children;
};

class Routes {
 public:
  explicit Routes(NodeId self) : self_(self) { rebuild({}); }

  /// Takes a new map; edges in any order.
  void rebuild(std::vector<Edge> edges);
  /// Which nodes have members of which groups; the lists must be ascending.
  void set_members(std::map<GroupId, std::vector<NodeId>> members);

  std::optional<NodeId> next_hop(NodeId to) const;
  /// Cost of the shortest path to `to`, in microseconds.
  std::optional<std::uint64_t> distance(NodeId to) const;
  bool knows(NodeId node) const { return index_of(node).has_value(); }
  const std::vector<NodeId>& nodes() const { return nodes_; }
  /// Valid until the next rebuild, set_members or branches.
  const Branches& branches(NodeId source, GroupId group);

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::size_t kMaxCached = 4096;
  struct Tree {
    std::vector<std::uint64_t> cost;
    std::vector<std::uint32_t> parent;  // kNone: root or unreachable
    std::vector<std::uint32_t> hops;    // kNone: unreachable
  };

  std::optional<std::uint32_t> index_of(NodeId node) const;
  Tree tree_from(std::uint32_t root) const;
  const Tree& cached_tree(std::uint32_t root);
  Branches compute(std::uint32_t source, const std::vector<NodeId>& members);

  NodeId self_;
  std::uint32_t self_index_ = 0;
  std::vector<NodeId> nodes_;                                                   // ascending; always holds self
  std::vector<std::vector<std::pair<std::uint32_t, std::uint32_t>>> adjacent_;  // (to, cost), ascending
  Tree own_;
  std::vector<std::uint32_t> next_;  // first hop by node index
  std::map<std::uint32_t, Tree> trees_;
  std::map<GroupId, std::vector<NodeId>> members_;
  std::map<std::pair<NodeId, GroupId>, Branches> branches_;
  Branches nowhere_;
};

}  // namespace seneschal::overlay
