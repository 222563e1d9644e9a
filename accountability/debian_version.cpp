#include "accountability/debian_version.hpp"

#include <algorithm>

namespace seneschal::accountability {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

struct Parts {
  std::string_view epoch, upstream, revision;
};

Parts parts_of(std::string_view text) {
  Parts parts;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    parts.epoch = text.substr(0, colon);
    text.remove_prefix(colon + 1);
  }
  const std::size_t dash = text.rfind('-');
  parts.upstream = text.substr(0, dash);
  if (dash != std::string_view::npos) parts.revision = text.substr(dash + 1);
  return parts;
}

/// Where a character stands among those that are no digits; a run that is over stands between '~' and all others.
int rank(std::string_view rest) {
  if (rest.empty() || is_digit(rest.front())) return 0;
  const char c = rest.front();
  if (c == '~') return -1;
  return is_letter(c) ? c : c + 256;
}

/// Takes the digits off the front, as a number without leading zeros.
std::string_view take_number(std::string_view& rest) {
  const std::size_t end = static_cast<std::size_t>(std::ranges::find_if_not(rest, is_digit) - rest.begin());
  std::string_view number = rest.substr(0, end);
  rest.remove_prefix(end);
  number.remove_prefix(std::min(number.find_first_not_of('0'), number.size()));
  return number;
}

std::strong_ordering compare_numbers(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return a.size() <=> b.size();
  return a.compare(b) <=> 0;
}

std::strong_ordering compare_parts(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    while (rank(a) != 0 || rank(b) != 0) {
      if (const auto order = rank(a) <=> rank(b); order != 0) return order;
      a.remove_prefix(1);
      b.remove_prefix(1);
    }
    if (const auto order = compare_numbers(take_number(a), take_number(b)); order != 0) return order;
  }
  return std::strong_ordering::equal;
}

}  // namespace

bool is_debian_version(std::string_view text) {
  const Parts parts = parts_of(text);
  const bool epoch = text.find(':') == std::string_view::npos ||
                     (!parts.epoch.empty() && std::ranges::all_of(parts.epoch, is_digit));
  const auto known = [](char c) {
    return is_digit(c) || is_letter(c) || std::string_view(".+-~:").find(c) != std::string_view::npos;
  };
  return epoch && !parts.upstream.empty() && std::ranges::all_of(text, known);
}

std::strong_ordering compare_debian_versions(std::string_view a, std::string_view b) {
  const Parts left = parts_of(a), right = parts_of(b);
  std::string_view left_epoch = left.epoch, right_epoch = right.epoch;
  if (const auto order = compare_numbers(take_number(left_epoch), take_number(right_epoch)); order != 0) return order;
  if (const auto order = compare_parts(left.upstream, right.upstream); order != 0) return order;
  return compare_parts(left.revision, right.revision);
}

}  // namespace seneschal::accountability
