// Reading and writing key files: permissions, and the line format of what has no standard one. Internal to this
// folder.
#pragma once
#include "base/principal.hpp"
#include "base/result.hpp"
#include "crypto/secret.hpp"

#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace seneschal::crypto {

/// Creates a directory that must not exist yet (0700 if private).
Status create_directory(const std::filesystem::path& path, bool is_private);
/// Creates a file that must not exist yet (0600 if private).
Status create_file(const std::filesystem::path& path, Span contents, bool is_private);
/// Error if it is missing, larger than 16 MiB, or private and accessible to anyone but its owner.
Result<SecretBytes> read_key_file(const std::filesystem::path& path, bool is_private);

/// "server 2/0" and "client 17", as `to_string` prints them; nothing for anything else.
std::optional<Principal> parse_principal(std::string_view text);

/// Reads lines "name value" and PEM blocks in a fixed order. The first error sticks and names file and line; after it
/// everything reads as empty or zero.
class KeyText {
 public:
  KeyText(std::filesystem::path path, Span text) : path_(std::move(path)), rest_(as_text(text)) {}

  /// The value of the next line, whose name must be `name`. Valid as long as the text.
  std::string_view text(std::string_view name);
  /// Decimal number of at most `max`.
  std::uint64_t number(std::string_view name, std::uint64_t max);
  /// Hexadecimal bytes.
  Bytes hex(std::string_view name);
  /// 16 hexadecimal digits.
  DeploymentId deployment();
  /// A value that `parse` understands.
  template <class Parse>
  auto parsed(std::string_view name, Parse parse) -> typename decltype(parse(std::string_view{}))::value_type {
    const std::string_view value = text(name);
    if (auto result = ok() ? parse(value) : std::nullopt) return *result;
    fail("\"" + std::string(name) + "\" has the unknown value \"" + std::string(value.substr(0, 40)) + "\"");
    return {};
  }
  /// A whole block with its BEGIN and END lines.
  std::string_view pem();
  /// Nothing may follow.
  void end();

  bool ok() const { return status_.has_value(); }
  const Status& status() const { return status_; }
  void fail(const std::string& what);

 private:
  std::string_view line();
  std::filesystem::path path_;
  std::string_view rest_;
  std::size_t line_ = 0;
  Status status_;
};

}  // namespace seneschal::crypto
