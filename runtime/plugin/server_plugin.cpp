#include "runtime/plugin/server_plugin.hpp"

#include "crypto/key_ring.hpp"

namespace seneschal::plugin {

ServerConfig read_server(ConfigText& config, const std::string& folder) {
  ServerConfig server;
  constexpr std::uint64_t kMax16 = 0xffff;
  for (const auto& line : config.all("server")) {
    const auto numbers = config.numbers(line, 2, kMax16);
    server.self = {SiteId(static_cast<std::uint16_t>(numbers[0])),
                   ServerIndex(static_cast<std::uint16_t>(numbers[1]))};
  }
  if (config.all("server").size() != 1) config.fail(0, "expected one line 'server = SITE INDEX'");
  server.keys = config.text("keys");
  if (!server.keys.starts_with('/')) server.keys = folder + "/" + server.keys;
  server.application = config.text("application", "kv");
  server.keep_log = config.choice("durability", {"wal", "none"}, 0) == 0;
  server.roster = read_roster(config);
  if (!server.roster.directory.knows(server.self))
    config.fail(0, "server " + to_string(server.self) + " is not among the servers of the 'site' lines");
  return server;
}

Result<std::unique_ptr<crypto::Keys>> load_server_keys(const ServerConfig& config, const seneschal_host& host) {
  const EndpointId place = config.roster.directory.endpoint(config.self);
  if (place.node.value != host.node || place.port.value != host.port)
    return failure("server " + to_string(config.self) + " belongs on node " + std::to_string(place.node.value) +
                   " port " + std::to_string(place.port.value) + ", but is attached to node " +
                   std::to_string(host.node) + " port " + std::to_string(host.port));
  crypto::KeyRing::Options options;
  options.deployment = config.roster.membership.deployment;
  auto ring = crypto::KeyRing::load(config.keys, Principal::of(config.self), std::move(options));
  if (!ring) return std::unexpected(ring.error());
  return std::unique_ptr<crypto::Keys>(std::move(*ring));
}

ServerAssembly::ServerAssembly(const seneschal_host& host, ServerConfig config, std::unique_ptr<crypto::Keys> keys,
                               std::unique_ptr<Core> core, MessageTable messages,
                               std::function<void(StatusList&)> more_status)
    : config_(std::move(config)),
      keys_(std::move(keys)),
      core_(std::move(core)),
      env_(host, Principal::of(config_.self), config_.roster.directory, *keys_),
      replica_(Principal::of(config_.self), config_.roster.membership, std::move(messages), *core_, *keys_, env_),
      more_status_(std::move(more_status)) {
  env_.on_event = [this](const Event& event) { views_entered_ += event.kind == EventKind::ViewEntered ? 1 : 0; };
  env_.join_groups(config_.self);
}

std::string ServerAssembly::log_identity() const {
  return "deployment " + std::to_string(config_.roster.membership.deployment.value) + " server " +
         to_string(config_.self);
}

void ServerAssembly::status(StatusList& out) const {
  out.emplace_back("views_entered", std::to_string(views_entered_));
  out.emplace_back("accusations", std::to_string(env_.accusations()));
  if (more_status_) more_status_(out);
}

}  // namespace seneschal::plugin
