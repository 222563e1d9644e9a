// Numbers on command lines. TCLAP alone reads "-1" as 4294967295, and "1e30" and "nan" as numbers of seconds.
#pragma once
#include <fmt/format.h>
#include <tclap/CmdLine.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace seneschal::tools {

/// Seeds, and whatever else any number will do for.
inline constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();

/// The whole text is a number within [low, high]; "-1", "1e3", "0x10", " 7" and "" are none.
inline std::optional<std::uint64_t> whole_number(std::string_view text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high) return std::nullopt;
  return value;
}

/// The whole text is a number, which may be infinite or none at all (NaN).
inline std::optional<double> any_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The whole text is a finite number above 0 and at most `high`.
inline std::optional<double> positive_number(std::string_view text, double high) {
  const auto value = any_number(text);
  return value && *value > 0 && *value <= high ? value : std::nullopt;
}

/// Says which flag it is, what was given, and what is expected.
[[noreturn]] inline void refuse_value(const std::string& flag, const std::string& given,
                                      const std::string& expected) {
  throw TCLAP::ArgException(fmt::format("--{} is '{}'; expected {}", flag, given, expected));
}

/// What is wrong with a command line, for people.
inline std::string what_is_wrong(const TCLAP::ArgException& error) {
  return error.argId() == " " ? error.error() : error.argId() + ": " + error.error();
}

/// `--flag N`, a whole number.
class WholeFlag {
 public:
  WholeFlag(TCLAP::CmdLine& line, const std::string& letter, const std::string& name, const std::string& what,
            std::uint64_t fallback, std::uint64_t low, std::uint64_t high, const std::string& shape = "N")
      : WholeFlag(letter, name, what, fallback, low, high, shape) {
    line.add(arg_);
  }
  /// Not yet of any command line: see `arg`.
  WholeFlag(const std::string& letter, const std::string& name, const std::string& what, std::uint64_t fallback,
            std::uint64_t low, std::uint64_t high, const std::string& shape = "N")
      : arg_(letter, name, what, false, std::to_string(fallback), shape), low_(low), high_(high) {}
  TCLAP::Arg& arg() { return arg_; }
  bool is_set() const { return arg_.isSet(); }
  /// Throws what TCLAP throws for a wrong command line.
  std::uint64_t value() const {
    const std::string& text = arg_.getValue();
    if (const auto number = whole_number(text, is_set() ? low_ : 0, high_)) return *number;
    refuse_value(arg_.getName(), text, fmt::format("a whole number from {} to {}", low_, high_));
  }

 private:
  TCLAP::ValueArg<std::string> arg_;
  std::uint64_t low_, high_;
};

/// `--flag SECONDS`, above 0 and at most `most`.
class SecondsFlag {
 public:
  static constexpr double kDay = 86'400;

  SecondsFlag(TCLAP::CmdLine& line, const std::string& letter, const std::string& name, const std::string& what,
              double fallback, double most = kDay)
      : arg_(letter, name, what, false, fmt::format("{}", fallback), "SECONDS", line), most_(most) {}
  double value() const {
    const std::string& text = arg_.getValue();
    if (const auto number = positive_number(text, most_)) return *number;
    refuse_value(arg_.getName(), text, fmt::format("a number of seconds above 0 and at most {:.0f}", most_));
  }

 private:
  TCLAP::ValueArg<std::string> arg_;
  double most_;
};

}  // namespace seneschal::tools
