// A machine's clock that runs at a rate of its own. Integer arithmetic only.
#pragma once
#include "base/time.hpp"

namespace seneschal::world {

class LocalClock {
 public:
  /// From `now` (true time) on it gains `ppm` microseconds per second.
  void set_rate(Instant now, std::int32_t ppm) {
    local_base_ = local(now);
    true_base_ = now;
    ppm_ = ppm;
  }
  /// What it shows at true time `at`; monotone.
  Instant local(Instant at) const {
    const std::int64_t passed = at.ns - true_base_.ns;
    return {local_base_.ns + passed + gain(passed)};
  }
  /// The first true time at which it shows `shown` or later.
  Instant true_time(Instant shown) const {
    if (shown == Instant::never()) return shown;
    const std::int64_t wanted = shown.ns - local_base_.ns;
    if (wanted <= 0) return true_base_;
    // Rounding is off by a nanosecond or two: begin below and step up.
    const std::int64_t rate = kMillion + ppm_;
    std::int64_t passed = wanted / rate * kMillion + wanted % rate * kMillion / rate - 2;
    while (passed + gain(passed) < wanted) ++passed;
    return {true_base_.ns + passed};
  }

 private:
  static constexpr std::int64_t kMillion = 1'000'000;
  // In two steps, so that nothing overflows within a century.
  std::int64_t gain(std::int64_t passed) const {
    return passed / kMillion * ppm_ + passed % kMillion * ppm_ / kMillion;
  }
  Instant true_base_;
  Instant local_base_;
  std::int32_t ppm_ = 0;
};

}  // namespace seneschal::world
