// Versions of Debian packages, ordered as deb-version(7) says: what is newer.
#pragma once
#include <compare>
#include <string_view>

namespace seneschal::accountability {

/// [EPOCH:]UPSTREAM[-REVISION] of the characters that a version may have.
bool is_debian_version(std::string_view text);
/// Epochs as numbers, then upstream versions, then revisions; what is missing counts as 0. In both, runs of other
/// characters and runs of digits alternate: digits compare as numbers; of other characters '~' is before everything,
/// also before the end, and letters are before the rest.
std::strong_ordering compare_debian_versions(std::string_view a, std::string_view b);

}  // namespace seneschal::accountability
