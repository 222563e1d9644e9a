#include "lab/sim/real_keys.hpp"

#include "base/prng.hpp"
#include "crypto/key_ring.hpp"

namespace seneschal::lab::sim {
namespace {

constexpr std::uint64_t kRoot = 0x5e4e5c4a1;

/// A stream of bytes of its own for each purpose and owner.
crypto::RandomSource stream(const char* purpose, const Principal& owner, const Principal& peer = {}) {
  const auto number = [](const Principal& who) { return static_cast<std::uint64_t>(who.kind) << 32 | who.value; };
  return [prng = Prng(kRoot).fork(purpose).fork(number(owner)).fork(number(peer))](std::span<Byte> out) mutable {
    for (Byte& byte : out) byte = static_cast<Byte>(prng.next());
  };
}

std::string base64(Span bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    for (std::size_t j = 0; j < 3; ++j) word = word << 8 | (i + j < bytes.size() ? bytes[i + j] : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[word >> (18 - 6 * j) & 63];
  }
  return text;
}

/// An Ed25519 key is any 32 bytes; PKCS#8 [RFC 8410] puts these before them.
Result<crypto::PrivateKey> signing_key(const Principal& owner) {
  Bytes der{0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};
  const std::size_t head = der.size();
  der.resize(head + 32);
  stream("signing key", owner)(std::span(der).subspan(head));
  return crypto::PrivateKey::from_pem(
      crypto::SecretBytes(to_bytes("-----BEGIN PRIVATE KEY-----\n" + base64(der) + "\n-----END PRIVATE KEY-----\n")));
}

crypto::MacKey pair_key(const Principal& a, const Principal& b) {
  Bytes key(32);
  stream("pair key", std::min(a, b), std::max(a, b))(key);
  return crypto::MacKey(key);
}

crypto::ExchangeKey exchange_key(const Principal& owner) {
  return crypto::ExchangeKey::generate(stream("exchange key", owner));
}

struct Store {
  crypto::PublicKeys known;
  std::map<SiteId, crypto::Dealing> dealings;

  Status deal_to(const crypto::SitePlan& site);
  Result<std::unique_ptr<crypto::Keys>> keys_of(const Principal& who) const;
};

Status Store::deal_to(const crypto::SitePlan& site) {
  const auto random = stream("threshold key", Principal::of(site.site));
  const auto primes = crypto::generate_safe_primes(known.plan.threshold_bits, random);
  if (!primes) return std::unexpected(primes.error());
  auto dealt = crypto::deal(*primes, site.quorum(), site.servers, known.plan.strength, random);
  if (!dealt) return std::unexpected(dealt.error());
  known.sites.emplace(site.site, dealt->key);
  dealings.emplace(site.site, std::move(*dealt));
  return {};
}

Result<std::unique_ptr<crypto::Keys>> Store::keys_of(const Principal& who) const {
  auto signing = signing_key(who);
  if (!signing) return std::unexpected(signing.error());
  crypto::PrivateKeys own{std::move(*signing), {}, {}, {}};
  const bool joins = !known.signers.contains(who);
  for (const Principal& peer : crypto::key_owners(known.plan)) {
    if (!crypto::have_pair_key(who, peer)) continue;
    if (!joins) {
      own.macs.emplace(peer, pair_key(who, peer));
      continue;
    }
    const auto agreed = exchange_key(who).agree(exchange_key(peer).public_key());
    if (!agreed) return failure("no MAC key for " + to_string(who));
    own.macs.emplace(
        peer, crypto::MacKey(
                  crypto::enrolled_mac_key(*agreed, known.plan.deployment, peer.server(), who.client()).expose()));
  }
  if (who.is_server()) {
    own.exchange = exchange_key(who);
    if (auto dealt = dealings.find(who.server().site); dealt != dealings.end()) {
      const crypto::ThresholdShareKey& share = dealt->second.shares.at(who.server().index.value);
      auto copy = crypto::ThresholdShareKey::make(share.public_key(), share.id(),
                                                  crypto::SecretBytes(to_bytes(share.secret().expose())));
      if (!copy) return std::unexpected(copy.error());
      own.threshold = std::move(*copy);
    }
  }
  return crypto::KeyRing::assemble(who, known, std::move(own), stream("nonces", who));
}

}  // namespace

Result<RealKeys> real_keys(const Deployment& deployment, const emulator::CostModel& costs) {
  auto store = std::make_shared<Store>();
  crypto::KeyPlan& plan = store->known.plan = key_plan(deployment, costs);
  plan.server_scheme = plan.client_scheme = crypto::Scheme::Ed25519;
  plan.threshold_bits = 512;
  plan.strength = crypto::KeyStrength::Test;
  if (Status good = crypto::validate(plan); !good) return std::unexpected(good.error());
  for (const Principal& owner : crypto::key_owners(plan)) {
    auto key = signing_key(owner);
    if (!key) return std::unexpected(key.error());
    store->known.signers.emplace(owner, key->public_key());
  }
  for (const crypto::SitePlan& site : plan.sites)
    if (site.threshold)
      if (Status dealt = store->deal_to(site); !dealt) return std::unexpected(dealt.error());
  const auto joining = [](ClientId id) -> crypto::ClientKeys {
    const Principal who = Principal::of(id);
    return {signing_key(who)->public_key().ed25519(), exchange_key(who).public_key()};
  };
  return RealKeys{[store](const Principal& who) { return store->keys_of(who); }, joining};
}

}  // namespace seneschal::lab::sim
