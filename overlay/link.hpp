// One link of a node: is the neighbour alive, how far is it, and in which order do packets leave.
#pragma once
#include "overlay/counters.hpp"
#include "overlay/reliable_link.hpp"

#include <deque>
#include <map>

namespace seneschal::overlay {

/// Watches a neighbour by hellos: alive as long as anything arrives, distance from the round trips.
class Liveness {
 public:
  Liveness(const NodeConfig& node, const PeerConfig& peer);

  bool up() const { return up_; }
  /// Anything arrived. True if the link was down until now.
  bool heard(Instant now);
  /// True if the link has just gone down.
  bool check(Instant now);
  bool hello_due(Instant now) const { return now >= next_hello_; }
  Hello make_hello(Instant now);
  /// Errors: NotOurs (a reply to no recent hello).
  std::expected<void, Reject> on_reply(Instant now, const HelloReply& reply);
  Instant deadline() const;

  /// One-way latency as advertised, in microseconds: steady unless the latency really changes.
  std::uint32_t cost_us() const { return cost_us_; }
  /// The smoothed round trip; zero before the first measurement.
  Duration rtt() const { return Duration(srtt_ns_); }
  /// Hellos in a thousand that got no reply, over the last few seconds.
  std::uint32_t loss_permille() const { return loss_permille_; }

 private:
  void measure(std::int64_t rtt_ns);
  void adopt(std::int64_t rtt_ns);

  RoutingMode mode_;
  Duration interval_;
  Duration silence_;
  std::uint64_t boot_;
  bool up_;
  Instant last_heard_{};
  Instant next_hello_{};
  std::uint32_t seq_ = 0;
  struct Asked {
    std::uint32_t seq = 0;
    Instant at{};
    bool open = false;
  };
  std::array<Asked, 16> asked_{};
  std::int64_t srtt_ns_ = 0;
  std::uint32_t loss_permille_ = 0;
  // Queues make round trips longer, never shorter: the least of two windows is the link's own latency.
  std::int64_t window_min_ns_ = 0;
  std::int64_t previous_min_ns_ = 0;
  std::uint32_t in_window_ = 0;
  bool adopted_ = false;
  std::uint32_t cost_us_;
};

/// Knows when the link is free: a twin of the link's own serialisation, so that bulk is released no faster than the
/// link carries it.
class Pacer {
 public:
  explicit Pacer(std::uint64_t bandwidth_bps) { set({}, bandwidth_bps); }
  /// The link has this rate from now on: what it still has to carry takes as much longer or shorter.
  void set(Instant now, std::uint64_t bandwidth_bps);
  bool paces() const { return bandwidth_bps_ != 0; }
  void on_sent(Instant now, std::size_t packet_bytes);
  bool may_send(Instant now) const { return ready_at() <= now; }
  /// When bulk may leave next.
  Instant ready_at() const { return paces() ? busy_until_ - burst_ : Instant{}; }

 private:
  std::uint64_t bandwidth_bps_ = 0;
  Duration burst_{};
  Instant busy_until_{};
};

/// A link state that the neighbour has not acknowledged yet.
struct PendingLinkState {
  Instant due;
  Duration interval;
};

struct Link {
  Link(const NodeConfig& node, const PeerConfig& neighbour)
      : peer(neighbour),
        liveness(node, neighbour),
        pacer(neighbour.bandwidth_bps),
        sender(node.boot, 2 * std::chrono::microseconds(neighbour.metric_us) + 20ms, node.limits.reliable_bytes) {}

  PeerConfig peer;
  Liveness liveness;
  Pacer pacer;
  std::deque<Frame> paced;  // fragments that wait for the link
  std::size_t paced_bytes = 0;
  bool reliable_turn = false;  // fragments and reliable packets take turns
  ReliableSender sender;
  ReliableReceiver receiver;
  std::map<NodeId, PendingLinkState> pending;
  LinkCounters counters;

  /// When the link next needs on_time.
  Instant deadline() const;
};

}  // namespace seneschal::overlay
