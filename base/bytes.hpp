// Byte strings: what travels, what is hashed, what is signed.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seneschal {

using Byte = std::uint8_t;
/// An owned byte string.
using Bytes = std::vector<Byte>;
/// A borrowed, read-only byte string; whoever hands it out says how long it lives.
using Span = std::span<const Byte>;
/// Immutable bytes with shared ownership: encoded once, sent to many.
using SharedBytes = std::shared_ptr<const Bytes>;

inline Span as_span(std::string_view text) {
  return {reinterpret_cast<const Byte*>(text.data()), text.size()};
}
inline Bytes to_bytes(Span span) {
  return {span.begin(), span.end()};
}
inline Bytes to_bytes(std::string_view text) {
  return to_bytes(as_span(text));
}
inline SharedBytes share(Bytes bytes) {
  return std::make_shared<const Bytes>(std::move(bytes));
}
inline std::string_view as_text(Span span) {
  return {reinterpret_cast<const char*>(span.data()), span.size()};
}
inline bool equal(Span a, Span b) {
  return std::ranges::equal(a, b);
}
inline void append(Bytes& to, Span from) {
  to.insert(to.end(), from.begin(), from.end());
}

/// Lower-case hexadecimal, two characters per byte.
std::string to_hex(Span bytes);
/// The inverse of `to_hex` (either case); nothing if `text` is not an even number of hex digits.
std::optional<Bytes> from_hex(std::string_view text);

/// Fast non-cryptographic 64-bit hash (traces, caches). Never use it against an adversary.
std::uint64_t hash64(Span bytes, std::uint64_t seed = 0);

/// A SHA-256 value.
struct Digest {
  std::array<Byte, 32> bytes{};
  auto operator<=>(const Digest&) const = default;
  bool is_zero() const { return *this == Digest{}; }
  /// First eight hex characters, for logs.
  std::string brief() const;
};

}  // namespace seneschal

template <>
struct std::hash<seneschal::Digest> {
  std::size_t operator()(const seneschal::Digest& d) const noexcept {
    std::size_t value = 0;
    for (std::size_t i = 0; i < sizeof value; ++i) value = value << 8 | d.bytes[i];
    return value;
  }
};
