#include "lab/sim/network.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

using emulator::Fate;
using emulator::LinkConfig;
using emulator::LinkKey;
using emulator::LinkModel;
using overlay::NodeConfig;

namespace {

enum Stream : std::uint64_t { kWanStream = 1, kUpStream, kDownStream };

std::uint32_t metric_of(const LinkConfig& link) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(link.delay.count() / 1000, 1, 1'000'000'000));
}

/// Static routes over the topology's links by their delays; every node knows who is in which group.
NodeConfig node_config(const Deployment& deployment, const Directory& directory, std::size_t site) {
  NodeConfig config;
  config.self = deployment.node_of_site(site);
  config.routing = overlay::RoutingMode::Static;
  config.limits.max_ports = 8192;
  config.limits.partials_per_source = 256;
  const emulator::Topology& topology = deployment.topology;
  for (std::size_t from = 0; from < topology.size(); ++from) {
    for (std::size_t to = 0; to < topology.size(); ++to) {
      const LinkConfig* link = topology.link(from, to);
      if (link == nullptr) continue;
      if (from == site) config.peers.push_back({deployment.node_of_site(to), metric_of(*link), link->bandwidth_bps});
      if (from < to)
        config.static_links.push_back({deployment.node_of_site(from), deployment.node_of_site(to), metric_of(*link)});
    }
  }
  std::map<GroupId, std::vector<NodeId>> members;
  for (std::size_t s = 0; s < directory.servers.size(); ++s) {
    const SiteId id(static_cast<std::uint16_t>(s));
    for (NodeId node : directory.servers[s])
      for (GroupId group : {Directory::group(id), Directory::all_servers()}) members[group].push_back(node);
  }
  for (auto& [group, nodes] : members) {
    std::ranges::sort(nodes);
    nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
    config.static_groups.push_back({group, nodes});
  }
  return config;
}

}  // namespace

RouterProcess::RouterProcess(world::World& world, world::Host& host, const emulator::CostModel& costs,
                             overlay::NodeConfig config, Wire& wire)
    : world_(world),
      host_(host),
      costs_(costs),
      wire_(wire),
      core_(std::move(config), static_cast<overlay::NodeEnv&>(*this)),
      slot_(host.add(*this)) {}

void RouterProcess::start() {
  core_.start(world_.now());
  out_.clear();
  local_.clear();
}

void RouterProcess::open(Port port, std::span<const GroupId> groups) {
  CHECK(core_.open(port).has_value());
  for (GroupId group : groups) CHECK(core_.join(world_.now(), port, group).has_value());
}

void RouterProcess::send(Instant at, Port source, const overlay::Target& target, SharedBytes bytes) {
  world_.schedule(at, *this, kLocal, sends_.put({source, target, std::move(bytes)}));
}

void RouterProcess::fire(Instant now, std::uint32_t kind, std::uint32_t payload) {
  if (kind == kWake) {
    if (now != scheduled_) return;  // an earlier wake has been
    scheduled_ = Instant::never();
  }
  host_.submit(slot_, kind, payload);
}

Duration RouterProcess::run(Instant start, std::uint32_t kind, std::uint32_t payload) {
  std::uint64_t packets = 0;
  if (kind == kLocal) {
    const LocalSend send = sends_.take(payload);
    // Refusals are counted by the core; datagrams are best effort.
    (void)core_.send(start, send.source, send.target, send.bytes);
  } else if (kind == kFrame) {
    FromPeer input = frames_.take(payload);
    ++packets;
    core_.on_frame(start, input.from, std::move(input.frame));
  } else {
    core_.on_time(start);
  }
  packets += out_.size();
  const Duration cost = host_.scaled(costs_.cost(Op::Forward, packets));
  const Instant finish = start + cost;
  for (const FromPeer& out : out_) wire_.transmit(finish, core_.self(), out.from, out.frame);
  for (const auto& [port, delivery] : local_) wire_.deliver(finish, core_.self(), port, delivery);
  out_.clear();
  local_.clear();
  if (const Instant wake = std::max(core_.deadline(), finish); wake < scheduled_) {
    scheduled_ = wake;
    world_.schedule(wake, *this, kWake);
  }
  return cost;
}

Network::Network(world::World& world, const Deployment& deployment, const Directory& directory,
                 const emulator::CostModel& costs, const Machines& machines, world::Host* one_host)
    : world_(world),
      directory_(directory),
      lan_(one_host == nullptr),
      lan_config_(deployment.topology.lan),
      sites_(deployment.topology.size()),
      by_port_(sites_) {
  wan_.resize(sites_ * sites_);
  for (std::size_t site = 0; site < sites_; ++site) {
    if (one_host == nullptr) hosts_.push_back(std::make_unique<world::Host>(world, machines.router_cores));
    world::Host& host = one_host != nullptr ? *one_host : *hosts_.back();
    routers_.push_back(std::make_unique<RouterProcess>(world, host, costs, node_config(deployment, directory, site),
                                                       static_cast<RouterProcess::Wire&>(*this)));
    for (std::size_t to = 0; to < sites_; ++to)
      if (const LinkConfig* link = deployment.topology.link(site, to))
        wan_[site * sites_ + to] = WanLink{LinkModel(*link, LinkKey{world.seed(), kWanStream, site, to})};
  }
}

LinkConfig Network::up_link(const LinkConfig& lan) const {
  LinkConfig up;
  up.delay = lan.delay / 2;
  up.bandwidth_bps = lan.bandwidth_bps;
  up.queue_bytes = std::uint64_t{1} << 26;  // the sending machine's own memory
  return up;
}

LinkConfig Network::down_link(const LinkConfig& lan) const {
  LinkConfig down = lan;
  down.delay = lan.delay - lan.delay / 2;
  if (down.queue_bytes == 0) down.queue_bytes = std::uint64_t{1} << 22;
  return down;
}

void Network::attach(world::SimProcess& process) {
  const Principal& self = process.self();
  std::optional<EndpointId> place =
      self.is_server() ? directory_.endpoint(self.server()) : directory_.endpoint(self.client());
  CHECK(place.has_value());
  const std::size_t site = place->node.value - 1u;
  const std::uint64_t who = static_cast<std::uint64_t>(self.kind) << 32 | self.value;
  process.tag = static_cast<std::uint32_t>(attached_.size());
  by_port_[site].emplace(place->port, attached_.size());
  attached_.push_back({&process, site, place->port,
                       LinkModel(up_link(lan_config_), LinkKey{world_.seed(), kUpStream, who, site}),
                       LinkModel(down_link(lan_config_), LinkKey{world_.seed(), kDownStream, site, who})});
  std::vector<GroupId> groups;
  if (self.is_server()) groups = Directory::groups_of(self.server());
  routers_[site]->open(place->port, groups);
}

void Network::start() {
  for (auto& router : routers_) router->start();
}

std::optional<overlay::Target> Network::resolve(const Destination& to) const {
  switch (to.kind) {
    case Destination::Kind::Server:
      if (!directory_.knows(to.server)) return std::nullopt;
      return directory_.endpoint(to.server);
    case Destination::Kind::Site: return Directory::group(to.server.site);
    case Destination::Kind::AllServers: return Directory::all_servers();
    case Destination::Kind::Client: {
      auto endpoint = directory_.endpoint(to.client);
      if (!endpoint) return std::nullopt;
      return *endpoint;
    }
  }
  return std::nullopt;
}

void Network::send(Instant at, world::SimProcess& from, std::span<const Destination> to, const SharedBytes& sealed) {
  Attachment& source = attached_[from.tag];
  for (const Destination& destination : to) {
    const auto target = resolve(destination);
    if (!target) continue;
    if (!lan_) {
      routers_[source.site]->send(at, source.port, *target, sealed);
      continue;
    }
    const Fate fate = source.up.offer(at, sealed->size() + overlay::kDataHeaderBytes);
    put_on(source.up, fate, FromProcess{source.site, source.port, *target, sealed});
  }
}

void Network::deliver(Instant at, NodeId at_node, Port port, const overlay::Delivery& delivery) {
  const auto& ports = by_port_[at_node.value - 1u];
  const auto found = ports.find(port);
  if (found == ports.end()) return;
  Attachment& to = attached_[found->second];
  if (!lan_) return to.process->deliver(at, delivery.bytes(), delivery.source);
  const Fate fate = to.down.offer(at, delivery.payload.size() + overlay::kDataHeaderBytes);
  put_on(to.down, fate, ToProcess{to.process, delivery.bytes(), delivery.source});
}

void Network::transmit(Instant at, NodeId from, NodeId to, const overlay::Frame& frame) {
  auto& link = wan_[(from.value - 1u) * sites_ + (to.value - 1u)];
  if (!link) return;
  const Fate fate = link->model.offer(at, frame.bytes());
  if (!link->cut) put_on(link->model, fate, ToRouter{to.value - 1u, from, frame});
}

void Network::put_on(const LinkModel& link, const Fate& fate,
                     const std::variant<ToRouter, FromProcess, ToProcess>& packet) {
  for (std::uint8_t copy = 0; copy < fate.copies; ++copy)
    world_.schedule(fate.arrivals[copy], *this, 0, under_way_.put({&link, fate.transit(copy), 1, false, packet}));
}

void Network::fire(Instant now, std::uint32_t, std::uint32_t payload) {
  UnderWay& under_way = under_way_.at(payload);
  --under_way.events;
  if (!under_way.arrived && under_way.transit.due == now) {
    under_way.arrived = true;
    auto packet = std::move(under_way.packet);
    if (under_way.events == 0) under_way_.take(payload);
    if (auto* frame = std::get_if<ToRouter>(&packet)) {
      routers_[frame->site]->take(frame->from, std::move(frame->frame));
    } else if (auto* sent = std::get_if<FromProcess>(&packet)) {
      routers_[sent->site]->take(sent->source, sent->target, std::move(sent->bytes));
    } else {
      auto& received = std::get<ToProcess>(packet);
      received.process->take_in(std::move(received.bytes), received.origin);
    }
  } else if (under_way.events == 0) {
    under_way_.take(payload);
  }
}

void Network::configure(LinkModel& link, const LinkConfig& config) {
  std::vector<std::uint32_t> packets;
  std::vector<emulator::Transit*> waiting;
  std::vector<Instant> before;
  for (std::uint32_t i = 0; i < under_way_.size(); ++i) {
    UnderWay& under_way = under_way_.at(i);
    if (under_way.link != &link || under_way.arrived) continue;
    packets.push_back(i);
    waiting.push_back(&under_way.transit);
    before.push_back(under_way.transit.due);
  }
  link.configure(world_.now(), config, waiting);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    if (waiting[i]->due == before[i]) continue;
    ++under_way_.at(packets[i]).events;
    world_.schedule(waiting[i]->due, *this, 0, packets[i]);
  }
}

const LinkModel* Network::wan(std::size_t from, std::size_t to) const {
  const auto& link = wan_[from * sites_ + to];
  return link ? &link->model : nullptr;
}

void Network::configure_wan(std::size_t from, std::size_t to, const LinkConfig& config) {
  auto& link = wan_[from * sites_ + to];
  if (!link) return;
  const bool other_rate = config.bandwidth_bps != link->model.config().bandwidth_bps;
  configure(link->model, config);
  if (other_rate) routers_[from]->set_bandwidth(NodeId(static_cast<std::uint16_t>(to + 1)), config.bandwidth_bps);
}

void Network::cut(std::size_t from, std::size_t to, bool is_cut) {
  if (auto& link = wan_[from * sites_ + to]) link->cut = is_cut;
}

void Network::configure_lan(std::size_t site, const LinkConfig& lan) {
  for (Attachment& attachment : attached_) {
    if (attachment.site != site) continue;
    configure(attachment.up, up_link(lan));
    configure(attachment.down, down_link(lan));
  }
}

std::vector<world::Host*> Network::router_hosts() {
  std::vector<world::Host*> hosts;
  for (auto& host : hosts_) hosts.push_back(host.get());
  return hosts;
}

}  // namespace seneschal::lab::sim
