// Names that people give to things in files, and that become parts of paths, reports and plots.
#pragma once
#include "emulator/toml_file.hpp"

namespace seneschal::emulator {

inline constexpr std::size_t kMaxName = 100;

/// What is wrong with a name, as the end of a sentence that began with it; nothing if it is good. Refused: an empty
/// one, "." and "..", one with a '/' or a '\', with a character that cannot be seen or turns the text around, with a
/// blank at an end, or longer than kMaxName bytes.
std::optional<std::string> wrong_with_name(std::string_view name);

/// The same of a path that is written into configurations. Refused: an empty one, control characters, and bytes that
/// are not UTF-8.
std::optional<std::string> wrong_with_path(std::string_view path);

/// A text of `table` that has to be a name.
std::string read_name(const TomlTable& table, std::string_view key);
std::string read_name(const TomlTable& table, std::string_view key, std::string_view fallback);

/// With what cannot be seen made visible, for messages: "a\x1bb".
std::string visible(std::string_view text);

}  // namespace seneschal::emulator
