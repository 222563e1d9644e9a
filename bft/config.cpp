#include "bft/config.hpp"

#include "bft/messages.hpp"

namespace seneschal::bft {

seneschal::Status Settings::validate() const {
  if (checkpoint_interval == 0) return failure("bft: checkpoint_interval is 0; at least 1 is needed");
  if (log_span < 2 * checkpoint_interval || log_span > 65'536)
    return failure("bft: log_span is " + std::to_string(log_span) +
                   "; it must be at least twice checkpoint_interval (" + std::to_string(2 * checkpoint_interval) +
                   ") and at most 65536");
  if (window == 0 || window > log_span)
    return failure("bft: window is " + std::to_string(window) + "; it must be from 1 to log_span (" +
                   std::to_string(log_span) + ")");
  if (batch_max == 0 || batch_max > replication::kMaxBatchUpdates)
    return failure("bft: batch_max is " + std::to_string(batch_max) + "; it must be from 1 to " +
                   std::to_string(replication::kMaxBatchUpdates));
  // View and seq come before the batch, and backups refuse a body above the limit.
  constexpr std::size_t kLargest = kMaxBatchBytes - 16;
  if (batch_max_bytes == 0 || batch_max_bytes > kLargest)
    return failure("bft: batch_max_bytes is " + std::to_string(batch_max_bytes) + "; it must be from 1 to " +
                   std::to_string(kLargest));
  if (log_growth == 0) return failure("bft: log_growth is 0; at least 1 byte is needed");
  if (draw_client.per_second == 0 || draw_client.burst == 0)
    return failure("bft: draw_client must allow more than nothing");
  if (batch_gap_share == 0) return failure("bft: batch_gap_share is 0; at least 1 is needed");
  if (batch_gap.count() < 0) return failure("bft: batch_gap is negative");
  if (retransmit_min.count() <= 0 || retransmit_first < retransmit_min || retransmit_max < retransmit_first)
    return failure("bft: retransmit_min, retransmit_first and retransmit_max must be positive and in this order");
  if (idle_status.count() <= 0) return failure("bft: idle_status must be positive");
  return {};
}

seneschal::Status validate(const Membership& membership) {
  if (membership.sites.size() != 1)
    return failure("bft: " + std::to_string(membership.sites.size()) +
                   " sites; the flat group is one site with all servers");
  const SiteInfo& group = membership.sites[0];
  if (group.servers != 3 * group.faults + 1 || group.servers > kMaxServers)
    return failure("bft: " + std::to_string(group.servers) + " servers with f = " + std::to_string(group.faults) +
                   "; exactly 3f+1 are needed, at most " + std::to_string(kMaxServers));
  return {};
}

}  // namespace seneschal::bft
