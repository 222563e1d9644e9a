// The mark of a server that has run: a small text file apart from the server's log. It says whose it is, what the log
// means, and where the log ended at the least. Pure: text in, text out. docs/storage.md describes every line.
#pragma once
#include "base/bytes.hpp"
#include "base/fact.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace seneschal::storage {

inline constexpr std::size_t kMaxMark = 64 * 1024;
inline constexpr std::size_t kMaxFacts = 64;
inline constexpr std::size_t kMaxFactValue = 4096;

/// How far a log reaches, as it was known at some time. All are indexes of records.
struct Extent {
  std::uint64_t oldest = 0;  // the log begins here or earlier
  std::uint64_t newest = 0;  // its newest segment begins here
  std::uint64_t salt = 0;    // of the newest segment
  std::uint64_t known = 0;   // the records below are in the log
  bool operator==(const Extent&) const = default;
};

struct Mark {
  enum class State : std::uint8_t {
    New,     // the member may begin, and has not
    Unkept,  // it has run, and kept no log
    Logged,  // it has run, and `extent` says how far its log reaches
  };
  std::string group;   // what all members belong to: "deployment 7"
  std::string member;  // "server 1.0"
  NodeId node;         // where it runs; New: where it is to begin
  State state = State::New;
  Extent extent;  // only where Logged
  std::vector<Fact> facts;
  bool operator==(const Mark&) const = default;
};

/// True if all texts of the mark are short enough and in one line each.
bool valid(const Mark& mark);
/// `mark` must be valid (CHECKed).
std::string to_text(const Mark& mark);
/// Nothing unless `to_text` made it: a mark that was changed in any place is none.
std::optional<Mark> parse_mark(std::string_view text);

/// What differs between two lives: "application was 'kv' and is 'sql'", separated by "; ". Empty: nothing does.
std::string differences(const std::vector<Fact>& before, const std::vector<Fact>& now);

/// A file's name for any text: letters, digits, '.' and '-' stand for themselves, '_' for a blank. Different texts
/// have different names. None begins with '.'.
std::string file_name(std::string_view text);

}  // namespace seneschal::storage
