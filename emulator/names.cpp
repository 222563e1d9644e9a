#include "emulator/names.hpp"

#include <algorithm>
#include <array>

namespace seneschal::emulator {
namespace {

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// Length of a character at the beginning of `text` (UTF-8) that has no shape of its own: C1 controls, zero-width
/// ones, and those that change the direction of what follows. 0: it is none of them.
std::size_t invisible(std::string_view text) {
  if (text.size() >= 2 && text[0] == '\xc2' && static_cast<unsigned char>(text[1]) >= 0x80 &&
      static_cast<unsigned char>(text[1]) < 0xa0)
    return 2;  // U+0080 to U+009F
  if (text.size() < 3) return 0;
  if (text.starts_with("\xef\xbb\xbf")) return 3;  // U+FEFF
  if (text[0] != '\xe2') return 0;
  const auto second = static_cast<unsigned char>(text[1]), third = static_cast<unsigned char>(text[2]);
  if (second == 0x80) return (third >= 0x8b && third <= 0x8f) || (third >= 0xa8 && third <= 0xae) ? 3 : 0;
  return second == 0x81 && third >= 0xa0 && third <= 0xaf ? 3 : 0;  // U+2060 to U+206F
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
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t hidden = is_control(text[i]) ? 1 : invisible(text.substr(i));
    for (std::size_t k = 0; k < hidden; ++k) escape(text[i + k]);
    if (hidden == 0) out += text[i];
    i += std::max<std::size_t>(hidden, 1);
  }
  return out;
}

std::optional<std::string> wrong_with_name(std::string_view name) {
  if (name.empty()) return "is empty; expected at least one character";
  if (name.size() > kMaxName)
    return "has " + std::to_string(name.size()) + " bytes; expected at most " + std::to_string(kMaxName);
  if (name == "." || name == "..") return "means a folder; expected another name";
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (is_control(name[i]) || invisible(name.substr(i)) != 0)
      return "has a character that cannot be seen; expected letters, digits and signs";
    if (name[i] == '/' || name[i] == '\\')
      return std::string("has a '") + name[i] + "' in it; folders and files are named after it";
  }
  if (name.front() == ' ' || name.back() == ' ') return "has a blank at an end; expected none there";
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
