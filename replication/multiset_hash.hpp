// A digest of a set of entries that is updated in constant time when one entry comes or goes.
#pragma once
#include "crypto/digest.hpp"

#include <array>

namespace seneschal::replication {

/// Sum of SHA-256 values, as four 64-bit lanes that wrap. Independent of the order of additions; removal is
/// subtraction.
///
/// Adequate for what it is used for: correct servers that executed the same operations have equal sums, and servers
/// that diverged by a bug have different ones (except with probability 2^-256). It does not withstand somebody who
/// chooses thousands of entries to make two different sets collide (Wagner's generalised birthday attack on additive
/// hashes), so it never vouches for a transferred state: a snapshot is checked against a SHA-256 of its bytes.
class MultisetHash {
 public:
  void add(const Digest& entry) { combine(entry, false); }
  void remove(const Digest& entry) { combine(entry, true); }
  Digest value() const {
    Digest digest;
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane)
      for (std::size_t i = 0; i < 8; ++i)
        digest.bytes[lane * 8 + i] = static_cast<Byte>(lanes_[lane] >> (56 - 8 * i));
    return digest;
  }
  bool operator==(const MultisetHash&) const = default;

 private:
  void combine(const Digest& entry, bool negative) {
    for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
      std::uint64_t word = 0;
      for (std::size_t i = 0; i < 8; ++i) word = word << 8 | entry.bytes[lane * 8 + i];
      lanes_[lane] += negative ? ~word + 1 : word;
    }
  }
  std::array<std::uint64_t, 4> lanes_{};
};

}  // namespace seneschal::replication
