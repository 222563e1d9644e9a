// The configuration of a plugin or a client: lines "key = value", `#` starts a comment. Simple enough for a plugin in
// any language to read; people write TOML, and tools make this from it.
//
// Reading is written straight down: a getter that fails notes the error and returns its default, and `finish()`
// reports the first one, or the first key nobody asked for. Messages read "name:line: what was found; what was
// expected".
#pragma once
#include "base/result.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace seneschal {

class ConfigText {
 public:
  /// Longer texts are refused.
  static constexpr std::size_t kMaxBytes = 1 << 20;
  struct Line {
    int number = 0;
    std::string key;
    std::string value;
  };

  /// `name` stands for the text in messages.
  static Result<ConfigText> parse(std::string_view text, std::string_view name);

  bool has(std::string_view key);
  /// Value of a key that must be there once.
  std::string text(std::string_view key);
  std::string text(std::string_view key, std::string_view fallback);
  std::uint64_t number(std::string_view key, std::uint64_t low, std::uint64_t high);
  std::uint64_t number(std::string_view key, std::uint64_t fallback, std::uint64_t low, std::uint64_t high);
  bool boolean(std::string_view key, bool fallback);
  /// Position of the value in `allowed`.
  std::size_t choice(std::string_view key, std::initializer_list<std::string_view> allowed, std::size_t fallback);
  /// All lines of a key that may come any number of times, in order.
  std::vector<Line> all(std::string_view key);
  /// Numbers separated by blanks in one line's value; notes an error if there are fewer than `least`.
  std::vector<std::uint64_t> numbers(const Line& line, std::size_t least, std::uint64_t high);

  /// Notes an error at a line (0: none) for checks of the caller's own.
  void fail(int line, std::string_view message);
  Status finish() const;

 private:
  const Line* find(std::string_view key);
  std::string name_;
  std::vector<Line> lines_;
  std::set<std::string, std::less<>> asked_;
  std::optional<std::string> error_;
};

/// A decimal number without sign or blanks; nothing if it is not one or does not fit.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace seneschal
