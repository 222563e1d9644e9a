// The network of a simulated deployment: an overlay node per site, link models between them, and each site's LAN.
//
// A datagram takes: its sender's LAN link to the router (half the LAN's delay), the router (Op::Forward for every
// packet in and out), link models between sites, the receiver's LAN link. With everything on one host there is no
// LAN.
#pragma once
#include "emulator/world/sim_process.hpp"
#include "lab/sim/simulation.hpp"
#include "overlay/node_core.hpp"

#include <map>
#include <variant>

namespace seneschal::lab::sim {

/// The router of one site: an overlay node on its host.
class RouterProcess final : private world::Process, private world::Handler, private overlay::NodeEnv {
 public:
  class Wire {  // what is around a router
   public:
    virtual ~Wire() = default;
    virtual void transmit(Instant at, NodeId from, NodeId to, const overlay::Frame& frame) = 0;
    virtual void deliver(Instant at, NodeId at_node, Port port, const overlay::Delivery& delivery) = 0;
  };

  RouterProcess(world::World& world, world::Host& host, const emulator::CostModel& costs, overlay::NodeConfig config,
                Wire& wire);

  void start();
  /// Before the world runs: a local endpoint and its groups.
  void open(Port port, std::span<const GroupId> groups);
  /// A local endpoint's datagram reaches the router at `at`.
  void send(Instant at, Port source, const overlay::Target& target, SharedBytes bytes);
  /// The same, now.
  void take(Port source, const overlay::Target& target, SharedBytes bytes) {
    host_.submit(slot_, kLocal, sends_.put({source, target, std::move(bytes)}));
  }
  /// A neighbour's packet reaches the router now.
  void take(NodeId from, overlay::Frame frame) { host_.submit(slot_, kFrame, frames_.put({from, std::move(frame)})); }

  /// The rate of its link to a neighbour has changed: bulk that waits may leave earlier now.
  void set_bandwidth(NodeId peer, std::uint64_t bandwidth_bps) {
    core_.set_bandwidth(world_.now(), peer, bandwidth_bps);
    host_.submit(slot_, kWake, 0);
  }

  overlay::NodeCore& core() { return core_; }
  world::Host& host() { return host_; }

 private:
  enum Kind : std::uint32_t { kLocal, kFrame, kWake };
  struct LocalSend {
    Port source;
    overlay::Target target;
    SharedBytes bytes;
  };
  struct FromPeer {
    NodeId from;
    overlay::Frame frame;
  };

  void fire(Instant now, std::uint32_t kind, std::uint32_t payload) override;
  Duration run(Instant start, std::uint32_t kind, std::uint32_t payload) override;
  void transmit(NodeId peer, const overlay::Frame& frame) override { out_.push_back({peer, frame}); }
  void deliver(Port port, const overlay::Delivery& delivery) override { local_.push_back({port, delivery}); }

  world::World& world_;
  world::Host& host_;
  const emulator::CostModel& costs_;
  Wire& wire_;
  overlay::NodeCore core_;
  std::uint32_t slot_;
  world::Slab<LocalSend> sends_;
  world::Slab<FromPeer> frames_;
  std::vector<FromPeer> out_;  // what the input at hand causes
  std::vector<std::pair<Port, overlay::Delivery>> local_;
  Instant scheduled_ = Instant::never();
};

class Network final : public world::Transport, private RouterProcess::Wire, private world::Handler {
 public:
  /// Makes the routers. `one_host`: all on that host and no LAN; else each on a host of its own.
  Network(world::World& world, const Deployment& deployment, const Directory& directory,
          const emulator::CostModel& costs, const Machines& machines, world::Host* one_host);

  /// Connects a process to its site's router; sets its tag.
  void attach(world::SimProcess& process);
  void start();

  void send(Instant at, world::SimProcess& from, std::span<const Destination> to, const SharedBytes& sealed) override;

  std::size_t sites() const { return sites_; }
  /// The link model from one site to another; null if there is no link.
  const emulator::LinkModel* wan(std::size_t from, std::size_t to) const;
  /// Changes the link from one site to another, if there is one. What is under way is timed anew.
  void configure_wan(std::size_t from, std::size_t to, const emulator::LinkConfig& config);
  /// Changes the LAN links of all processes at a site, likewise.
  void configure_lan(std::size_t site, const emulator::LinkConfig& lan);
  /// While a pair of sites is cut, nothing passes from one to the other.
  void cut(std::size_t from, std::size_t to, bool is_cut);
  std::vector<world::Host*> router_hosts();
  RouterProcess& router(std::size_t site) { return *routers_[site]; }

 private:
  struct Attachment {
    world::SimProcess* process;
    std::size_t site;
    Port port;
    emulator::LinkModel up;
    emulator::LinkModel down;
  };
  struct WanLink {
    emulator::LinkModel model;
    bool cut = false;
  };

  struct ToRouter {  // from a neighbour
    std::size_t site;
    NodeId from;
    overlay::Frame frame;
  };
  struct FromProcess {  // to its router
    std::size_t site;
    Port source;
    overlay::Target target;
    SharedBytes bytes;
  };
  struct ToProcess {
    world::SimProcess* process;
    SharedBytes bytes;
    EndpointId origin;
  };
  /// A packet on a link. A change of the link schedules it anew; events of earlier times find that it is not due.
  struct UnderWay {
    const emulator::LinkModel* link = nullptr;
    emulator::Transit transit;
    std::uint32_t events = 0;  // scheduled for it
    bool arrived = false;
    std::variant<ToRouter, FromProcess, ToProcess> packet;
  };

  void fire(Instant now, std::uint32_t kind, std::uint32_t payload) override;
  void put_on(const emulator::LinkModel& link, const emulator::Fate& fate,
              const std::variant<ToRouter, FromProcess, ToProcess>& packet);
  void configure(emulator::LinkModel& link, const emulator::LinkConfig& config);
  void transmit(Instant at, NodeId from, NodeId to, const overlay::Frame& frame) override;
  void deliver(Instant at, NodeId at_node, Port port, const overlay::Delivery& delivery) override;
  std::optional<overlay::Target> resolve(const Destination& to) const;
  emulator::LinkConfig up_link(const emulator::LinkConfig& lan) const;
  emulator::LinkConfig down_link(const emulator::LinkConfig& lan) const;

  world::World& world_;
  Directory directory_;
  bool lan_;  // false: everything on one host
  emulator::LinkConfig lan_config_;
  std::size_t sites_;
  std::vector<std::unique_ptr<world::Host>> hosts_;
  std::vector<std::unique_ptr<RouterProcess>> routers_;
  std::vector<std::optional<WanLink>> wan_;  // row-major (from, to)
  std::deque<Attachment> attached_;
  std::vector<std::map<Port, std::size_t>> by_port_;  // per site
  world::Slab<UnderWay> under_way_;
};

}  // namespace seneschal::lab::sim
