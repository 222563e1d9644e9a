// Several servers' graphs of one deployment: which are the same, and whose to believe. Nothing that a server says
// counts but what it has signed. [Graph 4, 6]
#pragma once
#include "accountability/store.hpp"

#include <compare>
#include <map>
#include <string>
#include <vector>

namespace seneschal::accountability {

/// Updates [begin, end).
struct Extent {
  UpdateId begin{1}, end{1};
  auto operator<=>(const Extent&) const = default;
};

/// A graph whose head is signed by its server, over the updates that are in its files.
struct SignedGraph {
  Principal server;
  std::string folder;
  Extent extent;                      // of the head
  std::map<Extent, Digest> digests;   // of its own extent, and of each that it shares with another one's
  std::map<UpdateId, Digest> states;  // right after these updates, as it has noted them with its snapshots
};

struct SignedGraphs {
  std::vector<SignedGraph> good;
  std::map<Principal, std::string> bad;  // why a server's graph does not count
};

/// Reads the graphs of these servers, given by the folder of each. Each folder is open only while it is read.
SignedGraphs read_signed_graphs(const std::map<Principal, std::string>& folders, const Verifier& verify);

/// Whether two graphs are the same where both have updates, and the states that both have snapshots of: a graph that
/// began later is compared as if the other one had begun there, too.
enum class Agreement { Same, Other, Unknown };
Agreement agreement(const SignedGraph& a, const SignedGraph& b);

/// The farthest graph that more than half of `servers` have signed from its beginning to its end: fewer than a third
/// are faulty, so one of those is correct. Null if there is none.
const SignedGraph* most_agreed(const std::vector<SignedGraph>& graphs, std::size_t servers);

/// One server's word on when updates came in.
struct ServerTimes {
  UpdateId begin{1}, end{1};  // of its graph
  std::vector<TimeNote> notes;
};
/// Of the servers whose graph and all that it keeps of updates is what they signed; the others in `bad`.
std::map<Principal, ServerTimes> read_times(const std::map<Principal, std::string>& folders, const Verifier& verify,
                                            std::map<Principal, std::string>& bad);
/// The first update that may have been executed at `unix_ms` or later by one server's clock: never too late, a second
/// too early at most. 0: that lies before its graph begins.
UpdateId position_at(const ServerTimes& times, std::uint64_t unix_ms);

/// So far may clocks of servers, and the moments when they execute the same update, lie apart.
inline constexpr std::uint64_t kTimeToleranceMs = 10'000;
/// So many of `servers` must agree on a time: less than a third are faulty, so one of them is correct.
constexpr std::size_t times_needed(std::size_t servers) {
  return (servers + 2) / 3;
}
/// `position_at` by so many servers as are needed, each within the tolerance: of the positions that most of them bear
/// out, the earliest. 0: enough say that it lies before their graphs begin, and not enough know better. Nothing if
/// not enough of them agree.
std::optional<UpdateId> agreed_at(const std::vector<ServerTimes>& times, std::size_t servers, std::uint64_t unix_ms);

}  // namespace seneschal::accountability
