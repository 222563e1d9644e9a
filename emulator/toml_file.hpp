// Configuration files. The one place that knows the TOML library; everything else sees read-only tables.
//
// Reading is written straight down, without an `if` after each key: a getter that fails notes the error and returns
// its default, and `finish()` reports the first error of the file, or the first key nobody asked for. Messages read
// "file:line: what was found; what was expected (hint)".
//
//   auto file = TomlFile::load(path);
//   if (!file) return std::unexpected(file.error());
//   const TomlTable root = file->root();
//   config.name = root.text("name");
//   for (const TomlTable& link : root.tables("link")) delay = link.duration("delay_ms", 1ms, 50ms);
//   if (Status good = file->finish(); !good) return std::unexpected(good.error());
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "emulator/did_you_mean.hpp"

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace seneschal::emulator {

/// Files longer than this are refused.
inline constexpr std::size_t kTomlMaxBytes = 1 << 20;

namespace detail {
struct TomlNode;
struct TomlState;
}  // namespace detail

/// Least and greatest value allowed, both included.
struct Range {
  std::int64_t low = 0;
  std::int64_t high = std::numeric_limits<std::int64_t>::max();
};

/// A read-only table of a file. Cheap to copy; keeps the file's content alive. Getters without a default value need
/// the key to be there.
class TomlTable {
 public:
  bool has(std::string_view key) const;
  std::string text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view fallback) const;
  /// One of `allowed`; returns its position.
  std::size_t choice(std::string_view key, std::span<const std::string_view> allowed, std::size_t fallback) const;
  bool boolean(std::string_view key, bool fallback) const;
  std::int64_t integer(std::string_view key, Range range = {}) const;
  std::int64_t integer(std::string_view key, std::int64_t fallback, Range range) const;
  /// A decimal number times `factor`, rounded to the nearest integer: `scaled("loss_percent", 10'000)` is in parts
  /// per million. `range` is in the result's unit.
  std::int64_t scaled(std::string_view key, std::int64_t factor, Range range = {}) const;
  std::int64_t scaled(std::string_view key, std::int64_t factor, std::int64_t fallback, Range range) const;
  /// A number of `unit`s, zero or more and at most a year: `duration("delay_ms", 1ms)`.
  Duration duration(std::string_view key, Duration unit) const;
  Duration duration(std::string_view key, Duration unit, Duration fallback) const;
  /// A decimal number, for reports only.
  double real(std::string_view key, double fallback) const;
  /// Lists; a missing key is an empty list.
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<std::int64_t> integers(std::string_view key, Range range = {}) const;
  std::vector<std::int64_t> scaled_list(std::string_view key, std::int64_t factor, Range range = {}) const;
  /// Which of `names` a list names: by name, or by number, counted from 1. Positions, from 0.
  std::vector<std::size_t> positions(std::string_view key, std::span<const std::string> names) const;
  /// A table inside this one; empty if missing (ask `has` first if that matters).
  TomlTable table(std::string_view key) const;
  /// `[[key]]` tables in the file's order; none if missing.
  std::vector<TomlTable> tables(std::string_view key) const;
  /// All keys, sorted.
  std::vector<std::string> keys() const;

  /// Line of the table, and of one of its keys (the table's if missing); 0 for what is not in the file.
  int line() const;
  int line(std::string_view key) const;
  /// Notes an error at `key` (at the table itself if `key` is empty or missing), for checks of the caller's own.
  void fail(std::string_view key, std::string_view message) const;

 private:
  friend class TomlFile;
  TomlTable(std::shared_ptr<detail::TomlState> state, const detail::TomlNode* node);
  const detail::TomlNode* find(std::string_view key) const;
  const detail::TomlNode* require(std::string_view key, std::string_view expected) const;
  void fail_at(const detail::TomlNode& node, std::string_view key, std::string_view expected) const;
  std::int64_t checked(const detail::TomlNode& node, std::string_view key, std::int64_t factor, Range range,
                       std::int64_t fallback) const;

  std::shared_ptr<detail::TomlState> state_;
  const detail::TomlNode* node_;
};

/// A parsed file.
class TomlFile {
 public:
  static Result<TomlFile> load(const std::string& path);
  /// `name` stands for the file's name in messages.
  static Result<TomlFile> parse(std::string_view text, std::string_view name);

  TomlTable root() const;
  const std::string& name() const;
  /// The first error noted so far; else, the first key in the file that no getter asked for.
  Status finish() const;

 private:
  explicit TomlFile(std::shared_ptr<detail::TomlState> state) : state_(std::move(state)) {}
  std::shared_ptr<detail::TomlState> state_;
};

}  // namespace seneschal::emulator
