// Exponentiation with secret exponents on the vector unit of processors that have AVX512-IFMA: multiplication of
// 52-bit digits, eight at a time. OpenSSL 3.0 has such code for 1024-bit moduli within its own RSA only; a share of
// threshold RSA needs the whole modulus, because no server knows its factors, and is what an ordered batch costs most
// of.
#pragma once
#include "base/bytes.hpp"

#include <array>
#include <cstdint>

namespace seneschal::crypto::ifma {

/// True if this processor and operating system can run this code.
bool available();

/// One odd modulus with its Montgomery constants; immutable, shared by threads. Use only where `available()`.
class Modulus {
 public:
  static constexpr std::size_t kMinBits = 256;
  static constexpr std::size_t kMaxBits = 4096;
  static bool fits(Span n);  // odd, and its length within the bounds

  /// `n` big-endian; it must fit.
  explicit Modulus(Span n);

  /// base^exponent mod n, all big-endian. `base` must be below n; `out` gets exactly the bytes of n without leading
  /// zeros. Neither time nor memory addresses depend on the values of base and exponent, only on their lengths.
  void power(Span base, Span exponent, std::span<Byte> out) const;
  std::size_t bytes() const { return bytes_; }

 private:
  // Least significant digit first, 52 bits each, the rest zero. Kernels read up to two digits past their width.
  static constexpr std::size_t kMaxDigits = 88;
  struct alignas(64) Number {
    std::array<std::uint64_t, kMaxDigits> digit{};
  };
  template <std::size_t kVectors>
  friend struct Kernel;

  void load(Span big_endian, Number& to) const;
  void double_mod(Number& value) const;

  std::size_t bytes_;
  std::size_t digits_;              // even; R = 2^(52 digits_) is above 4 n
  std::uint64_t negative_inverse_;  // -1/n mod 2^52, shifted up by 12
  Number n_;
  Number one_;        // R mod n
  Number r_squared_;  // R^2 mod n
};

}  // namespace seneschal::crypto::ifma
