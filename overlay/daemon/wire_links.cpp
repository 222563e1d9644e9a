#include "overlay/daemon/wire_links.hpp"

#include "runtime/asio/io_loop.hpp"

#include <algorithm>

namespace seneschal::overlay {

WireLinks::WireLinks(const DaemonConfig& config, std::unique_ptr<asio::UdpSocket> socket)
    : socket_(std::move(socket)) {
  for (const PeerPlace& peer : config.peers) {
    const emulator::LinkKey key{static_cast<std::uint64_t>(asio::steady_now().ns), 0, config.self.value,
                                peer.id.value};
    links_.push_back({peer, emulator::LinkModel(peer.out, key), {}, 0, 0});
    by_address_[peer.address.key()] = peer.id;
  }
  std::ranges::sort(links_, {}, [](const Link& link) { return link.place.id; });
}

WireLinks::Link* WireLinks::find(NodeId peer) {
  const auto at = std::ranges::lower_bound(links_, peer, {}, [](const Link& link) { return link.place.id; });
  return at == links_.end() || at->place.id != peer ? nullptr : &*at;
}

std::optional<NodeId> WireLinks::peer_at(const asio::UdpAddress& address) const {
  const auto at = by_address_.find(address.key());
  if (at == by_address_.end()) return std::nullopt;
  return at->second;
}

void WireLinks::put(const Link& link, const Frame& frame) {
  HeaderBuffer header;
  const std::size_t size = write_header(frame, header);
  socket_->send(link.place.address, Span(header).first(size), frame.owner, frame.payload);
}

void WireLinks::transmit(Instant now, NodeId peer, const Frame& frame) {
  Link* link = find(peer);
  if (link == nullptr) return;
  const bool busy = link->model.busy_until() > now;
  const emulator::Fate fate = link->model.offer(now, frame.bytes());
  for (std::uint8_t copy = 0; copy < fate.copies; ++copy) {
    if (fate.arrivals[copy] <= now) {
      put(*link, frame);
      continue;
    }
    if (link->under_way >= kMaxUnderWay) {
      ++link->overflows;
      continue;
    }
    ++link->under_way;
    const auto index = static_cast<std::uint32_t>(link - links_.data());
    under_way_.push_back({fate.transit(copy), nth_++, index, busy, frame});
    std::push_heap(under_way_.begin(), under_way_.end());
  }
}

void WireLinks::configure(Instant now, Link& link, const emulator::LinkConfig& config) {
  const auto index = static_cast<std::uint32_t>(&link - links_.data());
  std::vector<emulator::Transit*> waiting;
  for (UnderWay& packet : under_way_)
    if (packet.link == index) waiting.push_back(&packet.transit);
  link.model.configure(now, config, waiting);
  std::make_heap(under_way_.begin(), under_way_.end());
}

void WireLinks::on_time(Instant now) {
  departures_.clear();
  while (!under_way_.empty() && under_way_.front().transit.due <= now) {
    std::pop_heap(under_way_.begin(), under_way_.end());
    const UnderWay& packet = under_way_.back();
    Link& link = links_[packet.link];
    --link.under_way;
    put(link, packet.frame);
    departures_.push_back({packet.link, packet.transit.due, packet.queued});
    under_way_.pop_back();
  }
  if (departures_.empty()) return;
  flush();
  const Instant left = asio::steady_now();
  for (const Departure& departure : departures_)
    links_[departure.link].fidelity.departed(departure.due, left, departure.queued);
}

}  // namespace seneschal::overlay
