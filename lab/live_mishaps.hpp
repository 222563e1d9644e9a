// Carries out an experiment's mishaps on real daemons: replicas are ended in the middle of what they do, daemons
// killed (SIGKILL), links changed.
#pragma once
#include "lab/cluster.hpp"
#include "lab/mishaps.hpp"

#include <functional>
#include <set>

namespace seneschal::lab {

class LiveMishaps {
 public:
  /// Both must outlive it.
  LiveMishaps(const Deployment& deployment, const Cluster& cluster) : deployment_(deployment), cluster_(cluster) {}

  /// Errors: a daemon that does not do what it is told.
  Status carry_out(const Mishap& mishap);
  /// Killed on purpose.
  bool gone(NodeId node) const { return gone_.contains(node); }

 private:
  Status kill_replicas(const Mishap& mishap, std::uint16_t site);
  Status each_link(const std::function<std::optional<emulator::LinkConfig>(std::size_t from, std::size_t to,
                                                                           const emulator::LinkConfig&)>& change);

  const Deployment& deployment_;
  const Cluster& cluster_;
  std::set<NodeId> gone_;
};

}  // namespace seneschal::lab
