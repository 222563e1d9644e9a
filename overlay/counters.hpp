// Nothing is dropped silently: every drop has a counter and a reason.
#pragma once
#include "base/result.hpp"

#include <array>

namespace seneschal::overlay {

class DropCounts {
 public:
  void add(Reject reason, std::uint64_t n = 1) { by_reason_[static_cast<std::size_t>(reason)] += n; }
  std::uint64_t at(Reject reason) const { return by_reason_[static_cast<std::size_t>(reason)]; }
  std::uint64_t total() const {
    std::uint64_t sum = 0;
    for (std::uint64_t n : by_reason_) sum += n;
    return sum;
  }
  /// Calls `f(reason, count)` for every reason that occurred.
  template <class F>
  void each(F f) const {
    for (std::size_t i = 0; i < by_reason_.size(); ++i)
      if (by_reason_[i] != 0) f(static_cast<Reject>(i), by_reason_[i]);
  }

 private:
  std::array<std::uint64_t, static_cast<std::size_t>(Reject::kLast) + 1> by_reason_{};
};

/// One link as its node sees it. Bytes are overlay packets, without IP and UDP headers.
struct LinkCounters {
  std::uint64_t packets_sent = 0;
  std::uint64_t bytes_sent = 0;
  std::uint64_t packets_received = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t control_bytes_sent = 0;  // of bytes_sent: hellos, link states, acknowledgements
  std::uint64_t retransmitted = 0;       // reliable packets sent again
  std::uint64_t times_down = 0;
  DropCounts drops;
};

struct NodeCounters {
  std::uint64_t sent = 0;          // datagrams handed in by local endpoints
  std::uint64_t delivered = 0;     // datagrams handed to local endpoints
  std::uint64_t forwarded = 0;     // packets passed on for others
  std::uint64_t routes_built = 0;  // times the routes were computed anew
  DropCounts drops;
};

}  // namespace seneschal::overlay
