// Public key, dealing. Shares and proofs are in threshold_share.cpp, combining in threshold_combine.cpp.
#include "crypto/threshold_rsa.hpp"

#include "crypto/digest.hpp"
#include "crypto/threshold_impl.hpp"

namespace seneschal::crypto {

static_assert(kMaxThresholdServers < kRsaExponent,
              "Shoup's scheme needs a prime exponent above the number of servers");

Bytes encode_pkcs1_sha256(Span message, std::size_t width) {
  // DigestInfo of SHA-256 in DER [RFC 8017, 9.2 note 1].
  static constexpr Byte kDigestInfo[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                         0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};
  const Digest digest = sha256(message);
  CHECK(width >= sizeof kDigestInfo + digest.bytes.size() + 11);
  Bytes encoded(width, 0xff);
  encoded[0] = 0;
  encoded[1] = 1;
  const auto tail = encoded.end() - static_cast<std::ptrdiff_t>(sizeof kDigestInfo + digest.bytes.size());
  *(tail - 1) = 0;
  std::ranges::copy(digest.bytes, std::ranges::copy(kDigestInfo, tail).out);
  return encoded;
}

Bn ThresholdPublicKey::Impl::power_of_delta(ModMath& math, const BIGNUM* base, unsigned long factor) const {
  Bn exponent(BN_dup(delta.get()));
  CHECK(exponent != nullptr && BN_mul_word(exponent.get(), factor) == 1);
  const Bn mont = math.to_mont(base);
  const Power power{mont.get(), exponent.get()};
  return math.from_mont(math.multi_power({&power, 1}).get());
}

namespace {
Status check_params(const ThresholdParams& params) {
  if (params.servers == 0 || params.servers > kMaxThresholdServers || params.threshold == 0 ||
      params.threshold > params.servers)
    return failure("a threshold key of " + std::to_string(params.threshold) + " out of " +
                   std::to_string(params.servers) +
                   ": expected 1 <= k <= n <= " + std::to_string(kMaxThresholdServers));
  if (params.modulus.empty() || params.modulus.back() % 2 == 0 || params.modulus.front() == 0)
    return failure("the modulus of a threshold key must be odd, without leading zeros");
  if (params.verifiers.size() != params.servers) return failure("a threshold key needs one verifier per server");
  return {};
}

// A verifier in Montgomery form, with its inverse.
struct Verifier {
  Bn value;
  Bn inverse;
};
Result<Verifier> load_verifier(ModMath& math, const Modulus& modulus, const Bytes& bytes) {
  const auto bad = [] { return failure("a verifier of the threshold key is not a number prime to the modulus"); };
  if (bytes.size() != modulus.bytes()) return bad();
  const Bn plain = bn_from(bytes);
  if (BN_is_zero(plain.get()) || BN_is_one(plain.get()) || BN_cmp(plain.get(), modulus.n()) >= 0) return bad();
  const std::optional<Bn> inverse = math.inverse(plain.get());
  if (!inverse) return bad();
  return Verifier{math.to_mont(plain.get()), math.to_mont(inverse->get())};
}
}  // namespace

Result<ThresholdPublicKey> ThresholdPublicKey::make(ThresholdParams params, KeyStrength strength) {
  if (Status good = check_params(params); !good) return std::unexpected(good.error());
  Result<PublicKey> plain = PublicKey::from_rsa_modulus(params.modulus, strength);
  if (!plain) return std::unexpected(plain.error());
  auto impl = std::make_shared<Impl>(std::move(params), std::move(*plain));
  impl->delta = bn_from(1ul);
  for (std::size_t i = 2; i <= impl->params.servers; ++i) CHECK(BN_mul_word(impl->delta.get(), i) == 1);
  ModMath math(impl->modulus);
  Result<Verifier> verifier = load_verifier(math, impl->modulus, impl->params.verifier);
  if (!verifier) return std::unexpected(verifier.error());
  impl->verifier = std::move(verifier->value);
  for (const Bytes& bytes : impl->params.verifiers) {
    Result<Verifier> one = load_verifier(math, impl->modulus, bytes);
    if (!one) return std::unexpected(one.error());
    impl->inverse_verifiers.push_back(std::move(one->inverse));
  }
  return ThresholdPublicKey(std::shared_ptr<const Impl>(std::move(impl)));
}

const ThresholdParams& ThresholdPublicKey::params() const {
  return impl_->params;
}
std::size_t ThresholdPublicKey::signature_bytes() const {
  return impl_->modulus.bytes();
}
std::size_t ThresholdPublicKey::proof_bytes() const {
  return kChallengeBytes + impl_->modulus.bytes() + 33;
}
const PublicKey& ThresholdPublicKey::plain() const {
  return impl_->plain;
}

bool ThresholdPublicKey::verify(Span message, Span signature) const {
  return impl_->plain.verify(message, signature);
}

SecretBytes uniform_below(Span bound, const RandomSource& random) {
  const auto top = std::ranges::find_if(bound, [](Byte b) { return b != 0; });
  CHECK(top != bound.end());
  const auto zeros = static_cast<std::size_t>(top - bound.begin());
  Byte mask = *top;
  for (int shift : {1, 2, 4}) mask = static_cast<Byte>(mask | mask >> shift);
  SecretBytes out(bound.size());
  // Reducing a wider number instead would make some values likelier. The expected number of rounds is below two.
  do {
    std::ranges::fill(out.expose(), 0);
    random(out.expose().subspan(zeros));
    out.expose()[zeros] &= mask;
  } while (!std::ranges::lexicographical_compare(out.expose(), bound));
  return out;
}

namespace {
Status check_primes(const SafePrimePair& primes) {
  if (equal(primes.p.expose(), primes.q.expose())) return failure("the two primes of a threshold key must differ");
  if (primes.p.size() != primes.q.size())
    return failure("the two primes of a threshold key must have the same length");
  if (!is_safe_prime(primes.p) || !is_safe_prime(primes.q))
    return failure("the primes of a threshold key must be safe: p = 2p' + 1 with p' prime");
  return {};
}

// A random square: it generates all squares modulo N but with negligible probability.
Bytes random_square(const Mpz& modulus, const RandomSource& random) {
  const Bytes bound = modulus.bytes();
  for (;;) {
    const Mpz root(uniform_below(bound, random).expose());
    Mpz gcd, square;
    mpz_gcd(gcd.get(), root.get(), modulus.get());
    if (mpz_cmp_ui(gcd.get(), 1) != 0) continue;
    mpz_powm_ui(square.get(), root.get(), 2, modulus.get());
    if (mpz_cmp_ui(square.get(), 1) > 0) return bn_bytes(bn_from(square.bytes()).get(), bound.size());
  }
}
}  // namespace

Result<Dealing> deal(const SafePrimePair& primes, std::size_t k, std::size_t n, KeyStrength strength,
                     const RandomSource& random) {
  if (Status good = check_primes(primes); !good) return std::unexpected(good.error());
  if (n == 0 || n > kMaxThresholdServers || k == 0 || k > n) return failure("threshold keys need 1 <= k <= n <= 64");
  const Mpz p(primes.p.expose()), q(primes.q.expose()), e(kRsaExponent);
  Mpz modulus, half_p, half_q, m, secret;
  mpz_mul(modulus.get(), p.get(), q.get());
  mpz_tdiv_q_2exp(half_p.get(), p.get(), 1);
  mpz_tdiv_q_2exp(half_q.get(), q.get(), 1);
  mpz_mul(m.get(), half_p.get(), half_q.get());
  if (mpz_invert(secret.get(), e.get(), m.get()) == 0) return failure("the primes do not fit the exponent 65537");

  ThresholdParams params{
      .threshold = k, .servers = n, .epoch = 0, .modulus = modulus.bytes(), .verifier = {}, .verifiers = {}};
  const std::size_t width = params.modulus.size();
  params.verifier = random_square(modulus, random);
  // f(X) = d + a_1 X + ... + a_(k-1) X^(k-1) modulo m; share i is f(i).
  const SecretBytes bound(m.bytes());
  std::vector<SecretBytes> coefficients;
  for (std::size_t i = 1; i < k; ++i) coefficients.push_back(uniform_below(bound.expose(), random));
  const Modulus mod(params.modulus);
  ModMath math(mod);
  const Bn v = bn_from(params.verifier);
  std::vector<SecretBytes> secrets;
  for (std::size_t id = 1; id <= n; ++id) {
    Mpz value(0ul);
    for (std::size_t i = k - 1; i > 0; --i) {
      const Mpz coefficient(coefficients[i - 1].expose());
      mpz_add(value.get(), value.get(), coefficient.get());
      mpz_mul_ui(value.get(), value.get(), id);
      mpz_mod(value.get(), value.get(), m.get());
    }
    mpz_add(value.get(), value.get(), secret.get());
    mpz_mod(value.get(), value.get(), m.get());
    const SecretBytes minimal(value.bytes());
    const Bn s = bn_from(minimal.expose());
    secrets.emplace_back(bn_bytes(s.get(), width));
    params.verifiers.push_back(bn_bytes(math.secret_power(v.get(), secrets.back().expose()).get(), width));
  }
  Result<ThresholdPublicKey> key = ThresholdPublicKey::make(std::move(params), strength);
  if (!key) return std::unexpected(key.error());
  Dealing dealing{*key, {}};
  for (std::size_t id = 1; id <= n; ++id) {
    Result<ThresholdShareKey> share = ThresholdShareKey::make(*key, id, std::move(secrets[id - 1]));
    if (!share) return std::unexpected(share.error());
    dealing.shares.push_back(std::move(*share));
  }
  return dealing;
}

}  // namespace seneschal::crypto
