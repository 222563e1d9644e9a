#include "overlay/daemon/node.hpp"

#include "runtime/asio/scheduling.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

namespace seneschal::overlay {
namespace {

constexpr std::size_t kMaxJobs = 65'536;
/// All members of a deployment may be at one node, with its servers.
constexpr std::size_t kMaxNodePorts = 8192;
constexpr int kReceiveRounds = 4;
constexpr int kSettleRounds = 16;

NodeConfig core_config(const DaemonConfig& config) {
  NodeConfig core;
  core.self = config.self;
  // Wall-clock time grows from one start to the next; the monotonic clock begins anew with the machine.
  core.boot = static_cast<std::uint64_t>(
      std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch()).count());
  core.routing = config.routing;
  core.limits.max_ports = kMaxNodePorts;
  for (const PeerPlace& peer : config.peers) {
    const auto delay_us = std::chrono::duration_cast<std::chrono::microseconds>(peer.out.delay).count();
    PeerConfig link;
    link.id = peer.id;
    link.metric_us = static_cast<std::uint32_t>(std::clamp<std::int64_t>(delay_us, 250, 1'000'000'000));
    link.bandwidth_bps = pacing_rate(peer.out);
    core.peers.push_back(link);
  }
  return core;
}

}  // namespace

Result<std::unique_ptr<Node>> Node::open(const DaemonConfig& config) {
  auto socket = asio::UdpSocket::open(config.address);
  if (!socket) return std::unexpected(socket.error());
  auto sessions = asio::UnixListener::open(config.session_path, SOCK_SEQPACKET);
  if (!sessions) return std::unexpected(sessions.error());
  auto control = asio::UnixListener::open(config.control_path, SOCK_STREAM);
  if (!control) return std::unexpected(control.error());
  std::unique_ptr<Node> node(new Node(config, std::move(*socket), std::move(*sessions), std::move(*control)));
  node->load_plugins();
  return node;
}

Node::Node(const DaemonConfig& config, std::unique_ptr<asio::UdpSocket> socket, asio::UnixListener sessions,
           asio::UnixListener control)
    : config_(config),
      started_(asio::steady_now()),
      wire_(config, std::move(socket)),
      core_(core_config(config), *this),
      pool_(config.crypto_threads, kMaxJobs),
      sessions_(std::make_unique<SessionServer>(loop_, std::move(sessions), static_cast<Switchboard&>(*this))),
      control_(std::make_unique<ControlServer>(loop_, std::move(control),
                                               [this](const std::string& line) { return on_control(line); })) {
  loop_.watch_read(wire_.socket().fd(), [this] { on_udp_readable(); });
}

Node::~Node() {
  for (auto& plugin : plugins_) plugin->stop();
  pool_.stop();
  plugins_.clear();
  control_.reset();
  sessions_.reset();
  loop_.unwatch(wire_.socket().fd());
}

void Node::load_plugins() {
  for (const PluginSpec& spec : config_.plugins) {
    const auto give_up = [&](const std::string& reason) {
      spdlog::error("plugin '{}': {}; going on without it", spec.name, reason);
      PluginStatus status;
      status.name = spec.name;
      status.library = spec.library;
      status.port = spec.port;
      status.state = "failed: " + reason;
      missing_plugins_.push_back(std::move(status));
    };
    const auto library = PluginLibrary::load(spec.library);
    if (!library) {
      give_up(library.error().message);
      continue;
    }
    const bool alone = config_.plugins.size() == 1;
    const bool inline_here = alone && ((*library)->table().flags & SENESCHAL_BOUNDED) != 0;
    auto runner = std::make_unique<PluginRunner>(spec, *library, !inline_here, static_cast<PluginHome&>(*this));
    if (const auto opened = open(spec.port, *runner); !opened) {
      give_up("port " + std::to_string(spec.port.value) + " is taken");
      continue;
    }
    plugins_.push_back(std::move(runner));
  }
}

void Node::run() {
  core_.start(asio::steady_now());
  loop_.on_stop_signals([this] {
    spdlog::info("node {} stops", config_.self.value);
    loop_.stop();
  });
  for (auto& plugin : plugins_)
    if (Status good = plugin->start(); !good) spdlog::error("{}; going on without it", good.error().message);
  // Packets must leave on time while everything else computes. Without the privilege the node runs as it is.
  asio::run_before_others(wire_.shaped() ? asio::Promptness::Exact : asio::Promptness::Usual);
  settle();
  loop_.run([this] { on_timer(); }, [this] { settle(); });
}

void Node::on_udp_readable() {
  for (int round = 0; round < kReceiveRounds; ++round) {
    const auto batch = wire_.socket().receive();
    const Instant now = asio::steady_now();
    for (const auto& datagram : batch) {
      const auto peer = wire_.peer_at(*datagram.from);
      if (!peer) {
        core_.on_stranger();
      } else if (datagram.oversized) {
        ++oversized_;
      } else {
        core_.on_datagram(now, *peer, share(to_bytes(datagram.bytes)));
      }
    }
    if (batch.size() < asio::UdpSocket::kBatch) return;
  }
}

void Node::on_timer() {
  const Instant now = asio::steady_now();
  wire_.on_time(now);
  if (core_.deadline() <= now) core_.on_time(now);
}

// After each round of the loop: whatever the inputs set in motion is carried on until nothing moves, then everything
// leaves in batches.
void Node::settle() {
  wake_posted_ = false;
  bool moved = true;
  for (int round = 0; round < kSettleRounds && moved; ++round) {
    moved = take_requests();
    for (auto& plugin : plugins_)
      if (!plugin->own_thread()) moved = plugin->run(asio::steady_now()) || moved;
  }
  wire_.flush();
  sessions_->flush();
  control_->settle();
  Instant next = std::min(core_.deadline(), wire_.deadline());
  for (auto& plugin : plugins_) next = std::min(next, plugin->deadline());
  if (moved) next = Instant{};
  loop_.set_timer(next);
}

bool Node::take_requests() {
  {
    std::lock_guard lock(requests_mutex_);
    taken_requests_.swap(requests_);
  }
  const bool any = !taken_requests_.empty();
  for (const Request& request : taken_requests_) {
    if (request.bytes) {
      (void)send(request.port, request.targets, request.bytes, Service::BestEffort);
    } else {
      (void)join(request.port, std::get<GroupId>(request.targets.front()));
    }
  }
  taken_requests_.clear();
  return any;
}

void Node::transmit(NodeId peer, const Frame& frame) {
  wire_.transmit(asio::steady_now(), peer, frame);
}

void Node::deliver(Port port, const Delivery& delivery) {
  if (const auto at = endpoints_.find(port); at != endpoints_.end()) at->second->deliver(delivery);
}

std::expected<void, Reject> Node::open(Port port, Endpoint& endpoint) {
  const auto opened = core_.open(port);
  if (opened) endpoints_[port] = &endpoint;
  return opened;
}

void Node::close(Port port) {
  core_.close(asio::steady_now(), port);
  endpoints_.erase(port);
}

std::expected<void, Reject> Node::join(Port port, GroupId group) {
  return core_.join(asio::steady_now(), port, group);
}

void Node::leave(Port port, GroupId group) {
  core_.leave(asio::steady_now(), port, group);
}

std::expected<void, Reject> Node::send(Port source, std::span<const Target> targets, const SharedBytes& bytes,
                                       Service service) {
  const Instant now = asio::steady_now();
  std::expected<void, Reject> result;
  for (const Target& target : targets) {
    const auto sent = core_.send(now, source, target, bytes, service);
    if (!sent && result) result = sent;
  }
  return result;
}

int Node::plugin_send(bool on_io_thread, Port source, std::vector<Target> targets, SharedBytes bytes) {
  if (!on_io_thread) return request({source, std::move(targets), std::move(bytes)});
  const auto sent = send(source, targets, bytes, Service::BestEffort);
  if (sent) return SENESCHAL_OK;
  return sent.error() == Reject::QueueFull ? SENESCHAL_FULL : SENESCHAL_REFUSED;
}

int Node::plugin_join(bool on_io_thread, Port port, GroupId group) {
  if (!on_io_thread) return request({port, {group}, nullptr});
  return join(port, group) ? SENESCHAL_OK : SENESCHAL_REFUSED;
}

int Node::request(Request request) {
  {
    std::lock_guard lock(requests_mutex_);
    if (requests_.size() >= kMaxRequests) return SENESCHAL_FULL;
    requests_.push_back(std::move(request));
  }
  plugin_wake();
  return SENESCHAL_OK;
}

// The loop settles after every handler: an empty one is enough, and one under way serves all.
void Node::plugin_wake() {
  if (!wake_posted_.exchange(true)) loop_.post([] {});
}

void Node::plugin_log(const std::string& plugin, int level, const std::string& text) {
  const auto kind = level <= SENESCHAL_DEBUG     ? spdlog::level::debug
                    : level == SENESCHAL_INFO    ? spdlog::level::info
                    : level == SENESCHAL_WARNING ? spdlog::level::warn
                                                 : spdlog::level::err;
  spdlog::log(kind, "{}: {}", plugin, text);
}

}  // namespace seneschal::overlay
