#include "steward/config.hpp"

namespace seneschal::steward {
namespace {

Status in_range(const char* name, std::uint64_t value, std::uint64_t low, std::uint64_t high) {
  if (value >= low && value <= high) return {};
  return failure(std::string("steward: ") + name + " is " + std::to_string(value) + ", but must be from " +
                 std::to_string(low) + " to " + std::to_string(high));
}

Status positive(const char* name, Duration value) {
  if (value.count() > 0) return {};
  return failure(std::string("steward: ") + name + " must be longer than zero");
}

}  // namespace

Status Settings::validate() const {
  if (auto s = in_range("window", window, 1, kMaxWindow); !s) return s;
  if (auto s = in_range("batch_max", batch_max, 1, replication::kMaxBatchUpdates); !s) return s;
  // One update of the largest size must always fit, or its client would never be served.
  constexpr std::size_t kLargest = replication::Update::kMaxSize + 16;
  if (auto s = in_range("batch_max_bytes", batch_max_bytes, kLargest, replication::kMaxBatchBytes); !s) return s;
  if (batch_gap_max < 0ms || batch_gap_max > 50ms) return failure("steward: batch_gap_max must be from 0 to 50 ms");
  for (auto [name, value] : {std::pair{"tick", tick},
                             {"share_timeout", share_timeout},
                             {"share_fallback", share_fallback},
                             {"retransmit_local", retransmit_local},
                             {"retransmit_wide", retransmit_wide},
                             {"retransmit_max", retransmit_max},
                             {"reconcile_after", reconcile_after},
                             {"representative_timeout", representative_timeout},
                             {"pace_floor", pace_floor},
                             {"reconcile_idle", reconcile_idle}})
    if (auto s = positive(name, value); !s) return s;
  if (auto s = in_range("reconcile_entries", reconcile_entries, 1, 256); !s) return s;
  if (auto s = in_range("reconcile_bytes", reconcile_bytes, 1024, std::uint64_t{1} << 30); !s) return s;
  for (auto [name, draw] : {std::pair{"draw_neighbour", draw_neighbour},
                            {"draw_stranger", draw_stranger},
                            {"draw_site", draw_site},
                            {"draw_client", draw_client}})
    if (draw.per_second == 0 || draw.burst == 0)
      return failure(std::string("steward: ") + name + " must allow more than nothing");
  if (auto s = in_range("lend_near", lend_near, 1024, std::uint64_t{1} << 40); !s) return s;
  if (auto s = in_range("checkpoint_interval", checkpoint_interval, 1, kMaxCheckpointInterval); !s) return s;
  if (auto s = in_range("log_growth", log_growth, 1, std::uint64_t{1} << 40); !s) return s;
  if (history_kept < history_span)
    return failure("steward: history_kept must be at least history_span, which is " + std::to_string(history_span));
  if (history_span < 2 * checkpoint_interval + window)  // [Steward 7] L >= 2K + W
    return failure("steward: history_span must be at least 2 * checkpoint_interval + window, which is " +
                   std::to_string(2 * checkpoint_interval + window));
  return {};
}

Status validate(const Membership& membership) {
  if (membership.sites.empty() || membership.sites.size() > kMaxSites)
    return failure("steward: a deployment has from 1 to " + std::to_string(kMaxSites) + " sites, this one has " +
                   std::to_string(membership.sites.size()));
  for (std::size_t i = 0; i < membership.sites.size(); ++i) {
    const SiteInfo& site = membership.sites[i];
    if (site.servers != 3 * site.faults + 1 || site.servers > kMaxServersPerSite)
      return failure("steward: site " + std::to_string(i) + " has " + std::to_string(site.servers) +
                     " servers; with f = " + std::to_string(site.faults) + " it must have exactly 3f+1 = " +
                     std::to_string(3 * site.faults + 1) + ", and at most " + std::to_string(kMaxServersPerSite));
  }
  for (const ClientInfo& client : membership.clients)
    if (client.home.value >= membership.sites.size())
      return failure("steward: client " + std::to_string(client.id.value) + " has home site " +
                     std::to_string(client.home.value) + ", which does not exist");
  return {};
}

}  // namespace seneschal::steward
