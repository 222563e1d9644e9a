// Reading keys.
#include "crypto/digest.hpp"
#include "crypto/joining.hpp"
#include "crypto/key_files.hpp"
#include "crypto/key_files_impl.hpp"
#include "crypto/key_text.hpp"

#include <set>

namespace seneschal::crypto {

namespace fs = std::filesystem;

namespace {
/// Returns the version, from 1 to `newest`.
int check_format(KeyText& text, const char* format, int newest = 1) {
  const std::string_view version = text.text(format);
  for (int known = 1; known <= newest; ++known)
    if (version == std::to_string(known)) return known;
  if (text.ok())
    text.fail("this format is newer than this program understands (expected version " + std::to_string(newest) + ")");
  return newest;
}

void check_deployment(KeyText& text, DeploymentId expected) {
  const DeploymentId got = text.deployment();
  if (text.ok() && got != expected)
    text.fail("this key is of deployment " + to_text(got) + ", but this is deployment " + to_text(expected));
}

void check_owner(KeyText& text, const Principal& expected) {
  const Principal got = text.parsed("owner", parse_principal);
  if (text.ok() && got != expected)
    text.fail("this key is of " + to_string(got) + ", but the key of " + to_string(expected) + " is needed here");
}

PublicKeys read_deployment(KeyText& text, std::vector<SiteId>& sites) {
  PublicKeys keys;
  check_format(text, kDeploymentFormat);
  keys.plan.deployment = text.deployment();
  keys.plan.strength = text.parsed("strength", parse_strength);
  keys.plan.server_scheme = text.parsed("server-scheme", parse_scheme);
  keys.plan.client_scheme = text.parsed("client-scheme", parse_scheme);
  keys.plan.threshold_bits = static_cast<unsigned>(text.number("threshold-bits", 4096));
  for (std::uint64_t left = text.number("sites", kMaxSites); left > 0 && text.ok(); --left)
    sites.push_back(SiteId(static_cast<std::uint16_t>(text.number("site", 0xffff))));
  text.end();
  return keys;
}

void read_signer(KeyText& text, PublicKeys& keys, const Principal& owner) {
  const std::string_view pem = text.pem();
  if (!text.ok()) return;
  Result<PublicKey> key = PublicKey::from_pem(pem, keys.plan.strength);
  if (!key) return text.fail("key of " + to_string(owner) + ": " + key.error().message);
  const Scheme scheme = owner.is_client() ? keys.plan.client_scheme : keys.plan.server_scheme;
  if (key->is_rsa() == (scheme == Scheme::Ed25519) || key->signature_bytes() != signature_bytes(scheme))
    return text.fail("key of " + to_string(owner) + " is not " + std::string(to_string(scheme)));
  if (!keys.signers.emplace(owner, std::move(*key)).second) text.fail(to_string(owner) + " has two keys");
}

void read_exchange(KeyText& text, PublicKeys& keys, const Principal& owner) {
  const Bytes bytes = text.hex("exchange");
  if (text.ok() && bytes.size() != kExchangeKeyBytes) text.fail("an exchange key has 32 bytes");
  if (!text.ok()) return;
  std::ranges::copy(bytes, keys.exchange[owner].begin());
}

void read_site_key(KeyText& text, PublicKeys& keys, const SitePlan& site) {
  ThresholdParams params{.threshold = site.quorum(),
                         .servers = site.servers,
                         .epoch = 0,
                         .modulus = {},
                         .verifier = {},
                         .verifiers = {}};
  params.epoch = text.number("epoch", std::numeric_limits<std::uint64_t>::max());
  const std::string_view pem = text.pem();
  if (!text.ok()) return;
  Result<PublicKey> plain = PublicKey::from_pem(pem, keys.plan.strength);
  if (!plain) return text.fail("site key: " + plain.error().message);
  if (!plain->is_rsa()) return text.fail("site key: must be an RSA key");
  params.modulus = plain->rsa_modulus();
  params.verifier = text.hex("verifier");
  for (std::uint16_t i = 0; i < site.servers && text.ok(); ++i)
    params.verifiers.push_back(text.hex("share-verifier"));
  if (!text.ok()) return;
  Result<ThresholdPublicKey> key = ThresholdPublicKey::make(std::move(params), keys.plan.strength);
  if (!key) return text.fail("site key: " + key.error().message);
  keys.sites.emplace(site.site, std::move(*key));
}

/// Nothing: the keys of all clients are wanted.
using Wanted = std::optional<std::set<ClientId>>;

void read_client(KeyText& text, PublicKeys& keys, const Wanted& wanted) {
  const Principal client = text.parsed("signer", parse_principal);
  if (text.ok() && !client.is_client()) text.fail("expected the key of a client");
  const SiteId home(static_cast<std::uint16_t>(text.number("home", 0xffff)));
  if (!text.ok()) return;
  keys.plan.clients.push_back({client.client(), home});
  if (!wanted || wanted->contains(client.client()))
    read_signer(text, keys, client);
  else
    text.pem();
}

void read_site(KeyText& text, PublicKeys& keys, SiteId expected, const Wanted& wanted) {
  const int version = check_format(text, kPublicFormat, kPublicVersion);
  check_deployment(text, keys.plan.deployment);
  SitePlan site;
  site.site = SiteId(static_cast<std::uint16_t>(text.number("site", 0xffff)));
  if (text.ok() && site.site != expected)
    return text.fail("these are the keys of site " + std::to_string(site.site.value) + ", not of site " +
                     std::to_string(expected.value));
  site.servers = static_cast<std::uint16_t>(text.number("servers", 0xffff));
  site.faults = static_cast<std::uint16_t>(text.number("faults", 0x3fff));
  site.threshold = text.parsed("threshold", [](std::string_view v) {
    return v == "yes" ? std::optional(true) : v == "no" ? std::optional(false) : std::nullopt;
  });
  for (std::uint16_t i = 0; i < site.servers && text.ok(); ++i) {
    const Principal server = Principal::of(ServerId{site.site, ServerIndex(i)});
    if (text.parsed("signer", parse_principal) != server) text.fail("expected the key of " + to_string(server));
    read_signer(text, keys, server);
    if (version >= 2) read_exchange(text, keys, server);
  }
  for (std::uint64_t left = text.number("clients", kMaxKeyClients); left > 0 && text.ok(); --left)
    read_client(text, keys, wanted);
  if (text.ok() && site.threshold) read_site_key(text, keys, site);
  text.end();
  keys.plan.sites.push_back(site);
}
}  // namespace

void check_owner_header(KeyText& text, const char* format, DeploymentId deployment, const Principal& owner) {
  check_format(text, format);
  check_deployment(text, deployment);
  check_owner(text, owner);
}

namespace {
Result<PublicKeys> load_public(const fs::path& dir, const Wanted& wanted) {
  const Result<SecretBytes> deployment = read_key_file(dir / "deployment.txt", false);
  if (!deployment) return std::unexpected(deployment.error());
  KeyText text(dir / "deployment.txt", deployment->expose());
  std::vector<SiteId> sites;
  PublicKeys keys = read_deployment(text, sites);
  if (!text.ok()) return std::unexpected(text.status().error());
  for (SiteId site : sites) {
    const fs::path path = site_directory(dir, site) / "public.txt";
    const Result<SecretBytes> bundle = read_key_file(path, false);
    if (!bundle) return std::unexpected(bundle.error());
    KeyText site_text(path, bundle->expose());
    read_site(site_text, keys, site, wanted);
    if (!site_text.ok()) return std::unexpected(site_text.status().error());
  }
  if (Status good = validate(keys.plan); !good) return failure(dir.string() + ": " + good.error().message);
  return keys;
}
}  // namespace

Result<PublicKeys> load_public_keys(const fs::path& dir) {
  return load_public(dir, std::nullopt);
}

Result<PublicKeys> load_public_keys_for(const fs::path& dir, const std::vector<ClientId>& clients) {
  Result<PublicKeys> keys = load_public(dir, std::set<ClientId>(clients.begin(), clients.end()));
  for (ClientId client : clients)
    if (Status good = keys ? add_joined(dir, client, *keys) : Status{}; !good) return std::unexpected(good.error());
  return keys;
}

std::string servers_fingerprint(const PublicKeys& keys) {
  Bytes bytes = to_bytes("seneschal servers' keys v1");
  for (const auto& [owner, key] : keys.signers)
    if (owner.is_server()) append(bytes, as_span(to_string(owner) + "\n" + key.to_pem()));
  for (const auto& [owner, key] : keys.exchange) append(bytes, key);
  for (const auto& [site, key] : keys.sites) {
    append(bytes, as_span("epoch " + std::to_string(key.params().epoch) + "\n" + key.plain().to_pem()));
    append(bytes, key.params().verifier);
    for (const Bytes& verifier : key.params().verifiers) append(bytes, verifier);
  }
  constexpr std::size_t kShown = 16;
  return to_hex(Span(sha256(bytes).bytes).first(kShown));
}

namespace {
/// One of the owner's files: its bytes, checked for format, deployment and owner.
struct OwnFile {
  SecretBytes bytes;
  KeyText text;
};

Result<OwnFile> open_own(const fs::path& path, const char* format, const Principal& self, const PublicKeys& known) {
  Result<SecretBytes> bytes = read_key_file(path, true);
  if (!bytes) return std::unexpected(bytes.error());
  KeyText text(path, bytes->expose());
  check_owner_header(text, format, known.plan.deployment, self);
  if (!text.ok()) return std::unexpected(text.status().error());
  return OwnFile{std::move(*bytes), std::move(text)};  // moving the bytes leaves them where they are
}

Result<PrivateKey> load_signing(const fs::path& path, const Principal& self, const PublicKeys& known) {
  Result<OwnFile> file = open_own(path, kSigningFormat, self, known);
  if (!file) return std::unexpected(file.error());
  const SecretBytes pem(to_bytes(file->text.pem()));
  file->text.end();
  if (!file->text.ok()) return std::unexpected(file->text.status().error());
  Result<PrivateKey> key = PrivateKey::from_pem(pem, known.plan.strength);
  if (!key) return failure(path.string() + ": " + key.error().message);
  if (!(key->public_key() == known.signers.at(self)))
    return failure(path.string() + " does not fit the public key of " + to_string(self) + " in this deployment");
  return key;
}

}  // namespace

Result<std::vector<std::pair<Principal, SecretBytes>>> read_mac_keys(const fs::path& path, const Principal& self,
                                                                     const PublicKeys& known) {
  Result<OwnFile> file = open_own(path, kMacFormat, self, known);
  if (!file) return std::unexpected(file.error());
  KeyText& text = file->text;
  std::vector<std::pair<Principal, SecretBytes>> keys;
  std::set<Principal> peers;
  for (std::uint64_t left = text.number("peers", 2 * kMaxKeyClients); left > 0 && text.ok(); --left) {
    const Principal peer = text.parsed("peer", parse_principal);
    SecretBytes key(text.hex("key"));
    if (!text.ok()) break;
    if (key.size() != kMacKeyBytes) text.fail("a MAC key has 32 bytes");
    if (!known.signers.contains(peer) || !have_pair_key(self, peer)) text.fail("unexpected peer " + to_string(peer));
    if (!peers.insert(peer).second) text.fail(to_string(peer) + " has two keys");
    keys.emplace_back(peer, std::move(key));
  }
  text.end();
  for (const auto& [peer, key] : known.signers) {
    if (self.is_client() && peer.is_client()) break;  // servers come first, and clients have none with each other
    if (have_pair_key(self, peer) && !peers.contains(peer)) text.fail("no key for " + to_string(peer));
  }
  if (!text.ok()) return std::unexpected(text.status().error());
  return keys;
}

namespace {
Result<std::map<Principal, MacKey>> load_macs(const fs::path& path, const Principal& self, const PublicKeys& known) {
  const auto keys = read_mac_keys(path, self, known);
  if (!keys) return std::unexpected(keys.error());
  std::map<Principal, MacKey> macs;
  for (const auto& [peer, key] : *keys) macs.emplace(peer, MacKey(key.expose()));
  return macs;
}

Result<ThresholdShareKey> load_share(const fs::path& path, const Principal& self, const PublicKeys& known) {
  Result<OwnFile> file = open_own(path, kThresholdFormat, self, known);
  if (!file) return std::unexpected(file.error());
  KeyText& text = file->text;
  const ThresholdPublicKey& site = known.sites.at(self.server().site);
  const std::uint64_t epoch = text.number("epoch", std::numeric_limits<std::uint64_t>::max());
  if (text.ok() && epoch != site.params().epoch)
    text.fail("this share is of epoch " + std::to_string(epoch) + ", but the site's key is of epoch " +
              std::to_string(site.params().epoch));
  SecretBytes secret(text.hex("secret"));
  text.end();
  if (!text.ok()) return std::unexpected(text.status().error());
  Result<ThresholdShareKey> key =
      ThresholdShareKey::make(site, self.server().index.value + std::size_t{1}, std::move(secret));
  if (!key) return failure(path.string() + ": " + key.error().message);
  return key;
}
Result<ExchangeKey> load_exchange(const fs::path& path, const Principal& self, const PublicKeys& known) {
  Result<OwnFile> file = open_own(path, kExchangeFormat, self, known);
  if (!file) return std::unexpected(file.error());
  KeyText& text = file->text;
  std::optional<ExchangeKey> key = ExchangeKey::from_secret(SecretBytes(text.hex("secret")));
  text.end();
  if (text.ok() && !key) text.fail("an exchange secret has 32 bytes");
  if (!text.ok()) return std::unexpected(text.status().error());
  if (key->public_key() != known.exchange.at(self))
    return failure(path.string() + " does not fit the exchange key of " + to_string(self) + " in this deployment");
  return std::move(*key);
}
}  // namespace

Result<PrivateKeys> load_private_keys(const fs::path& dir, const Principal& self, const PublicKeys& known) {
  if (self.is_site() || !known.signers.contains(self))
    return failure(to_string(self) + " is not part of deployment " + to_text(known.plan.deployment) + " in " +
                   dir.string());
  const fs::path place = principal_directory(dir, self);
  Result<PrivateKey> signing = load_signing(place / "signing.pem", self, known);
  if (!signing) return std::unexpected(signing.error());
  Result<std::map<Principal, MacKey>> macs = load_macs(place / "macs.txt", self, known);
  if (!macs) return std::unexpected(macs.error());
  PrivateKeys keys{std::move(*signing), std::move(*macs), std::nullopt, std::nullopt};
  if (known.exchange.contains(self)) {
    Result<ExchangeKey> exchange = load_exchange(place / "exchange.txt", self, known);
    if (!exchange) return std::unexpected(exchange.error());
    keys.exchange = std::move(*exchange);
  }
  if (self.is_server() && known.sites.contains(self.server().site)) {
    Result<ThresholdShareKey> share = load_share(place / "threshold.txt", self, known);
    if (!share) return std::unexpected(share.error());
    keys.threshold = std::move(*share);
  }
  return keys;
}

}  // namespace seneschal::crypto
