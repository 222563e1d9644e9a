#include "crypto/joining.hpp"

#include "crypto/key_files_impl.hpp"

namespace seneschal::crypto {

namespace fs = std::filesystem;

namespace {
constexpr const char* kFiles[] = {"signing.pem", "macs.txt", "joined.txt"};

fs::path place_of(const fs::path& dir, ClientId client) {
  return principal_directory(dir, Principal::of(client));
}

std::string joined_text(DeploymentId deployment, const JoiningClient& client) {
  return owner_header(kJoinedFormat, deployment, Principal::of(client.id)) + "home " +
         std::to_string(client.home.value) + "\nnode " + std::to_string(client.node.value) + "\nsigning " +
         to_hex(client.keys.signing) + "\nexchange " + to_hex(client.keys.exchange) + "\n";
}
}  // namespace

Result<ClientKeys> make_joining_keys(const fs::path& dir, const PublicKeys& known, ClientId client, SiteId home,
                                     NodeId node) {
  if (known.exchange.empty())
    return failure(dir.string() +
                   " holds keys that an earlier version made: its servers have no exchange keys, so no client can "
                   "join; make new keys with 'seneschal keygen'");
  const Principal self = Principal::of(client);
  const Result<PrivateKey> signing = PrivateKey::generate(Scheme::Ed25519);
  if (!signing) return std::unexpected(signing.error());
  const ExchangeKey exchange = ExchangeKey::generate(system_random());
  std::vector<std::pair<Principal, SecretBytes>> macs;
  for (const auto& [server, key] : known.exchange) {
    const auto agreed = exchange.agree(key);
    if (!agreed) return failure("the exchange key of " + to_string(server) + " is not acceptable");
    macs.emplace_back(server, enrolled_mac_key(*agreed, known.plan.deployment, server.server(), client));
  }
  // The exchange secret is not kept: all that follows from it is in macs.txt.
  const JoiningClient made{client, home, node, {signing->public_key().ed25519(), exchange.public_key()}};
  const fs::path place = place_of(dir, client);
  if (Status good = create_directory(place, true); !good) return std::unexpected(good.error());
  const SecretBytes pem = signing->to_pem();
  const SecretBytes own = joined({as_span(owner_header(kSigningFormat, known.plan.deployment, self)), pem.expose()});
  const SecretBytes pairs = mac_text(known.plan.deployment, self, macs);
  const std::string word = joined_text(known.plan.deployment, made);
  for (const auto& [name, bytes] :
       {std::pair{kFiles[0], own.expose()}, {kFiles[1], pairs.expose()}, {kFiles[2], as_span(word)}})
    if (Status good = create_file(place / name, bytes, true); !good) return std::unexpected(good.error());
  return made.keys;
}

bool has_joined(const fs::path& dir, ClientId client) {
  std::error_code error;
  return fs::exists(place_of(dir, client) / "joined.txt", error);
}

Result<JoiningClient> load_joined(const fs::path& dir, ClientId client, DeploymentId deployment) {
  const fs::path path = place_of(dir, client) / "joined.txt";
  const Result<SecretBytes> bytes = read_key_file(path, true);
  if (!bytes) return std::unexpected(bytes.error());
  KeyText text(path, bytes->expose());
  check_owner_header(text, kJoinedFormat, deployment, Principal::of(client));
  JoiningClient read{client, {}, {}, {}};
  read.home = SiteId(static_cast<std::uint16_t>(text.number("home", 0xffff)));
  read.node = NodeId(static_cast<std::uint16_t>(text.number("node", 0xffff)));
  for (auto [name, to] : {std::pair{"signing", &read.keys.signing}, {"exchange", &read.keys.exchange}}) {
    const Bytes key = text.hex(name);
    if (text.ok() && key.size() != to->size()) text.fail("a key has 32 bytes");
    if (text.ok()) std::ranges::copy(key, to->begin());
  }
  text.end();
  if (!text.ok()) return std::unexpected(text.status().error());
  return read;
}

Status add_joined(const fs::path& dir, ClientId client, PublicKeys& known) {
  if (known.signers.contains(Principal::of(client)) || !has_joined(dir, client)) return {};
  const Result<JoiningClient> joined = load_joined(dir, client, known.plan.deployment);
  if (!joined) return std::unexpected(joined.error());
  known.signers.emplace(Principal::of(client), PublicKey::from_ed25519(joined->keys.signing));
  return {};
}

void remove_joining_keys(const fs::path& dir, ClientId client) {
  if (!has_joined(dir, client)) return;
  std::error_code error;
  const fs::path place = place_of(dir, client);
  for (const char* name : kFiles) fs::remove(place / name, error);
  fs::remove(place, error);
}

}  // namespace seneschal::crypto
