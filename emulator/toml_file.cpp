#include "emulator/toml_file.hpp"

#include "emulator/names.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <utility>
#include <variant>

namespace seneschal::emulator {

namespace detail {

struct TomlNode;

/// One key of a table, in key order.
struct TomlEntry {
  std::string key;
  std::unique_ptr<TomlNode> node;
};

struct TomlNode {
  enum class Kind : std::uint8_t { Text, Integer, Real, Boolean, Date, List, Table };
  Kind kind = Kind::Table;
  int line = 0;
  std::string text;
  std::int64_t integer = 0;
  double real = 0;
  bool boolean = false;
  std::vector<TomlNode> items;
  std::vector<TomlEntry> entries;
  // What getters asked for: what else the file holds is unknown, and these are the names to suggest instead.
  mutable std::vector<std::string> asked;
};

struct TomlState {
  std::string name;
  TomlNode root;
  std::optional<std::string> first_error;
};

}  // namespace detail

namespace {

using detail::TomlNode;
using Kind = TomlNode::Kind;

constexpr std::int64_t kYearNs = std::int64_t{365} * 86'400 * 1'000'000'000;

TomlNode convert(const toml::node& from) {
  TomlNode node;
  node.line = static_cast<int>(from.source().begin.line);
  if (const auto* table = from.as_table()) {
    for (const auto& [key, value] : *table)
      node.entries.push_back({std::string(key.str()), std::make_unique<TomlNode>(convert(value))});
    std::ranges::sort(node.entries, {}, &detail::TomlEntry::key);
  } else if (const auto* list = from.as_array()) {
    node.kind = Kind::List;
    for (const auto& item : *list) node.items.push_back(convert(item));
  } else if (const auto* text = from.as_string()) {
    node.kind = Kind::Text;
    node.text = text->get();
  } else if (const auto* integer = from.as_integer()) {
    node.kind = Kind::Integer;
    node.integer = integer->get();
  } else if (const auto* real = from.as_floating_point()) {
    node.kind = Kind::Real;
    node.real = real->get();
  } else if (const auto* boolean = from.as_boolean()) {
    node.kind = Kind::Boolean;
    node.boolean = boolean->get();
  } else {
    node.kind = Kind::Date;
  }
  return node;
}

std::string describe(const TomlNode& node) {
  switch (node.kind) {
    case Kind::Text: return "the text \"" + visible(node.text.substr(0, 60)) + "\"";
    case Kind::Integer: return "the number " + std::to_string(node.integer);
    case Kind::Real: {
      std::ostringstream text;
      text << "the number " << node.real;
      return text.str();
    }
    case Kind::Boolean: return node.boolean ? "true" : "false";
    case Kind::Date: return "a date or time";
    case Kind::List: return "a list";
    case Kind::Table: return "a table";
  }
  return "nothing";
}

std::string quoted(std::string_view key) {
  return "'" + std::string(key) + "'";
}

std::string range_text(Range range, std::int64_t factor) {
  const auto side = [&](std::int64_t value) {
    if (factor == 1) return std::to_string(value);
    std::ostringstream text;
    text << static_cast<double>(value) / static_cast<double>(factor);
    return text.str();
  };
  if (range.high == std::numeric_limits<std::int64_t>::max()) return "at least " + side(range.low);
  return side(range.low) + " to " + side(range.high);
}

const TomlNode kEmptyTable;

void note(detail::TomlState& state, int line, const std::string& message) {
  if (state.first_error) return;
  state.first_error = state.name + (line > 0 ? ":" + std::to_string(line) : "") + ": " + message;
}

/// The first key below `node` (by line) that was never asked for.
struct Unknown {
  const detail::TomlEntry* entry = nullptr;
  const TomlNode* parent = nullptr;
};
void find_unknown(const TomlNode& node, Unknown& first) {
  for (const auto& entry : node.entries) {
    if (std::ranges::find(node.asked, entry.key) == node.asked.end()) {
      if (first.entry == nullptr || entry.node->line < first.entry->node->line) first = {&entry, &node};
    } else {
      find_unknown(*entry.node, first);
    }
  }
  for (const TomlNode& item : node.items) find_unknown(item, first);
}

}  // namespace

// ---- TomlFile

Result<TomlFile> TomlFile::load(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return failure(path + ": cannot be opened; expected a readable TOML file (check the path)");
  std::string text(kTomlMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return failure(path + ": cannot be read; expected a TOML file, not a directory or a device");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return parse(text, path);
}

Result<TomlFile> TomlFile::parse(std::string_view text, std::string_view name) {
  if (text.size() > kTomlMaxBytes)
    return failure(std::string(name) + ": is over " + std::to_string(kTomlMaxBytes) +
                   " bytes; expected a configuration file");
  auto state = std::make_shared<detail::TomlState>();
  state->name = std::string(name);
  try {
    state->root = convert(toml::parse(text, std::string(name)));
  } catch (const toml::parse_error& error) {
    return failure(state->name + ":" + std::to_string(error.source().begin.line) +
                   ": is not valid TOML: " + std::string(error.description()));
  }
  return TomlFile(std::move(state));
}

TomlTable TomlFile::root() const {
  return TomlTable(state_, &state_->root);
}
const std::string& TomlFile::name() const {
  return state_->name;
}

Status TomlFile::finish() const {
  if (!state_->first_error) {
    Unknown unknown;
    find_unknown(state_->root, unknown);
    if (unknown.entry != nullptr) {
      std::vector<std::string> known = unknown.parent->asked;
      std::ranges::sort(known);
      std::string list;
      for (const std::string& key : known) list += (list.empty() ? "" : ", ") + key;
      const auto nearest = did_you_mean(unknown.entry->key, known);
      note(*state_, unknown.entry->node->line,
           "unknown key " + quoted(unknown.entry->key) + "; expected one of: " + list +
               (nearest ? " (did you mean " + quoted(*nearest) + "?)" : ""));
    }
  }
  if (state_->first_error) return failure(*state_->first_error);
  return {};
}

// ---- TomlTable

TomlTable::TomlTable(std::shared_ptr<detail::TomlState> state, const detail::TomlNode* node)
    : state_(std::move(state)), node_(node) {}

const TomlNode* TomlTable::find(std::string_view key) const {
  if (node_ == &kEmptyTable) return nullptr;
  if (std::ranges::find(node_->asked, key) == node_->asked.end()) node_->asked.emplace_back(key);
  const auto it =
      std::ranges::lower_bound(node_->entries, key, {}, [](const auto& e) -> std::string_view { return e.key; });
  return it != node_->entries.end() && it->key == key ? it->node.get() : nullptr;
}

const TomlNode* TomlTable::require(std::string_view key, std::string_view expected) const {
  const TomlNode* node = find(key);
  if (node == nullptr)
    note(*state_, line(), "the key " + quoted(key) + " is missing; expected " + std::string(expected));
  return node;
}

void TomlTable::fail_at(const TomlNode& node, std::string_view key, std::string_view expected) const {
  note(*state_, node.line, quoted(key) + " is " + describe(node) + "; expected " + std::string(expected));
}

void TomlTable::fail(std::string_view key, std::string_view message) const {
  note(*state_, line(key), std::string(message));
}

int TomlTable::line() const {
  return node_->line;
}
int TomlTable::line(std::string_view key) const {
  const TomlNode* node = key.empty() ? nullptr : find(key);
  return node != nullptr ? node->line : node_->line;
}

bool TomlTable::has(std::string_view key) const {
  return find(key) != nullptr;
}

std::vector<std::string> TomlTable::keys() const {
  std::vector<std::string> keys;
  for (const auto& entry : node_->entries) keys.push_back(entry.key);
  return keys;
}

std::string TomlTable::text(std::string_view key) const {
  const TomlNode* node = require(key, "a text, as in " + std::string(key) + " = \"...\"");
  if (node == nullptr) return {};
  if (node->kind != Kind::Text) fail_at(*node, key, "a text in double quotes");
  // Terminals obey what such characters say. A longer text may have lines.
  const auto hidden = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
  };
  if (std::ranges::any_of(node->text, hidden))
    note(*state_, node->line, quoted(key) + " holds a control character; expected a text that can be read");
  return node->text;
}

std::string TomlTable::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : std::string(fallback);
}

std::size_t TomlTable::choice(std::string_view key, std::span<const std::string_view> allowed,
                              std::size_t fallback) const {
  const TomlNode* node = find(key);
  if (node == nullptr) return fallback;
  std::vector<std::string> names;
  std::string list;
  for (std::size_t i = 0; i < allowed.size(); ++i) {
    if (node->kind == Kind::Text && node->text == allowed[i]) return i;
    names.emplace_back(allowed[i]);
    list += (i == 0 ? "\"" : ", \"") + names.back() + "\"";
  }
  const auto nearest = node->kind == Kind::Text ? did_you_mean(node->text, names) : std::nullopt;
  fail_at(*node, key, "one of " + list + (nearest ? " (did you mean \"" + *nearest + "\"?)" : ""));
  return fallback;
}

bool TomlTable::boolean(std::string_view key, bool fallback) const {
  const TomlNode* node = find(key);
  if (node == nullptr) return fallback;
  if (node->kind == Kind::Boolean) return node->boolean;
  fail_at(*node, key, "true or false");
  return fallback;
}

/// A number times `factor`, inside `range`; else notes the error and gives `fallback`.
std::int64_t TomlTable::checked(const TomlNode& node, std::string_view key, std::int64_t factor, Range range,
                                std::int64_t fallback) const {
  const std::string expected =
      std::string(factor == 1 ? "a whole number" : "a number") + ", " + range_text(range, factor);
  std::int64_t value = 0;
  if (node.kind == Kind::Integer) {
    if (!__builtin_mul_overflow(node.integer, factor, &value) && value >= range.low && value <= range.high)
      return value;
  } else if (node.kind == Kind::Real && factor != 1) {
    // Beyond 2^53 the double is no longer exact, and llround beyond 2^63 is undefined.
    const double scaled = node.real * static_cast<double>(factor);
    if (std::isfinite(scaled) && std::abs(scaled) < 9.0e15) {
      value = std::llround(scaled);
      // A bandwidth of a tenth of a bit would be 0, which has no limit.
      const bool vanishes = value == 0 && node.real != 0;
      if (!vanishes && value >= range.low && value <= range.high) return value;
      if (vanishes) {
        fail_at(node, key, "0, or a number that is not so small: " + range_text(Range{1}, factor));
        return fallback;
      }
    }
  }
  fail_at(node, key, expected);
  return fallback;
}

std::int64_t TomlTable::integer(std::string_view key, Range range) const {
  return scaled(key, 1, range);
}
std::int64_t TomlTable::integer(std::string_view key, std::int64_t fallback, Range range) const {
  return scaled(key, 1, fallback, range);
}

std::int64_t TomlTable::scaled(std::string_view key, std::int64_t factor, Range range) const {
  const TomlNode* node =
      require(key, std::string(factor == 1 ? "a whole number" : "a number") + ", " + range_text(range, factor));
  return node == nullptr ? range.low : checked(*node, key, factor, range, range.low);
}

std::int64_t TomlTable::scaled(std::string_view key, std::int64_t factor, std::int64_t fallback, Range range) const {
  const TomlNode* node = find(key);
  return node == nullptr ? fallback : checked(*node, key, factor, range, fallback);
}

Duration TomlTable::duration(std::string_view key, Duration unit) const {
  return Duration(scaled(key, unit.count(), Range{0, kYearNs}));
}
Duration TomlTable::duration(std::string_view key, Duration unit, Duration fallback) const {
  return Duration(scaled(key, unit.count(), fallback.count(), Range{0, kYearNs}));
}

double TomlTable::real(std::string_view key, double fallback) const {
  const TomlNode* node = find(key);
  if (node == nullptr) return fallback;
  if (node->kind == Kind::Integer) return static_cast<double>(node->integer);
  if (node->kind == Kind::Real && std::isfinite(node->real)) return node->real;
  fail_at(*node, key, "a number");
  return fallback;
}

std::vector<std::string> TomlTable::texts(std::string_view key) const {
  std::vector<std::string> values;
  const TomlNode* node = find(key);
  if (node == nullptr) return values;
  if (node->kind != Kind::List) fail_at(*node, key, "a list of texts, as in [\"a\", \"b\"]");
  for (const TomlNode& item : node->items) {
    if (item.kind != Kind::Text) fail_at(item, key, "a list of nothing but texts");
    values.push_back(item.text);
  }
  return values;
}

std::vector<std::int64_t> TomlTable::integers(std::string_view key, Range range) const {
  return scaled_list(key, 1, range);
}

std::vector<std::int64_t> TomlTable::scaled_list(std::string_view key, std::int64_t factor, Range range) const {
  std::vector<std::int64_t> values;
  const TomlNode* node = find(key);
  if (node == nullptr) return values;
  if (node->kind != Kind::List) fail_at(*node, key, "a list of numbers, as in [1, 2]");
  for (const TomlNode& item : node->items) values.push_back(checked(item, key, factor, range, range.low));
  return values;
}

std::vector<std::size_t> TomlTable::positions(std::string_view key, std::span<const std::string> names) const {
  std::vector<std::size_t> found;
  const TomlNode* node = find(key);
  if (node == nullptr) return found;
  if (node->kind != Kind::List) fail_at(*node, key, "a list of names or numbers, as in [\"a\", 2]");
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  for (const TomlNode& item : node->items) {
    const auto by_name = item.kind == Kind::Text ? std::ranges::find(names, item.text) : names.end();
    if (by_name != names.end()) {
      found.push_back(static_cast<std::size_t>(by_name - names.begin()));
    } else if (item.kind == Kind::Integer && item.integer >= 1 && std::cmp_less_equal(item.integer, names.size())) {
      found.push_back(static_cast<std::size_t>(item.integer - 1));
    } else {
      const auto nearest = item.kind == Kind::Text ? did_you_mean(item.text, names) : std::nullopt;
      fail_at(item, key,
              "one of " + list + ", or its number, 1 to " + std::to_string(names.size()) +
                  (nearest ? " (did you mean \"" + *nearest + "\"?)" : ""));
    }
  }
  return found;
}

TomlTable TomlTable::table(std::string_view key) const {
  const TomlNode* node = find(key);
  if (node != nullptr && node->kind == Kind::Table) return TomlTable(state_, node);
  if (node != nullptr) fail_at(*node, key, "a table, [" + std::string(key) + "]");
  return TomlTable(state_, &kEmptyTable);
}

std::vector<TomlTable> TomlTable::tables(std::string_view key) const {
  std::vector<TomlTable> tables;
  const TomlNode* node = find(key);
  if (node == nullptr) return tables;
  const std::string expected = "tables, each starting with [[" + std::string(key) + "]]";
  if (node->kind != Kind::List) fail_at(*node, key, expected);
  for (const TomlNode& item : node->items) {
    if (item.kind == Kind::Table)
      tables.push_back(TomlTable(state_, &item));
    else
      fail_at(item, key, expected);
  }
  return tables;
}

}  // namespace seneschal::emulator
