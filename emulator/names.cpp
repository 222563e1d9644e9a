#include "emulator/names.hpp"

#include <algorithm>
#include <array>

namespace seneschal::emulator {
namespace {

/// A character at the beginning of a text, and the bytes that it takes.
struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;  // false: the text does not begin with a character of UTF-8; one byte of it is passed over
};

Character first_of(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1, true};
  const std::size_t bytes = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < bytes) return {};
  char32_t code = first & (0xffU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code < 0xe000;
  if (code < kLeast[bytes] || surrogate || code > 0x10ffff) return {};
  return {code, bytes, true};
}

bool is_control(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

/// It has no shape of its own, looks like a blank and is none, or changes the direction of what follows (Unicode's
/// categories Cc, Cf, Zs, Zl, Zp and what it calls default-ignorable).
bool is_invisible(char32_t c) {
  struct Range {
    char32_t first, last;
  };
  constexpr Range kRanges[] = {{0x00, 0x1f},     {0x7f, 0xa0},       {0xad, 0xad},       {0x34f, 0x34f},
                               {0x600, 0x605},   {0x61c, 0x61c},     {0x6dd, 0x6dd},     {0x70f, 0x70f},
                               {0x115f, 0x1160}, {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},
                               {0x2000, 0x200f}, {0x2028, 0x202f},   {0x205f, 0x206f},   {0x3000, 0x3000},
                               {0x3164, 0x3164}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},
                               {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff}};
  return std::ranges::any_of(kRanges, [c](const Range& r) { return c >= r.first && c <= r.last; });
}

/// The first character that `bad` is true of, or that is none; nothing if all are good.
template <class Bad>
std::optional<std::string_view> first_bad(std::string_view text, Bad bad) {
  while (!text.empty()) {
    const Character c = first_of(text);
    if (!c.valid || bad(c.code)) return text.substr(0, c.bytes);
    text.remove_prefix(c.bytes);
  }
  return std::nullopt;
}

}  // namespace

std::string visible(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  const auto escape = [&](char c) {
    out += "\\x";
    out += kHex[static_cast<unsigned char>(c) >> 4];
    out += kHex[static_cast<unsigned char>(c) & 15];
  };
  while (!text.empty()) {
    const Character c = first_of(text);
    if (c.valid && !is_invisible(c.code))
      out += text.substr(0, c.bytes);
    else
      std::ranges::for_each(text.substr(0, c.bytes), escape);
    text.remove_prefix(c.bytes);
  }
  return out;
}

std::optional<std::string> wrong_with_name(std::string_view name) {
  if (name.empty()) return "is empty; expected at least one character";
  if (name.size() > kMaxName)
    return "has " + std::to_string(name.size()) + " bytes; expected at most " + std::to_string(kMaxName);
  if (name == "." || name == "..") return "means a folder; expected another name";
  if (first_bad(name, is_invisible)) return "has a character that cannot be seen; expected letters, digits and signs";
  if (const auto at = name.find_first_of("/\\"); at != name.npos)
    return std::string("has a '") + name[at] + "' in it; folders and files are named after it";
  if (name.front() == ' ' || name.back() == ' ') return "has a blank at an end; expected none there";
  return std::nullopt;
}

std::optional<std::string> wrong_with_path(std::string_view path) {
  if (path.empty()) return "is empty; expected a folder";
  if (const auto bad = first_bad(path, is_control))
    return "has '" + visible(*bad) +
           "' in it, which is not a character of UTF-8 that can be written into a configuration; choose another path";
  return std::nullopt;
}

std::string read_name(const TomlTable& table, std::string_view key) {
  std::string name = table.text(key);
  // A key that is missing, or no text, has been noted by `text`: the first error counts.
  if (const auto wrong = wrong_with_name(name))
    table.fail(key,
               "'" + std::string(key) + "' is the text \"" + visible(name).substr(0, 120) + "\", which " + *wrong);
  return name;
}

std::string read_name(const TomlTable& table, std::string_view key, std::string_view fallback) {
  return table.has(key) ? read_name(table, key) : std::string(fallback);
}

}  // namespace seneschal::emulator
