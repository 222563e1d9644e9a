#include "crypto/key_plan.hpp"

#include <set>

namespace seneschal::crypto {

Status validate(const KeyPlan& plan) {
  if (plan.sites.empty()) return failure("a key plan needs at least one site");
  std::set<SiteId> sites;
  for (const SitePlan& site : plan.sites) {
    const std::string name = "site " + std::to_string(site.site.value);
    if (!sites.insert(site.site).second) return failure(name + " is listed twice");
    if (site.servers < 3u * site.faults + 1u)
      return failure(name + " has " + std::to_string(site.servers) + " servers; f = " + std::to_string(site.faults) +
                     " needs at least " + std::to_string(3u * site.faults + 1u));
    if (site.threshold && site.servers > kMaxThresholdServers)
      return failure(name + ": a threshold key has at most " + std::to_string(kMaxThresholdServers) + " shares");
  }
  std::set<ClientId> clients;
  for (const ClientPlan& client : plan.clients)
    if (!clients.insert(client.client).second)
      return failure("client " + std::to_string(client.client.value) + " is listed twice");
  if (plan.threshold_bits < min_rsa_bits(plan.strength) || plan.threshold_bits > 4096 ||
      plan.threshold_bits % 64 != 0)
    return failure("threshold keys of " + std::to_string(plan.threshold_bits) +
                   " bits: expected a multiple of 64 from " + std::to_string(min_rsa_bits(plan.strength)) +
                   " to 4096");
  for (Scheme scheme : {plan.server_scheme, plan.client_scheme})
    if (scheme == Scheme::Rsa1024 && min_rsa_bits(plan.strength) > 1024)
      return failure("rsa1024 is insecure: it needs strength \"paper\"");
  return {};
}

bool have_pair_key(const Principal& a, const Principal& b) {
  if (a == b) return false;
  return (a.is_server() && (b.is_server() || b.is_client())) || (a.is_client() && b.is_server());
}

}  // namespace seneschal::crypto
