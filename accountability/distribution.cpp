#include "accountability/distribution.hpp"

#include "accountability/trace.hpp"
#include "base/prng.hpp"

#include <algorithm>

namespace seneschal::accountability {

Distribution::Distribution(std::vector<std::uint64_t> counts) : sorted_(std::move(counts)) {
  std::ranges::sort(sorted_);
}

double Distribution::less_than(std::uint64_t n) const {
  if (sorted_.empty()) return 0;
  const auto below = std::ranges::lower_bound(sorted_, n) - sorted_.begin();
  return 100.0 * static_cast<double>(below) / static_cast<double>(sorted_.size());
}

std::vector<std::pair<std::uint64_t, double>> Distribution::points() const {
  std::vector<std::pair<std::uint64_t, double>> points;
  for (std::size_t i = 0; i < sorted_.size(); ++i) {
    if (i + 1 < sorted_.size() && sorted_[i + 1] == sorted_[i]) continue;
    points.emplace_back(sorted_[i], 100.0 * static_cast<double>(i + 1) / static_cast<double>(sorted_.size()));
  }
  return points;
}

Distribution dependants_of_updates(const Graph& graph, std::size_t asked, std::uint64_t seed) {
  ReverseIndex index(graph);
  const auto reached_by = [&](UpdateId id) -> std::uint64_t { return blast(graph, index, id, graph.size()).size(); };
  std::vector<std::uint64_t> counts;
  if (graph.size() <= asked) {
    for (UpdateId id = graph.base(); id < graph.end(); ++id) counts.push_back(reached_by(id));
  } else {
    Prng random(seed);
    for (std::size_t i = 0; i < asked; ++i) counts.push_back(reached_by(graph.base() + random.below(graph.size())));
  }
  return Distribution(std::move(counts));
}

}  // namespace seneschal::accountability
