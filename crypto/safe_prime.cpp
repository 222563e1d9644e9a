#include "crypto/safe_prime.hpp"

#include "crypto/openssl.hpp"

namespace seneschal::crypto {

namespace {
constexpr int kPrimalityRounds = 32;

// Odd primes from 5 up to `limit`.
std::vector<std::uint32_t> small_primes(std::uint32_t limit) {
  std::vector<bool> composite(limit + 1);
  std::vector<std::uint32_t> primes;
  for (std::uint32_t i = 2; i <= limit; ++i) {
    if (composite[i]) continue;
    if (i >= 5) primes.push_back(i);
    for (std::uint64_t j = std::uint64_t{i} * i; j <= limit; j += i) composite[j] = true;
  }
  return primes;
}

std::uint64_t inverse_of_six(std::uint64_t prime) {
  // 6 * x = 1 modulo a prime p = 6k+1 or 6k+5.
  return prime % 6 == 1 ? prime - (prime - 1) / 6 : (prime + 1) / 6;
}

// Marks every i for which a small prime divides base + 6i or 2(base + 6i) + 1: one pass removes both kinds.
void double_sieve(mpz_srcptr base, const std::vector<std::uint32_t>& primes, std::vector<std::uint8_t>& composite) {
  for (std::uint64_t prime : primes) {
    const std::uint64_t residue = mpz_fdiv_ui(base, prime);
    const std::uint64_t inverse = inverse_of_six(prime);
    const std::uint64_t half = (prime - 1) / 2;  // base + 6i = half modulo prime makes 2(base + 6i) + 1 divisible
    for (std::uint64_t i = (prime - residue) % prime * inverse % prime; i < composite.size(); i += prime)
      composite[i] = 1;
    for (std::uint64_t i = (half + prime - residue) % prime * inverse % prime; i < composite.size(); i += prime)
      composite[i] = 1;
  }
}

bool passes_fermat(mpz_srcptr candidate) {
  Mpz exponent, result;
  const Mpz two(2ul);
  mpz_sub_ui(exponent.get(), candidate, 1);
  mpz_powm(result.get(), two.get(), exponent.get(), candidate);
  return mpz_cmp_ui(result.get(), 1) == 0;
}

// p' drawn uniformly among `bits`-bit numbers with the two top bits set, then moved to the next one that is 5 modulo
// 6: other residues make p' or 2p' + 1 divisible by 2 or 3.
Mpz random_start(unsigned bits, const RandomSource& random) {
  SecretBytes bytes(std::size_t{(bits + 7) / 8});
  random(bytes.expose());
  Mpz start(bytes.expose());
  mpz_fdiv_r_2exp(start.get(), start.get(), bits);
  mpz_setbit(start.get(), bits - 1);
  mpz_setbit(start.get(), bits - 2);
  mpz_add_ui(start.get(), start.get(), (11 - mpz_fdiv_ui(start.get(), 6)) % 6);
  return start;
}
}  // namespace

Result<SecretBytes> generate_safe_prime(unsigned bits, const RandomSource& random, const StopSearch& stop) {
  if (bits < 128 || bits > 2048 || bits % 32 != 0)
    return failure("a safe prime has 128 to 2048 bits, in steps of 32");
  // Sieving further costs more than the exponentiations it saves; about two hits are expected in one window.
  const std::vector<std::uint32_t> primes = small_primes(bits * bits / 2);
  std::vector<std::uint8_t> composite(std::size_t{bits} * 128);
  for (;;) {
    const Mpz start = random_start(bits - 1, random);
    std::ranges::fill(composite, 0);
    double_sieve(start.get(), primes, composite);
    for (std::size_t i = 0; i < composite.size(); ++i) {
      if (composite[i] != 0) continue;
      if (stop && stop()) return failure("interrupted");
      Mpz half, prime;
      mpz_add_ui(half.get(), start.get(), 6 * i);
      mpz_mul_2exp(prime.get(), half.get(), 1);
      mpz_add_ui(prime.get(), prime.get(), 1);
      if (mpz_sizeinbase(prime.get(), 2) != bits) break;  // ran over the top
      if (!passes_fermat(half.get()) || !passes_fermat(prime.get())) continue;
      if (mpz_probab_prime_p(half.get(), kPrimalityRounds) == 0) continue;
      if (mpz_probab_prime_p(prime.get(), kPrimalityRounds) == 0) continue;
      return SecretBytes(prime.bytes());
    }
  }
}

Result<SafePrimePair> generate_safe_primes(unsigned modulus_bits, const RandomSource& random,
                                           const StopSearch& stop) {
  Result<SecretBytes> p = generate_safe_prime(modulus_bits / 2, random, stop);
  if (!p) return std::unexpected(p.error());
  Result<SecretBytes> q = generate_safe_prime(modulus_bits / 2, random, stop);
  if (!q) return std::unexpected(q.error());
  if (equal(p->expose(), q->expose())) return failure("the random source repeats itself: both primes are equal");
  return SafePrimePair{std::move(*p), std::move(*q)};
}

bool is_safe_prime(const SecretBytes& number) {
  if (number.empty()) return false;
  const Mpz prime(number.expose());
  Mpz half;
  mpz_tdiv_q_2exp(half.get(), prime.get(), 1);
  return mpz_odd_p(prime.get()) != 0 && mpz_probab_prime_p(prime.get(), kPrimalityRounds) != 0 &&
         mpz_probab_prime_p(half.get(), kPrimalityRounds) != 0;
}

}  // namespace seneschal::crypto
