// Threshold RSA signatures: n servers hold shares of a site's key, any k of them make an ordinary RSA signature.
//
// Source: V. Shoup, "Practical Threshold Signatures", EUROCRYPT 2000. The result is EMSA-PKCS1-v1_5 with SHA-256,
// byte for byte what the undivided key would give. Shares are combined optimistically; a server is blamed only by a
// proof that fails, never by interpolation, because two colluders can make an honest server look guilty that way.
#pragma once
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/key_plan.hpp"
#include "crypto/keys.hpp"
#include "crypto/random.hpp"
#include "crypto/safe_prime.hpp"
#include "crypto/secret.hpp"

#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace seneschal::crypto {

/// What everybody may know. All numbers big-endian and as wide as the modulus.
struct ThresholdParams {
  std::size_t threshold = 0;  // k
  std::size_t servers = 0;    // n
  std::uint64_t epoch = 0;    // grows when shares are refreshed
  Bytes modulus;
  Bytes verifier;                // v, a square
  std::vector<Bytes> verifiers;  // v_i = v^(s_i), i = 1..n
};

/// A share as it came in: nothing about it is trusted.
struct IdentifiedShare {
  std::size_t id = 0;  // 1..n
  Span bytes;
};

/// Site key, public part. Cheap to copy (shared), thread-safe; keeps a bounded cache of what interpolation needs for
/// the subsets of servers it has seen.
class ThresholdPublicKey {
 public:
  /// Error unless the parameters are well-formed: 1 <= k <= n <= kMaxThresholdServers, an odd modulus that `strength`
  /// admits, verifiers in range and invertible.
  static Result<ThresholdPublicKey> make(ThresholdParams params, KeyStrength strength);

  const ThresholdParams& params() const;
  /// Bytes of a share and of a signature.
  std::size_t signature_bytes() const;
  /// Bytes of a proof: a challenge of 16, then a response as wide as the modulus and 33 more.
  std::size_t proof_bytes() const;
  /// The ordinary RSA key that verifies combined signatures.
  const class PublicKey& plain() const;
  bool verify(Span message, Span signature) const;

  /// A signature that verifies, from the first k shares with distinct valid ids, the right length and a value in
  /// (0, N); nothing if there are fewer or if one of them is bad.
  std::optional<Bytes> combine(Span message, std::span<const IdentifiedShare> shares) const;
  /// True if `proof` shows that `share` is the good share of server `id` on `message`, up to its sign: only its
  /// square matters.
  bool check_share(std::size_t id, Span message, Span share, Span proof) const;

  struct Impl;

 private:
  friend class ThresholdShareKey;
  explicit ThresholdPublicKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// One server's part of a site key. Move-only, thread-safe, not printable.
class ThresholdShareKey {
 public:
  /// Error unless `secret` is server `id`'s share of this very key and epoch (its verifier matches).
  static Result<ThresholdShareKey> make(ThresholdPublicKey key, std::size_t id, SecretBytes secret);

  std::size_t id() const { return id_; }
  const ThresholdPublicKey& public_key() const { return key_; }
  /// s_i, as wide as the modulus: for key files.
  const SecretBytes& secret() const { return secret_; }

  /// x^(2 n! s_i) mod N in constant time.
  Bytes share(Span message) const;
  /// The share with a proof that it is good. The nonce mixes the secret, the message and `random`, so that a weak
  /// generator alone does not give the secret away.
  ShareWithProof prove(Span message, const RandomSource& random) const;

 private:
  ThresholdShareKey(ThresholdPublicKey key, std::size_t id, SecretBytes secret)
      : key_(std::move(key)), id_(id), secret_(std::move(secret)) {}
  ThresholdPublicKey key_;
  std::size_t id_;
  SecretBytes secret_;
};

struct Dealing {
  ThresholdPublicKey key;
  std::vector<ThresholdShareKey> shares;  // of servers 1..n
};

/// Deals a key: any `k` of `n` sign. Error if the primes are equal, of different lengths or not safe, or k, n out of
/// range.
Result<Dealing> deal(const SafePrimePair& primes, std::size_t k, std::size_t n, KeyStrength strength,
                     const RandomSource& random);
/// Uniform in [0, bound) by rejection; both big-endian, the result as wide as `bound`, which must not be zero.
SecretBytes uniform_below(Span bound, const RandomSource& random);

}  // namespace seneschal::crypto
