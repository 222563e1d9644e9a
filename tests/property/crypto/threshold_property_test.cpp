// Threshold signatures over random subsets, and their cost at full size (printed, not judged).
#include "tests/unit/crypto/threshold_fixture.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

namespace seneschal::crypto {
namespace {

using test::Group;
using test::repeatable;

// Ten samples by default, 200 with SENESCHAL_FULL=1.
std::size_t samples() {
  const char* full = std::getenv("SENESCHAL_FULL");
  return full != nullptr && full[0] == '1' ? 200 : 10;
}

std::vector<std::size_t> random_ids(Prng& prng, std::size_t k, std::size_t n) {
  std::vector<std::size_t> ids;
  for (std::size_t id = 1; id <= n; ++id) ids.push_back(id);
  for (std::size_t i = 0; i < k; ++i) std::swap(ids[i], ids[i + prng.below(n - i)]);
  ids.resize(k);
  return ids;
}

TEST(ThresholdProperty, RandomSubsetsOf11Of16GiveTheOrdinarySignature) {
  const Bytes message = to_bytes("a random sample");
  const Group group(11, 16, message);
  const Bytes expected = test::plain_signature(test::reassemble(test::primes_512()).get(), message);
  Prng prng(11);
  for (std::size_t i = 0; i < samples(); ++i) {
    std::vector<IdentifiedShare> shares;
    for (std::size_t id : random_ids(prng, 11, 16)) shares.push_back(group.of(id));
    EXPECT_EQ(group.key().combine(message, shares), expected) << "sample " << i;
  }
}

TEST(ThresholdProperty, AnyMessageAnyDealing) {
  Prng prng(12);
  for (std::size_t i = 0; i < samples(); ++i) {
    Bytes message(prng.below(400));
    for (Byte& byte : message) byte = static_cast<Byte>(prng.next());
    const std::size_t n = prng.between(1, 10), k = prng.between(1, n);
    const Group group(k, n, message, test::primes_512(), i);
    std::vector<IdentifiedShare> shares;
    for (std::size_t id : random_ids(prng, k, n)) shares.push_back(group.of(id));
    EXPECT_EQ(group.key().combine(message, shares),
              test::plain_signature(test::reassemble(test::primes_512()).get(), message))
        << k << " of " << n;
    // One damaged share: no signature, and its proof fails while the others' hold.
    const std::size_t victim = prng.below(k);
    Bytes bad = to_bytes(shares[victim].bytes);
    bad[prng.between(8, bad.size() - 1)] ^= static_cast<Byte>(prng.between(1, 255));
    auto damaged = shares;
    damaged[victim].bytes = bad;
    EXPECT_FALSE(group.key().combine(message, damaged));
    for (std::size_t j = 0; j < k; ++j) {
      const auto& owner = group.dealing.shares[shares[j].id - 1];
      EXPECT_EQ(
          group.key().check_share(shares[j].id, message, damaged[j].bytes, owner.prove(message, repeatable(j)).proof),
          j != victim);
    }
  }
}

// More subsets than the plan cache holds: evicted plans are made again.
TEST(ThresholdProperty, ThePlanCacheIsOnlyACache) {
  const Bytes message = to_bytes("cache");
  const Group group(6, 12, message);
  const Bytes expected = test::plain_signature(test::reassemble(test::primes_512()).get(), message);
  Prng prng(13);
  for (std::size_t i = 0; i < 600; ++i) {
    std::vector<IdentifiedShare> shares;
    for (std::size_t id : random_ids(prng, 6, 12)) shares.push_back(group.of(id));
    ASSERT_EQ(group.key().combine(message, shares), expected);
  }
}

void measure(const char* what, int rounds, auto&& operation) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < rounds; ++i) operation();
  const std::chrono::duration<double, std::micro> spent = std::chrono::steady_clock::now() - start;
  std::printf("  %-10s %8.1f us\n", what, spent.count() / rounds);
}

void full_size(std::size_t k, std::size_t n) {
  const Bytes message = to_bytes("full size");
  const SafePrimePair primes = test::primes_2048();
  const Group group(k, n, message, primes);
  const Bytes expected = test::plain_signature(test::reassemble(primes).get(), message);
  std::vector<IdentifiedShare> shares;
  for (std::size_t id = n - k + 1; id <= n; ++id) shares.push_back(group.of(id));
  ASSERT_EQ(group.key().combine(message, shares), expected);
  const auto& key = group.dealing.shares[0];
  const auto [share, proof] = key.prove(message, system_random());
  EXPECT_TRUE(group.key().check_share(1, message, share, proof));
  std::printf("threshold RSA-2048, %zu of %zu\n", k, n);
  measure("share", 5, [&] { EXPECT_EQ(key.share(message), share); });
  measure("prove", 3, [&] { EXPECT_EQ(key.prove(message, system_random()).share, share); });
  measure("check", 5, [&] { EXPECT_TRUE(group.key().check_share(1, message, share, proof)); });
  measure("combine", 50, [&] { EXPECT_TRUE(group.key().combine(message, shares)); });
  measure("verify", 100, [&] { EXPECT_TRUE(group.key().verify(message, expected)); });
}

TEST(ThresholdFullSize, ThreeOfFour) {
  full_size(3, 4);
}
TEST(ThresholdFullSize, ElevenOfSixteen) {
  full_size(11, 16);
}

TEST(ThresholdFullSize, FreshPrimesDealOneKey) {
  const auto start = std::chrono::steady_clock::now();
  const auto primes = generate_safe_primes(2048, system_random());
  ASSERT_TRUE(primes);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  std::printf("  two safe primes of 1024 bits: %.2f s\n", spent.count());
  const auto dealing = deal(*primes, 3, 4, KeyStrength::Standard, system_random());
  ASSERT_TRUE(dealing) << dealing.error().message;
  EXPECT_EQ(dealing->key.signature_bytes(), 256u);
  const Bytes message = to_bytes("fresh");
  std::vector<Bytes> shares;
  for (const auto& key : dealing->shares) shares.push_back(key.share(message));
  const auto signature =
      dealing->key.combine(message, std::vector<IdentifiedShare>{{4, shares[3]}, {2, shares[1]}, {1, shares[0]}});
  EXPECT_EQ(signature, test::plain_signature(test::reassemble(*primes).get(), message));
}

}  // namespace
}  // namespace seneschal::crypto
