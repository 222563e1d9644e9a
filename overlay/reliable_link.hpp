// The reliable link: selective acknowledgements and retransmission over one hop. No order is kept: what arrives is
// passed on at once, so that a lost packet delays nobody else's.
#pragma once
#include "overlay/wire.hpp"

#include <deque>

namespace seneschal::overlay {

class ReliableSender {
 public:
  /// `boot` marks our packets; `rtt_guess` serves until the first measurement.
  ReliableSender(std::uint64_t boot, Duration rtt_guess, std::size_t max_bytes);

  bool has_room(std::size_t bytes) const { return bytes_ + bytes <= max_bytes_; }
  /// Takes a data frame over. Needs `has_room(frame.bytes())`.
  void enqueue(Frame frame);
  /// The next frame that should leave now: one that was lost, or a new one if the window is open.
  /// Second: whether it was sent before.
  std::optional<std::pair<Frame, bool>> next(Instant now);
  void on_ack(Instant now, const ReliableAck& ack);
  /// Whether next(now) would give a frame.
  bool wants_to_send(Instant now) const;
  /// When an unacknowledged frame counts as lost.
  Instant deadline() const;
  std::size_t queued() const { return waiting_.size() + flight_.size(); }
  std::size_t queued_bytes() const { return bytes_; }
  Duration timeout() const;
  /// Empties the queues and returns what had not been acknowledged: the link is down.
  std::vector<Frame> take_all();

 private:
  struct InFlight {
    Frame frame;
    Instant sent;
    std::uint64_t order = 0;  // n-th transmission on this link
    std::uint32_t tries = 0;
    bool acked = false;
  };
  Instant lost_at(const InFlight& packet) const;
  Frame transmit(InFlight& packet, Instant now);
  void measure(Duration sample);
  void acknowledge(Instant now, std::uint64_t seq);

  std::uint64_t boot_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  std::deque<Frame> waiting_;
  std::deque<InFlight> flight_;  // flight_[i] has seq base_ + i
  std::uint64_t base_ = 1;
  std::uint64_t transmissions_ = 0;
  std::uint64_t latest_acked_order_ = 0;
  std::int64_t srtt_ns_;
  std::int64_t rttvar_ns_;
  bool measured_ = false;
};

class ReliableReceiver {
 public:
  /// Whether a frame is new; it then counts as received. Errors: Duplicate, OutsideWindow, Replay (of an older boot).
  std::expected<void, Reject> accept(Instant now, const ReliableHeader& header);
  /// Asks accept's question without counting the frame, so that a frame for a full queue can be left to a retry.
  std::expected<void, Reject> admits(const ReliableHeader& header) const;
  /// A repeated frame means that our acknowledgement was lost.
  void acknowledge_again(Instant now) { due_ = std::min(due_, now + kAckDelay); }
  Instant ack_due() const { return due_; }
  ReliableAck take_ack();

 private:
  static constexpr Duration kAckDelay = 2ms;
  static constexpr std::uint32_t kAckEvery = 8;
  std::uint64_t floor_for(const ReliableHeader& header) const;

  std::uint64_t boot_ = 0;
  std::uint64_t base_ = 1;  // all below have arrived
  std::deque<bool> have_;   // have_[i]: base_ + i
  std::uint32_t unacked_ = 0;
  Instant due_ = Instant::never();
};

}  // namespace seneschal::overlay
