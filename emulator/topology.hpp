// Topology files: the sites, and what the links between and inside them are like.
//
//   name = "two-sites"
//   mesh = true                # every pair of sites is linked by [link_default]; false: only [[link]]s exist
//   [link_default]             # delay_ms (one way), jitter_ms, bandwidth_mbps, queue_kib, loss_percent,
//   delay_ms = 50              # duplicate_percent, reorder_percent, reorder_extra_ms
//   bandwidth_mbps = 10
//   [lan]                      # inside each site; same keys
//   [[site]]
//   name = "east"
//   [[link]]                   # overrides for one pair, both directions unless one_way = true
//   from = "east"
//   to = "west"
//   delay_ms = 38
#pragma once
#include "base/result.hpp"
#include "emulator/link_model.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace seneschal::emulator {

inline constexpr std::size_t kMaxSites = 64;

struct Site {
  std::string name;
  bool operator==(const Site&) const = default;
};

struct Topology {
  std::string name;
  std::string description;
  std::vector<Site> sites;
  /// Row-major by (from, to): nothing where there is no link, and on the diagonal.
  std::vector<std::optional<LinkConfig>> links;
  /// Inside a site, between any two machines of it.
  LinkConfig lan;

  bool operator==(const Topology&) const = default;

  std::size_t size() const { return sites.size(); }
  /// The direct link from one site to another; null if there is none.
  const LinkConfig* link(std::size_t from, std::size_t to) const;
  std::optional<std::size_t> site_index(std::string_view site_name) const;
  /// Least sum of one-way delays from each site to each other over the links, row-major: what no protocol can beat.
  std::vector<Duration> shortest_delays() const;

  /// `count` sites named site1.., every pair linked by `link`.
  static Topology uniform(std::size_t count, const LinkConfig& link, const LinkConfig& lan = default_lan());
  /// 0.05 ms one way, 1 Gbps.
  static LinkConfig default_lan();
};

/// Reads and checks a topology file; errors name file, line and what to do.
Result<Topology> load_topology(const std::string& path);
Result<Topology> parse_topology(std::string_view text, std::string_view file_name);

}  // namespace seneschal::emulator
