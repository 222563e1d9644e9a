// A network of overlay nodes in memory with virtual time: lossy, slow and reordering on request.
#pragma once
#include "base/prng.hpp"
#include "overlay/node_core.hpp"

#include <functional>
#include <memory>

namespace seneschal::overlay {

struct WireQuality {
  Duration delay = 10ms;
  Duration jitter{};  // uniform extra delay: reorders
  std::uint32_t loss_percent = 0;
  bool cut = false;
  std::uint64_t bandwidth_bps = 0;      // 0: any
  std::size_t queue_bytes = 64 * 1024;  // beyond it packets are dropped
};

class Twin {
 public:
  struct Received {
    Port port;
    Delivery delivery;
    Instant at;
  };

  /// `links` are (a, b); each node may be changed by `tune` before it is made.
  Twin(std::uint16_t nodes, std::vector<std::pair<int, int>> links, std::function<void(NodeConfig&)> tune = {},
       std::uint64_t seed = 1)
      : prng_(seed), links_(std::move(links)), tune_(std::move(tune)) {
    for (std::uint16_t i = 0; i < nodes; ++i) hosts_.push_back(std::make_unique<Host>(*this, NodeId(i)));
    for (std::uint16_t i = 0; i < nodes; ++i) boot(i, 1);
  }

  void boot(int node, std::uint64_t boot_number) {
    NodeConfig config;
    config.self = NodeId(static_cast<std::uint16_t>(node));
    config.boot = boot_number;
    for (auto [a, b] : links_) {
      config.static_links.push_back({id(a), id(b), 1000});
      if (a == node) config.peers.push_back({id(b), 1000, 0});
      if (b == node) config.peers.push_back({id(a), 1000, 0});
    }
    if (tune_) tune_(config);
    hosts_[static_cast<std::size_t>(node)]->core =
        std::make_unique<NodeCore>(config, *hosts_[static_cast<std::size_t>(node)]);
  }
  void start() {
    for (auto& host : hosts_) host->core->start(now);
  }

  void run_for(Duration time) {
    const Instant end = now + time;
    for (;;) {
      Instant next = events_.empty() ? Instant::never() : events_.begin()->first.first;
      for (auto& host : hosts_)
        if (host->core) next = std::min(next, std::max(now, host->core->deadline()));
      if (next > end) break;
      ++steps;
      now = next;
      if (!events_.empty() && events_.begin()->first.first <= now) {
        auto event = std::move(events_.begin()->second);
        events_.erase(events_.begin());
        event();
        continue;
      }
      for (auto& host : hosts_)
        if (host->core && host->core->deadline() <= now) host->core->on_time(now);
    }
    now = end;
  }

  NodeCore& core(int node) { return *hosts_[static_cast<std::size_t>(node)]->core; }
  void kill(int node) { hosts_[static_cast<std::size_t>(node)]->core.reset(); }
  std::vector<Received>& inbox(int node) { return hosts_[static_cast<std::size_t>(node)]->received; }
  WireQuality& wire(int a, int b) { return wires_[{a, b}]; }
  void both(int a, int b, WireQuality quality) { wires_[{a, b}] = wires_[{b, a}] = quality; }
  static NodeId id(int node) { return NodeId(static_cast<std::uint16_t>(node)); }

  Instant now{1'000'000'000};
  std::uint64_t steps = 0;
  bool encode = false;                              // real datagrams instead of shared frames
  std::map<std::pair<int, int>, int> data_crossed;  // data packets handed to each directed link
  std::map<std::pair<int, int>, int> queue_dropped;

 private:
  struct Host : NodeEnv {
    Host(Twin& t, NodeId n) : twin(t), node(n) {}
    void transmit(NodeId peer, const Frame& frame) override { twin.carry(node.value, peer.value, frame); }
    void deliver(Port port, const Delivery& delivery) override { received.push_back({port, delivery, twin.now}); }
    Twin& twin;
    NodeId node;
    std::unique_ptr<NodeCore> core;
    std::vector<Received> received;
  };

  void carry(int from, int to, const Frame& frame) {
    if (frame.is_data()) ++data_crossed[{from, to}];
    const WireQuality& wire = wires_[{from, to}];
    if (wire.cut || prng_.below(100) < wire.loss_percent) return;
    Instant leaves = now;
    if (wire.bandwidth_bps != 0) {
      Instant& busy = busy_[{from, to}];
      const auto waiting = static_cast<std::uint64_t>(std::max<std::int64_t>((busy - now).count(), 0));
      if (waiting / 8 * wire.bandwidth_bps / 1'000'000'000 > wire.queue_bytes) {
        ++queue_dropped[{from, to}];
        return;
      }
      busy =
          std::max(busy, now) +
          Duration(static_cast<std::int64_t>((frame.bytes() + kIpUdpBytes) * 8'000'000'000ULL / wire.bandwidth_bps));
      leaves = busy;
    }
    const Instant due =
        leaves + wire.delay +
        Duration(static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(wire.jitter.count()) + 1)));
    Bytes bytes;
    if (encode) {
      HeaderBuffer header;
      const std::size_t size = write_header(frame, header);
      bytes.assign(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(size));
      append(bytes, frame.payload);
    }
    events_.emplace(std::make_pair(due, ++nth_), [this, from, to, frame, bytes = std::move(bytes)]() mutable {
      Host& host = *hosts_[static_cast<std::size_t>(to)];
      if (!host.core) return;
      if (encode) {
        host.core->on_datagram(now, id(from), share(std::move(bytes)));
      } else {
        host.core->on_frame(now, id(from), frame);
      }
    });
  }

  Prng prng_;
  std::vector<std::pair<int, int>> links_;
  std::function<void(NodeConfig&)> tune_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::map<std::pair<int, int>, WireQuality> wires_;
  std::map<std::pair<int, int>, Instant> busy_;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> events_;
  std::uint64_t nth_ = 0;
};

inline SharedBytes pattern(std::size_t size, std::uint8_t salt = 0) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<Byte>(i * 31 + (i >> 8) + salt);
  return share(std::move(bytes));
}

}  // namespace seneschal::overlay
