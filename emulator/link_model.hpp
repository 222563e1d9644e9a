// One direction of one link: what becomes of each datagram, and when. Pure arithmetic on instants that the caller
// supplies, so that a daemon (real clock) and the simulator (virtual clock) run the very same model.
#pragma once
#include "base/time.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
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

/// A copy of a datagram that the link has accepted and not delivered: what its carrier keeps beside it, so that a
/// change of the link changes when it arrives.
struct Transit {
  std::uint64_t nth = 0;  // of the packets offered to the link
  std::uint8_t copy = 0;
  bool reordered = false;
  std::size_t wire_bytes = 0;
  Instant sent{};  // end of serialisation
  Instant due{};   // arrival
};

/// What becomes of one datagram.
struct Fate {
  std::uint8_t copies = 0;  // 0: dropped; 2: duplicated
  DropReason dropped = DropReason::None;
  bool reordered = false;
  std::uint64_t nth = 0;
  std::size_t wire_bytes = 0;
  Instant sent{};                     // end of serialisation; meaningless if the queue was full
  std::array<Instant, 2> arrivals{};  // of each copy

  Transit transit(std::uint8_t copy) const { return {nth, copy, reordered, wire_bytes, sent, arrivals[copy]}; }
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

/// The model of one direction. Not thread-safe; allocates nothing but while it is changed.
class LinkModel {
 public:
  LinkModel(const LinkConfig& config, const LinkKey& key);

  /// A datagram of `payload_bytes` is handed to the link at `now` (never earlier than at the call before).
  Fate offer(Instant now, std::size_t payload_bytes);

  /// Changes the link at `now`. `waiting` is what it has accepted and not delivered, in any order: every one of them
  /// is timed anew, as if it had been offered to the changed link. What has left the queue arrives after the new
  /// delay, at once if that is over; what waits for bandwidth leaves at the new rate, in order. What was drawn for a
  /// packet stays drawn: jitter keeps its place within the new bound. Lost packets no longer occupy the link.
  void configure(Instant now, const LinkConfig& config, std::span<Transit* const> waiting);

  const LinkConfig& config() const { return config_; }
  const LinkCounters& counters() const { return counters_; }
  /// Bytes accepted but not yet serialised at `now`.
  std::uint64_t queued_bytes(Instant now) const;
  /// When the link will have serialised all that it accepted.
  Instant busy_until() const { return busy_until_; }

 private:
  void adopt(const LinkConfig& config);
  Duration serialise(std::size_t wire_bytes, bool idle);
  /// Serialises again what waits at `now`; returns when the last of it has left.
  void serialise_again(Instant now, std::span<Transit* const> in_order, std::uint64_t former_bps);
  Instant arrival(Instant sent, std::uint64_t nth, bool reordered);
  Duration draw_jitter(std::uint64_t prefix, std::uint64_t nth) const;

  LinkConfig config_;
  Duration queue_time_{};  // the queue's length as time at the present bandwidth
  std::uint64_t nth_ = 0;  // packets offered so far: the last part of each draw's key
  Instant busy_until_{};
  Instant last_arrival_{};
  std::uint64_t remainder_ = 0;              // of the last serialisation, in 1/bandwidth ns: keeps busy periods exact
  std::array<std::uint64_t, 5> prefixes_{};  // one per kind of draw
  LinkCounters counters_;
};

}  // namespace seneschal::emulator
