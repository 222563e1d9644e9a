// The node's links as they really are: a UDP socket, and in front of it the link model of each peer with the packets
// that are still under way.
#pragma once
#include "overlay/daemon/config.hpp"
#include "overlay/daemon/fidelity.hpp"
#include "overlay/wire.hpp"

#include <algorithm>
#include <map>
#include <memory>

namespace seneschal::overlay {

class WireLinks {
 public:
  /// Packets under way on one link; more are dropped. The model bounds what waits for bandwidth, this what is on a
  /// link of unlimited bandwidth and long delay.
  static constexpr std::size_t kMaxUnderWay = 65'536;

  struct Link {
    PeerPlace place;
    emulator::LinkModel model;
    Fidelity fidelity;
    std::size_t under_way = 0;
    std::uint64_t overflows = 0;  // of kMaxUnderWay
  };

  WireLinks(const DaemonConfig& config, std::unique_ptr<asio::UdpSocket> socket);

  asio::UdpSocket& socket() { return *socket_; }
  /// One packet to a peer of ours; leaves after the link's delay, at the latest with the next flush if there is none.
  void transmit(Instant now, NodeId peer, const Frame& frame);
  /// Lets packets go that are due, and measures how late they are.
  void on_time(Instant now);
  /// When on_time is wanted.
  Instant deadline() const { return under_way_.empty() ? Instant::never() : under_way_.front().transit.due; }
  void flush() { socket_->flush(); }
  /// Changes a link at once; packets under way are timed anew.
  void configure(Instant now, Link& link, const emulator::LinkConfig& config);

  /// The peer with this address; nothing for strangers.
  std::optional<NodeId> peer_at(const asio::UdpAddress& address) const;
  Link* find(NodeId peer);
  std::vector<Link>& links() { return links_; }
  /// Some link delays packets or limits their rate.
  bool shaped() const {
    return std::ranges::any_of(
        links_, [](const Link& l) { return l.place.out.delay.count() != 0 || l.place.out.bandwidth_bps != 0; });
  }

 private:
  struct UnderWay {
    emulator::Transit transit;
    std::uint64_t nth;
    std::uint32_t link;
    bool queued;
    Frame frame;
    // A heap's front is the greatest: the earliest counts as greatest.
    bool operator<(const UnderWay& other) const {
      return transit.due != other.transit.due ? transit.due > other.transit.due : nth > other.nth;
    }
  };
  struct Departure {
    std::uint32_t link;
    Instant due;
    bool queued;
  };
  void put(const Link& link, const Frame& frame);

  std::unique_ptr<asio::UdpSocket> socket_;
  std::vector<Link> links_;  // ascending by peer
  std::map<std::array<Byte, 19>, NodeId> by_address_;
  std::vector<UnderWay> under_way_;  // a heap
  std::vector<Departure> departures_;
  std::uint64_t nth_ = 0;
};

/// How fast bulk is released to a link of this model: its bandwidth, or as fast as socket buffers bear.
inline std::uint64_t pacing_rate(const emulator::LinkConfig& link) {
  constexpr std::uint64_t kFastLinkBps = 4'000'000'000;
  return link.bandwidth_bps != 0 ? link.bandwidth_bps : kFastLinkBps;
}

}  // namespace seneschal::overlay
