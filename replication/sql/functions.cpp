#include "replication/sql/functions.hpp"

#include "base/bytes.hpp"
#include "base/check.hpp"
#include "replication/sql/sql.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace seneschal::replication::sql {

namespace {

/// Bytes compared one by one that count as one instruction.
constexpr std::uint64_t kComparisonsPerStep = 64;

using Context = sqlite3_context*;
using Values = sqlite3_value**;

bool afford(Context context, std::size_t a, std::size_t b) {
  auto* budget = static_cast<Budget*>(sqlite3_user_data(context));
  if (budget->spend(1 + static_cast<std::uint64_t>(a) * b / kComparisonsPerStep)) return true;
  sqlite3_result_error(context, "too many steps", -1);
  return false;
}

bool any_null(int count, Values values) {
  return std::any_of(values, values + count, [](auto* value) { return sqlite3_value_type(value) == SQLITE_NULL; });
}

std::string_view text(sqlite3_value* value) {
  const auto* from = sqlite3_value_text(value);  // before its size; ends with a zero
  if (from == nullptr) return "";
  return {reinterpret_cast<const char*>(from), static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return !is_continuation(c); }));
}

void give(Context context, std::string_view result) {
  sqlite3_result_text(context, result.data(), static_cast<int>(result.size()), SQLITE_TRANSIENT);
}

// X LIKE Y is like(Y, X). As built in: blobs match nothing (a build option of Debian's), patterns are short.
void like(Context context, int count, Values values) {
  if (any_null(count, values)) return;
  if (sqlite3_value_type(values[0]) == SQLITE_BLOB || sqlite3_value_type(values[1]) == SQLITE_BLOB)
    return sqlite3_result_int(context, 0);
  unsigned escape = 0;
  if (count == 3) {
    const std::string_view sign = text(values[2]);
    if (sign.size() != 1) return sqlite3_result_error(context, "ESCAPE takes one character of ASCII", -1);
    escape = static_cast<unsigned char>(sign[0]);
  }
  const std::string_view pattern = text(values[0]);
  const std::string_view subject = text(values[1]);
  if (pattern.size() > kMaxPattern) return sqlite3_result_error(context, "LIKE pattern too long", -1);
  if (!afford(context, pattern.size(), subject.size())) return;
  sqlite3_result_int(context, sqlite3_strlike(pattern.data(), subject.data(), escape) == 0);
}

void glob(Context context, int count, Values values) {
  if (any_null(count, values)) return;
  if (sqlite3_value_type(values[0]) == SQLITE_BLOB || sqlite3_value_type(values[1]) == SQLITE_BLOB)
    return sqlite3_result_int(context, 0);
  const std::string_view pattern = text(values[0]);
  const std::string_view subject = text(values[1]);
  if (pattern.size() > kMaxPattern) return sqlite3_result_error(context, "GLOB pattern too long", -1);
  if (!afford(context, pattern.size(), subject.size())) return;
  sqlite3_result_int(context, sqlite3_strglob(pattern.data(), subject.data()) == 0);
}

// Position of the first occurrence, from 1: in bytes if both are blobs, else in characters.
void instr(Context context, int count, Values values) {
  if (any_null(count, values)) return;
  const bool blobs = sqlite3_value_type(values[0]) == SQLITE_BLOB && sqlite3_value_type(values[1]) == SQLITE_BLOB;
  const std::string_view hay = text(values[0]);
  const std::string_view needle = text(values[1]);
  if (!afford(context, hay.size(), needle.size())) return;
  const std::size_t at = hay.find(needle);
  if (at == std::string_view::npos) return sqlite3_result_int(context, 0);
  sqlite3_result_int64(context, static_cast<sqlite3_int64>(1 + (blobs ? at : characters(hay.substr(0, at)))));
}

void replace(Context context, int count, Values values) {
  if (any_null(count, values)) return;
  const std::string_view subject = text(values[0]);
  const std::string_view old = text(values[1]);
  const std::string_view now = text(values[2]);
  if (old.empty()) return give(context, subject);
  if (!afford(context, subject.size(), old.size() + now.size())) return;
  std::string result;
  std::size_t from = 0;
  for (std::size_t at = subject.find(old); at != std::string_view::npos; at = subject.find(old, from)) {
    result.append(subject.substr(from, at - from)).append(now);
    from = at + old.size();
    if (result.size() > kMaxCell) return sqlite3_result_error_toobig(context);
  }
  result.append(subject.substr(from));
  if (result.size() > kMaxCell) return sqlite3_result_error_toobig(context);
  give(context, result);
}

/// The characters of `set`, one by one.
template <class F>
bool any_character(std::string_view set, F&& matches) {
  for (std::size_t at = 0; at < set.size();) {
    std::size_t size = 1;
    while (at + size < set.size() && is_continuation(set[at + size])) ++size;
    if (matches(set.substr(at, size))) return true;
    at += size;
  }
  return false;
}

template <bool kLeft, bool kRight>
void trim(Context context, int count, Values values) {
  if (any_null(count, values)) return;
  std::string_view subject = text(values[0]);
  const std::string_view set = count == 2 ? text(values[1]) : std::string_view(" ");
  if (!afford(context, subject.size(), set.size())) return;
  const auto cut_left = [&](std::string_view c) {
    if (!subject.starts_with(c)) return false;
    subject.remove_prefix(c.size());
    return true;
  };
  const auto cut_right = [&](std::string_view c) {
    if (!subject.ends_with(c)) return false;
    subject.remove_suffix(c.size());
    return true;
  };
  while (kLeft && any_character(set, cut_left)) {
  }
  while (kRight && any_character(set, cut_right)) {
  }
  give(context, subject);
}

}  // namespace

void install_functions(sqlite3* connection, Budget& budget) {
  const auto install = [&](const char* name, int arguments, void (*function)(Context, int, Values)) {
    constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
    CHECK(sqlite3_create_function_v2(connection, name, arguments, kFlags, &budget, function, nullptr, nullptr,
                                     nullptr) == SQLITE_OK);
  };
  install("like", 2, like);
  install("like", 3, like);
  install("glob", 2, glob);
  install("instr", 2, instr);
  install("replace", 3, replace);
  for (int arguments : {1, 2}) {
    install("ltrim", arguments, trim<true, false>);
    install("rtrim", arguments, trim<false, true>);
    install("trim", arguments, trim<true, true>);
  }
}

}  // namespace seneschal::replication::sql
