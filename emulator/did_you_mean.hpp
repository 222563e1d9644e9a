// Suggestions for misspelt words: keys, names, subcommands.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace seneschal::emulator {

/// The candidate nearest to a misspelt `word`, if one is near enough to be meant.
std::optional<std::string> did_you_mean(std::string_view word, std::span<const std::string> candidates);

}  // namespace seneschal::emulator
