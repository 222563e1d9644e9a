// Does a shaped link do what it was told? Departure against due time of every delayed packet, and the rate that busy
// periods really had.
#pragma once
#include "base/time.hpp"

#include <array>
#include <cstdint>

namespace seneschal::overlay {

/// Counts of durations in buckets of an eighth of an octave above 1 us: percentiles within 13 %.
class DurationHistogram {
 public:
  void add(Duration value);
  std::uint64_t count() const { return count_; }
  Duration max() const { return max_; }
  /// Upper edge of the bucket that holds the given per-mille rank; zero if empty.
  Duration percentile(std::uint32_t permille) const;

 private:
  static constexpr std::size_t kBuckets = 256;
  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t count_ = 0;
  Duration max_{};
};

class Fidelity {
 public:
  /// Shorter busy periods say nothing about bandwidth.
  static constexpr std::uint64_t kBusyPackets = 100;

  /// A packet that was due to leave at `due` left at `left`. `queued`: the link was busy when it came, so it
  /// continues the busy period of the packet before.
  void departed(Instant due, Instant left, bool queued);

  const DurationHistogram& delay_error() const { return delay_error_; }
  std::uint64_t busy_periods() const { return busy_periods_; }
  /// Of busy periods of at least kBusyPackets: how far their real length was from the model's, in parts per million;
  /// weighted mean, and the worst.
  std::uint64_t bandwidth_error_ppm() const {
    return modelled_ns_ == 0 ? 0 : deviation_ns_ * 1'000'000 / modelled_ns_;
  }
  std::uint64_t worst_bandwidth_error_ppm() const { return worst_ppm_; }

 private:
  void close_period();

  DurationHistogram delay_error_;
  Instant first_due_{}, first_left_{}, last_due_{}, last_left_{};
  std::uint64_t in_period_ = 0;
  std::uint64_t busy_periods_ = 0;
  std::uint64_t deviation_ns_ = 0;
  std::uint64_t modelled_ns_ = 0;
  std::uint64_t worst_ppm_ = 0;
};

}  // namespace seneschal::overlay
