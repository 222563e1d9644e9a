#include "lab/sim/churn.hpp"

#include "base/prng.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

using replication::Administration;
using replication::Enroll;
using replication::Revoke;

namespace {
Enroll joins(const Plan& plan, ClientId id, const JoiningKeys& keys) {
  const Deployment deployment = plan.deployment();
  const std::size_t site = deployment.site_of_client(id);
  const SiteId home(plan.protocol == Protocol::Steward ? static_cast<std::uint16_t>(site) : std::uint16_t{0});
  return {id, home, deployment.node_of_site(site), keys(id)};
}
}  // namespace

std::vector<ClientId> leavers(const Plan& plan) {
  std::vector<ClientId> gone;
  if (plan.newcomers == 0) return gone;
  Prng random = Prng(plan.seed).fork("leavers");
  for (std::uint32_t i = 0; i < plan.newcomers; ++i)
    if (random.chance(1, 2)) gone.push_back(plan.newcomer(i));
  if (random.chance(1, 2)) gone.push_back(ClientId(1));
  return gone;
}

std::vector<ChurnStep> churn_of(const Plan& plan, const JoiningKeys& keys) {
  std::vector<ChurnStep> steps;
  if (plan.newcomers == 0) return steps;
  Prng random = Prng(plan.seed).fork("churn");
  std::vector<ClientId> leaving = leavers(plan);
  const auto revoke = [&](ClientId id, replication::Verdict expected) { steps.push_back({{Revoke{id}}, expected}); };
  for (std::uint32_t i = 0; i < plan.newcomers; ++i) {
    const ClientId id = plan.newcomer(i);
    steps.push_back({{joins(plan, id, keys)}, replication::Verdict::Done});
    if (random.chance(1, 3)) steps.push_back({{joins(plan, id, keys)}, replication::Verdict::IdUsed});
    if (random.chance(1, 4)) revoke(plan.administrator(), replication::Verdict::IsAdministrator);
    // A client that left is not enrolled again: its old updates may still arrive.
    while (!leaving.empty() && (leaving.front() <= id) && random.chance(2, 3)) {
      revoke(leaving.front(), replication::Verdict::Done);
      revoke(leaving.front(), replication::Verdict::UnknownClient);
      steps.push_back({{joins(plan, leaving.front(), keys)}, replication::Verdict::IdUsed});
      leaving.erase(leaving.begin());
    }
  }
  for (ClientId id : leaving) revoke(id, replication::Verdict::Done);
  return steps;
}

}  // namespace seneschal::lab::sim
