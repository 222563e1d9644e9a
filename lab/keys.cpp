#include "lab/keys.hpp"

#include "lab/files.hpp"
#include "lab/process.hpp"
#include "runtime/config_text.hpp"

#include <fmt/format.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>

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

namespace {
constexpr std::string_view kDraft = ".draft-";

/// Of processes that were killed while they made keys: private keys that nobody will use.
void remove_left_drafts(const fs::path& cache) {
  std::vector<fs::path> left;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(cache, error)) {
    const std::string name = entry.path().filename().string();
    const auto at = name.rfind(kDraft);
    if (at == std::string::npos) continue;
    const auto pid = parse_number(std::string_view(name).substr(at + kDraft.size()));
    if (pid && *pid > 0 && *pid < std::numeric_limits<pid_t>::max() && !identify(static_cast<pid_t>(*pid)))
      left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove_all(path, error);
}

/// Folders of keys of the deployment's servers: "STEM-CLIENTS", fewest clients first.
std::map<std::uint32_t, fs::path> folders_of(const fs::path& cache, const std::string& stem) {
  std::map<std::uint32_t, fs::path> folders;
  std::error_code error;
  for (auto it = fs::directory_iterator(cache, error); !error && it != fs::directory_iterator();
       it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!name.starts_with(stem + "-")) continue;
    const auto clients = parse_number(std::string_view(name).substr(stem.size() + 1));
    if (clients && *clients <= std::numeric_limits<std::uint32_t>::max())
      folders.emplace(static_cast<std::uint32_t>(*clients), it->path());
  }
  return folders;
}

/// Takes away those whose servers have other keys than these, or whose files cannot be read; says why of the last.
std::string keep_those_of(std::map<std::uint32_t, fs::path>& folders, const std::string& fingerprint) {
  std::string why;
  std::erase_if(folders, [&](const auto& folder) {
    const auto keys = crypto::load_public_keys(folder.second);
    if (keys && crypto::servers_fingerprint(*keys) == fingerprint) return false;
    why = keys ? folder.second.string() + " has others" : keys.error().message;
    return true;
  });
  return why;
}

}  // namespace

Result<std::string> ensure_keys(const Deployment& deployment, const std::string& cache,
                                const crypto::KeyProgress& progress, const std::optional<std::string>& fingerprint) {
  const crypto::KeyPlan plan = key_plan(deployment);
  // Neither clients nor places: the servers' keys do not depend on them.
  std::string shape = fmt::format("{}|{}", to_string(deployment.protocol), plan.deployment.value);
  for (const crypto::SitePlan& site : plan.sites) shape += fmt::format("|{} {}", site.servers, site.faults);
  const std::string stem = fmt::format("{}-{}-{}-{:016x}", to_string(deployment.protocol), deployment.keys.site_bits,
                                       deployment.keys.server_bits, hash64(as_span(shape)));
  const fs::path place(absolute(cache));
  auto folders = folders_of(place, stem);
  if (fingerprint) {
    const std::string why = keep_those_of(folders, *fingerprint);
    if (folders.empty())
      return failure(
          fmt::format("{}: the keys that the servers have run with are not here ({}); put them back, name their "
                      "folder with --keys, or begin "
                      "anew with --fresh, which forgets all that the servers have",
                      place.string(), why.empty() ? "there is no folder " + stem + "-CLIENTS" : why));
  }
  const auto clients = static_cast<std::uint32_t>(plan.clients.size());
  if (const auto enough = folders.lower_bound(clients); enough != folders.end()) return enough->second.string();
  const fs::path dir = place / fmt::format("{}-{}", stem, clients);
  if (Status made = make_dir(cache); !made) return std::unexpected(made.error());
  remove_left_drafts(absolute(cache));
  // Made beside it and renamed at the end: what is there is whole.
  std::error_code error;
  const fs::path draft = dir.string() + std::string(kDraft) + std::to_string(::getpid());
  fs::remove_all(draft, error);
  const Status good = folders.empty()
                          ? crypto::generate_keys(plan, draft, progress, interrupted)
                          : crypto::extend_keys(folders.rbegin()->second, plan, draft, progress, interrupted);
  if (!good) {
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
