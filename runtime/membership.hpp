// Who belongs to a deployment. Part of configuration; the same at every member.
#pragma once
#include "base/principal.hpp"

#include <algorithm>
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

struct Membership {
  DeploymentId deployment;
  std::vector<SiteInfo> sites;
  std::vector<ClientInfo> clients;  // ascending by id

  /// floor(N/2)+1.
  std::size_t site_majority() const { return sites.size() / 2 + 1; }
  const SiteInfo& site(SiteId id) const { return sites[id.value]; }
  const ClientInfo* client(ClientId id) const {
    auto it = std::ranges::lower_bound(clients, id, {}, &ClientInfo::id);
    return it != clients.end() && it->id == id ? &*it : nullptr;
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
