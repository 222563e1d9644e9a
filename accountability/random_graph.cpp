#include "accountability/random_graph.hpp"

#include "base/prng.hpp"

namespace seneschal::accountability {

std::optional<std::string> problem(const RandomGraph& graph) {
  if (graph.updates == 0) return "there must be at least one update";
  if (graph.clients == 0 || graph.clients + 1 >= kMaxClient)
    return "clients must be from 1 to " + std::to_string(kMaxClient - 2);
  if (graph.deps > kMaxLeaves) return "at most " + std::to_string(kMaxLeaves) + " dependencies";
  if (graph.window == 0 || graph.window > 0xffffffff / graph.clients)
    return "the window must be at least one slice and reach back at most 2^32 updates";
  return std::nullopt;
}

void generate(const RandomGraph& graph, const std::function<void(ClientId, Seq, std::span<const UpdateId>)>& add) {
  Prng random(graph.seed);
  std::vector<UpdateId> names(graph.deps);
  for (std::uint64_t slice = 0, made = 0; made < graph.updates; ++slice) {
    const std::uint64_t from = slice > graph.window ? (slice - graph.window) * graph.clients : 0;
    const std::uint64_t choices = slice * graph.clients - from;
    const std::span<const UpdateId> used = std::span(names).first(slice == 0 ? 0 : names.size());
    for (std::uint64_t client = 0; client < graph.clients && made < graph.updates; ++client, ++made) {
      for (std::size_t i = 0; i < used.size(); ++i) names[i] = UpdateId(1 + from + random.below(choices));
      add(ClientId(static_cast<std::uint32_t>(client + 1)), Seq(slice + 1), used);
    }
  }
}

}  // namespace seneschal::accountability
