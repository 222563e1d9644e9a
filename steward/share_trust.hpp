// Which servers' shares count without a proof. [Steward 3.6]
#pragma once
#include "base/ids.hpp"

#include <algorithm>
#include <cstdint>
#include <map>

namespace seneschal::steward {

/// A server whose share was part of a combination that failed, and that had not proven it when the others were
/// enough, is on probation: its shares count only with their proofs. Nothing convicts it: the proof may have been
/// lost. So probation ends after some proven shares, and each one is twice as long as the last.
class ShareTrust {
 public:
  bool trusts(ServerIndex server) const {
    auto it = records_.find(server);
    return it == records_.end() || it->second.left == 0;
  }
  bool doubts_anybody() const {
    return std::ranges::any_of(records_, [](const auto& record) { return record.second.left != 0; });
  }
  /// A combination with an unproven share of `server` failed.
  void spoiled(ServerIndex server) {
    Record& record = records_[server];
    record.left = kFirst << std::min(record.times, kMaxDoublings);
    ++record.times;
  }
  /// The share that `spoiled` was about is proven after all.
  void acquit(ServerIndex server) {
    auto it = records_.find(server);
    if (it == records_.end() || it->second.times == 0) return;
    --it->second.times;
    it->second.left = 0;
  }
  /// Another share of it was proven. True if that ends its probation.
  bool proved(ServerIndex server) {
    auto it = records_.find(server);
    return it != records_.end() && it->second.left != 0 && --it->second.left == 0;
  }

 private:
  static constexpr std::uint32_t kFirst = 8;
  static constexpr std::uint32_t kMaxDoublings = 16;
  struct Record {
    std::uint32_t left = 0;   // proven shares until it is trusted again
    std::uint32_t times = 0;  // that it was on probation
  };
  std::map<ServerIndex, Record> records_;  // bounded by the site
};

}  // namespace seneschal::steward
