// Arithmetic modulo one odd number. Internal to this folder.
#pragma once
#include "crypto/openssl.hpp"

#include <optional>

namespace seneschal::crypto {

/// An odd modulus with its Montgomery constants; immutable, shared by threads.
class Modulus {
 public:
  /// `n` must be odd and above 1.
  explicit Modulus(Span n);
  const BIGNUM* n() const { return n_.get(); }
  std::size_t bytes() const { return static_cast<std::size_t>(BN_num_bytes(n_.get())); }
  std::size_t bits() const { return bn_bits(n_.get()); }
  BN_MONT_CTX* mont() const { return mont_.get(); }

 private:
  Bn n_;
  MontCtx mont_;
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
  /// base^exponent of plain numbers, in time that does not depend on the exponent's value.
  Bn secret_power(const BIGNUM* base, const BIGNUM* secret_exponent);
  /// Inverse of a plain public number; nothing if it shares a factor with the modulus.
  std::optional<Bn> inverse(const BIGNUM* plain);

 private:
  void mul_into(BIGNUM* to, const BIGNUM* by);
  const Modulus& modulus_;
  BnCtx context_;
};

}  // namespace seneschal::crypto
