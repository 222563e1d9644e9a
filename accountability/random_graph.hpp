// The random graph of the report's performance section. [TR V]
//
// A matrix of time slices and clients: in every slice each client submits one update, which names `deps` updates of
// the last `window` slices, drawn with equal probability. Those of the first slice name nothing.
#pragma once
#include "accountability/graph.hpp"

namespace seneschal::accountability {

struct RandomGraph {
  std::uint64_t updates = 4'000'000;
  std::uint64_t clients = 20;
  std::uint64_t deps = 5;
  std::uint64_t window = 20;
  std::uint64_t seed = 1;
};

/// Error text if the numbers make no graph.
std::optional<std::string> problem(const RandomGraph& graph);
/// Calls `add(client, seq, names)` for every update in order: seqs are slices from 1, clients from 1.
void generate(const RandomGraph& graph, const std::function<void(ClientId, Seq, std::span<const UpdateId>)>& add);

}  // namespace seneschal::accountability
