// Key agreement: how a server and a client that joins at run time come to a pairwise MAC key without ever having met.
// X25519 [RFC 7748], then HKDF-SHA256 [RFC 5869].
#pragma once
#include "base/ids.hpp"
#include "crypto/keys.hpp"
#include "crypto/random.hpp"
#include "crypto/secret.hpp"

#include <optional>

namespace seneschal::crypto {

/// An X25519 secret. Move-only, wiped when it goes.
class ExchangeKey {
 public:
  static ExchangeKey generate(const RandomSource& random);
  /// Any 32 bytes are a secret; nothing for another length.
  static std::optional<ExchangeKey> from_secret(SecretBytes secret);

  ExchangePublicKey public_key() const;
  const SecretBytes& secret() const { return secret_; }
  /// What both ends compute; nothing for a `peer` of low order, with whom everybody would share it.
  std::optional<SecretBytes> agree(const ExchangePublicKey& peer) const;

 private:
  explicit ExchangeKey(SecretBytes secret) : secret_(std::move(secret)) {}
  SecretBytes secret_;
};

/// 32 bytes of HKDF-SHA256 without salt.
SecretBytes hkdf_sha256(const SecretBytes& secret, Span info);

/// The MAC key of a server and an enrolled client of a deployment, from what they agreed upon.
SecretBytes enrolled_mac_key(const SecretBytes& agreed, DeploymentId deployment, ServerId server, ClientId client);

/// True if a client may be enrolled with these keys: neither is of low order. Depends on the bytes alone, so that all
/// servers decide the same.
bool acceptable(const ClientKeys& keys);

}  // namespace seneschal::crypto
