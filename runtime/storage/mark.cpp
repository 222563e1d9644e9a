#include "runtime/storage/mark.hpp"

#include "base/check.hpp"
#include "base/crc32c.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace seneschal::storage {
namespace {

constexpr std::string_view kFirstLine = "seneschal-mark 1";
constexpr std::string_view kAdvice =
    "# A server with this mark must not vote without its log. Remove the mark only with the whole deployment.";
constexpr std::array<std::string_view, 3> kStates = {"new", "unkept", "logged"};
constexpr std::size_t kMaxName = 128;

bool one_line(std::string_view text, std::size_t most) {
  return text.size() <= most && std::ranges::none_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

std::string hex(std::uint64_t value, int digits) {
  std::string text;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 0xf];
  return text;
}

std::optional<std::uint64_t> number(std::string_view text, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Takes the lines off a text, one after the other.
class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}
  std::string_view next() {
    const std::size_t end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
    return line;
  }
  /// The value of a line that must begin with `key`; empty if it does not.
  std::string_view value(std::string_view key) {
    const std::string_view line = next();
    return line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ' ? line.substr(key.size() + 1)
                                                                                        : std::string_view();
  }
  std::uint64_t hex_value(std::string_view key) { return number(value(key), 16).value_or(0); }
  bool at(std::string_view key) const { return rest_.starts_with(key); }

 private:
  std::string_view rest_;
};

/// True if `now` may follow on `before`.
bool follows(const Fact& before, const Fact& now) {
  if (before.value == now.value) return true;
  const auto old_number = number(before.value, 10), new_number = number(now.value, 10);
  return before.may_grow && now.may_grow && old_number && new_number && *old_number <= *new_number;
}

const Fact* find(const std::vector<Fact>& facts, const std::string& name) {
  const auto it = std::ranges::find(facts, name, &Fact::name);
  return it == facts.end() ? nullptr : &*it;
}

}  // namespace

bool valid(const Mark& mark) {
  const auto good = [](const Fact& fact) {
    return !fact.name.empty() && one_line(fact.name, kMaxName) && fact.name.find(' ') == std::string::npos &&
           one_line(fact.value, kMaxFactValue);
  };
  std::size_t size = 0;
  std::set<std::string_view> names;
  for (const Fact& fact : mark.facts) {
    size += fact.name.size() + fact.value.size() + kMaxName;
    if (!names.insert(fact.name).second) return false;
  }
  return !mark.group.empty() && one_line(mark.group, kMaxName) && !mark.member.empty() &&
         one_line(mark.member, kMaxName) && mark.facts.size() <= kMaxFacts && size < kMaxMark / 2 &&
         std::ranges::all_of(mark.facts, good);
}

std::string to_text(const Mark& mark) {
  CHECK(valid(mark));
  std::string text = std::string(kFirstLine) + "\n" + std::string(kAdvice) + "\n";
  const auto line = [&](std::string_view key, std::string_view value) {
    text += std::string(key) + " " + std::string(value) + "\n";
  };
  line("group", mark.group);
  line("member", mark.member);
  line("node", std::to_string(mark.node.value));
  line("state", kStates[static_cast<std::size_t>(mark.state)]);
  if (mark.state == Mark::State::Logged) {
    line("oldest", hex(mark.extent.oldest, 16));
    line("newest", hex(mark.extent.newest, 16));
    line("salt", hex(mark.extent.salt, 16));
    line("known", hex(mark.extent.known, 16));
  }
  for (const Fact& fact : mark.facts) line(fact.may_grow ? "grows" : "fact", fact.name + " " + fact.value);
  return text + "sum " + hex(crc32c(as_span(text)), 8) + "\n";
}

std::optional<Mark> parse_mark(std::string_view text) {
  if (text.size() > kMaxMark) return std::nullopt;
  Lines lines(text);
  if (lines.next() != kFirstLine) return std::nullopt;
  lines.next();
  Mark mark;
  mark.group = lines.value("group");
  mark.member = lines.value("member");
  mark.node = NodeId(static_cast<std::uint16_t>(number(lines.value("node"), 10).value_or(0)));
  const auto state = std::ranges::find(kStates, lines.value("state"));
  if (state == kStates.end()) return std::nullopt;
  mark.state = static_cast<Mark::State>(state - kStates.begin());
  if (mark.state == Mark::State::Logged)
    mark.extent = {lines.hex_value("oldest"), lines.hex_value("newest"), lines.hex_value("salt"),
                   lines.hex_value("known")};
  while (lines.at("fact ") || lines.at("grows ")) {
    if (mark.facts.size() == kMaxFacts) return std::nullopt;
    const bool grows = lines.at("grows ");
    const std::string_view fact = lines.value(grows ? "grows" : "fact");
    const std::size_t blank = fact.find(' ');
    if (blank == std::string_view::npos) return std::nullopt;
    mark.facts.push_back({std::string(fact.substr(0, blank)), std::string(fact.substr(blank + 1)), grows});
  }
  // Whatever was passed over above, the sum included, shows here.
  if (!valid(mark) || to_text(mark) != text) return std::nullopt;
  return mark;
}

std::string differences(const std::vector<Fact>& before, const std::vector<Fact>& now) {
  std::string text;
  const auto add = [&](const std::string& difference) { text += (text.empty() ? "" : "; ") + difference; };
  for (const Fact& old : before) {
    const Fact* present = find(now, old.name);
    if (present == nullptr)
      add(old.name + " was '" + old.value + "' and is not given");
    else if (!follows(old, *present))
      add(old.name + " was '" + old.value + "' and is '" + present->value + "'" +
          (old.may_grow && present->may_grow ? " (it may only grow)" : ""));
  }
  for (const Fact& present : now)
    if (find(before, present.name) == nullptr) add(present.name + " was not given and is '" + present.value + "'");
  return text;
}

std::string file_name(std::string_view text) {
  std::string name;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                       (c == '.' && !name.empty());
    if (plain)
      name += c;
    else if (c == ' ')
      name += '_';
    else
      name += "%" + hex(static_cast<unsigned char>(c), 2);
  }
  return name;
}

}  // namespace seneschal::storage
