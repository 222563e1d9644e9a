#include "lab/keys.hpp"

#include "lab/files.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace seneschal::lab {

namespace fs = std::filesystem;

crypto::KeyPlan key_plan(const Deployment& deployment) {
  const Membership members = deployment.roster().membership;
  crypto::KeyPlan plan;
  plan.deployment = members.deployment;
  for (std::size_t s = 0; s < members.sites.size(); ++s)
    plan.sites.push_back({SiteId(static_cast<std::uint16_t>(s)), members.sites[s].servers, members.sites[s].faults,
                          deployment.protocol == Protocol::Steward});
  for (const ClientInfo& client : members.clients) plan.clients.push_back({client.id, client.home});
  plan.server_scheme = deployment.keys.server_bits == 1024 ? crypto::Scheme::Rsa1024 : crypto::Scheme::Rsa2048;
  plan.threshold_bits = deployment.keys.site_bits;
  const std::uint32_t least = std::min(deployment.keys.site_bits, deployment.keys.server_bits);
  plan.strength = least >= 2048   ? crypto::KeyStrength::Standard
                  : least >= 1024 ? crypto::KeyStrength::Paper
                                  : crypto::KeyStrength::Test;
  return plan;
}

Result<std::string> ensure_keys(const Deployment& deployment, const std::string& cache,
                                const crypto::KeyProgress& progress) {
  const crypto::KeyPlan plan = key_plan(deployment);
  const std::string shape = fmt::format("{}|{}", to_text(deployment.roster()), to_string(deployment.protocol));
  const std::string name = fmt::format("{}-{}-{}-{:016x}", to_string(deployment.protocol), deployment.keys.site_bits,
                                       deployment.keys.server_bits, hash64(as_span(shape)));
  const fs::path dir = fs::path(absolute(cache)) / name;
  std::error_code error;
  if (fs::exists(dir, error)) return dir.string();
  if (Status made = make_dir(cache); !made) return std::unexpected(made.error());
  // Made beside it and renamed at the end: what is there is whole.
  const fs::path draft = dir.string() + ".draft-" + std::to_string(::getpid());
  fs::remove_all(draft, error);
  if (Status good = crypto::generate_keys(plan, draft, progress); !good) {
    fs::remove_all(draft, error);
    return std::unexpected(good.error());
  }
  fs::rename(draft, dir, error);
  if (error) {
    const std::string why = error.message();
    fs::remove_all(draft, error);
    if (!fs::exists(dir, error)) return failure(dir.string() + ": cannot be made: " + why);
  }
  return dir.string();
}

}  // namespace seneschal::lab
