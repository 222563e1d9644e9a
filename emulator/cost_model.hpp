// Cost files: how long each kind of work takes on some machine, for the simulator. Under [costs], each `Op` by name
// with its unit, `receive_us = 3` or `hash_byte_ns = 2`; every one must be there, so that nothing is free by
// accident. [[threshold]] entries give the threshold signature's operations for (k of n) at a key size. [sizes] says
// how many bytes each kind of signature adds to a message.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "runtime/cost.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace seneschal::emulator {

inline constexpr std::size_t kOpCount = static_cast<std::size_t>(Op::kLast) + 1;

/// Bytes that each kind of signature adds.
struct SignatureSizes {
  std::uint32_t server = 256;
  std::uint32_t client = 64;
  std::uint32_t site = 256;
  std::uint32_t mac = 16;
  bool operator==(const SignatureSizes&) const = default;
};

/// Costs of one shape of threshold key, in picoseconds.
struct ThresholdCosts {
  std::uint32_t k = 0;  // shares needed
  std::uint32_t n = 0;  // shares dealt
  std::uint32_t bits = 0;
  std::int64_t share_ps = 0;
  std::int64_t prove_ps = 0;  // share and proof together
  std::int64_t check_proof_ps = 0;
  std::int64_t combine_ps = 0;
  bool operator==(const ThresholdCosts&) const = default;
};

/// What work costs. Held in picoseconds, since a byte's share is less than a nanosecond.
class CostModel {
 public:
  /// CPU time of `count` pieces of work (for Persist: latency), rounded down to nanoseconds. For Share, Prove,
  /// CheckProof and Combine the costs of the shape chosen by `for_threshold`, else of the smallest.
  Duration cost(Op op, std::uint64_t count = 1) const {
    const std::int64_t ps = picoseconds_[static_cast<std::size_t>(op)];
    return Duration(ps * static_cast<std::int64_t>(count) / 1000);
  }

  /// The same model with threshold costs for (k of n). Without an entry of that shape the one with the next greater k
  /// counts; beyond the greatest, combining grows in proportion to k.
  CostModel for_threshold(std::uint32_t k, std::uint32_t n) const;

  void set(Op op, Duration each) { picoseconds_[static_cast<std::size_t>(op)] = each.count() * 1000; }
  void set_picoseconds(Op op, std::int64_t each) { picoseconds_[static_cast<std::size_t>(op)] = each; }
  /// Adds an entry (sorted by n, then k) or replaces the one of the same shape.
  void set_threshold(const ThresholdCosts& entry);

  const std::vector<ThresholdCosts>& thresholds() const { return thresholds_; }
  bool operator==(const CostModel&) const = default;

  std::string description;
  SignatureSizes sizes;

  /// A file that `parse_costs` reads back to an equal model.
  std::string to_toml() const;

  /// All costs zero: time is spent on links only.
  static CostModel free() { return {}; }

 private:
  std::array<std::int64_t, kOpCount> picoseconds_{};
  std::vector<ThresholdCosts> thresholds_;
};

/// Reads and checks a cost file; errors name file, line and what to do.
Result<CostModel> load_costs(const std::string& path);
Result<CostModel> parse_costs(std::string_view text, std::string_view file_name);

}  // namespace seneschal::emulator
