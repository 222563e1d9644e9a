#include "crypto/modulus.hpp"

#include <cstdlib>
#include <string_view>

namespace seneschal::crypto {

namespace {
constexpr std::size_t kIfmaPaysFromBits = 1024;
constexpr std::size_t kLongExponentBits = 512;
}  // namespace

PowerBackend default_power_backend() {
  const char* wish = std::getenv("SENESCHAL_IFMA");
  const bool off = wish != nullptr && std::string_view(wish) == "off";
  return !off && ifma::available() ? PowerBackend::Ifma : PowerBackend::OpenSsl;
}

Modulus::Modulus(Span n, PowerBackend backend) : n_(bn_from(n)), mont_(BN_MONT_CTX_new()) {
  CHECK(mont_ != nullptr && BN_is_odd(n_.get()) == 1 && bn_bits(n_.get()) > 1);
  BnCtx context(BN_CTX_new());
  CHECK(context != nullptr && BN_MONT_CTX_set(mont_.get(), n_.get(), context.get()) == 1);
  // Below 1024 bits (test keys) OpenSSL is as fast.
  if (backend == PowerBackend::Ifma && ifma::available() && ifma::Modulus::fits(n) && bits() >= kIfmaPaysFromBits)
    ifma_ = std::make_unique<const ifma::Modulus>(n);
}

ModMath::ModMath(const Modulus& modulus) : modulus_(modulus), context_(BN_CTX_new()) {
  CHECK(context_ != nullptr);
}

Bn ModMath::to_mont(const BIGNUM* plain) {
  Bn out = bn_new();
  CHECK(BN_to_montgomery(out.get(), plain, modulus_.mont(), context_.get()) == 1);
  return out;
}

Bn ModMath::from_mont(const BIGNUM* mont) {
  Bn out = bn_new();
  CHECK(BN_from_montgomery(out.get(), mont, modulus_.mont(), context_.get()) == 1);
  return out;
}

void ModMath::mul_into(BIGNUM* to, const BIGNUM* by) {
  CHECK(BN_mod_mul_montgomery(to, to, by, modulus_.mont(), context_.get()) == 1);
}

Bn ModMath::mul(const BIGNUM* a, const BIGNUM* b) {
  Bn out = bn_new();
  CHECK(BN_mod_mul_montgomery(out.get(), a, b, modulus_.mont(), context_.get()) == 1);
  return out;
}

namespace {
// Bits [at, at + width) of an exponent.
std::size_t window(const BIGNUM* exponent, std::size_t at, std::size_t width) {
  std::size_t value = 0;
  for (std::size_t i = width; i-- > 0;)
    value = value << 1 | static_cast<std::size_t>(BN_is_bit_set(exponent, static_cast<int>(at + i)));
  return value;
}
}  // namespace

Bn ModMath::multi_power(std::span<const Power> powers) {
  if (modulus_.vector_unit() == nullptr) return straus(powers);
  // One long power on the vector unit costs less than sharing its squarings with the short ones.
  std::vector<Power> rest;
  std::vector<Bn> factors;
  for (const Power& power : powers) {
    const std::size_t length = bn_bits(power.exponent);
    if (length <= kLongExponentBits) {
      rest.push_back(power);
      continue;
    }
    const Bn plain = from_mont(power.base);
    const Bytes exponent = bn_bytes(power.exponent, (length + 7) / 8);
    factors.push_back(to_mont(secret_power(plain.get(), exponent).get()));
  }
  Bn result = straus(rest);
  for (const Bn& factor : factors) mul_into(result.get(), factor.get());
  return result;
}

Bn ModMath::straus(std::span<const Power> powers) {
  std::size_t bits = 0;
  for (const Power& power : powers) bits = std::max(bits, bn_bits(power.exponent));
  const std::size_t width = bits > kLongExponentBits ? 5
                            : bits > 24              ? 2
                                                     : 1;  // larger tables pay for long exponents only

  std::vector<std::vector<Bn>> tables(powers.size());  // tables[i][w - 1] = base_i^w
  for (std::size_t i = 0; i < powers.size(); ++i) {
    // A short exponent beside a long one does not need the whole table.
    const std::size_t entries =
        std::min<std::size_t>((std::size_t{1} << width) - 1,
                              (std::size_t{1} << std::min<std::size_t>(bn_bits(powers[i].exponent), 16)) - 1);
    for (std::size_t w = 1; w <= entries; ++w) {
      tables[i].emplace_back(w == 1 ? BN_dup(powers[i].base) : mul(tables[i].back().get(), powers[i].base).release());
      CHECK(tables[i].back() != nullptr);
    }
  }
  Bn result = to_mont(BN_value_one());
  bool started = false;
  for (std::size_t at = (bits + width - 1) / width * width; at > 0;) {
    at -= width;
    if (started)
      for (std::size_t i = 0; i < width; ++i) mul_into(result.get(), result.get());
    for (std::size_t i = 0; i < powers.size(); ++i) {
      const std::size_t digit = window(powers[i].exponent, at, width);
      if (digit == 0) continue;
      mul_into(result.get(), tables[i][digit - 1].get());
      started = true;
    }
  }
  return result;
}

Bn ModMath::secret_power(const BIGNUM* base, Span secret_exponent) {
  Bn out = bn_new();
  if (const ifma::Modulus* vector = modulus_.vector_unit()) {
    CHECK(BN_nnmod(out.get(), base, modulus_.n(), context_.get()) == 1);
    Bytes power(vector->bytes());
    vector->power(bn_bytes(out.get(), vector->bytes()), secret_exponent, power);
    return bn_from(power);
  }
  const Bn exponent = bn_from(secret_exponent);
  BN_set_flags(exponent.get(), BN_FLG_CONSTTIME);
  CHECK(BN_mod_exp_mont_consttime(out.get(), base, exponent.get(), modulus_.n(), context_.get(), modulus_.mont()) ==
        1);
  return out;
}

std::optional<Bn> ModMath::inverse(const BIGNUM* plain) {
  // GMP inverts several times faster than OpenSSL.
  const Mpz value(bn_bytes(plain, modulus_.bytes()));
  const Mpz n(bn_bytes(modulus_.n(), modulus_.bytes()));
  Mpz out;
  if (mpz_invert(out.get(), value.get(), n.get()) == 0) return std::nullopt;
  return bn_from(out.bytes());
}

}  // namespace seneschal::crypto
