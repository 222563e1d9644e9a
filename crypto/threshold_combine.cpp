// Combining shares.
#include "crypto/threshold_impl.hpp"

namespace seneschal::crypto {

namespace {
Mpz factorial(std::size_t n) {
  Mpz out;
  mpz_fac_ui(out.get(), n);
  return out;
}

// n! times the Lagrange coefficient at 0 of `ids[at]`: an integer.
Mpz lagrange(std::span<const std::size_t> ids, std::size_t at, const Mpz& delta) {
  Mpz numerator(delta), denominator(1ul);
  for (std::size_t other = 0; other < ids.size(); ++other) {
    if (other == at) continue;
    mpz_mul_ui(numerator.get(), numerator.get(), ids[other]);
    mpz_mul_si(denominator.get(), denominator.get(), static_cast<long>(ids[other]) - static_cast<long>(ids[at]));
  }
  CHECK(mpz_divisible_p(numerator.get(), denominator.get()) != 0);
  mpz_divexact(numerator.get(), numerator.get(), denominator.get());
  return numerator;
}

// With w = prod x_i^(2 lambda_i / g): w^e = x^(4 delta^2 / g) =: x^e'. As e is prime and divides no factor of n!,
// there are a, b > 0 with a e' - b e = 1, and y = w^a x^(-b) is the e-th root of x [Shoup 2000, sec. 3.1]. Dividing
// by the greatest common divisor g of the coefficients is ours: it shortens the exponents, and g divides delta, their
// sum.
std::shared_ptr<const CombinePlan> make_plan(std::span<const std::size_t> ids, std::size_t n) {
  const Mpz delta = factorial(n);
  std::vector<Mpz> lambdas;
  lambdas.reserve(ids.size());
  Mpz gcd(0ul);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    lambdas.push_back(lagrange(ids, i, delta));
    mpz_gcd(gcd.get(), gcd.get(), lambdas.back().get());
  }
  auto plan = std::make_shared<CombinePlan>();
  for (Mpz& lambda : lambdas) {
    mpz_divexact(lambda.get(), lambda.get(), gcd.get());
    mpz_mul_2exp(lambda.get(), lambda.get(), 1);
    plan->parts.push_back({bn_from(lambda.bytes()), mpz_sgn(lambda.get()) < 0});
  }
  const Mpz e(kRsaExponent);
  Mpz e_prime, a, b;
  mpz_mul(e_prime.get(), delta.get(), delta.get());
  mpz_mul_2exp(e_prime.get(), e_prime.get(), 2);
  CHECK(mpz_divisible_p(e_prime.get(), gcd.get()) != 0);
  mpz_divexact(e_prime.get(), e_prime.get(), gcd.get());
  CHECK(mpz_invert(a.get(), e_prime.get(), e.get()) != 0);
  mpz_mul(b.get(), a.get(), e_prime.get());
  mpz_sub_ui(b.get(), b.get(), 1);
  mpz_divexact(b.get(), b.get(), e.get());
  plan->a = bn_from(a.bytes());
  plan->b = bn_from(b.bytes());
  return plan;
}
}  // namespace

std::shared_ptr<const CombinePlan> PlanCache::plan(std::span<const std::size_t> ids, std::size_t n) {
  std::uint64_t key = 0;
  for (std::size_t id : ids) key |= std::uint64_t{1} << (id - 1);
  {
    std::lock_guard lock(mutex_);
    if (const auto found = plans_.find(key); found != plans_.end()) return found->second;
  }
  std::shared_ptr<const CombinePlan> made = make_plan(ids, n);
  std::lock_guard lock(mutex_);
  const auto [entry, added] = plans_.emplace(key, std::move(made));
  std::shared_ptr<const CombinePlan> result = entry->second;
  if (added) {
    oldest_.push_back(key);
    if (oldest_.size() > kMaxPlans) {
      plans_.erase(oldest_.front());
      oldest_.pop_front();
    }
  }
  return result;
}

std::optional<Bytes> ThresholdPublicKey::combine(Span message, std::span<const IdentifiedShare> shares) const {
  const Impl& impl = *impl_;
  const std::size_t width = impl.modulus.bytes();
  ModMath math(impl.modulus);
  std::map<std::size_t, Bn> chosen;  // by id, Montgomery form
  for (const IdentifiedShare& share : shares) {
    if (chosen.size() == impl.params.threshold) break;
    if (share.id == 0 || share.id > impl.params.servers || share.bytes.size() != width || chosen.contains(share.id))
      continue;
    const Bn value = bn_from(share.bytes);
    if (BN_is_zero(value.get()) || BN_cmp(value.get(), impl.modulus.n()) >= 0) continue;
    chosen.emplace(share.id, math.to_mont(value.get()));
  }
  if (chosen.size() < impl.params.threshold) return std::nullopt;

  std::vector<std::size_t> ids;
  for (const auto& [id, value] : chosen) ids.push_back(id);
  const std::shared_ptr<const CombinePlan> plan = impl.plans.plan(ids, impl.params.servers);
  std::vector<Power> above, below;
  std::size_t at = 0;
  for (const auto& [id, value] : chosen) {
    const CombinePlan::Part& part = plan->parts[at++];
    (part.negative ? below : above).push_back({value.get(), part.exponent.get()});
  }
  // y = A^a / (B^a x^b): one inversion for all that is below the line.
  const Bn product_above = math.multi_power(above);
  const Bn product_below = math.multi_power(below);
  const Bn x = bn_from(encode_pkcs1_sha256(message, width));
  const Bn x_mont = math.to_mont(x.get());
  const Power numerator[] = {{product_above.get(), plan->a.get()}};
  const Power denominator[] = {{product_below.get(), plan->a.get()}, {x_mont.get(), plan->b.get()}};
  const Bn top = math.multi_power(numerator);
  const std::optional<Bn> bottom = math.inverse(math.from_mont(math.multi_power(denominator).get()).get());
  if (!bottom) return std::nullopt;  // a share has a factor in common with the modulus
  // Montgomery times plain is plain.
  const Bn y = math.mul(top.get(), bottom->get());
  Bytes signature = bn_bytes(y.get(), width);
  if (!impl.plain.verify(message, signature)) return std::nullopt;
  return signature;
}

}  // namespace seneschal::crypto
