// How many others each one can touch, as the report shows it: a cumulative distribution. [TR IV-A, Fig. 4]
#pragma once
#include "accountability/graph.hpp"

#include <utility>
#include <vector>

namespace seneschal::accountability {

class Distribution {
 public:
  explicit Distribution(std::vector<std::uint64_t> counts);

  std::size_t size() const { return sorted_.size(); }
  std::uint64_t largest() const { return sorted_.empty() ? 0 : sorted_.back(); }
  /// Shares in percent; 0 of nothing.
  double less_than(std::uint64_t n) const;
  double at_most(std::uint64_t n) const { return n == ~std::uint64_t{0} ? less_than(n) : less_than(n + 1); }
  double more_than(std::uint64_t n) const { return sorted_.empty() ? 0 : 100 - at_most(n); }
  /// (count, percent with at most that many), ascending: one point for each count that occurs.
  std::vector<std::pair<std::uint64_t, double>> points() const;

 private:
  std::vector<std::uint64_t> sorted_;
};

/// How many updates each of `asked` updates, drawn with `seed` from the whole graph, would touch if it alone were
/// bad. All updates are asked, each once, if there are no more than that.
Distribution dependants_of_updates(const Graph& graph, std::size_t asked, std::uint64_t seed);

}  // namespace seneschal::accountability
