#include "lab/node_report.hpp"

#include "runtime/asio/unix_socket.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <sys/socket.h>
#include <sys/time.h>

namespace seneschal::lab {

using Json = nlohmann::ordered_json;

namespace {

constexpr std::size_t kMaxAnswer = 16 << 20;
constexpr Duration kPatience = 5s;

/// One request line, one answer line.
Result<Json> ask(const ClusterNode& node, const Json& request_json, Duration patience = kPatience) {
  const auto name = fmt::format("node {} ({})", node.id.value, node.control);
  auto socket = asio::connect_unix(node.control, SOCK_STREAM, patience);
  if (!socket) return std::unexpected(socket.error());
  const std::string request = request_json.dump() + "\n";
  if (::send(socket->get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return failure(name + " does not take requests");
  std::string answer;
  std::array<char, 65536> buffer;
  while (answer.empty() || answer.back() != '\n') {
    const auto n = ::recv(socket->get(), buffer.data(), buffer.size(), 0);
    if (n <= 0 || answer.size() > kMaxAnswer) return failure(name + " does not answer");
    answer.append(buffer.data(), static_cast<std::size_t>(n));
  }
  Json json = Json::parse(answer, nullptr, false);
  if (!json.is_object()) return failure(name + " answers with something that is not JSON");
  if (!json.contains("ok") || json["ok"] != true)
    return failure(
        name + ": " +
        (json.contains("error") && json["error"].is_string() ? json["error"].get<std::string>() : "refused"));
  return json;
}

Result<Json> ask(const ClusterNode& node, const char* command, Duration patience = kPatience) {
  return ask(node, Json{{"command", command}}, patience);
}

// Members of what another process said: a missing or mistyped one is zero, empty, or false.
const Json& member(const Json& object, const char* key) {
  static const Json nothing;
  const auto it = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && it != object.end() ? *it : nothing;
}
std::uint64_t count(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}
double real(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_number() ? value.get<double>() : 0;
}
std::string text(const Json& object, const char* key) {
  const Json& value = member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

LinkReport link_of(const Json& json) {
  LinkReport link;
  link.peer = NodeId(static_cast<std::uint16_t>(count(json, "to")));
  link.up = member(json, "up") == true;
  link.packets = count(json, "packets");
  link.wire_bytes = count(json, "wire_bytes");
  link.queue_drops = count(json, "queue_drops");
  link.losses = count(json, "losses");
  link.delay_ms = real(member(json, "model"), "delay_ms");
  const Json& fidelity = member(json, "fidelity");
  link.error_p50_ms = real(fidelity, "delay_error_p50_us") / 1e3;
  link.error_p99_ms = real(fidelity, "delay_error_p99_us") / 1e3;
  if (count(fidelity, "busy_periods") > 0) link.bandwidth_error_percent = real(fidelity, "bandwidth_error_percent");
  return link;
}

PluginReport plugin_of(const Json& json) {
  PluginReport plugin;
  plugin.port = static_cast<std::uint32_t>(count(json, "port"));
  const std::string state = text(json, "state");
  plugin.running = state == "running";
  if (!plugin.running && state != "starting") plugin.error = state;
  plugin.log = text(member(json, "log"), "state");
  const Json& status = member(json, "status");
  if (status.is_object())
    for (const auto& [name, value] : status.items())
      if (value.is_string()) plugin.status[name] = value.get<std::string>();
  return plugin;
}

}  // namespace

Result<NodeReport> ask_node(const ClusterNode& node, Duration patience) {
  const auto status = ask(node, "status", patience);
  if (!status) return std::unexpected(status.error());
  const auto links = ask(node, "links", patience);
  if (!links) return std::unexpected(links.error());
  NodeReport report;
  report.node = node.id;
  report.receive_drops = count(*status, "receive_queue_drops");
  report.cpu_us = count(*status, "cpu_user_us") + count(*status, "cpu_system_us");
  report.reachable = member(*status, "reachable").size();
  for (const Json& link : member(*links, "links")) report.links.push_back(link_of(link));
  for (const Json& plugin : member(*status, "plugins")) report.plugins.push_back(plugin_of(plugin));
  return report;
}

Status reset_measurements(const ClusterNode& node) {
  const auto answer = ask(node, "reset_fidelity");
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Status end_replica(const ClusterNode& node, std::uint32_t port) {
  const auto answer = ask(node, Json{{"command", "end_plugin"}, {"port", port}});
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Status set_link(const ClusterNode& node, NodeId to, const emulator::LinkConfig& link) {
  const Json properties = {{"delay_ms", to_ms(link.delay)},
                           {"jitter_ms", to_ms(link.jitter)},
                           {"loss_percent", link.loss_ppm / 1e4},
                           {"duplicate_percent", link.duplicate_ppm / 1e4},
                           {"reorder_percent", link.reorder_ppm / 1e4}};
  const auto answer =
      ask(node, Json{{"command", "link_set"}, {"from", node.id.value}, {"to", to.value}, {"set", properties}});
  if (!answer) return std::unexpected(answer.error());
  return {};
}

Status wait_ready(const Cluster& cluster, const Deployment& deployment, Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  std::string missing = "nothing answered";
  const auto ready = [&](const ClusterNode& node) -> Status {
    const auto report = ask_node(node);
    if (!report) {
      missing = report.error().message;
      return {};
    }
    const std::size_t servers = deployment.servers_on(node.id).size();
    for (const PluginReport& plugin : report->plugins)
      if (!plugin.running && !plugin.error.empty())
        return failure(fmt::format("node {}: the replica on port {} does not run: {}", node.id.value, plugin.port,
                                   plugin.error));
    missing.clear();
    for (const PluginReport& plugin : report->plugins)
      if (!plugin.running)
        missing = fmt::format("node {}: the replica on port {} starts", node.id.value, plugin.port);
    if (report->plugins.size() < servers)
      missing = fmt::format("node {} runs {} of {} replicas", node.id.value, report->plugins.size(), servers);
    for (const LinkReport& link : report->links)
      if (!link.up)
        missing = fmt::format("the link from node {} to node {} is not up", node.id.value, link.peer.value);
    return {};
  };
  for (;;) {
    bool all = true;
    for (const ClusterNode& node : cluster.nodes) {
      if (!alive(node.process))
        return failure(fmt::format("node {} ended at once: {}", node.id.value, log_tail(node.log)));
      if (Status good = ready(node); !good) return good;
      if (!missing.empty()) {
        all = false;
        break;
      }
    }
    if (all) {
      // Groups were joined with the replicas' start; their link states need one more way across the network.
      sleep_unless_interrupted(300ms);
      return {};
    }
    if (interrupted()) return failure("interrupted");
    if (std::chrono::steady_clock::now() > deadline)
      return failure(fmt::format("not ready after {} s: {}", to_seconds(timeout), missing));
    sleep_unless_interrupted(20ms);
  }
}

}  // namespace seneschal::lab
