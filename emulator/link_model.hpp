// One direction of one link: what becomes of each datagram, and when. Pure arithmetic on instants that the caller
// supplies, so that a daemon (real clock) and the simulator (virtual clock) run the very same model.
#pragma once
#include "base/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace seneschal::emulator {

/// IPv4 and UDP headers: every datagram is this much longer on the wire than its payload.
inline constexpr std::size_t kIpUdpHeaderBytes = 28;
/// Probabilities are in parts per million; this many are certainty.
inline constexpr std::uint32_t kCertainPpm = 1'000'000;
/// Least default length of a queue.
inline constexpr std::uint64_t kLeastQueueBytes = 64 * 1024;

/// What one direction of a link does to datagrams.
struct LinkConfig {
  Duration delay{};   // propagation, one way
  Duration jitter{};  // uniform 0..jitter on top; order is kept unless a packet is picked for reordering
  std::uint64_t bandwidth_bps = 0;  // 0: unlimited
  std::uint64_t queue_bytes = 0;    // 0: bandwidth times delay, at least 64 KiB
  std::uint32_t loss_ppm = 0;
  std::uint32_t duplicate_ppm = 0;
  std::uint32_t reorder_ppm = 0;
  Duration reorder_extra{};  // how much later a reordered packet arrives

  auto operator<=>(const LinkConfig&) const = default;

  /// The queue's length in bytes with the default worked out.
  std::uint64_t effective_queue_bytes() const;
};

/// Identifies the link's random draws. Draws are keyed by (seed, stream, source, destination, n-th packet), so what
/// happens to one packet never changes the luck of another.
struct LinkKey {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;
  std::uint64_t source = 0;
  std::uint64_t destination = 0;
};

enum class DropReason : std::uint8_t { None, QueueFull, Lost, kLast = Lost };
std::string_view to_string(DropReason reason);

/// What becomes of one datagram.
struct Fate {
  std::uint8_t copies = 0;  // 0: dropped; 2: duplicated
  DropReason dropped = DropReason::None;
  Instant sent{};                     // end of serialisation; meaningless if the queue was full
  std::array<Instant, 2> arrivals{};  // of each copy
};

struct LinkCounters {
  std::uint64_t packets = 0;      // offered
  std::uint64_t wire_bytes = 0;   // put on the wire, headers included, lost ones too, duplicates once
  std::uint64_t queue_drops = 0;  // packets refused by the full queue
  std::uint64_t losses = 0;       // packets lost on the way
  std::uint64_t duplicates = 0;
  std::uint64_t reordered = 0;
  Duration busy{};  // time spent serialising
};

/// The model of one direction. Not thread-safe; allocates nothing.
class LinkModel {
 public:
  LinkModel(const LinkConfig& config, const LinkKey& key);

  /// A datagram of `payload_bytes` is handed to the link at `now` (never earlier than at the call before).
  Fate offer(Instant now, std::size_t payload_bytes);

  /// Changes the link at once. Packets already accepted keep their times, and order is kept across the change.
  void configure(const LinkConfig& config);

  const LinkConfig& config() const { return config_; }
  const LinkCounters& counters() const { return counters_; }
  /// Bytes accepted but not yet serialised at `now`.
  std::uint64_t queued_bytes(Instant now) const;
  /// When the link will have serialised all that it accepted.
  Instant busy_until() const { return busy_until_; }

 private:
  Duration serialise(std::size_t wire_bytes, bool idle);
  Duration backlog(Instant now) const;
  Duration draw_jitter(std::uint64_t prefix) const;

  LinkConfig config_;
  Duration queue_time_{};  // the queue's length as time at the present bandwidth
  std::uint64_t nth_ = 0;  // packets offered so far: the last part of each draw's key
  Instant busy_until_{};
  Instant last_arrival_{};
  Instant last_offer_{};
  std::uint64_t remainder_ = 0;  // of the last serialisation, in 1/bandwidth ns: keeps busy periods exact
  // Bytes accepted before the bandwidth changed leave at the old rate: they drain evenly until `carried_until_`.
  std::uint64_t carried_bytes_ = 0;
  Instant carried_from_{};
  Instant carried_until_{};
  std::array<std::uint64_t, 5> prefixes_{};  // one per kind of draw
  LinkCounters counters_;
};

}  // namespace seneschal::emulator
