// How long this server's disk takes to make a record durable. [Steward 6]
#pragma once
#include "base/time.hpp"
#include "runtime/effects.hpp"

#include <algorithm>
#include <optional>

namespace seneschal::steward {

/// One write at a time is measured, from asking for it to hearing that it is durable: what waits before it in the
/// disk's queue counts, too. The longest of late counts, fading by an eighth with each measurement. A write that has
/// not ended yet counts with what it takes so far, so a disk that stalls is slow before it answers.
class WriteTime {
 public:
  /// After every input: `last` is the newest record of this life, 0 if there is none.
  void asked(Instant now, Ticket last) {
    if (under_way_ || last <= newest_) return;
    newest_ = last;
    under_way_ = now;
    asked_at_ = now;
  }
  /// Records become durable in the order of their tickets.
  void durable(Instant now, Ticket ticket) {
    if (!under_way_ || ticket < newest_) return;
    longest_ = std::max(now - *under_way_, longest_ - longest_ / 8);
    under_way_.reset();
  }
  /// The log is lost: nothing is written any more.
  void stop() { *this = {}; }

  Duration time(Instant now) const { return under_way_ ? std::max(longest_, now - *under_way_) : longest_; }
  /// Nothing was measured of late: only another write can tell how long one takes now.
  bool unknown(Instant now) const { return !under_way_ && (!asked_at_ || now - *asked_at_ >= kMeasureEvery); }

 private:
  static constexpr Duration kMeasureEvery = std::chrono::seconds(5);
  Ticket newest_;                     // the last one measured
  std::optional<Instant> under_way_;  // since when the measured one is
  std::optional<Instant> asked_at_;   // when one was measured last
  Duration longest_{};
};

}  // namespace seneschal::steward
