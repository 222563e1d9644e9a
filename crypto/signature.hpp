// Ordinary signatures: RSA (EMSA-PKCS1-v1_5 with SHA-256) and Ed25519.
#pragma once
#include "base/bytes.hpp"
#include "base/result.hpp"
#include "crypto/secret.hpp"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace seneschal::crypto {

enum class Scheme : std::uint8_t { Rsa2048, Ed25519, Rsa1024, kLast = Rsa1024 };

/// How small an RSA key may be. `Paper` admits the 1,024 bits of the 2005 measurements, which are insecure; `Test`
/// admits toys.
enum class KeyStrength : std::uint8_t { Standard, Paper, Test, kLast = Test };

/// "rsa2048", "ed25519", "rsa1024".
std::string_view to_string(Scheme scheme);
std::optional<Scheme> parse_scheme(std::string_view text);
/// "standard", "paper", "test".
std::string_view to_string(KeyStrength strength);
std::optional<KeyStrength> parse_strength(std::string_view text);
/// Bytes of a signature: 256, 64, 128.
std::size_t signature_bytes(Scheme scheme);
/// Smallest RSA modulus that `strength` admits, in bits.
unsigned min_rsa_bits(KeyStrength strength);

/// The public exponent of every RSA key here: prime, and above any number of servers (threshold RSA needs that).
inline constexpr unsigned long kRsaExponent = 65537;

/// Verifies. Cheap to copy (shared), thread-safe; contexts are kept and reused.
class PublicKey {
 public:
  /// SubjectPublicKeyInfo in PEM. Error for anything but Ed25519 and RSA with exponent 65537 and at least the bits
  /// that `strength` asks for.
  static Result<PublicKey> from_pem(std::string_view pem, KeyStrength strength);
  /// Ed25519 from its 32 bytes [RFC 8032]. Bytes that are no point make a key under which nothing verifies.
  static PublicKey from_ed25519(const std::array<Byte, 32>& bytes);
  /// RSA with the given big-endian modulus.
  static Result<PublicKey> from_rsa_modulus(Span modulus, KeyStrength strength);

  std::string to_pem() const;
  /// False for a signature of any other length than `signature_bytes`.
  bool verify(Span message, Span signature) const;
  std::size_t signature_bytes() const;
  bool is_rsa() const;
  /// Big-endian modulus; empty for Ed25519.
  Bytes rsa_modulus() const;
  /// The 32 bytes of an Ed25519 key (CHECKed).
  std::array<Byte, 32> ed25519() const;
  bool operator==(const PublicKey& other) const;

 private:
  friend class PrivateKey;
  struct Impl;
  explicit PublicKey(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

/// Signs. Move-only, thread-safe, not printable.
class PrivateKey {
 public:
  /// Error for RSA-1024 unless `strength` admits it.
  static Result<PrivateKey> generate(Scheme scheme, KeyStrength strength = KeyStrength::Standard);
  /// PKCS#8 in PEM, not encrypted; text around the block is ignored.
  static Result<PrivateKey> from_pem(const SecretBytes& pem, KeyStrength strength = KeyStrength::Standard);

  PrivateKey(PrivateKey&&) noexcept;
  PrivateKey& operator=(PrivateKey&&) noexcept;
  ~PrivateKey();

  Bytes sign(Span message) const;
  PublicKey public_key() const;
  SecretBytes to_pem() const;

 private:
  struct Impl;
  explicit PrivateKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace seneschal::crypto
