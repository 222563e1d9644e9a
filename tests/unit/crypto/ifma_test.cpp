// The vector code for powers against OpenSSL, on random numbers and on those where carries and reductions go wrong.
#include "crypto/ifma/power.hpp"
#include "crypto/modulus.hpp"
#include "tests/unit/crypto/threshold_fixture.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

namespace seneschal::crypto {
namespace {

class IfmaPower : public testing::Test {
 protected:
  void SetUp() override {
    if (!ifma::available()) GTEST_SKIP() << "this processor has no AVX512-IFMA: only OpenSSL's powers run here";
  }
};

Bytes random_bytes(Prng& prng, std::size_t size) {
  Bytes out(size);
  for (Byte& byte : out) byte = static_cast<Byte>(prng.next());
  return out;
}

/// n of exactly `bits` bits whose shape is one of those that hurt.
Bytes odd_modulus(Prng& prng, std::size_t bits, std::uint64_t shape) {
  const std::size_t size = (bits + 7) / 8;
  const Byte top = static_cast<Byte>(1u << (bits - 1) % 8);
  Bytes n = random_bytes(prng, size);
  switch (shape % 6) {
    case 0: n.assign(size, 0); break;     // 2^(bits - 1) + 1
    case 1: n.assign(size, 0xff); break;  // 2^bits - 1
    case 2:                               // long runs of zeros and ones
      for (std::size_t i = 0; i < size; ++i) n[i] = i / 13 % 2 == 0 ? 0xff : 0;
      break;
    case 3:  // low half zero: digits of the inverse repeat
      std::fill(n.begin() + static_cast<std::ptrdiff_t>(size / 2), n.end(), Byte{0});
      break;
    default: break;
  }
  n.front() = static_cast<Byte>((n.front() & (top | (top - 1))) | top);
  n.back() |= 1;
  return n;
}

Bytes minus(const Bytes& n, unsigned long value) {
  const Bn number = bn_from(n);
  CHECK(BN_sub_word(number.get(), value) == 1);
  return bn_bytes(number.get(), n.size());
}

Bytes base_below(Prng& prng, const Bytes& n, std::uint64_t shape) {
  Bytes small(n.size());
  small.back() = static_cast<Byte>(shape % 8);
  switch (shape % 8) {
    case 0:
    case 1:
    case 2: return small;  // 0, 1, 2
    case 3: return minus(n, 1);
    case 4: return minus(n, 2);
    case 5: {  // half of n: doubling it wraps
      const Bn half = bn_from(n);
      CHECK(BN_rshift1(half.get(), half.get()) == 1);
      return bn_bytes(half.get(), n.size());
    }
    default: {
      BnCtx context(BN_CTX_new());
      const Bn value = bn_from(random_bytes(prng, n.size())), modulus = bn_from(n);
      CHECK(BN_mod(value.get(), value.get(), modulus.get(), context.get()) == 1);
      return bn_bytes(value.get(), n.size());
    }
  }
}

Bytes exponent_for(Prng& prng, std::size_t width, std::uint64_t shape) {
  Bytes exponent;
  switch (shape % 8) {
    case 0: return {};
    case 1: exponent.assign(width, 0); break;
    case 2:
      exponent.assign(width, 0);
      exponent.back() = 1;
      break;
    case 3: exponent.assign(width, 0xff); break;
    case 4: exponent = random_bytes(prng, width + 32); break;  // a proof's nonce is longer than n
    case 5: exponent = random_bytes(prng, 1 + prng.next() % 7); break;
    case 6:
      exponent.assign(width, 0);
      exponent.front() = 0x80;
      break;
    default: exponent = random_bytes(prng, width); break;
  }
  return exponent;
}

Bytes openssl_power(const Bytes& n, const Bytes& base, const Bytes& exponent) {
  const Modulus modulus(n, PowerBackend::OpenSsl);
  CHECK(modulus.vector_unit() == nullptr);
  return bn_bytes(ModMath(modulus).secret_power(bn_from(base).get(), exponent).get(), n.size());
}

TEST_F(IfmaPower, EqualsOpenSslOnRandomAndHostileNumbers) {
  Prng prng(20);
  std::size_t compared = 0;
  // Short exponents are cheap: many of them over all shapes of modulus and base, and over every length of a digit's
  // edge.
  for (std::size_t bits = 256; bits <= 4096; bits += bits < 1100 ? 13 : 52 * 4 - 1) {
    for (std::uint64_t shape = 0; shape < 48; ++shape) {
      const Bytes n = odd_modulus(prng, bits, shape % 6);
      const Bytes base = base_below(prng, n, shape / 6);
      const Bytes exponent = random_bytes(prng, prng.next() % 6);
      Bytes power(n.size());
      ifma::Modulus(n).power(base, exponent, power);
      ASSERT_EQ(power, openssl_power(n, base, exponent))
          << bits << " bits, shape " << shape << ", modulus " << to_hex(n);
      ++compared;
    }
  }
  EXPECT_GT(compared, 3000u);
}

TEST_F(IfmaPower, EqualsOpenSslWithExponentsAsLongAsTheModulusAndLonger) {
  Prng prng(21);
  for (const std::size_t bits :
       {256u, 512u, 1023u, 1024u, 1025u, 1247u, 1536u, 2046u, 2047u, 2048u, 2049u, 3072u, 4095u, 4096u}) {
    const std::uint64_t rounds = bits > 2100 ? 16 : 48;
    for (std::uint64_t shape = 0; shape < rounds; ++shape) {
      const Bytes n = odd_modulus(prng, bits, prng.next());
      const Bytes base = base_below(prng, n, prng.next());
      const Bytes exponent = exponent_for(prng, n.size(), shape);
      Bytes power(n.size());
      ifma::Modulus(n).power(base, exponent, power);
      ASSERT_EQ(power, openssl_power(n, base, exponent))
          << bits << " bits, modulus " << to_hex(n) << " base " << to_hex(base) << " exponent " << to_hex(exponent);
    }
  }
}

TEST_F(IfmaPower, LengthsOutsideItsBoundsAndEvenNumbersAreLeftToOpenSsl) {
  Prng prng(22);
  EXPECT_FALSE(ifma::Modulus::fits({}));
  EXPECT_FALSE(ifma::Modulus::fits(odd_modulus(prng, 255, 4)));
  EXPECT_TRUE(ifma::Modulus::fits(odd_modulus(prng, 256, 4)));
  EXPECT_TRUE(ifma::Modulus::fits(odd_modulus(prng, 4096, 4)));
  EXPECT_FALSE(ifma::Modulus::fits(odd_modulus(prng, 4097, 4)));
  Bytes even = odd_modulus(prng, 1024, 4);
  even.back() ^= 1;
  EXPECT_FALSE(ifma::Modulus::fits(even));
  for (const std::size_t bits : {100u, 4097u})
    EXPECT_EQ(Modulus(odd_modulus(prng, bits, 4), PowerBackend::Ifma).vector_unit(), nullptr);
  EXPECT_NE(Modulus(odd_modulus(prng, 2048, 4), PowerBackend::Ifma).vector_unit(), nullptr);
}

TEST_F(IfmaPower, BothBackendsMultiplyPowersAlike) {
  Prng prng(23);
  for (std::uint64_t round = 0; round < 20; ++round) {
    const Bytes n = odd_modulus(prng, 1024 + round * 64, prng.next());
    const Bytes a = base_below(prng, n, prng.next()), b = base_below(prng, n, prng.next());
    const Bytes long_one = random_bytes(prng, n.size() + 33), short_one = random_bytes(prng, 16);
    std::array<Bytes, 2> results;
    for (const PowerBackend backend : {PowerBackend::OpenSsl, PowerBackend::Ifma}) {
      const Modulus modulus(n, backend);
      ModMath math(modulus);
      const Bn a_mont = math.to_mont(bn_from(a).get()), b_mont = math.to_mont(bn_from(b).get());
      const Bn e = bn_from(long_one), f = bn_from(short_one);
      const Power powers[] = {{a_mont.get(), e.get()}, {b_mont.get(), f.get()}};
      results[backend == PowerBackend::Ifma] =
          bn_bytes(math.from_mont(math.multi_power(powers).get()).get(), n.size());
    }
    ASSERT_EQ(results[0], results[1]) << to_hex(n);
  }
}

TEST_F(IfmaPower, OneModulusServesManyThreads) {
  Prng prng(24);
  const Bytes n = odd_modulus(prng, 2048, 4), base = base_below(prng, n, 7), exponent = random_bytes(prng, 40);
  const ifma::Modulus modulus(n);
  const Bytes expected = openssl_power(n, base, exponent);
  std::array<Bytes, 4> powers;
  {
    std::vector<std::jthread> threads;
    for (Bytes& power : powers)
      threads.emplace_back([&] {
        power.resize(n.size());
        for (int i = 0; i < 5; ++i) modulus.power(base, exponent, power);
      });
  }
  for (const Bytes& power : powers) EXPECT_EQ(power, expected);
}

/// Sets the switch for keys made while it lives.
struct WithoutIfma {
  WithoutIfma() { setenv("SENESCHAL_IFMA", "off", 1); }
  ~WithoutIfma() { unsetenv("SENESCHAL_IFMA"); }
};

TEST(ThresholdBackends, GiveTheSameSharesAndCheckEachOthersProofs) {
  const Bytes message = to_bytes("ordered 7");
  if (!ifma::available()) GTEST_SKIP() << "this processor has no AVX512-IFMA: there is one backend";
  const test::Group fast(3, 4, message, test::primes_2048());
  const auto slow = [&] {
    const WithoutIfma off;
    EXPECT_EQ(default_power_backend(), PowerBackend::OpenSsl);
    return std::make_unique<test::Group>(3, 4, message, test::primes_2048());
  }();
  EXPECT_EQ(default_power_backend(), PowerBackend::Ifma);
  EXPECT_EQ(fast.key().params().verifiers, slow->key().params().verifiers);
  EXPECT_EQ(fast.shares, slow->shares);
  const ShareWithProof from_fast = fast.dealing.shares[1].prove(message, test::repeatable(5));
  const ShareWithProof from_slow = slow->dealing.shares[1].prove(message, test::repeatable(5));
  EXPECT_EQ(from_fast.share, from_slow.share);
  EXPECT_EQ(from_fast.proof, from_slow.proof);
  EXPECT_TRUE(slow->key().check_share(2, message, from_fast.share, from_fast.proof));
  EXPECT_TRUE(fast.key().check_share(2, message, from_slow.share, from_slow.proof));
  Bytes bent = from_slow.proof;
  bent.back() ^= 1;
  EXPECT_FALSE(fast.key().check_share(2, message, from_slow.share, bent));
  EXPECT_FALSE(slow->key().check_share(2, message, from_slow.share, bent));
}

}  // namespace
}  // namespace seneschal::crypto
