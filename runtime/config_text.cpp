#include "runtime/config_text.hpp"

#include "runtime/config_quote.hpp"

#include <charconv>

namespace seneschal {

namespace {

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::string quoted(std::string_view text) {
  return "'" + std::string(text.substr(0, 80)) + "'";
}

/// Without a comment: `#` begins one at the start of the line or after a blank, outside of quotes.
std::string_view without_comment(std::string_view line) {
  bool inside = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (inside && line[i] == '\\')
      ++i;
    else if (line[i] == '"')
      inside = !inside;
    else if (!inside && line[i] == '#' && (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t'))
      return line.substr(0, i);
  }
  return line;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Result<ConfigText> ConfigText::parse(std::string_view text, std::string_view name) {
  if (text.size() > kMaxBytes)
    return failure(std::string(name) + ": is over " + std::to_string(kMaxBytes) +
                   " bytes; expected lines key = value");
  ConfigText config;
  config.name_ = std::string(name);
  int number = 0;
  while (!text.empty()) {
    const auto end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    ++number;
    line = trim(without_comment(line));
    if (line.empty()) continue;
    const auto equals = line.find('=');
    if (equals == std::string_view::npos || trim(line.substr(0, equals)).empty())
      return failure(config.name_ + ":" + std::to_string(number) + ": " + quoted(line) + "; expected key = value");
    std::string value(trim(line.substr(equals + 1)));
    if (value.starts_with('"')) {
      auto plain = config_unquoted(value);
      if (!plain)
        return failure(config.name_ + ":" + std::to_string(number) + ": " + quoted(value) +
                       " begins with a quote but is no quoted text; expected \"...\" with \\\\, \\\", \\n, \\r and "
                       "\\t for the characters that cannot stand there");
      value = std::move(*plain);
    }
    config.lines_.push_back({number, std::string(trim(line.substr(0, equals))), std::move(value)});
  }
  return config;
}

const ConfigText::Line* ConfigText::find(std::string_view key) {
  asked_.emplace(key);
  const Line* found = nullptr;
  for (const Line& line : lines_) {
    if (line.key != key) continue;
    if (found != nullptr) fail(line.number, quoted(key) + " is given twice; expected once");
    found = &line;
  }
  return found;
}

bool ConfigText::has(std::string_view key) {
  asked_.emplace(key);
  for (const Line& line : lines_)
    if (line.key == key) return true;
  return false;
}

std::string ConfigText::text(std::string_view key) {
  const Line* line = find(key);
  if (line == nullptr) {
    fail(0, "the key " + quoted(key) + " is missing");
    return {};
  }
  return line->value;
}

std::string ConfigText::text(std::string_view key, std::string_view fallback) {
  const Line* line = find(key);
  return line == nullptr ? std::string(fallback) : line->value;
}

std::uint64_t ConfigText::number(std::string_view key, std::uint64_t low, std::uint64_t high) {
  if (find(key) == nullptr) fail(0, "the key " + quoted(key) + " is missing; expected a whole number");
  return number(key, low, low, high);
}

std::uint64_t ConfigText::number(std::string_view key, std::uint64_t fallback, std::uint64_t low,
                                 std::uint64_t high) {
  const Line* line = find(key);
  if (line == nullptr) return fallback;
  const auto value = parse_number(line->value);
  if (value && *value >= low && *value <= high) return *value;
  fail(line->number, quoted(key) + " is " + quoted(line->value) + "; expected a whole number, " +
                         std::to_string(low) + " to " + std::to_string(high));
  return fallback;
}

bool ConfigText::boolean(std::string_view key, bool fallback) {
  return choice(key, {"false", "true"}, fallback ? 1 : 0) == 1;
}

std::size_t ConfigText::choice(std::string_view key, std::initializer_list<std::string_view> allowed,
                               std::size_t fallback) {
  const Line* line = find(key);
  if (line == nullptr) return fallback;
  std::string list;
  std::size_t position = 0;
  for (std::string_view one : allowed) {
    if (one == line->value) return position;
    list += (position++ == 0 ? "" : ", ") + std::string(one);
  }
  fail(line->number, quoted(key) + " is " + quoted(line->value) + "; expected one of: " + list);
  return fallback;
}

std::vector<ConfigText::Line> ConfigText::all(std::string_view key) {
  asked_.emplace(key);
  std::vector<Line> found;
  for (const Line& line : lines_)
    if (line.key == key) found.push_back(line);
  return found;
}

std::vector<std::uint64_t> ConfigText::numbers(const Line& line, std::size_t least, std::uint64_t high) {
  std::vector<std::uint64_t> values;
  std::string_view rest = line.value;
  while (!(rest = trim(rest)).empty()) {
    const auto end = rest.find_first_of(" \t");
    const auto value = parse_number(rest.substr(0, end));
    if (!value || *value > high) {
      fail(line.number, quoted(line.key) + " holds " + quoted(rest.substr(0, end)) +
                            "; expected whole numbers up to " + std::to_string(high));
      break;
    }
    values.push_back(*value);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end);
  }
  if (values.size() < least) {
    fail(line.number, quoted(line.key) + " has " + std::to_string(values.size()) + " numbers; expected at least " +
                          std::to_string(least));
    values.resize(least);
  }
  return values;
}

void ConfigText::fail(int line, std::string_view message) {
  if (!error_) error_ = name_ + (line > 0 ? ":" + std::to_string(line) : "") + ": " + std::string(message);
}

Status ConfigText::finish() const {
  if (error_) return failure(*error_);
  for (const Line& line : lines_) {
    if (asked_.contains(line.key)) continue;
    std::string list;
    for (const std::string& key : asked_) list += (list.empty() ? "" : ", ") + key;
    return failure(name_ + ":" + std::to_string(line.number) + ": unknown key " + quoted(line.key) +
                   "; expected one of: " + list);
  }
  return {};
}

}  // namespace seneschal
