#include "base/bytes.hpp"

#include <cstring>

namespace seneschal {

std::string to_hex(Span bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (Byte b : bytes) {
    text.push_back(kDigits[b >> 4]);
    text.push_back(kDigits[b & 15]);
  }
  return text;
}

namespace {
int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

__extension__ using Wide = unsigned __int128;

// Folds a 64x64-bit product: one multiplication scatters both halves of sixteen bytes.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

// Little-endian hosts only: see docs/dependencies.md.
std::uint64_t word_at(const Byte* at) {
  std::uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}
}  // namespace

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes bytes;
  bytes.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    int high = hex_value(text[i]);
    int low = hex_value(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    bytes.push_back(static_cast<Byte>(high << 4 | low));
  }
  return bytes;
}

std::uint64_t hash64(Span bytes, std::uint64_t seed) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15ULL;
  constexpr std::uint64_t kEven = 0xd6e8feb86659fd93ULL;
  std::uint64_t hash = fold(seed ^ kOdd, bytes.size() ^ kEven);
  std::size_t i = 0;
  for (; i + 16 <= bytes.size(); i += 16)
    hash = fold(hash ^ word_at(bytes.data() + i) ^ kOdd, word_at(bytes.data() + i + 8) ^ kEven) + hash;
  std::array<Byte, 16> tail{};
  std::copy(bytes.begin() + static_cast<std::ptrdiff_t>(i), bytes.end(), tail.begin());
  return fold(hash ^ word_at(tail.data()) ^ kOdd, word_at(tail.data() + 8) ^ kEven ^ hash);
}

std::string Digest::brief() const {
  return to_hex(Span(bytes).first(4));
}

}  // namespace seneschal
