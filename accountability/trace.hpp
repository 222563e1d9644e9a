// Questions about single updates and clients: what does it reach, why is it suspect, what if, who could do most harm.
// [Graph 3]
#pragma once
#include "accountability/marking.hpp"

#include <map>

namespace seneschal::accountability {

/// Which updates name an update. Built for 262,144 updates at a time, when first asked.
class ReverseIndex {
 public:
  explicit ReverseIndex(const Graph& graph) : graph_(graph) {}
  /// Updates that name `id`, ascending; may repeat.
  std::span<const UpdateId> dependents(UpdateId id);
  /// Updates that depend on everything before them, ascending.
  std::span<const UpdateId> of_everything();
  void build_all();

 private:
  static constexpr std::uint64_t kPart = 64 * kBlockUpdates;
  struct Part {
    std::vector<std::uint32_t> start;  // of each update's dependents, and the end
    std::vector<UpdateId> dependents;
  };
  const Part& part(std::uint64_t number);

  const Graph& graph_;
  std::map<std::uint64_t, Part> parts_;
  std::optional<std::vector<UpdateId>> of_everything_;
};

/// Everything that would be suspect if just `id` were bad, ascending; `id` itself is not in it. Stops with what it
/// has after `most`.
std::vector<UpdateId> blast(const Graph& graph, ReverseIndex& index, UpdateId id, std::size_t most);

/// A shortest chain of dependencies from a corrupt update (first) to `id` (last). Empty if `id` is not affected.
std::vector<UpdateId> why(const Graph& graph, const Colours& colours, UpdateId id);

/// Clients that stand in for each other: what one of them says is taken as good as long as the latest update of
/// another is good.
using Redundant = std::set<ClientId>;
/// `mark`, with every dependency on a member of `redundant` read as an OR over that and the latest updates of all
/// other members.
Colours mark_with_redundancy(const Graph& graph, const Findings& findings, const Redundant& redundant);

/// How many other updates somebody would touch.
struct Risk {
  ClientId client;
  UpdateId update;  // 0: the client as a whole, malicious from its first update on
  std::uint64_t suspects = 0;
};
/// Graphs with more updates than this are refused: 8 bytes per update are needed.
inline constexpr std::uint64_t kMaxRiskUpdates = std::uint64_t{1} << 27;
/// Exact numbers for each candidate, 64 at a time in one pass. `update` 0 means the client as a whole.
std::vector<Risk> risks(const Graph& graph, std::vector<Risk> candidates);
/// All clients, the worst `top` first.
std::vector<Risk> riskiest_clients(const Graph& graph, std::size_t top);
/// The worst `top` updates, each taken as bad alone. `candidates` limits how many are computed: those that most
/// others name directly.
std::vector<Risk> riskiest_updates(const Graph& graph, std::size_t top, std::size_t candidates);

}  // namespace seneschal::accountability
