// Who needs which keys in one deployment. Input of key generation, of simulated keys, and what public bundles say.
#pragma once
#include "base/principal.hpp"
#include "base/result.hpp"
#include "crypto/signature.hpp"

#include <vector>

namespace seneschal::crypto {

/// A threshold key has at most this many shares.
inline constexpr std::size_t kMaxThresholdServers = 64;

struct SitePlan {
  SiteId site;
  std::uint16_t servers = 4;  // n
  std::uint16_t faults = 1;   // f; a site signature needs 2f+1 shares
  bool threshold = true;      // the flat baseline has one group without a site key

  std::size_t quorum() const { return 2 * static_cast<std::size_t>(faults) + 1; }
  bool operator==(const SitePlan&) const = default;
};

struct ClientPlan {
  ClientId client;
  SiteId home;  // its public key is in this site's bundle (in the first site's if there is no such site)
  bool operator==(const ClientPlan&) const = default;
};

struct KeyPlan {
  DeploymentId deployment;
  std::vector<SitePlan> sites;
  std::vector<ClientPlan> clients;
  Scheme server_scheme = Scheme::Rsa2048;
  Scheme client_scheme = Scheme::Ed25519;
  unsigned threshold_bits = 2048;
  KeyStrength strength = KeyStrength::Standard;
};

/// Error naming the first thing that makes no sense: no sites, a repeated id, fewer than 3f+1 servers, too many
/// for a threshold key, a key size that `strength` does not admit.
Status validate(const KeyPlan& plan);
/// True if the two principals share a pairwise MAC key: two different servers, or a server and a client.
bool have_pair_key(const Principal& a, const Principal& b);

}  // namespace seneschal::crypto
