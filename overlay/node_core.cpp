#include "overlay/node_core.hpp"

#include "base/check.hpp"
#include "base/prng.hpp"

namespace seneschal::overlay {

NodeCore::NodeCore(NodeConfig config, NodeEnv& env)
    : config_(std::move(config)),
      env_(env),
      db_(config_.limits.max_nodes,
          config_.routing == RoutingMode::Static ? Duration(1h) * 24 * 365 * 50 : config_.timing.max_age),
      routes_(config_.self),
      reassembler_(config_.limits),
      // A restarted node must not reuse message numbers that others still remember.
      next_message_(static_cast<std::uint32_t>(scatter(config_.boot))),
      own_{config_.self, config_.boot, 0} {
  CHECK(config_.limits.max_packet > kMaxHeaderBytes && config_.limits.max_packet <= 0xffff);
  std::ranges::sort(config_.peers, {}, &PeerConfig::id);
  for (const PeerConfig& peer : config_.peers) {
    if (links_.size() == kMaxNeighbours || peer.id == config_.self) continue;
    if (links_.empty() || links_.back().peer.id != peer.id) links_.emplace_back(config_, peer);
  }
}

Link* NodeCore::link_to(NodeId peer) {
  const auto at = std::ranges::lower_bound(links_, peer, {}, [](const Link& link) { return link.peer.id; });
  return at == links_.end() || at->peer.id != peer ? nullptr : &*at;
}

void NodeCore::on_datagram(Instant now, NodeId from, SharedBytes datagram) {
  auto frame = parse_frame(std::move(datagram));
  if (frame) return on_frame(now, from, std::move(*frame));
  Link* link = link_to(from);
  (link != nullptr ? link->counters.drops : counters_.drops)
      .add(link != nullptr ? frame.error() : Reject::UnknownPeer);
}

void NodeCore::on_frame(Instant now, NodeId from, Frame frame) {
  Link* link = link_to(from);
  if (link == nullptr) return counters_.drops.add(Reject::UnknownPeer);
  ++link->counters.packets_received;
  link->counters.bytes_received += frame.bytes();
  if (link->liveness.heard(now)) {
    link_changed(now, *link);
    offer_everything(now, *link);
  }
  if (frame.is_data()) return on_data(now, *link, std::move(frame));
  on_control(now, *link, frame);
}

// Fills onward_ and here_: the links that the packet takes next. False: it has no business here (counted).
bool NodeCore::onward(const Link* from, const DataHeader& header) {
  onward_.clear();
  here_ = false;
  DropCounts& drops = from != nullptr ? const_cast<Link*>(from)->counters.drops : counters_.drops;
  refresh_routes();
  if (header.kind == TargetKind::Unicast) {
    here_ = header.to_node == config_.self;
    if (here_) return true;
    const auto hop = routes_.next_hop(header.to_node);
    Link* link = hop ? link_to(*hop) : nullptr;
    if (link == nullptr || !link->liveness.up()) return drops.add(Reject::NoRoute), false;
    onward_.push_back(link);
    return true;
  }
  const GroupId group(header.to);
  const Branches& branches = routes_.branches(header.source.node, group);
  // Only the tree's parent may bring it: two copies of a packet never multiply while maps differ.
  if (from != nullptr && branches.parent != from->peer.id) return drops.add(Reject::Duplicate), false;
  here_ = groups_.contains(group);
  for (NodeId child : branches.children) {
    Link* link = link_to(child);
    if (link != nullptr && link->liveness.up()) onward_.push_back(link);
  }
  return true;
}

bool NodeCore::onward_room(std::size_t bytes) const {
  return std::ranges::all_of(onward_, [&](const Link* link) { return link->sender.has_room(bytes); });
}

bool NodeCore::accept_reliable(Instant now, Link& from, const Frame& frame) {
  auto answer = from.receiver.admits(frame.reliable);
  if (answer && !onward_room(kMaxHeaderBytes + frame.payload.size())) answer = std::unexpected(Reject::QueueFull);
  if (answer) answer = from.receiver.accept(now, frame.reliable);
  if (answer) return true;
  if (answer.error() == Reject::Duplicate) from.receiver.acknowledge_again(now);
  from.counters.drops.add(answer.error());
  return false;
}

void NodeCore::on_data(Instant now, Link& from, Frame frame) {
  const bool reliable = frame.type == FrameType::ReliableData;
  DropCounts& drops = from.counters.drops;
  if (reliable != (frame.header.service == Service::Reliable)) return drops.add(Reject::Malformed);
  if (frame.header.source.node == config_.self) return drops.add(Reject::NotOurs);
  if (frame.header.total > config_.limits.max_payload) return drops.add(Reject::TooLong);
  const bool wanted = onward(&from, frame.header);
  if (!wanted) onward_.clear();
  // What is not wanted here will not be wanted the second time: acknowledge it all the same.
  if (reliable && !accept_reliable(now, from, frame)) return;
  if (!wanted) return;
  if (!onward_.empty()) {
    if (frame.header.ttl == 0) {
      drops.add(Reject::Expired);
    } else {
      --frame.header.ttl;
      ++counters_.forwarded;
      for (Link* link : onward_) pass(now, *link, frame);
    }
  }
  if (here_) receive_local(now, frame);
}

void NodeCore::receive_local(Instant now, const Frame& frame) {
  const DataHeader& header = frame.header;
  if (header.kind == TargetKind::Unicast && !ports_.contains(Port(header.to)))
    return counters_.drops.add(Reject::NotOurs);
  if (header.whole()) return deliver(header.target(), header.source, {frame.owner, frame.payload});
  auto message = reassembler_.add(now, frame);
  if (!message) return counters_.drops.add(message.error());
  if (*message) deliver(header.target(), header.source, **message);
}

void NodeCore::deliver(const Target& target, EndpointId source, const Message& message) {
  const Delivery delivery{source, target, message.owner, message.payload};
  if (const auto* endpoint = std::get_if<EndpointId>(&target)) {
    if (!ports_.contains(endpoint->port)) return counters_.drops.add(Reject::NotOurs);
    ++counters_.delivered;
    return env_.deliver(endpoint->port, delivery);
  }
  const auto members = groups_.find(std::get<GroupId>(target));
  if (members == groups_.end()) return;
  for (Port port : members->second) {
    if (source == EndpointId{config_.self, port}) continue;
    ++counters_.delivered;
    env_.deliver(port, delivery);
  }
}

// Whether every link on the way has room for the whole message, so that none is sent in vain.
std::expected<void, Reject> NodeCore::admit_message(const DataHeader& header) {
  const std::size_t bytes = header.total + header.pieces() * kMaxHeaderBytes;
  const std::size_t before = onward_.size();
  std::erase_if(onward_, [&](Link* link) {
    const bool room = header.service == Service::Reliable ? link->sender.has_room(bytes)
                      : header.whole() || !link->pacer.paces()
                          ? true
                          : link->paced_bytes + bytes <= config_.limits.paced_bytes;
    if (!room) link->counters.drops.add(Reject::QueueFull);
    return !room;
  });
  if (onward_.size() != before) return std::unexpected(Reject::QueueFull);
  return {};
}

std::expected<void, Reject> NodeCore::send(Instant now, Port source, const Target& target, SharedBytes payload,
                                           Service service) {
  const auto refuse = [this](Reject reason) {
    counters_.drops.add(reason);
    return std::unexpected(reason);
  };
  if (!ports_.contains(source)) return refuse(Reject::NotOurs);
  if (payload->size() > config_.limits.max_payload) return refuse(Reject::TooLong);
  const std::size_t room = config_.limits.max_packet - kMaxHeaderBytes;

  Frame frame;
  frame.type = service == Service::Reliable ? FrameType::ReliableData : FrameType::Data;
  frame.owner = payload;
  DataHeader& header = frame.header;
  header.service = service;
  header.ttl = config_.limits.ttl;
  header.source = {config_.self, source};
  header.total = static_cast<std::uint32_t>(payload->size());
  header.chunk = static_cast<std::uint16_t>(std::min(payload->size(), room));
  header.message = next_message_++;
  if (const auto* endpoint = std::get_if<EndpointId>(&target)) {
    header.to_node = endpoint->node;
    header.to = endpoint->port.value;
  } else {
    header.kind = TargetKind::Multicast;
    header.to = std::get<GroupId>(target).value;
  }
  if (!onward(nullptr, header)) return std::unexpected(Reject::NoRoute);
  ++counters_.sent;
  const auto admitted = admit_message(header);
  for (std::size_t offset = 0; header.index < header.pieces(); ++header.index) {
    frame.payload = Span(*payload).subspan(offset, header.piece_bytes());
    offset += frame.payload.size();
    for (Link* link : onward_) pass(now, *link, frame);
  }
  if (here_) deliver(target, header.source, {payload, *payload});
  return admitted;
}

// Hands one packet to one link, which sends it now or keeps it until its turn.
void NodeCore::pass(Instant now, Link& link, const Frame& frame) {
  if (frame.header.service == Service::Reliable) {
    if (!link.sender.has_room(kMaxHeaderBytes + frame.payload.size()))
      return link.counters.drops.add(Reject::QueueFull);
    link.sender.enqueue(frame);
    return pump(now, link);
  }
  if (frame.header.whole() || !link.pacer.paces()) return transmit(now, link, frame);
  if (link.paced_bytes + frame.bytes() > config_.limits.paced_bytes)
    return link.counters.drops.add(Reject::QueueFull);
  link.paced_bytes += frame.bytes();
  link.paced.push_back(frame);
  pump(now, link);
}

void NodeCore::transmit(Instant now, Link& link, const Frame& frame) {
  const std::size_t bytes = frame.bytes();
  ++link.counters.packets_sent;
  link.counters.bytes_sent += bytes;
  if (!frame.is_data()) link.counters.control_bytes_sent += bytes;
  link.pacer.on_sent(now, bytes);
  env_.transmit(link.peer.id, frame);
}

void NodeCore::pump(Instant now, Link& link) {
  if (!link.liveness.up()) return;
  while (link.pacer.may_send(now)) {
    link.reliable_turn = !link.reliable_turn;
    if (link.reliable_turn || link.paced.empty()) {
      if (auto next = link.sender.next(now)) {
        link.counters.retransmitted += next->second ? 1 : 0;
        transmit(now, link, next->first);
        continue;
      }
    }
    if (link.paced.empty()) return;
    link.paced_bytes -= link.paced.front().bytes();
    transmit(now, link, link.paced.front());
    link.paced.pop_front();
  }
}

// A link died with packets on it that it had promised to deliver: they take the new way, if there is one.
void NodeCore::reroute(Instant now, std::vector<Frame> frames) {
  for (Frame& frame : frames) {
    if (frame.header.kind == TargetKind::Multicast) {
      counters_.drops.add(Reject::NoRoute);
    } else if (onward(nullptr, frame.header)) {
      for (Link* link : onward_) pass(now, *link, frame);
    }
  }
}

std::expected<void, Reject> NodeCore::open(Port port) {
  if (ports_.contains(port)) return std::unexpected(Reject::Duplicate);
  if (ports_.size() >= config_.limits.max_ports) return std::unexpected(Reject::Overloaded);
  ports_.insert(port);
  return {};
}

void NodeCore::close(Instant now, Port port) {
  ports_.erase(port);
  bool changed = false;
  for (auto& [group, members] : groups_) {
    members.erase(port);
    changed = changed || members.empty();
  }
  std::erase_if(groups_, [](const auto& item) { return item.second.empty(); });
  if (!changed) return;
  routes_stale_ = true;
  schedule_origination(now);
}

std::expected<void, Reject> NodeCore::join(Instant now, Port port, GroupId group) {
  if (!ports_.contains(port)) return std::unexpected(Reject::NotOurs);
  const bool fresh = !groups_.contains(group);
  if (fresh && groups_.size() >= kMaxGroups) return std::unexpected(Reject::Overloaded);
  groups_[group].insert(port);
  if (fresh) {
    routes_stale_ = true;
    schedule_origination(now);
  }
  return {};
}

void NodeCore::leave(Instant now, Port port, GroupId group) {
  const auto members = groups_.find(group);
  if (members == groups_.end() || members->second.erase(port) == 0 || !members->second.empty()) return;
  groups_.erase(members);
  routes_stale_ = true;
  schedule_origination(now);
}

void NodeCore::set_bandwidth(Instant now, NodeId peer, std::uint64_t bandwidth_bps) {
  if (Link* link = link_to(peer)) link->pacer.set(now, bandwidth_bps);
}

NodeCounters NodeCore::counters() const {
  NodeCounters counters = counters_;
  reassembler_.drops().each([&](Reject reason, std::uint64_t n) { counters.drops.add(reason, n); });
  return counters;
}

std::vector<LinkReport> NodeCore::links() const {
  std::vector<LinkReport> out;
  for (const Link& link : links_)
    out.push_back({link.peer.id, link.liveness.up(), link.liveness.cost_us(), link.liveness.rtt(),
                   link.liveness.loss_permille(), link.paced.size() + link.sender.queued(), link.counters});
  return out;
}

}  // namespace seneschal::overlay
