#include "base/crc32c.hpp"

#include <array>
#include <cstring>
#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace seneschal {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reflected

constexpr std::array<std::uint32_t, 256> byte_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t value = 0; value < 256; ++value) {
    std::uint32_t crc = value;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    table[value] = crc;
  }
  return table;
}
constexpr auto kByte = byte_table();

}  // namespace

std::uint32_t detail::crc32c_portable(Span bytes, std::uint32_t before) {
  std::uint32_t crc = ~before;
  for (const Byte b : bytes) crc = (crc >> 8) ^ kByte[(crc ^ b) & 0xff];
  return ~crc;
}

#if defined(__x86_64__)
namespace {

// The instruction takes 3 cycles but one can start in each cycle: three lanes of `kLane` bytes run side by side, and
// are joined by moving a lane's value over the bytes that follow it. That move is linear over GF(2): a table per byte
// of the register.
constexpr std::size_t kLane = 1024;
using Move = std::array<std::array<std::uint32_t, 256>, 4>;

/// Appends `zeros` zero bytes to what a register stands for.
constexpr std::uint32_t over_zeros(std::uint32_t crc, std::size_t zeros) {
  for (std::size_t i = 0; i < zeros; ++i) crc = (crc >> 8) ^ kByte[crc & 0xff];
  return crc;
}

Move make_move(std::size_t zeros) {
  std::array<std::uint32_t, 32> of_bit{};
  for (std::size_t bit = 0; bit < 32; ++bit) of_bit[bit] = over_zeros(std::uint32_t{1} << bit, zeros);
  Move move{};
  for (std::size_t position = 0; position < 4; ++position)
    for (std::size_t value = 0; value < 256; ++value)
      for (std::size_t bit = 0; bit < 8; ++bit)
        if ((value >> bit & 1) != 0) move[position][value] ^= of_bit[8 * position + bit];
  return move;
}

std::uint32_t apply(const Move& move, std::uint32_t crc) {
  return move[0][crc & 0xff] ^ move[1][crc >> 8 & 0xff] ^ move[2][crc >> 16 & 0xff] ^ move[3][crc >> 24];
}

std::uint64_t eight_bytes_at(const Byte* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse(Span bytes, std::uint32_t before) {
  static const Move kOne = make_move(kLane);
  static const Move kTwo = make_move(2 * kLane);
  const Byte* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t crc = static_cast<std::uint32_t>(~before);
  for (; left >= 3 * kLane; at += 3 * kLane, left -= 3 * kLane) {
    std::uint64_t second = 0, third = 0;
    for (std::size_t i = 0; i < kLane; i += 8) {
      crc = _mm_crc32_u64(crc, eight_bytes_at(at + i));
      second = _mm_crc32_u64(second, eight_bytes_at(at + kLane + i));
      third = _mm_crc32_u64(third, eight_bytes_at(at + 2 * kLane + i));
    }
    crc = apply(kTwo, static_cast<std::uint32_t>(crc)) ^ apply(kOne, static_cast<std::uint32_t>(second)) ^ third;
  }
  for (; left >= 8; at += 8, left -= 8) crc = _mm_crc32_u64(crc, eight_bytes_at(at));
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) narrow = _mm_crc32_u8(narrow, *at);
  return ~narrow;
}

}  // namespace

std::uint32_t crc32c(Span bytes, std::uint32_t before) {
  static const bool fast = __builtin_cpu_supports("sse4.2");
  return fast ? crc32c_sse(bytes, before) : detail::crc32c_portable(bytes, before);
}
#else
std::uint32_t crc32c(Span bytes, std::uint32_t before) {
  return detail::crc32c_portable(bytes, before);
}
#endif

}  // namespace seneschal
