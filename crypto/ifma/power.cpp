// Numbers have digits of 52 bits, in lanes of 64. A kernel for z vectors of eight digits does almost Montgomery
// multiplication [Gueron 2012, "Efficient software implementations of modular exponentiation"]: factors and products
// stay below 2n instead of n, which R > 4n makes sound and which spares a secret-dependent subtraction per
// multiplication.
//
// Functions carry their target as an attribute. A compiler flag for the file would let the linker pick AVX-512 copies
// of inline functions of the standard library for the whole program.
#include "crypto/ifma/power.hpp"

#include "base/check.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <bit>

#if defined(__x86_64__)
#pragma GCC diagnostic push
#if !defined( \
    __clang__)  // g++ 12 takes the deliberately undefined operands inside this header for mistakes (its bug 105593)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#define SENESCHAL_IFMA __attribute__((target("avx512f,avx512ifma,bmi2")))
#endif

namespace seneschal::crypto::ifma {

namespace {
constexpr std::size_t kDigitBits = 52;
constexpr std::uint64_t kDigitMask = (std::uint64_t{1} << kDigitBits) - 1;
constexpr std::size_t kWindowBits = 5;
constexpr std::size_t kTableSize = std::size_t{1} << kWindowBits;

std::size_t significant_bits(Span big_endian) {
  const auto top = std::ranges::find_if(big_endian, [](Byte b) { return b != 0; });
  if (top == big_endian.end()) return 0;
  return static_cast<std::size_t>(big_endian.end() - top - 1) * 8 + static_cast<std::size_t>(std::bit_width(*top));
}

// value -= n where value >= n, with the same instructions where it is not.
void subtract_once(std::span<std::uint64_t> value, std::span<const std::uint64_t> n) {
  std::array<std::uint64_t, 88> difference;
  std::uint64_t borrow = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::uint64_t digit = value[i] - n[i] - borrow;
    borrow = digit >> 63;
    difference[i] = digit & kDigitMask;
  }
  const std::uint64_t keep = 0 - borrow;  // all ones if value < n
  for (std::size_t i = 0; i < value.size(); ++i) value[i] = (value[i] & keep) | (difference[i] & ~keep);
  OPENSSL_cleanse(difference.data(), sizeof difference);
}

// Bits [at, at + 5) of the exponent.
std::uint64_t window(Span big_endian, std::size_t at) {
  const std::size_t low = big_endian.size() - 1 - at / 8;
  const unsigned above = low == 0 ? 0u : big_endian[low - 1];
  return ((above << 8 | big_endian[low]) >> at % 8) & (kTableSize - 1);
}
}  // namespace

bool Modulus::fits(Span n) {
  const std::size_t bits = significant_bits(n);
  return bits >= kMinBits && bits <= kMaxBits && n.back() % 2 == 1;
}

void Modulus::load(Span big_endian, Number& to) const {
  for (std::size_t i = 0; i < big_endian.size(); ++i) {  // byte i from the low end
    const std::uint64_t byte = big_endian[big_endian.size() - 1 - i];
    const std::size_t digit = i * 8 / kDigitBits, shift = i * 8 % kDigitBits;
    to.digit[digit] |= byte << shift & kDigitMask;
    if (shift > kDigitBits - 8) to.digit[digit + 1] |= byte >> (kDigitBits - shift);
  }
}

void Modulus::double_mod(Number& value) const {
  std::uint64_t carry = 0;
  for (std::size_t i = 0; i < digits_; ++i) {
    const std::uint64_t doubled = value.digit[i] << 1 | carry;
    carry = doubled >> kDigitBits;
    value.digit[i] = doubled & kDigitMask;
  }
  subtract_once(std::span(value.digit).first(digits_), n_.digit);
}

Modulus::Modulus(Span n) : bytes_((significant_bits(n) + 7) / 8) {
  CHECK(fits(n));
  digits_ = (significant_bits(n) + 2 + kDigitBits - 1) / kDigitBits;
  digits_ += digits_ % 2;  // kernels take two at a time
  load(n.last(bytes_), n_);
  std::uint64_t inverse = 1;  // Newton: each round doubles the bits that are right
  for (int i = 0; i < 6; ++i) inverse *= 2 - n_.digit[0] * inverse;
  negative_inverse_ = (0 - inverse) << 12;
  one_.digit[0] = 1;
  for (std::size_t i = 0; i < kDigitBits * digits_; ++i) double_mod(one_);
  r_squared_ = one_;
  for (std::size_t i = 0; i < kDigitBits * digits_; ++i) double_mod(r_squared_);
}

#if defined(__x86_64__)

bool available() {
  return __builtin_cpu_supports("avx512f") > 0 && __builtin_cpu_supports("avx512ifma") > 0 &&
         __builtin_cpu_supports("bmi2") > 0;
}

namespace {
__extension__ using Wide = unsigned __int128;
inline std::uint64_t low(std::uint64_t a, std::uint64_t b) {
  return a * b & kDigitMask;
}
inline std::uint64_t high(std::uint64_t a, std::uint64_t b) {
  return static_cast<std::uint64_t>(Wide{a} * b >> kDigitBits);
}
}  // namespace

/// Everything for numbers of `kVectors` vectors of eight digits.
template <std::size_t kVectors>
struct Kernel {
  struct alignas(64) Digits {
    std::array<std::uint64_t, 8 * kVectors + 8> digit{};  // the last eight stay zero
  };
  struct Workspace {
    std::array<Digits, kTableSize> table;  // table[w] = base^w
    Digits result, factor;
    ~Workspace() { OPENSSL_cleanse(this, sizeof *this); }
  };

  SENESCHAL_IFMA static __m512i at(const std::uint64_t* digit, std::size_t z) {
    return _mm512_loadu_si512(digit + 8 * z);
  }
  SENESCHAL_IFMA static __m512i everywhere(const std::uint64_t* digit) {
    return _mm512_broadcastq_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(digit)));
  }

  // Lanes hold up to 64 bits: make them digits. The number must be below 2^(52 * 8 * kVectors).
  SENESCHAL_IFMA static void normalise(__m512i* lanes, Digits& out) {
    const __m512i mask = _mm512_set1_epi64(static_cast<long long>(kDigitMask));
    __m512i carry_below = _mm512_setzero_si512();
    Wide generates = 0, passes_on = 0;  // bit i: what lane i does with a carry of one
    for (std::size_t z = 0; z < kVectors; ++z) {
      const __m512i carry = _mm512_srli_epi64(lanes[z], kDigitBits);
      lanes[z] = _mm512_and_si512(lanes[z], mask);
      lanes[z] = _mm512_add_epi64(lanes[z], _mm512_alignr_epi64(carry, carry_below, 7));
      carry_below = carry;
      generates |= Wide{_mm512_cmpgt_epu64_mask(lanes[z], mask)} << 8 * z;
      passes_on |= Wide{_mm512_cmpeq_epu64_mask(lanes[z], mask)} << 8 * z;
    }
    const Wide carries = ((generates << 1) + passes_on) ^ passes_on;  // one addition ripples through all lanes
    const __m512i minus_one = _mm512_set1_epi64(-1);
    for (std::size_t z = 0; z < kVectors; ++z) {
      const auto here = static_cast<__mmask8>(carries >> 8 * z);
      lanes[z] = _mm512_and_si512(_mm512_mask_sub_epi64(lanes[z], here, lanes[z], minus_one), mask);
      _mm512_store_si512(&out.digit[8 * z], lanes[z]);
    }
  }

  /// out = a b / R mod n, below 2n if a and b are.
  ///
  /// Each round takes two digits of b: the sum so far moves down by two lanes, then a b0 + a b1 2^52 and the
  /// multiples m0, m1 of n that clear the two lowest digits are added. Two things hide the latency of the vector
  /// unit: the lowest digit, on which the next m depends, is kept in a scalar `t` that runs ahead of the vectors
  /// (lane 0 is only a copy without the carries), and low and high halves of products go to sums of their own. No
  /// lane overflows: it takes part in at most 80 rounds of a digit, with four products below 2^52 each.
  SENESCHAL_IFMA static void multiply(Digits& out, const Digits& a, const Digits& b, const Modulus& n) {
    __m512i lows[kVectors], highs[kVectors];
    for (std::size_t z = 0; z < kVectors; ++z) lows[z] = highs[z] = _mm512_setzero_si512();
    const std::uint64_t a0 = a.digit[0], a1 = a.digit[1], a2 = a.digit[2];
    const std::uint64_t n0 = n.n_.digit[0], n1 = n.n_.digit[1], n2 = n.n_.digit[2], inverse = n.negative_inverse_;
    std::uint64_t t = 0;
    for (std::size_t i = 0; i < n.digits_; i += 2) {
      const std::uint64_t b0 = b.digit[i], b1 = b.digit[i + 1];
      const __m512i all_b0 = everywhere(&b.digit[i]), all_b1 = everywhere(&b.digit[i + 1]);
#pragma GCC unroll 16
      for (std::size_t z = 0; z < kVectors; ++z) highs[z] = _mm512_add_epi64(highs[z], lows[z]);
      const auto lane1 = static_cast<std::uint64_t>(
          _mm_cvtsi128_si64(_mm_unpackhi_epi64(_mm512_castsi512_si128(highs[0]), _mm512_castsi512_si128(highs[0]))));
#pragma GCC unroll 16
      for (std::size_t z = 0; z < kVectors; ++z)
        highs[z] = _mm512_alignr_epi64(z + 1 < kVectors ? highs[z + 1] : _mm512_setzero_si512(), highs[z], 2);
      const auto lane2 = static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm512_castsi512_si128(highs[0])));
#pragma GCC unroll 16
      for (std::size_t z = 0; z < kVectors; ++z) {
        const __m512i up1 = at(a.digit.data() + 1, z), up2 = at(a.digit.data() + 2, z);
        lows[z] = _mm512_madd52lo_epu64(_mm512_setzero_si512(), up2, all_b0);
        highs[z] = _mm512_madd52hi_epu64(highs[z], up1, all_b0);
        lows[z] = _mm512_madd52lo_epu64(lows[z], up1, all_b1);
        highs[z] = _mm512_madd52hi_epu64(highs[z], at(a.digit.data(), z), all_b1);
      }
      // With m = u * inverse mod 2^52, u + n0 m ends in 52 zero bits: its carry is u / 2^52 rounded up, plus the high
      // half of n0 m. `m0` and `m1` are kept shifted up by 12, so that 64-bit products split at the digit.
      const std::uint64_t digit1 = lane1 + high(a0, b0) + low(a1, b0) + low(a0, b1);
      const std::uint64_t digit2 = lane2 + high(a1, b0) + low(a2, b0) + high(a0, b1) + low(a1, b1);
      const std::uint64_t u0 = t + low(a0, b0);
      const std::uint64_t m0 = u0 * inverse;
      const __m512i all_m0 = _mm512_set1_epi64(static_cast<long long>(m0 >> 12));
      const std::uint64_t u1 = digit1 + ((u0 + kDigitMask) >> kDigitBits) + (m0 * n1 >> 12) + high(m0 >> 12, n0);
      const std::uint64_t m1 = u1 * inverse;
      const __m512i all_m1 = _mm512_set1_epi64(static_cast<long long>(m1 >> 12));
      t = digit2 + high(m0 >> 12, n1) + (m0 * n2 >> 12) + ((u1 + kDigitMask) >> kDigitBits) + (m1 * n1 >> 12) +
          high(m1 >> 12, n0);
#pragma GCC unroll 16
      for (std::size_t z = 0; z < kVectors; ++z) {
        const __m512i up1 = at(n.n_.digit.data() + 1, z), up2 = at(n.n_.digit.data() + 2, z);
        lows[z] = _mm512_madd52lo_epu64(lows[z], up2, all_m0);
        highs[z] = _mm512_madd52hi_epu64(highs[z], up1, all_m0);
        lows[z] = _mm512_madd52lo_epu64(lows[z], up1, all_m1);
        highs[z] = _mm512_madd52hi_epu64(highs[z], at(n.n_.digit.data(), z), all_m1);
      }
    }
#pragma GCC unroll 16
    for (std::size_t z = 0; z < kVectors; ++z) highs[z] = _mm512_add_epi64(highs[z], lows[z]);
    highs[0] = _mm512_mask_set1_epi64(highs[0], 1, static_cast<long long>(t));
    normalise(highs, out);
  }

  /// out = table[index]; reads the whole table whatever the index.
  SENESCHAL_IFMA static void select(Digits& out, const std::array<Digits, kTableSize>& table, std::uint64_t index) {
    __m512i found[kVectors];
    for (std::size_t z = 0; z < kVectors; ++z) found[z] = _mm512_setzero_si512();
    for (std::size_t w = 0; w < kTableSize; ++w) {
      const std::uint64_t difference = w ^ index;
      const __m512i wanted = _mm512_set1_epi64(static_cast<long long>((difference - 1) >> 63) * -1);
#pragma GCC unroll 16
      for (std::size_t z = 0; z < kVectors; ++z)
        found[z] = _mm512_or_si512(found[z], _mm512_and_si512(wanted, at(table[w].digit.data(), z)));
    }
    for (std::size_t z = 0; z < kVectors; ++z) _mm512_store_si512(&out.digit[8 * z], found[z]);
  }

  static void copy(const Modulus::Number& from, Digits& to) {
    std::copy_n(from.digit.begin(), 8 * kVectors, to.digit.begin());
  }

  static void power(const Modulus& n, const Modulus::Number& base, Span exponent, Modulus::Number& out) {
    Workspace work;
    copy(base, work.result);
    copy(n.r_squared_, work.factor);
    copy(n.one_, work.table[0]);
    multiply(work.table[1], work.result, work.factor, n);
    for (std::size_t w = 2; w < kTableSize; ++w) multiply(work.table[w], work.table[w - 1], work.table[1], n);
    std::size_t at = (exponent.size() * 8 + kWindowBits - 1) / kWindowBits * kWindowBits;
    work.result = work.table[0];
    while (at > 0) {
      at -= kWindowBits;
      for (std::size_t i = 0; i < kWindowBits; ++i) multiply(work.result, work.result, work.result, n);
      select(work.factor, work.table, window(exponent, at));
      multiply(work.result, work.result, work.factor, n);
    }
    work.factor = Digits{};
    work.factor.digit[0] = 1;
    multiply(work.result, work.result, work.factor, n);  // out of Montgomery form; at most n now
    std::copy_n(work.result.digit.begin(), 8 * kVectors, out.digit.begin());
  }
};

void Modulus::power(Span base, Span exponent, std::span<Byte> out) const {
  CHECK(available() && out.size() == bytes_);
  Number number, result;
  load(base.last(std::min(base.size(), bytes_)), number);
  if (digits_ <= 24)
    Kernel<3>::power(*this, number, exponent, result);
  else if (digits_ <= 40)
    Kernel<5>::power(*this, number, exponent, result);
  else if (digits_ <= 64)
    Kernel<8>::power(*this, number, exponent, result);
  else
    Kernel<10>::power(*this, number, exponent, result);
  subtract_once(std::span(result.digit).first(digits_), n_.digit);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t digit = i * 8 / kDigitBits, shift = i * 8 % kDigitBits;
    std::uint64_t byte = result.digit[digit] >> shift;
    if (shift > kDigitBits - 8) byte |= result.digit[digit + 1] << (kDigitBits - shift);
    out[out.size() - 1 - i] = static_cast<Byte>(byte);
  }
  OPENSSL_cleanse(&number, sizeof number);
  OPENSSL_cleanse(&result, sizeof result);
}

#else

bool available() {
  return false;
}
void Modulus::power(Span, Span, std::span<Byte>) const {
  CHECK(!"this processor has no AVX512-IFMA");
}

#endif

}  // namespace seneschal::crypto::ifma
