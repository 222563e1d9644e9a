// The overlay node as a deterministic core: no sockets, no clock, no randomness. The daemon drives it with real time
// and UDP, the simulator with virtual time and shared packets.
#pragma once
#include "overlay/fragments.hpp"
#include "overlay/link.hpp"
#include "overlay/link_state_db.hpp"

#include <set>

namespace seneschal::overlay {

/// What the node does to the world. Calls must not call the node back: queue instead.
class NodeEnv {
 public:
  virtual ~NodeEnv() = default;
  /// One packet to a neighbour. Copying the frame shares its payload; `write_header` makes its wire form.
  virtual void transmit(NodeId peer, const Frame& frame) = 0;
  /// One datagram to a local endpoint (for a multicast, once for each member).
  virtual void deliver(Port port, const Delivery& delivery) = 0;
};

/// One link, for people.
struct LinkReport {
  NodeId peer;
  bool up = false;
  std::uint32_t cost_us = 0;
  Duration rtt{};
  std::uint32_t loss_permille = 0;
  std::size_t queued_packets = 0;
  LinkCounters counters;
};

class NodeCore {
 public:
  /// Peers beyond kMaxNeighbours are ignored; the daemon refuses such a configuration earlier.
  NodeCore(NodeConfig config, NodeEnv& env);

  void start(Instant now);
  /// A packet from a configured peer. Bad ones are counted, nothing else happens.
  void on_frame(Instant now, NodeId from, Frame frame);
  /// The same, as it came from the socket.
  void on_datagram(Instant now, NodeId from, SharedBytes datagram);
  /// A datagram from an address that belongs to no peer.
  void on_stranger() { counters_.drops.add(Reject::UnknownPeer); }
  void on_time(Instant now);
  /// When on_time is due. Earlier calls do nothing.
  Instant deadline() const;

  /// Sends `payload` from a local endpoint. Its own multicast does not come back to it.
  /// Errors: TooLong; NotOurs (the port is not open); NoRoute; QueueFull (of one link at least; other members of the
  /// group may get it). All are counted.
  std::expected<void, Reject> send(Instant now, Port source, const Target& target, SharedBytes payload,
                                   Service service = Service::BestEffort);

  /// Endpoints. Errors: Duplicate (already open), Overloaded (max_ports).
  std::expected<void, Reject> open(Port port);
  void close(Instant now, Port port);
  /// Errors: NotOurs (the port is not open), Overloaded (kMaxGroups).
  std::expected<void, Reject> join(Instant now, Port port, GroupId group);
  void leave(Instant now, Port port, GroupId group);

  /// The link's rate has changed; 0: not paced.
  void set_bandwidth(Instant now, NodeId peer, std::uint64_t bandwidth_bps);

  NodeId self() const { return config_.self; }
  const NodeConfig& config() const { return config_; }
  NodeCounters counters() const;
  std::vector<LinkReport> links() const;
  const Routes& routes();
  const LinkStateDb& link_states() const { return db_; }
  const Reassembler& reassembler() const { return reassembler_; }
  const std::map<GroupId, std::set<Port>>& groups() const { return groups_; }

 private:
  // node_core.cpp: packets
  Link* link_to(NodeId peer);
  void on_data(Instant now, Link& from, Frame frame);
  bool accept_reliable(Instant now, Link& from, const Frame& frame);
  bool onward(const Link* from, const DataHeader& header);
  bool onward_room(std::size_t bytes) const;
  void receive_local(Instant now, const Frame& frame);
  void deliver(const Target& target, EndpointId source, const Message& message);
  void pass(Instant now, Link& link, const Frame& frame);
  std::expected<void, Reject> admit_message(const DataHeader& header);
  void transmit(Instant now, Link& link, const Frame& frame);
  void pump(Instant now, Link& link);
  void reroute(Instant now, std::vector<Frame> frames);

  // node_control.cpp: hellos and link states
  void on_control(Instant now, Link& from, const Frame& frame);
  std::expected<void, Reject> handle_control(Instant now, Link& from, const Frame& frame);
  std::expected<void, Reject> on_link_state(Instant now, Link& from, const LinkState& state);
  void link_changed(Instant now, Link& link);
  void schedule_origination(Instant now);
  void originate(Instant now);
  void flood(Instant now, NodeId origin, const Link* except);
  void resend_link_states(Instant now, Link& link);
  void offer_everything(Instant now, Link& link);
  void refresh_routes();
  bool watches() const { return config_.routing != RoutingMode::Static; }

  NodeConfig config_;
  NodeEnv& env_;
  std::vector<Link> links_;  // ascending by peer
  std::set<Port> ports_;
  std::map<GroupId, std::set<Port>> groups_;
  LinkStateDb db_;
  Routes routes_;
  bool routes_stale_ = true;
  Reassembler reassembler_;
  NodeCounters counters_;
  std::uint32_t next_message_;
  LinkStateId own_;
  std::vector<Neighbour> advertised_;
  Instant last_originated_{};
  Instant originate_due_ = Instant::never();
  std::vector<Link*> onward_;  // scratch: where the packet at hand goes
  bool here_ = false;          // scratch: and whether it is also for us
};

}  // namespace seneschal::overlay
