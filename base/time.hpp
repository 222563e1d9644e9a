// Time as an argument: nanoseconds on a monotonic clock, real or virtual. Never the wall clock.
#pragma once
#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>

namespace seneschal {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;

/// A point on the host's monotonic clock, in nanoseconds since an arbitrary start.
struct Instant {
  std::int64_t ns = 0;
  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration d) const { return {ns + d.count()}; }
  constexpr Instant operator-(Duration d) const { return {ns - d.count()}; }
  constexpr Duration operator-(Instant other) const { return Duration(ns - other.ns); }
  static constexpr Instant never() { return {std::numeric_limits<std::int64_t>::max()}; }
};

/// Milliseconds as a floating-point number: for people and reports only, never for decisions.
inline double to_ms(Duration d) {
  return static_cast<double>(d.count()) / 1e6;
}
inline double to_seconds(Duration d) {
  return static_cast<double>(d.count()) / 1e9;
}

}  // namespace seneschal
