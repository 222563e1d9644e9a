// Several servers' graphs of one deployment: which are the same, and whose to believe. [Graph 4, 6]
#pragma once
#include "accountability/store.hpp"

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace seneschal::accountability {

/// What a server says of its graph.
struct SignedGraph {
  std::string server, folder;
  std::uint64_t begin = 1;   // its first update
  std::uint64_t sealed = 0;  // the last one that its head covers
  std::string digest;        // of updates `begin` to `sealed`, in hex
  bool whole = true;         // false: it could not go on
};

/// Compares graphs that begin and end at different updates, as far as both go. A server's digest is taken from what
/// it says; what lies before that, from its files.
class Comparison {
 public:
  enum class Verdict { Same, Other, Unknown };
  Verdict of(const SignedGraph& a, const SignedGraph& b);

 private:
  const std::string& digest(const SignedGraph& graph, std::uint64_t begin, std::uint64_t sealed);

  std::map<std::string, std::optional<Store>> stores_;  // by server
  std::map<std::tuple<std::string, std::uint64_t, std::uint64_t>, std::string> digests_;
};

/// The farthest graph whose signed updates, to the last, more than half of all have signed, too: fewer than a third
/// of the servers are faulty, so one of those is correct. Without such a graph the one that goes farthest. `all` is
/// not empty.
const SignedGraph& most_agreed(const std::vector<SignedGraph>& all, Comparison& comparison);

}  // namespace seneschal::accountability
