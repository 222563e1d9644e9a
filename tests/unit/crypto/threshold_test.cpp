#include "tests/unit/crypto/threshold_fixture.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>

namespace seneschal::crypto {
namespace {

using test::Group;
using test::repeatable;

const Bytes kMessage = to_bytes("prepare 3 of site 2");

template <class T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };
static_assert(!Streamable<SecretBytes> && !Streamable<PrivateKey> && !Streamable<ThresholdShareKey> &&
              !Streamable<Dealing> && !Streamable<SafePrimePair>);
static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_constructible_v<ThresholdShareKey> &&
              !std::is_copy_constructible_v<PrivateKey>);

void every_subset(std::size_t k, std::size_t n) {
  const Group group(k, n, kMessage);
  const Bytes expected = test::plain_signature(test::reassemble(test::primes_512()).get(), kMessage);
  std::size_t subsets = 0;
  for (std::size_t mask = 0; mask < std::size_t{1} << n; ++mask) {
    if (static_cast<std::size_t>(std::popcount(mask)) != k) continue;
    std::vector<IdentifiedShare> shares;
    for (std::size_t id = 1; id <= n; ++id)
      if ((mask >> (id - 1) & 1) != 0) shares.push_back(group.of(id));
    EXPECT_EQ(group.key().combine(kMessage, shares), expected) << "subset " << mask;
    ++subsets;
  }
  EXPECT_EQ(subsets, k == 3 ? 4u : 21u);
}

TEST(ThresholdRsa, EverySubsetOf3Of4GivesTheOrdinarySignature) {
  every_subset(3, 4);
}
TEST(ThresholdRsa, EverySubsetOf5Of7GivesTheOrdinarySignature) {
  every_subset(5, 7);
}

TEST(ThresholdRsa, OneOfOneAndAllOfAllWork) {
  for (auto [k, n] : {std::pair{1u, 1u}, {1u, 4u}, {4u, 4u}}) {
    const Group group(k, n, kMessage);
    std::vector<IdentifiedShare> shares;
    for (std::size_t id = 1; id <= k; ++id) shares.push_back(group.of(id));
    EXPECT_EQ(group.key().combine(kMessage, shares),
              test::plain_signature(test::reassemble(test::primes_512()).get(), kMessage));
  }
}

TEST(ThresholdRsa, TooFewSharesGiveNothing) {
  const Group group(3, 4, kMessage);
  EXPECT_FALSE(group.key().combine(kMessage, {}));
  EXPECT_FALSE(group.key().combine(kMessage, std::vector{group.of(1), group.of(2)}));
}

TEST(ThresholdRsa, AShareCountsOncePerServer) {
  const Group group(3, 4, kMessage);
  EXPECT_FALSE(group.key().combine(kMessage, std::vector{group.of(1), group.of(2), group.of(2)}));
  EXPECT_FALSE(group.key().combine(kMessage, std::vector{group.of(1), group.of(1), group.of(1), group.of(2)}));
  EXPECT_TRUE(group.key().combine(kMessage, std::vector{group.of(1), group.of(1), group.of(2), group.of(3)}));
}

TEST(ThresholdRsa, UnknownIdsNeverCount) {
  const Group group(3, 4, kMessage);
  for (std::size_t id : {std::size_t{0}, std::size_t{5}, std::size_t{65}, ~std::size_t{0}}) {
    const IdentifiedShare stranger{id, group.shares[2]};
    EXPECT_FALSE(group.key().combine(kMessage, std::vector{group.of(1), group.of(2), stranger})) << id;
    EXPECT_TRUE(group.key().combine(kMessage, std::vector{stranger, group.of(1), group.of(2), group.of(3)})) << id;
    EXPECT_FALSE(group.key().check_share(id, kMessage, group.shares[0], Bytes(group.key().proof_bytes())));
  }
}

Bytes number(const Mpz& value, std::size_t width) {
  return bn_bytes(bn_from(value.bytes()).get(), width);
}

// 0, N and N + 1 are no numbers modulo N; p divides N.
std::vector<Bytes> impossible_shares(const Group& group) {
  const std::size_t width = group.key().signature_bytes();
  Bytes above = group.key().params().modulus;
  above.back() = static_cast<Byte>(above.back() + 1);
  return {Bytes(width), group.key().params().modulus, above, Bytes(width, 0xff),
          number(Mpz(test::primes_512().p.expose()), width)};
}

TEST(ThresholdRsa, ShareValuesOutsideTheGroupAreRefused) {
  const Group group(3, 4, kMessage);
  const auto proof = group.dealing.shares[2].prove(kMessage, repeatable(9)).proof;
  for (const Bytes& value : impossible_shares(group)) {
    EXPECT_FALSE(group.key().combine(kMessage, std::vector{group.of(1), group.of(2), IdentifiedShare{3, value}}));
    EXPECT_FALSE(group.key().check_share(3, kMessage, value, proof));
  }
}

TEST(ThresholdRsa, OneAndMinusOneFailTheProof) {
  const Group group(3, 4, kMessage);
  const std::size_t width = group.key().signature_bytes();
  Bytes minus_one = group.key().params().modulus;
  minus_one.back() = static_cast<Byte>(minus_one.back() - 1);
  const auto proof = group.dealing.shares[0].prove(kMessage, repeatable(9)).proof;
  for (const Bytes& value : {number(Mpz(1ul), width), minus_one}) {
    EXPECT_FALSE(group.key().check_share(1, kMessage, value, proof));
    EXPECT_FALSE(group.key().combine(kMessage, std::vector{IdentifiedShare{1, value}, group.of(2), group.of(3)}));
  }
}

TEST(ThresholdRsa, TheNegatedShareIsAsGood) {
  const Group group(3, 4, kMessage);
  const auto [share, proof] = group.dealing.shares[0].prove(kMessage, repeatable(9));
  Mpz negated;
  mpz_sub(negated.get(), Mpz(group.key().params().modulus).get(), Mpz(share).get());
  const Bytes bytes = number(negated, share.size());
  EXPECT_TRUE(group.key().check_share(1, kMessage, bytes, proof));
  EXPECT_EQ(group.key().combine(kMessage, std::vector{IdentifiedShare{1, bytes}, group.of(2), group.of(3)}),
            group.key().combine(kMessage, std::vector{group.of(1), group.of(2), group.of(3)}));
}

TEST(ThresholdRsa, WrongLengthsAreRefusedBeforeUse) {
  const Group group(3, 4, kMessage);
  const auto [share, proof] = group.dealing.shares[0].prove(kMessage, repeatable(9));
  Bytes shorter(share.begin(), share.end() - 1), longer = share, padded{0};
  longer.push_back(0);
  append(padded, share);
  for (const Bytes& bad : {Bytes{}, shorter, longer, padded, Bytes(100'000, 1)}) {
    EXPECT_FALSE(group.key().check_share(1, kMessage, bad, proof));
    EXPECT_FALSE(group.key().combine(kMessage, std::vector{IdentifiedShare{1, bad}, group.of(2), group.of(3)}));
  }
  Bytes short_proof(proof.begin(), proof.end() - 1), long_proof = proof;
  long_proof.push_back(0);
  for (const Bytes& bad : {Bytes{}, short_proof, long_proof, Bytes(100'000, 1)})
    EXPECT_FALSE(group.key().check_share(1, kMessage, share, bad));
}

TEST(ThresholdRsa, AShareIsForOneMessageAndOneSite) {
  const Group group(3, 4, kMessage);
  const Group elsewhere(3, 4, kMessage, test::primes_512(), 2);  // same modulus, other polynomial: a refreshed key
  const Bytes other = to_bytes("prepare 4 of site 2");
  const auto [share, proof] = group.dealing.shares[0].prove(kMessage, repeatable(9));
  EXPECT_TRUE(group.key().check_share(1, kMessage, share, proof));
  EXPECT_FALSE(group.key().check_share(1, other, share, proof));
  EXPECT_FALSE(group.key().check_share(2, kMessage, share, proof));
  EXPECT_FALSE(elsewhere.key().check_share(1, kMessage, share, proof));
  EXPECT_FALSE(group.key().combine(other, std::vector{group.of(1), group.of(2), group.of(3)}));
  EXPECT_FALSE(group.key().combine(kMessage, std::vector{elsewhere.of(1), group.of(2), group.of(3)}));
}

TEST(ThresholdRsa, AProofIsForOneEpoch) {
  const Group group(3, 4, kMessage);
  const auto [share, proof] = group.dealing.shares[0].prove(kMessage, repeatable(9));
  ThresholdParams later = group.key().params();
  later.epoch = 1;
  EXPECT_FALSE(ThresholdPublicKey::make(later, KeyStrength::Test)->check_share(1, kMessage, share, proof));
}

TEST(ThresholdRsa, CombineRefusesABadShareAndOnlyItsOwnerIsBlamed) {
  const Group group(3, 4, kMessage);
  std::vector<Bytes> proofs;
  for (const auto& key : group.dealing.shares) proofs.push_back(key.prove(kMessage, repeatable(9)).proof);
  Bytes bad = group.shares[1];
  bad[40] ^= 4;
  EXPECT_FALSE(group.key().combine(kMessage, std::vector{group.of(1), IdentifiedShare{2, bad}, group.of(3)}));
  EXPECT_TRUE(group.key().check_share(1, kMessage, group.shares[0], proofs[0]));
  EXPECT_FALSE(group.key().check_share(2, kMessage, bad, proofs[1]));
  EXPECT_TRUE(group.key().check_share(3, kMessage, group.shares[2], proofs[2]));
  EXPECT_TRUE(group.key().combine(kMessage, std::vector{group.of(1), group.of(4), group.of(3)}));
}

// Servers 1 and 2 exchange a factor so that combining with 3 fails in a way that looks like server 3's doing to
// whoever interpolates; the proofs tell.
TEST(ThresholdRsa, TwoColludersCannotFrameAnHonestServer) {
  const Group group(3, 4, kMessage);
  const Mpz n(group.key().params().modulus);
  const auto scaled = [&](const Bytes& share, unsigned long factor) {
    Mpz out;
    mpz_mul_ui(out.get(), Mpz(share).get(), factor);
    mpz_mod(out.get(), out.get(), n.get());
    return number(out, share.size());
  };
  const Bytes one = scaled(group.shares[0], 8), two = scaled(group.shares[1], 4);
  EXPECT_FALSE(
      group.key().combine(kMessage, std::vector{IdentifiedShare{1, one}, IdentifiedShare{2, two}, group.of(3)}));
  const auto proof = [&](std::size_t id) {
    return group.dealing.shares[id - 1].prove(kMessage, repeatable(9)).proof;
  };
  EXPECT_FALSE(group.key().check_share(1, kMessage, one, proof(1)));
  EXPECT_FALSE(group.key().check_share(2, kMessage, two, proof(2)));
  EXPECT_TRUE(group.key().check_share(3, kMessage, group.shares[2], proof(3)));
}

TEST(ThresholdRsa, FlippingAnyBitOfAProofFails) {
  const Group group(3, 4, kMessage);
  const auto [share, proof] = group.dealing.shares[0].prove(kMessage, repeatable(9));
  for (std::size_t bit = 0; bit < proof.size() * 8; bit += 5) {
    Bytes bent = proof;
    bent[bit / 8] = static_cast<Byte>(bent[bit / 8] ^ 1u << bit % 8);
    EXPECT_FALSE(group.key().check_share(1, kMessage, share, bent)) << "bit " << bit;
  }
}

// s = floor(z / c) if the nonce is narrow: it must be 256 bits wider than the modulus.
TEST(ThresholdRsa, TheNonceIs256BitsWiderThanTheModulus) {
  const Group group(3, 4, kMessage);
  const std::size_t bits = group.key().signature_bytes() * 8;
  const Mpz secret(group.dealing.shares[0].secret().expose());
  std::size_t widest = 0;
  for (std::uint64_t seed = 0; seed < 16; ++seed) {
    const Bytes proof = group.dealing.shares[0].prove(kMessage, repeatable(seed)).proof;
    const Mpz c(Span(proof).first(16)), z(Span(proof).subspan(16));
    Mpz r, guess;
    mpz_mul(r.get(), secret.get(), c.get());
    mpz_sub(r.get(), z.get(), r.get());
    ASSERT_GE(mpz_sgn(r.get()), 0);
    EXPECT_GT(mpz_sizeinbase(r.get(), 2), bits + 256 - 40);
    widest = std::max(widest, mpz_sizeinbase(r.get(), 2));
    mpz_fdiv_q(guess.get(), z.get(), c.get());
    EXPECT_NE(mpz_cmp(guess.get(), secret.get()), 0);
  }
  EXPECT_GE(widest, bits + 256 - 8);
  EXPECT_LE(widest, bits + 256);
}

TEST(ThresholdRsa, TheNonceIsHedgedAgainstAStuckGenerator) {
  const Group group(3, 4, kMessage);
  const RandomSource stuck = [](std::span<Byte> out) { std::ranges::fill(out, 0); };
  const auto& key = group.dealing.shares[0];
  const auto nonce = [&](const ThresholdShareKey& owner, Span message, const RandomSource& random) {
    const Bytes proof = owner.prove(message, random).proof;
    Mpz r;
    mpz_mul(r.get(), Mpz(owner.secret().expose()).get(), Mpz(Span(proof).first(16)).get());
    mpz_sub(r.get(), Mpz(Span(proof).subspan(16)).get(), r.get());
    return r.bytes();
  };
  const Bytes other = to_bytes("another message");
  EXPECT_NE(nonce(key, kMessage, stuck), nonce(key, other, stuck));
  EXPECT_NE(nonce(key, kMessage, stuck), nonce(group.dealing.shares[1], kMessage, stuck));
  EXPECT_NE(nonce(key, kMessage, stuck), nonce(key, kMessage, repeatable(1)));
}

TEST(ThresholdRsa, DealingRefusesBadPrimes) {
  const auto attempt = [](SafePrimePair primes, std::size_t k, std::size_t n) {
    const auto dealt = deal(primes, k, n, KeyStrength::Test, repeatable(1));
    return dealt ? std::string() : dealt.error().message;
  };
  const auto hex = [](const SecretBytes& bytes) { return to_hex(bytes.expose()); };
  const SafePrimePair good = test::primes_512();
  EXPECT_THAT(attempt(test::primes_of(hex(good.p).c_str(), hex(good.p).c_str()), 3, 4), testing::HasSubstr("differ"));
  // 2^255 - 19 is prime, but not a safe one.
  const char* unsafe = "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed";
  EXPECT_THAT(attempt(test::primes_of(hex(good.p).c_str(), unsafe), 3, 4), testing::HasSubstr("safe"));
  EXPECT_THAT(attempt(test::primes_of(hex(good.p).c_str(), "17"), 3, 4), testing::HasSubstr("length"));
  for (auto [k, n] : {std::pair{0u, 4u}, {5u, 4u}, {0u, 0u}, {3u, 65u}})
    EXPECT_THAT(attempt(test::primes_512(), k, n), testing::HasSubstr("k <= n"));
  const auto weak = deal(test::primes_512(), 3, 4, KeyStrength::Standard, repeatable(1));
  ASSERT_FALSE(weak);
  EXPECT_THAT(weak.error().message, testing::HasSubstr("512 bits"));
}

TEST(ThresholdRsa, CoefficientsAreUniformBelowTheBound) {
  std::array<int, 11> seen{};
  const RandomSource random = repeatable(3);
  for (int i = 0; i < 11'000; ++i) {
    const SecretBytes value = uniform_below(Bytes{0, 11}, random);
    ASSERT_EQ(value.expose()[0], 0);
    ASSERT_LT(value.expose()[1], 11);
    ++seen[value.expose()[1]];
  }
  for (int count : seen) EXPECT_NEAR(count, 1000, 150);
  // A value at or above the bound is drawn again, not reduced.
  int calls = 0;
  const RandomSource high_then_low = [&](std::span<Byte> out) { std::ranges::fill(out, calls++ == 0 ? 0x9f : 0x05); };
  EXPECT_EQ(uniform_below(Bytes{0x90, 0x00}, high_then_low).expose()[0], 0x05);
  EXPECT_EQ(calls, 2);
}

TEST(ThresholdRsa, GeneratedPrimesAreSafe) {
  for (unsigned bits : {128u, 256u}) {
    const auto prime = generate_safe_prime(bits, repeatable(bits));
    ASSERT_TRUE(prime);
    EXPECT_EQ(prime->size(), bits / 8);
    EXPECT_GE(prime->expose()[0], 0xc0);
    EXPECT_TRUE(is_safe_prime(*prime));
  }
  EXPECT_FALSE(is_safe_prime(SecretBytes(Bytes{13})));
  EXPECT_TRUE(is_safe_prime(SecretBytes(Bytes{23})));
  EXPECT_FALSE(generate_safe_prime(100, repeatable(1)));
  const RandomSource stuck = [](std::span<Byte> out) { std::ranges::fill(out, 0x5a); };
  EXPECT_FALSE(generate_safe_primes(512, stuck));
}

TEST(ThresholdRsa, MalformedPublicParametersAreRefused) {
  const Group group(3, 4, kMessage);
  const auto refused = [&](auto&& damage) {
    ThresholdParams params = group.key().params();
    damage(params);
    return !ThresholdPublicKey::make(params, KeyStrength::Test).has_value();
  };
  EXPECT_FALSE(refused([](ThresholdParams&) {}));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.threshold = 0; }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.threshold = 5; }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.servers = 1000; }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.verifiers.pop_back(); }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.verifiers[1].pop_back(); }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.verifiers[1] = p.modulus; }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.verifier = Bytes(p.verifier.size()); }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.modulus.back() ^= 1; }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.modulus.clear(); }));
  EXPECT_TRUE(refused([](ThresholdParams& p) { p.modulus[0] = 0; }));
}

TEST(ThresholdRsa, AShareKeyMustBeOfThisServerAndSite) {
  const Group group(3, 4, kMessage);
  const Group elsewhere(3, 4, kMessage, test::primes_512(), 2);
  const auto secret = [&](std::size_t i) { return SecretBytes(to_bytes(group.dealing.shares[i].secret().expose())); };
  EXPECT_TRUE(ThresholdShareKey::make(group.key(), 1, secret(0)));
  EXPECT_FALSE(ThresholdShareKey::make(group.key(), 2, secret(0)));
  EXPECT_FALSE(ThresholdShareKey::make(elsewhere.key(), 1, secret(0)));
  EXPECT_FALSE(ThresholdShareKey::make(group.key(), 0, secret(0)));
  EXPECT_FALSE(ThresholdShareKey::make(group.key(), 5, secret(0)));
  EXPECT_FALSE(ThresholdShareKey::make(group.key(), 1, SecretBytes(std::size_t{3})));
}

}  // namespace
}  // namespace seneschal::crypto
