#include "runtime/config_quote.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace seneschal {

namespace {
constexpr std::pair<char, char> kEscapes[] = {{'\\', '\\'}, {'"', '"'}, {'n', '\n'}, {'r', '\r'}, {'t', '\t'}};
}

std::string config_quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto* escape = std::ranges::find(kEscapes, c, &std::pair<char, char>::second);
    if (escape == std::end(kEscapes))
      out += c;
    else
      (out += '\\') += escape->first;
  }
  return out + "\"";
}

std::optional<std::string> config_unquoted(std::string_view value) {
  if (!value.starts_with('"')) return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i < value.size(); ++i) {
    if (value[i] == '"') return i + 1 == value.size() ? std::optional(out) : std::nullopt;
    if (value[i] != '\\') {
      out += value[i];
      continue;
    }
    if (++i == value.size()) return std::nullopt;
    const auto* escape = std::ranges::find(kEscapes, value[i], &std::pair<char, char>::first);
    if (escape == std::end(kEscapes)) return std::nullopt;
    out += escape->second;
  }
  return std::nullopt;
}

}  // namespace seneschal
