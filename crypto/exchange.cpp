#include "crypto/exchange.hpp"

#include "crypto/mac.hpp"
#include "crypto/openssl.hpp"

#include <openssl/err.h>

#include <string>

namespace seneschal::crypto {

namespace {
Pkey private_key(const SecretBytes& secret) {
  Pkey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, secret.expose().data(), secret.size()));
  CHECK(key != nullptr);
  return key;
}

// The points whose order divides eight, as Ed25519 encodes their y, and the two other encodings of the first two; the
// sign bit says nothing here. A signature "by" such a key can be made by anybody.
constexpr std::string_view kSmallPoints[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

bool is_small_point(std::array<Byte, 32> key) {
  key.back() &= 0x7f;
  const std::string text = to_hex(key);
  return std::ranges::find(kSmallPoints, text) != std::end(kSmallPoints);
}
}  // namespace

ExchangeKey ExchangeKey::generate(const RandomSource& random) {
  SecretBytes secret(kExchangeKeyBytes);
  random(secret.expose());
  return ExchangeKey(std::move(secret));
}

std::optional<ExchangeKey> ExchangeKey::from_secret(SecretBytes secret) {
  if (secret.size() != kExchangeKeyBytes) return std::nullopt;
  return ExchangeKey(std::move(secret));
}

ExchangePublicKey ExchangeKey::public_key() const {
  ExchangePublicKey bytes{};
  std::size_t size = bytes.size();
  CHECK(EVP_PKEY_get_raw_public_key(private_key(secret_).get(), bytes.data(), &size) == 1 && size == bytes.size());
  return bytes;
}

std::optional<SecretBytes> ExchangeKey::agree(const ExchangePublicKey& peer) const {
  const Pkey own = private_key(secret_);
  const Pkey other(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, peer.data(), peer.size()));
  CHECK(other != nullptr);
  const PkeyCtx context(EVP_PKEY_CTX_new(own.get(), nullptr));
  CHECK(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1);
  if (EVP_PKEY_derive_set_peer(context.get(), other.get()) != 1) return std::nullopt;
  SecretBytes agreed(kExchangeKeyBytes);
  std::size_t size = agreed.size();
  // OpenSSL refuses a result of zeros, which is what a peer of low order leads to. [RFC 7748, 6.1]
  const bool good = EVP_PKEY_derive(context.get(), agreed.expose().data(), &size) == 1 && size == agreed.size();
  ERR_clear_error();
  if (!good) return std::nullopt;
  return agreed;
}

SecretBytes hkdf_sha256(const SecretBytes& secret, Span info) {
  const SecretBytes extracted = hmac_sha256(Bytes(32), secret.expose());
  Bytes first = to_bytes(info);
  first.push_back(1);
  return hmac_sha256(extracted.expose(), first);
}

SecretBytes enrolled_mac_key(const SecretBytes& agreed, DeploymentId deployment, ServerId server, ClientId client) {
  const std::string info = "seneschal enrolled pair key v1 " + std::to_string(deployment.value) + " " +
                           to_string(Principal::of(server)) + " " + to_string(Principal::of(client));
  return hkdf_sha256(agreed, as_span(info));
}

bool acceptable(const ClientKeys& keys) {
  if (is_small_point(keys.signing)) return false;
  // Any secret will do: they are all multiples of the order in question.
  static const ExchangeKey probe = *ExchangeKey::from_secret(SecretBytes(Bytes(kExchangeKeyBytes, 1)));
  return probe.agree(keys.exchange).has_value();
}

}  // namespace seneschal::crypto
