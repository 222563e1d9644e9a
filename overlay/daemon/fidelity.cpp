#include "overlay/daemon/fidelity.hpp"

#include <algorithm>
#include <bit>

namespace seneschal::overlay {
namespace {

// Bucket 0 is below 1 us (1024 ns); then eight buckets per octave.
std::size_t bucket_of(std::uint64_t ns) {
  if (ns < 1024) return 0;
  const auto octave = static_cast<std::size_t>(std::bit_width(ns)) - 1;  // at least 10
  return 1 + (octave - 10) * 8 + (ns >> (octave - 3) & 7);
}

std::uint64_t upper_edge(std::size_t bucket) {
  if (bucket == 0) return 1024;
  const std::size_t octave = (bucket - 1) / 8 + 10;
  return (std::uint64_t{9} + (bucket - 1) % 8) << (octave - 3);
}

}  // namespace

void DurationHistogram::add(Duration value) {
  const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0));
  ++buckets_[std::min(bucket_of(ns), kBuckets - 1)];
  ++count_;
  max_ = std::max(max_, value);
}

Duration DurationHistogram::percentile(std::uint32_t permille) const {
  if (count_ == 0) return {};
  const std::uint64_t rank = (count_ * permille + 999) / 1000;
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min(Duration(static_cast<std::int64_t>(upper_edge(i))), max_);
  }
  return max_;
}

void Fidelity::departed(Instant due, Instant left, bool queued) {
  delay_error_.add(left - due);
  if (!queued || in_period_ == 0) {
    close_period();
    first_due_ = due;
    first_left_ = left;
  }
  ++in_period_;
  last_due_ = due;
  last_left_ = left;
  // Long periods are judged in pieces, so that a link that is always busy is judged too.
  if (in_period_ >= 10 * kBusyPackets) close_period();
}

void Fidelity::close_period() {
  const auto modelled = (last_due_ - first_due_).count();
  if (in_period_ >= kBusyPackets && modelled > 0) {
    const auto real = (last_left_ - first_left_).count();
    const auto deviation = static_cast<std::uint64_t>(real > modelled ? real - modelled : modelled - real);
    ++busy_periods_;
    deviation_ns_ += deviation;
    modelled_ns_ += static_cast<std::uint64_t>(modelled);
    worst_ppm_ = std::max(worst_ppm_, deviation * 1'000'000 / static_cast<std::uint64_t>(modelled));
  }
  in_period_ = 0;
}

}  // namespace seneschal::overlay
