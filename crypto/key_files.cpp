// Making keys and writing them. Reading is in key_load.cpp.
#include "crypto/key_files.hpp"

#include "crypto/key_files_impl.hpp"
#include "crypto/key_text.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace seneschal::crypto {

namespace fs = std::filesystem;

fs::path site_directory(const fs::path& dir, SiteId site) {
  return dir / ("site-" + std::to_string(site.value));
}

fs::path principal_directory(const fs::path& dir, const Principal& owner) {
  if (owner.is_client()) return dir / ("client-" + std::to_string(owner.value));
  return site_directory(dir, owner.server().site) / ("server-" + std::to_string(owner.server().index.value));
}

std::vector<Principal> key_owners(const KeyPlan& plan) {
  std::vector<Principal> owners;
  for (const SitePlan& site : plan.sites)
    for (std::uint16_t i = 0; i < site.servers; ++i)
      owners.push_back(Principal::of(ServerId{site.site, ServerIndex(i)}));
  for (const ClientPlan& client : plan.clients) owners.push_back(Principal::of(client.client));
  std::ranges::sort(owners);
  return owners;
}

std::vector<ClientPlan> clients_in_bundle(const KeyPlan& plan, SiteId site) {
  const auto listed = [&](SiteId id) { return std::ranges::count(plan.sites, id, &SitePlan::site) != 0; };
  std::vector<ClientPlan> clients;
  for (const ClientPlan& client : plan.clients)
    if ((listed(client.home) ? client.home : plan.sites.front().site) == site) clients.push_back(client);
  return clients;
}

std::string to_text(DeploymentId deployment) {
  Bytes bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<Byte>(deployment.value >> shift));
  return to_hex(bytes);
}

std::string owner_header(const char* format, DeploymentId deployment, const Principal& owner) {
  return std::string(format) + " 1\ndeployment " + to_text(deployment) + "\nowner " + to_string(owner) + "\n";
}

SecretBytes signing_text(DeploymentId deployment, const Principal& owner, const PrivateKey& key) {
  return joined({as_span(owner_header(kSigningFormat, deployment, owner)), key.to_pem().expose()});
}

SecretBytes joined(std::initializer_list<Span> parts) {
  std::size_t size = 0;
  for (Span part : parts) size += part.size();
  SecretBytes out(size);
  auto at = out.expose().begin();
  for (Span part : parts) at = std::ranges::copy(part, at).out;
  return out;
}

SecretBytes secret_hex(const SecretBytes& secret) {
  SecretBytes text(2 * secret.size());
  for (std::size_t i = 0; i < secret.size(); ++i) {
    text.expose()[2 * i] = static_cast<Byte>("0123456789abcdef"[secret.expose()[i] >> 4]);
    text.expose()[2 * i + 1] = static_cast<Byte>("0123456789abcdef"[secret.expose()[i] & 15]);
  }
  return text;
}

SecretBytes mac_text(DeploymentId deployment, const Principal& owner,
                     const std::vector<std::pair<Principal, SecretBytes>>& keys) {
  SecretBytes text(
      to_bytes(owner_header(kMacFormat, deployment, owner) + "peers " + std::to_string(keys.size()) + "\n"));
  std::vector<SecretBytes> lines;
  for (const auto& [peer, key] : keys)
    lines.push_back(joined({as_span("peer " + to_string(peer) + "\nkey "), secret_hex(key).expose(), as_span("\n")}));
  std::size_t size = text.size();
  for (const SecretBytes& line : lines) size += line.size();
  SecretBytes all(size);
  auto at = std::ranges::copy(text.expose(), all.expose().begin()).out;
  for (const SecretBytes& line : lines) at = std::ranges::copy(line.expose(), at).out;
  return all;
}

namespace {
std::string header(const char* format, DeploymentId deployment, int version = 1) {
  return std::string(format) + " " + std::to_string(version) + "\ndeployment " + to_text(deployment) + "\n";
}
}  // namespace

std::string deployment_text(const KeyPlan& plan) {
  std::string text = header(kDeploymentFormat, plan.deployment);
  text += "strength " + std::string(to_string(plan.strength)) + "\n";
  text += "server-scheme " + std::string(to_string(plan.server_scheme)) + "\n";
  text += "client-scheme " + std::string(to_string(plan.client_scheme)) + "\n";
  text += "threshold-bits " + std::to_string(plan.threshold_bits) + "\n";
  text += "sites " + std::to_string(plan.sites.size()) + "\n";
  for (const SitePlan& site : plan.sites) text += "site " + std::to_string(site.site.value) + "\n";
  return text;
}

std::string public_text(const SitePlan& site, const PublicKeys& keys) {
  std::string text = header(kPublicFormat, keys.plan.deployment, kPublicVersion);
  text += "site " + std::to_string(site.site.value) + "\nservers " + std::to_string(site.servers) + "\nfaults " +
          std::to_string(site.faults) + "\nthreshold " + (site.threshold ? "yes" : "no") + "\n";
  for (std::uint16_t i = 0; i < site.servers; ++i) {
    const Principal server = Principal::of(ServerId{site.site, ServerIndex(i)});
    text += "signer " + to_string(server) + "\n" + keys.signers.at(server).to_pem() + "exchange " +
            to_hex(keys.exchange.at(server)) + "\n";
  }
  const std::vector<ClientPlan> clients = clients_in_bundle(keys.plan, site.site);
  text += "clients " + std::to_string(clients.size()) + "\n";
  for (const ClientPlan& client : clients)
    text += "signer " + to_string(Principal::of(client.client)) + "\nhome " + std::to_string(client.home.value) +
            "\n" + keys.signers.at(Principal::of(client.client)).to_pem();
  if (site.threshold) {
    const ThresholdPublicKey& key = keys.sites.at(site.site);
    text += "epoch " + std::to_string(key.params().epoch) + "\n" + key.plain().to_pem();
    text += "verifier " + to_hex(key.params().verifier) + "\n";
    for (const Bytes& verifier : key.params().verifiers) text += "share-verifier " + to_hex(verifier) + "\n";
  }
  return text;
}

NewKeyFolder::~NewKeyFolder() {
  if (!prepared_) return;
  std::error_code error;
  std::vector<fs::path> made;
  for (auto it = fs::directory_iterator(dir_, error); !error && it != fs::directory_iterator(); it.increment(error))
    made.push_back(it->path());
  for (const fs::path& path : made) fs::remove_all(path, error);
  if (made_) fs::remove(dir_, error);
}

Status NewKeyFolder::prepare() {
  std::error_code error;
  made_ = fs::create_directories(dir_, error);
  if (error) return failure("cannot create directory " + dir_.string() + ": " + error.message());
  const bool empty = fs::is_empty(dir_, error);
  if (error) return failure("cannot read directory " + dir_.string() + ": " + error.message());
  if (!empty)
    return failure(dir_.string() + " is not empty; keys are never overwritten: choose or make an empty directory");
  prepared_ = true;
  return {};
}

namespace {
/// Every secret of a deployment, while it is being made.
struct Vault {
  std::map<Principal, PrivateKey> signing;
  std::map<Principal, SecretBytes> mac_masters;  // servers only
  std::map<Principal, ExchangeKey> exchange;     // servers only
  std::map<SiteId, Dealing> dealings;

  PublicKeys public_keys(const KeyPlan& plan) const {
    PublicKeys known;
    known.plan = plan;
    for (const auto& [owner, key] : signing) known.signers.emplace(owner, key.public_key());
    for (const auto& [owner, key] : this->exchange) known.exchange.emplace(owner, key.public_key());
    for (const auto& [site, dealing] : dealings) known.sites.emplace(site, dealing.key);
    return known;
  }
};

using KeyJob = std::function<Result<std::string>()>;

// Runs all jobs on all processors; the first error stops the rest.
Status run_jobs(const std::vector<KeyJob>& jobs, const KeyProgress& progress, const StopSearch& stop) {
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::size_t done = 0;
  Status status;
  const auto work = [&] {
    for (std::size_t i = next++; i < jobs.size(); i = next++) {
      Result<std::string> made = stop && stop() ? failure("interrupted") : jobs[i]();
      std::lock_guard lock(mutex);
      if (!status) return;
      if (!made) {
        status = std::unexpected(made.error());
        next = jobs.size();
        return;
      }
      ++done;
      if (progress) progress(*made, done, jobs.size());
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 1; i < std::max(1u, std::thread::hardware_concurrency()); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return status;
}

Status make_keys(const KeyPlan& plan, Vault& vault, const KeyProgress& progress, const StopSearch& stop) {
  std::mutex mutex;
  std::vector<KeyJob> jobs;
  // Longest first, so that no processor is left alone with one at the end.
  for (const SitePlan& site : plan.sites) {
    if (!site.threshold) continue;
    jobs.push_back([&, site]() -> Result<std::string> {
      const Result<SafePrimePair> primes = generate_safe_primes(plan.threshold_bits, system_random(), stop);
      if (!primes) return std::unexpected(primes.error());
      Result<Dealing> dealt = deal(*primes, site.quorum(), site.servers, plan.strength, system_random());
      if (!dealt) return std::unexpected(dealt.error());
      std::lock_guard lock(mutex);
      vault.dealings.emplace(site.site, std::move(*dealt));
      return "threshold key of " + to_string(Principal::of(site.site));
    });
  }
  for (const Principal& owner : key_owners(plan)) {
    jobs.push_back([&, owner]() -> Result<std::string> {
      Result<PrivateKey> key =
          PrivateKey::generate(owner.is_client() ? plan.client_scheme : plan.server_scheme, plan.strength);
      if (!key) return std::unexpected(key.error());
      SecretBytes master(kMacKeyBytes);
      system_random()(master.expose());
      std::lock_guard lock(mutex);
      vault.signing.emplace(owner, std::move(*key));
      if (owner.is_server()) {
        vault.mac_masters.emplace(owner, std::move(master));
        vault.exchange.emplace(owner, ExchangeKey::generate(system_random()));
      }
      return "keys of " + to_string(owner);
    });
  }
  return run_jobs(jobs, progress, stop);
}

// The key that a server shares with a peer above it: one master secret per server is all that must be kept.
SecretBytes pair_key(const SecretBytes& master, DeploymentId deployment, const Principal& peer) {
  return hmac_sha256(master.expose(),
                     as_span("seneschal pair key v1 " + to_text(deployment) + " " + to_string(peer)));
}

SecretBytes mac_text(const KeyPlan& plan, const Principal& owner, const Vault& vault) {
  std::vector<std::pair<Principal, SecretBytes>> keys;
  for (const Principal& peer : key_owners(plan)) {
    if (!have_pair_key(owner, peer)) continue;
    const auto& [low, high] = std::minmax(owner, peer);  // servers sort before clients: the lower one has a master
    keys.emplace_back(peer, pair_key(vault.mac_masters.at(low), plan.deployment, high));
  }
  return mac_text(plan.deployment, owner, keys);
}

Status write_owner(const KeyPlan& plan, const fs::path& dir, const Principal& owner, const Vault& vault) {
  const fs::path place = principal_directory(dir, owner);
  if (Status made = create_directory(place, true); !made) return made;
  const SecretBytes signing = signing_text(plan.deployment, owner, vault.signing.at(owner));
  if (Status made = create_file(place / "signing.pem", signing.expose(), true); !made) return made;
  if (Status made = create_file(place / "macs.txt", mac_text(plan, owner, vault).expose(), true); !made) return made;
  if (!owner.is_server()) return {};
  const SecretBytes exchange = joined({as_span(owner_header(kExchangeFormat, plan.deployment, owner) + "secret "),
                                       secret_hex(vault.exchange.at(owner).secret()).expose(), as_span("\n")});
  if (Status made = create_file(place / "exchange.txt", exchange.expose(), true); !made) return made;
  const auto dealing = vault.dealings.find(owner.server().site);
  if (dealing == vault.dealings.end()) return {};
  const ThresholdShareKey& share = dealing->second.shares[owner.server().index.value];
  const SecretBytes text = joined({as_span(owner_header(kThresholdFormat, plan.deployment, owner) + "epoch " +
                                           std::to_string(share.public_key().params().epoch) + "\nsecret "),
                                   secret_hex(share.secret()).expose(), as_span("\n")});
  return create_file(place / "threshold.txt", text.expose(), true);
}

}  // namespace

Status generate_keys(const KeyPlan& plan, const fs::path& dir, const KeyProgress& progress, const StopSearch& stop) {
  if (Status good = validate(plan); !good) return good;
  if (plan.sites.size() > kMaxSites || plan.clients.size() > kMaxKeyClients)
    return failure("a deployment has at most " + std::to_string(kMaxSites) + " sites and " +
                   std::to_string(kMaxKeyClients) + " clients");
  NewKeyFolder folder(dir);
  if (Status good = folder.prepare(); !good) return good;
  Vault vault;
  if (Status good = make_keys(plan, vault, progress, stop); !good) return good;
  const PublicKeys known = vault.public_keys(plan);
  for (const SitePlan& site : plan.sites) {
    const fs::path place = site_directory(dir, site.site);
    if (Status made = create_directory(place, false); !made) return made;
    if (Status made = create_file(place / "public.txt", as_span(public_text(site, known)), false); !made) return made;
  }
  for (const Principal& owner : key_owners(plan)) {
    if (stop && stop()) return failure("interrupted");
    if (Status made = write_owner(plan, dir, owner, vault); !made) return made;
  }
  // Last: its presence says that the rest is complete.
  if (Status made = create_file(dir / "deployment.txt", as_span(deployment_text(plan)), false); !made) return made;
  folder.keep();
  return {};
}

}  // namespace seneschal::crypto
