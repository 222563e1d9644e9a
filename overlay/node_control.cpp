// The node's conversation with its neighbours: hellos, link states, acknowledgements, and the map made of them.
#include "overlay/node_core.hpp"

namespace seneschal::overlay {
namespace {
constexpr Duration kMaxResend = 8s;
}

void NodeCore::start(Instant now) {
  last_originated_ = now - config_.timing.originate_gap;
  schedule_origination(now);
  on_time(now);
}

void NodeCore::on_time(Instant now) {
  for (Link& link : links_) {
    if (link.liveness.check(now)) {
      ++link.counters.times_down;
      link_changed(now, link);
    }
    if (watches() && link.liveness.hello_due(now)) {
      transmit(now, link, control_frame(link.liveness.make_hello(now)));
      // The measured cost may have changed since the last link state.
      for (const Neighbour& neighbour : advertised_)
        if (neighbour.node == link.peer.id && neighbour.cost_us != link.liveness.cost_us()) schedule_origination(now);
    }
    if (link.receiver.ack_due() <= now) transmit(now, link, control_frame(link.receiver.take_ack()));
    resend_link_states(now, link);
    pump(now, link);
  }
  reassembler_.expire(now);
  if (db_.expire(now, config_.self)) routes_stale_ = true;
  if (now >= originate_due_) originate(now);
}

Instant NodeCore::deadline() const {
  Instant earliest = std::min(originate_due_, reassembler_.deadline());
  if (watches()) earliest = std::min(earliest, db_.deadline(config_.self));
  for (const Link& link : links_) earliest = std::min(earliest, link.deadline());
  return earliest;
}

void NodeCore::on_control(Instant now, Link& from, const Frame& frame) {
  const auto handled = handle_control(now, from, frame);
  if (!handled) from.counters.drops.add(handled.error());
}

std::expected<void, Reject> NodeCore::handle_control(Instant now, Link& from, const Frame& frame) {
  switch (frame.type) {
    case FrameType::Hello: {
      const auto hello = decode_control<Hello>(frame);
      if (!hello) return std::unexpected(hello.error());
      transmit(now, from, control_frame(HelloReply{hello->boot, hello->seq}));
      return {};
    }
    case FrameType::HelloReply: {
      const auto reply = decode_control<HelloReply>(frame);
      if (!reply) return std::unexpected(reply.error());
      return from.liveness.on_reply(now, *reply);
    }
    case FrameType::LinkState: {
      const auto state = decode_control<LinkState>(frame);
      if (!state) return std::unexpected(state.error());
      return on_link_state(now, from, *state);
    }
    case FrameType::LinkStateAck: {
      const auto ack = decode_control<LinkStateAck>(frame);
      if (!ack) return std::unexpected(ack.error());
      const LinkStateDb::Entry* entry = db_.find(ack->id.origin);
      if (entry != nullptr && entry->state.id == ack->id) from.pending.erase(ack->id.origin);
      return {};
    }
    case FrameType::ReliableAck: {
      const auto ack = decode_control<ReliableAck>(frame);
      if (!ack) return std::unexpected(ack.error());
      from.sender.on_ack(now, *ack);
      pump(now, from);
      return {};
    }
    case FrameType::Data:
    case FrameType::ReliableData: break;
  }
  return std::unexpected(Reject::UnknownType);
}

std::expected<void, Reject> NodeCore::on_link_state(Instant now, Link& from, const LinkState& state) {
  const NodeId origin = state.id.origin;
  const LinkStateDb::Entry* known = db_.find(origin);
  const bool restarted = origin == from.peer.id && (known == nullptr || known->state.id.boot < state.id.boot);
  if (origin == config_.self) {
    // Others remember us from an earlier life, or somebody lies: outbid it.
    transmit(now, from, control_frame(LinkStateAck{state.id}));
    if (state.id <= own_) return {};
    own_ = state.id;
    schedule_origination(now);
    return {};
  }
  const auto outcome = db_.offer(now, state);
  if (outcome && *outcome == LinkStateDb::Outcome::Older) {
    from.pending[origin] = {now, config_.timing.resend_interval};
    resend_link_states(now, from);
    return {};
  }
  // Refused ones are acknowledged too, or they would come for ever.
  transmit(now, from, control_frame(LinkStateAck{state.id}));
  if (!outcome) return std::unexpected(outcome.error());
  if (*outcome == LinkStateDb::Outcome::Same) {
    from.pending.erase(origin);
    return {};
  }
  routes_stale_ = true;
  from.pending.erase(origin);
  flood(now, origin, &from);
  if (restarted) offer_everything(now, from);
  return {};
}

void NodeCore::link_changed(Instant now, Link& link) {
  routes_stale_ = true;
  schedule_origination(now);
  if (link.liveness.up()) return;
  link.pending.clear();
  link.counters.drops.add(Reject::NoRoute, link.paced.size());
  link.paced.clear();
  link.paced_bytes = 0;
  originate(now);  // the detour must be known before packets are sent on it
  reroute(now, link.sender.take_all());
}

void NodeCore::schedule_origination(Instant now) {
  const Instant earliest = std::max(now, last_originated_ + config_.timing.originate_gap);
  originate_due_ = std::min(originate_due_, earliest);
}

void NodeCore::originate(Instant now) {
  last_originated_ = now;
  originate_due_ = watches() ? now + config_.timing.refresh_interval : Instant::never();
  LinkState state;
  ++own_.seq;
  state.id = own_;
  advertised_.clear();
  for (const Link& link : links_)
    if (link.liveness.up()) advertised_.push_back({link.peer.id, link.liveness.cost_us()});
  state.neighbours.items = advertised_;
  for (const auto& [group, members] : groups_) state.groups.items.push_back(group);
  const auto outcome = db_.offer(now, state);
  if (!outcome) return counters_.drops.add(outcome.error());
  routes_stale_ = true;
  flood(now, config_.self, nullptr);
}

void NodeCore::flood(Instant now, NodeId origin, const Link* except) {
  const LinkStateDb::Entry* entry = db_.find(origin);
  const Frame frame = control_frame(db_.aged(now, *entry));
  for (Link& link : links_) {
    if (&link == except || !link.liveness.up()) continue;
    link.pending[origin] = {now + config_.timing.resend_interval, config_.timing.resend_interval};
    transmit(now, link, frame);
  }
}

void NodeCore::resend_link_states(Instant now, Link& link) {
  if (!link.liveness.up()) return;
  for (auto at = link.pending.begin(); at != link.pending.end();) {
    const LinkStateDb::Entry* entry = db_.find(at->first);
    if (entry == nullptr) {
      at = link.pending.erase(at);
      continue;
    }
    PendingLinkState& pending = at->second;
    if (pending.due <= now) {
      transmit(now, link, control_frame(db_.aged(now, *entry)));
      pending.due = now + pending.interval;
      pending.interval = std::min<Duration>(2 * pending.interval, kMaxResend);
    }
    ++at;
  }
}

void NodeCore::offer_everything(Instant now, Link& link) {
  for (const auto& [origin, entry] : db_.entries())
    if (origin != link.peer.id) link.pending[origin] = {now, config_.timing.resend_interval};
  resend_link_states(now, link);
}

const Routes& NodeCore::routes() {
  refresh_routes();
  return routes_;
}

void NodeCore::refresh_routes() {
  if (!routes_stale_) return;
  routes_stale_ = false;
  ++counters_.routes_built;
  std::vector<Edge> edges;
  if (watches()) {
    edges = db_.edges();
  } else {
    for (const StaticLink& link : config_.static_links) {
      edges.push_back({link.a, link.b, link.metric_us});
      edges.push_back({link.b, link.a, link.metric_us});
    }
  }
  routes_.rebuild(std::move(edges));

  std::map<GroupId, std::set<NodeId>> members;
  for (const StaticGroup& group : config_.static_groups)
    members[group.group].insert(group.nodes.begin(), group.nodes.end());
  for (const auto& [origin, entry] : db_.entries())
    if (origin != config_.self)
      for (GroupId group : entry.state.groups) members[group].insert(origin);
  for (const auto& [group, ports] : groups_) members[group].insert(config_.self);
  std::map<GroupId, std::vector<NodeId>> lists;
  for (const auto& [group, nodes] : members) lists[group].assign(nodes.begin(), nodes.end());
  routes_.set_members(std::move(lists));
}

}  // namespace seneschal::overlay
