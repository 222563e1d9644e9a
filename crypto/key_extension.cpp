// More clients for keys that are in use: the servers' own stay what they are.
#include "crypto/key_files.hpp"

#include "crypto/key_files_impl.hpp"
#include "crypto/key_text.hpp"

#include <algorithm>

namespace seneschal::crypto {

namespace fs = std::filesystem;

namespace {

Status fits(const fs::path& from, const KeyPlan& before, const KeyPlan& plan) {
  const auto differs = [&](const std::string& what) {
    return failure(from.string() + ": these are the keys of other servers: " + what);
  };
  if (before.deployment != plan.deployment)
    return differs("of deployment " + to_text(before.deployment) + ", not of " + to_text(plan.deployment));
  if (before.sites != plan.sites) return differs("sites, servers or faults are not the same");
  if (before.server_scheme != plan.server_scheme || before.client_scheme != plan.client_scheme ||
      before.strength != plan.strength)
    return differs("sizes or schemes are not the same");
  const bool threshold = std::ranges::any_of(plan.sites, &SitePlan::threshold);
  if (threshold && before.threshold_bits != plan.threshold_bits)
    return differs("site keys have " + std::to_string(before.threshold_bits) + " bits, not " +
                   std::to_string(plan.threshold_bits));
  for (const ClientPlan& client : before.clients)
    if (std::ranges::find(plan.clients, client) == plan.clients.end())
      return failure(from.string() + ": " + to_string(Principal::of(client.client)) +
                     " has keys here, and is not among the clients of this deployment, or has another home site");
  return {};
}

/// A key file as it is.
Status copy_key_file(const fs::path& from, const fs::path& to) {
  const Result<SecretBytes> bytes = read_key_file(from, true);
  if (!bytes) return std::unexpected(bytes.error());
  return create_file(to, bytes->expose(), true);
}

struct Newcomer {
  PrivateKey signing;
  std::map<Principal, SecretBytes> macs;  // with each server
};

class Extension {
 public:
  Extension(const fs::path& from, const fs::path& dir, PublicKeys before, PublicKeys after)
      : from_(from), dir_(dir), before_(std::move(before)), after_(std::move(after)) {}

  Status make_newcomers(const KeyProgress& progress, const StopSearch& stop) {
    const std::vector<Principal> owners = key_owners(after_.plan);
    std::size_t done = 0;
    for (const Principal& owner : owners) {
      if (before_.signers.contains(owner)) continue;
      if (stop && stop()) return failure("interrupted");
      Result<PrivateKey> key = PrivateKey::generate(after_.plan.client_scheme, after_.plan.strength);
      if (!key) return std::unexpected(key.error());
      after_.signers.emplace(owner, key->public_key());
      Newcomer newcomer{std::move(*key), {}};
      for (const Principal& server : owners) {
        if (!server.is_server()) continue;
        SecretBytes secret(kMacKeyBytes);
        system_random()(secret.expose());
        newcomer.macs.emplace(server, std::move(secret));
      }
      newcomers_.emplace(owner, std::move(newcomer));
      if (progress) progress("keys of " + to_string(owner), ++done, owners.size() - before_.signers.size());
    }
    return {};
  }

  Status write(const StopSearch& stop) const {
    for (const SitePlan& site : after_.plan.sites) {
      const fs::path place = site_directory(dir_, site.site);
      if (Status made = create_directory(place, false); !made) return made;
      if (Status made = create_file(place / "public.txt", as_span(public_text(site, after_)), false); !made)
        return made;
    }
    for (const Principal& owner : key_owners(after_.plan)) {
      if (stop && stop()) return failure("interrupted");
      if (Status made = write_owner(owner); !made) return made;
    }
    // Last: its presence says that the rest is complete.
    return create_file(dir_ / "deployment.txt", as_span(deployment_text(after_.plan)), false);
  }

 private:
  Status write_owner(const Principal& owner) const {
    const fs::path place = principal_directory(dir_, owner), old = principal_directory(from_, owner);
    // A client may have its keys with itself; a server without keys must not go unnoticed.
    std::error_code ignored;
    const auto newcomer = newcomers_.find(owner);
    if (owner.is_client() && newcomer == newcomers_.end() && !fs::exists(old, ignored)) return {};
    if (Status made = create_directory(place, true); !made) return made;
    if (newcomer != newcomers_.end()) return write_newcomer(place, owner, newcomer->second);
    if (Status copied = copy_key_file(old / "signing.pem", place / "signing.pem"); !copied) return copied;
    if (owner.is_client()) return copy_key_file(old / "macs.txt", place / "macs.txt");
    auto macs = read_mac_keys(old / "macs.txt", owner, before_);
    if (!macs) return std::unexpected(macs.error());
    for (const auto& [client, keys] : newcomers_)
      macs->emplace_back(client, SecretBytes(to_bytes(keys.macs.at(owner).expose())));
    std::ranges::sort(*macs, {}, [](const auto& entry) { return entry.first; });
    const SecretBytes text = mac_text(after_.plan.deployment, owner, *macs);
    if (Status made = create_file(place / "macs.txt", text.expose(), true); !made) return made;
    if (Status copied = copy_key_file(old / "exchange.txt", place / "exchange.txt"); !copied) return copied;
    if (!after_.sites.contains(owner.server().site)) return {};
    return copy_key_file(old / "threshold.txt", place / "threshold.txt");
  }

  Status write_newcomer(const fs::path& place, const Principal& owner, const Newcomer& newcomer) const {
    const DeploymentId deployment = after_.plan.deployment;
    const SecretBytes signing = signing_text(deployment, owner, newcomer.signing);
    if (Status made = create_file(place / "signing.pem", signing.expose(), true); !made) return made;
    std::vector<std::pair<Principal, SecretBytes>> macs;
    for (const auto& [server, key] : newcomer.macs) macs.emplace_back(server, SecretBytes(to_bytes(key.expose())));
    return create_file(place / "macs.txt", mac_text(deployment, owner, macs).expose(), true);
  }

  const fs::path& from_;
  const fs::path& dir_;
  PublicKeys before_;
  PublicKeys after_;
  std::map<Principal, Newcomer> newcomers_;
};

}  // namespace

Status extend_keys(const fs::path& from, const KeyPlan& plan, const fs::path& dir, const KeyProgress& progress,
                   const StopSearch& stop) {
  if (Status good = validate(plan); !good) return good;
  if (plan.clients.size() > kMaxKeyClients)
    return failure("a deployment has at most " + std::to_string(kMaxKeyClients) + " clients");
  Result<PublicKeys> before = load_public_keys(from);
  if (!before) return std::unexpected(before.error());
  if (Status good = fits(from, before->plan, plan); !good) return good;
  if (before->exchange.empty())
    return failure(from.string() + ": keys of this age cannot be extended: its servers have no exchange keys");
  NewKeyFolder folder(dir);
  if (Status good = folder.prepare(); !good) return good;
  PublicKeys after = *before;
  after.plan = plan;
  Extension extension(from, dir, std::move(*before), std::move(after));
  if (Status good = extension.make_newcomers(progress, stop); !good) return good;
  if (Status good = extension.write(stop); !good) return good;
  folder.keep();
  return {};
}

}  // namespace seneschal::crypto
