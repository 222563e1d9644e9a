#include "steward/in_flight.hpp"

#include <algorithm>

namespace seneschal::steward {
namespace {
/// A shortest round that was measured longer ago may be one of other links: one round with nearly empty queues shows.
constexpr Duration kBelieved = 10s;
constexpr Duration kLongestRound = 10s;  // keeps products below 2^63
}  // namespace

void InFlight::cut(Instant now, Seq seq, std::size_t bytes) {
  if (!cuts_.emplace(seq, Cut{now, delivered_, bytes}).second) return;
  under_way_ += bytes;
}

void InFlight::executed(Instant now, Seq seq) {
  while (!cuts_.empty() && cuts_.begin()->first <= seq) {
    const Cut cut = cuts_.begin()->second;
    cuts_.erase(cuts_.begin());
    under_way_ -= cut.bytes;
    delivered_ += cut.bytes;
    measure(now, cut);
  }
  if (drained_by_.value != 0 && seq >= drained_by_) drained_by_ = {};
  if (drained_by_.value == 0 && now - shortest_at_ > kBelieved && !cuts_.empty()) {
    // The last that is under way has waited in what the limit let queue up; the one after it will not have.
    shortest_ = {};
    shortest_at_ = now;
    drained_by_ = cuts_.rbegin()->first.next();
  }
}

void InFlight::measure(Instant now, const Cut& cut) {
  const Duration took = std::clamp(now - cut.at, Duration{1}, kLongestRound);
  if (shortest_.count() == 0 || took <= shortest_) {
    shortest_ = took;
    shortest_at_ = now;
  }
  const auto delivered =
      static_cast<std::int64_t>(std::min<std::uint64_t>(delivered_ - cut.delivered_before, 1 << 28));
  samples_[next_sample_++ % samples_.size()] =
      static_cast<std::size_t>(delivered * (shortest_ / 1us) / std::max<std::int64_t>(took / 1us, 1));
}

void InFlight::view_changed() {
  cuts_.clear();
  under_way_ = 0;
  drained_by_ = {};
}

bool InFlight::has_room_for(Seq seq) const {
  std::size_t below = 0;
  for (auto it = cuts_.begin(); it != cuts_.end() && it->first < seq; ++it) below += it->second.bytes;
  return below < 2 * limit();
}

std::size_t InFlight::limit() const {
  if (drained_by_.value != 0) return least_;
  const std::size_t most = *std::ranges::max_element(samples_);
  return std::max(least_, most + most / 2);
}

}  // namespace seneschal::steward
