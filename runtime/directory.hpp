// Where servers and clients are attached to the overlay: the one place that knows the scheme of ports and groups.
// Daemons, clients and the simulator all use it, so that a deployment looks the same in each.
#pragma once
#include "base/check.hpp"
#include "runtime/effects.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace seneschal {

inline constexpr std::uint32_t kFirstServerPort = 100;
inline constexpr std::uint32_t kFirstClientPort = 1000;
/// Clients above would have the ports of servers.
inline constexpr ClientId kLastClientId{~std::uint32_t{0} - kFirstClientPort};
/// The group of every server of the deployment; the servers of site s are group `kFirstSiteGroup + s`.
inline constexpr GroupId kAllServersGroup{1};
inline constexpr std::uint32_t kFirstSiteGroup = 16;

/// Part of configuration, the same at every member. In the flat baseline there is only site 0, whose servers may be
/// on any node.
struct Directory {
  struct ClientPlace {
    ClientId id;
    NodeId node;
  };
  std::vector<std::vector<NodeId>> servers;  // node of each server, by site and index
  std::vector<ClientPlace> clients;          // ascending by id

  bool knows(ServerId id) const {
    return id.site.value < servers.size() && id.index.value < servers[id.site.value].size();
  }
  /// Server `index` of its site is on port 100 + index of its node. The server must be known.
  EndpointId endpoint(ServerId id) const {
    CHECK(knows(id));
    return {servers[id.site.value][id.index.value], Port(kFirstServerPort + id.index.value)};
  }
  /// Client c is on port 1000 + c of its node; nothing for a client that does not belong to the deployment.
  std::optional<EndpointId> endpoint(ClientId id) const {
    auto it = std::ranges::lower_bound(clients, id, {}, &ClientPlace::id);
    if (it == clients.end() || it->id != id) return std::nullopt;
    return EndpointId{it->node, client_port(id)};
  }
  /// A client joined at `node`, or left.
  void add(ClientId id, NodeId node) {
    auto it = std::ranges::lower_bound(clients, id, {}, &ClientPlace::id);
    if (it != clients.end() && it->id == id)
      it->node = node;
    else
      clients.insert(it, {id, node});
  }
  void remove(ClientId id) {
    std::erase_if(clients, [&](const ClientPlace& place) { return place.id == id; });
  }
  static Port client_port(ClientId id) { return Port(kFirstClientPort + id.value); }
  static GroupId group(SiteId site) { return GroupId(kFirstSiteGroup + site.value); }
  static GroupId all_servers() { return kAllServersGroup; }
  /// Groups that a server joins.
  static std::vector<GroupId> groups_of(ServerId id) { return {kAllServersGroup, group(id.site)}; }
};

}  // namespace seneschal
