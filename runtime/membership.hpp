// Who belongs to a deployment. Sites and servers are configuration, the same at every member; so are the first
// clients. If one of those is the administrator, clients come and go by its ordered operations [Membership 1].
#pragma once
#include "base/principal.hpp"
#include "crypto/keys.hpp"

#include <algorithm>
#include <optional>
#include <vector>

namespace seneschal {

/// A site of the hierarchical protocol, or the one flat group of the baseline (then there is only site 0).
struct SiteInfo {
  std::uint16_t servers = 4;  // n = 3f+1
  std::uint16_t faults = 1;   // f
  std::uint16_t quorum() const { return static_cast<std::uint16_t>(2 * faults + 1); }
};

struct ClientInfo {
  ClientId id;
  SiteId home;  // the site whose servers answer it
};

/// A client that joined at run time: what a host must know to hear and to answer it.
struct EnrolledClient {
  ClientInfo info;
  NodeId node;  // of the overlay, where it is attached
  crypto::ClientKeys keys;
};

struct Membership {
  DeploymentId deployment;
  std::vector<SiteInfo> sites;
  std::vector<ClientInfo> clients;  // ascending by id
  /// Whose updates say who belongs here; it is one of `clients`. Nothing: nobody joins or leaves.
  std::optional<ClientId> administrator;

  /// floor(N/2)+1.
  std::size_t site_majority() const { return sites.size() / 2 + 1; }
  const SiteInfo& site(SiteId id) const { return sites[id.value]; }
  const ClientInfo* client(ClientId id) const {
    auto it = std::ranges::lower_bound(clients, id, {}, &ClientInfo::id);
    return it != clients.end() && it->id == id ? &*it : nullptr;
  }
  void add(const ClientInfo& info) {
    auto it = std::ranges::lower_bound(clients, info.id, {}, &ClientInfo::id);
    if (it != clients.end() && it->id == info.id)
      *it = info;
    else
      clients.insert(it, info);
  }
  void remove(ClientId id) {
    std::erase_if(clients, [&](const ClientInfo& info) { return info.id == id; });
  }
  bool knows(const Principal& who) const {
    switch (who.kind) {
      case PrincipalKind::Server:
        return who.server().site.value < sites.size() &&
               who.server().index.value < sites[who.server().site.value].servers;
      case PrincipalKind::Site: return who.value < sites.size();
      case PrincipalKind::Client: return client(who.client()) != nullptr;
      case PrincipalKind::Node: return false;
    }
    return false;
  }
};

}  // namespace seneschal
