// Arithmetic modulo one odd number. Internal to this folder.
#pragma once
#include "crypto/ifma/power.hpp"
#include "crypto/openssl.hpp"

#include <optional>

namespace seneschal::crypto {

/// What calculates powers with long exponents.
enum class PowerBackend { OpenSsl, Ifma };
/// The fastest that this processor has. SENESCHAL_IFMA=off in the environment means OpenSSL whatever it has: for
/// comparisons.
PowerBackend default_power_backend();

/// An odd modulus with its Montgomery constants; immutable, shared by threads.
class Modulus {
 public:
  /// `n` must be odd and above 1. Where `backend` cannot serve it, OpenSSL does.
  explicit Modulus(Span n, PowerBackend backend = default_power_backend());
  const BIGNUM* n() const { return n_.get(); }
  std::size_t bytes() const { return static_cast<std::size_t>(BN_num_bytes(n_.get())); }
  std::size_t bits() const { return bn_bits(n_.get()); }
  BN_MONT_CTX* mont() const { return mont_.get(); }
  /// Null: OpenSSL calculates.
  const ifma::Modulus* vector_unit() const { return ifma_.get(); }

 private:
  Bn n_;
  MontCtx mont_;
  std::unique_ptr<const ifma::Modulus> ifma_;
};

/// base^exponent, the base in Montgomery form, the exponent not negative; neither is owned.
struct Power {
  const BIGNUM* base;
  const BIGNUM* exponent;
};

/// One calculation: borrows the modulus, owns scratch space. For one thread.
class ModMath {
 public:
  explicit ModMath(const Modulus& modulus);

  Bn to_mont(const BIGNUM* plain);
  Bn from_mont(const BIGNUM* mont);
  /// Product of two numbers in Montgomery form.
  Bn mul(const BIGNUM* a, const BIGNUM* b);
  /// Product of powers with shared squarings (Straus), in Montgomery form. Takes time that depends on the exponents:
  /// for public values only.
  Bn multi_power(std::span<const Power> powers);
  /// base^exponent of plain numbers. The time depends on the number of bytes of the (big-endian) exponent, not on its
  /// value. The base must not be negative.
  Bn secret_power(const BIGNUM* base, Span secret_exponent);
  /// Inverse of a plain public number; nothing if it shares a factor with the modulus.
  std::optional<Bn> inverse(const BIGNUM* plain);

 private:
  void mul_into(BIGNUM* to, const BIGNUM* by);
  Bn straus(std::span<const Power> powers);
  const Modulus& modulus_;
  BnCtx context_;
};

}  // namespace seneschal::crypto
