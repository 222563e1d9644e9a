// The report's random graph, measured.
#pragma once
#include "accountability/random_graph.hpp"

#include <string>

namespace seneschal::graph_tool {

struct Figures {
  double build_s = 0, build_cpu_s = 0, durable_s = 0, mark_s = 0, scan_s = 0;
  std::uint64_t bytes = 0, corrupt = 0, suspect = 0;
  // With queries: blast radii below `kSmallBlast`, and why the last update of each is suspect.
  std::uint64_t asked = 0, largest_blast = 0;
  double index_s = 0, blast_worst_ms = 0, why_worst_ms = 0;
  double bytes_per_update(const accountability::RandomGraph& what) const {
    return static_cast<double>(bytes) / static_cast<double>(what.updates);
  }
};

inline constexpr std::size_t kSmallBlast = 10'000;
/// Of command lines: more updates than any machine builds, more measurements than anybody waits for.
inline constexpr std::uint64_t kMostRandomUpdates = 1'000'000'000, kMostRounds = 10'000;

/// Builds the graph in a folder of its own, which is removed afterwards unless `folder` names it; then marks it and
/// reads the same segments in turn, `rounds` times; the best of each counts, because other programs on the machine
/// only ever add time.
Figures measure(const accountability::RandomGraph& what, const std::string& folder, int rounds,
                std::uint64_t queries = 0);

}  // namespace seneschal::graph_tool
