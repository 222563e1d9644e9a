// The overlay daemon: the node's core with real sockets, links, plugins and sessions.
#pragma once
#include "overlay/daemon/control_server.hpp"
#include "overlay/daemon/plugin_runner.hpp"
#include "overlay/daemon/session_server.hpp"
#include "overlay/daemon/wire_links.hpp"
#include "overlay/node_core.hpp"

#include <memory>

namespace seneschal::overlay {

class Node final : NodeEnv, Switchboard, PluginHome {
 public:
  /// Opens all sockets and loads all plugins. A plugin that does not load is logged, and the node goes on without it.
  /// Errors: an address or a path is in use.
  static Result<std::unique_ptr<Node>> open(const DaemonConfig& config);
  ~Node() override;

  /// Runs until SIGINT or SIGTERM, or stop().
  void run();
  /// Any thread.
  void stop() { loop_.stop(); }
  /// Where the node listens; tells the port if the configuration had 0.
  asio::UdpAddress address() const { return wire_.socket().local(); }

 private:
  /// Requests of plugins on threads of their own that wait for the I/O thread; more are refused.
  static constexpr std::size_t kMaxRequests = 65'536;
  struct Request {
    Port port;
    std::vector<Target> targets;
    SharedBytes bytes;  // nothing: join the group in `targets`
  };

  Node(const DaemonConfig& config, std::unique_ptr<asio::UdpSocket> socket, asio::UnixListener sessions,
       asio::UnixListener control);
  void load_plugins();

  // node.cpp: the loop
  void on_udp_readable();
  void on_timer();
  void settle();
  bool take_requests();

  // NodeEnv
  void transmit(NodeId peer, const Frame& frame) override;
  void deliver(Port port, const Delivery& delivery) override;
  // Switchboard
  NodeId self() const override { return config_.self; }
  std::expected<void, Reject> open(Port port, Endpoint& endpoint) override;
  void close(Port port) override;
  std::expected<void, Reject> join(Port port, GroupId group) override;
  void leave(Port port, GroupId group) override;
  std::expected<void, Reject> send(Port source, std::span<const Target> targets, const SharedBytes& bytes,
                                   Service service) override;
  // PluginHome
  asio::CryptoPool& pool() override { return pool_; }
  int plugin_send(bool on_io_thread, Port source, std::vector<Target> targets, SharedBytes bytes) override;
  int plugin_join(bool on_io_thread, Port port, GroupId group) override;
  int request(Request request);
  void plugin_log(const std::string& plugin, int level, const std::string& text) override;
  void plugin_wake() override;

  // status.cpp: what ctl asks for
  std::string on_control(const std::string& line);

  struct Control;  // status.cpp
  friend struct Control;

  DaemonConfig config_;
  Instant started_;
  asio::IoLoop loop_;
  mutable WireLinks wire_;
  NodeCore core_;
  std::map<Port, Endpoint*> endpoints_;
  asio::CryptoPool pool_;
  std::vector<std::unique_ptr<PluginRunner>> plugins_;
  std::vector<PluginStatus> missing_plugins_;  // did not load
  std::unique_ptr<SessionServer> sessions_;
  std::unique_ptr<ControlServer> control_;
  std::mutex requests_mutex_;
  std::vector<Request> requests_;  // guarded by requests_mutex_
  std::vector<Request> taken_requests_;
  std::atomic<bool> wake_posted_{false};
  std::uint64_t oversized_ = 0;
};

}  // namespace seneschal::overlay
