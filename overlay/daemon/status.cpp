// What `ctl` sees of a node, as JSON, and what it may change.
#include "emulator/link_toml.hpp"
#include "overlay/daemon/node.hpp"

#include <sys/resource.h>
#include <nlohmann/json.hpp>

namespace seneschal::overlay {

using Json = nlohmann::ordered_json;

namespace {

Json failed(const std::string& message) {
  return {{"ok", false}, {"error", message}};
}

Json drops_of(const DropCounts& drops) {
  Json json = Json::object();
  drops.each([&](Reject reason, std::uint64_t n) { json[std::string(to_string(reason))] = n; });
  return json;
}

double us(Duration d) {
  return static_cast<double>(d.count()) / 1e3;
}

Json model_json(const emulator::LinkConfig& link) {
  return {{"delay_ms", to_ms(link.delay)},
          {"jitter_ms", to_ms(link.jitter)},
          {"bandwidth_mbps", static_cast<double>(link.bandwidth_bps) / 1e6},
          {"queue_bytes", link.bandwidth_bps == 0 ? 0 : link.effective_queue_bytes()},
          {"loss_percent", link.loss_ppm / 1e4},
          {"duplicate_percent", link.duplicate_ppm / 1e4},
          {"reorder_percent", link.reorder_ppm / 1e4},
          {"reorder_extra_ms", to_ms(link.reorder_extra)}};
}

Json plugin_json(const PluginStatus& status) {
  Json values = Json::object();
  for (const auto& [name, value] : status.values) values[name] = value;
  return {{"name", status.name},
          {"library", status.library},
          {"port", status.port.value},
          {"state", status.state},
          {"own_thread", status.own_thread},
          {"datagrams", status.datagrams},
          {"sends", status.sends},
          {"jobs", status.jobs},
          {"queued", status.queued},
          {"dropped_in", status.dropped_in},
          {"dropped_out", status.dropped_out},
          {"log",
           {{"state", status.log},
            {"records", status.records.records},
            {"groups", status.records.groups},
            {"bytes", status.records.bytes},
            {"segments", status.records.segments}}},
          {"status", values}};
}

std::int64_t micros(const timeval& time) {
  return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
}

std::string apply(const Json& parameters, emulator::LinkConfig& link) {
  for (const auto& [name, value] : parameters.items()) {
    if (!value.is_number()) return "'" + name + "' is not a number";
    if (Status good = emulator::set_link_property(link, name, value.get<double>()); !good)
      return good.error().message;
  }
  return "";
}

}  // namespace

struct Node::Control {
  Node& node;

  Json status() const {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const NodeCounters counters = node.core_.counters();
    const SessionCounters& sessions = node.sessions_->counters();
    Json plugins_json = Json::array();
    for (const PluginStatus& plugin : plugins()) plugins_json.push_back(plugin_json(plugin));
    Json up = Json::array();
    for (const LinkReport& link : node.core_.links())
      if (link.up) up.push_back(link.peer.value);
    Json reachable = Json::array();
    for (NodeId id : node.core_.routes().nodes())
      if (node.core_.routes().next_hop(id)) reachable.push_back(id.value);
    return {{"ok", true},
            {"node", node.config_.self.value},
            {"pid", ::getpid()},
            {"address", node.address().text()},
            {"uptime_ms", (asio::steady_now() - node.started_).count() / 1'000'000},
            {"cpu_user_us", micros(usage.ru_utime)},
            {"cpu_system_us", micros(usage.ru_stime)},
            {"max_rss_kib", usage.ru_maxrss},
            {"links_up", up},
            {"reachable", reachable},
            {"sent", counters.sent},
            {"delivered", counters.delivered},
            {"forwarded", counters.forwarded},
            {"routes_built", counters.routes_built},
            {"drops", drops_of(counters.drops)},
            {"receive_queue_drops", node.wire_.socket().receive_drops()},
            {"send_drops", node.wire_.socket().send_drops()},
            {"oversized", node.oversized_},
            {"partial_bytes", node.core_.reassembler().partial_bytes()},
            {"sessions",
             {{"open", node.sessions_->sessions()},
              {"accepted", sessions.accepted},
              {"refused", sessions.refused + node.sessions_->without_descriptor()},
              {"refused_without_descriptor", node.sessions_->without_descriptor()},
              {"malformed", sessions.malformed},
              {"received", sessions.received},
              {"sent", sessions.sent},
              {"queue_drops", sessions.queue_drops}}},
            {"crypto",
             {{"threads", node.pool_.threads()},
              {"queued", node.pool_.queued()},
              {"done", node.pool_.done()},
              {"refused", node.pool_.refused()}}},
            {"plugins", plugins_json}};
  }

  std::vector<PluginStatus> plugins() const {
    std::vector<PluginStatus> all = node.missing_plugins_;
    for (auto& plugin : node.plugins_) all.push_back(plugin->status());
    std::ranges::sort(all, {}, &PluginStatus::port);
    return all;
  }

  Json links() const {
    Json list = Json::array();
    const std::vector<LinkReport> reports = node.core_.links();
    for (std::size_t i = 0; i < reports.size(); ++i) {
      const LinkReport& report = reports[i];
      WireLinks::Link& link = *node.wire_.find(report.peer);
      const emulator::LinkCounters& wire = link.model.counters();
      const Fidelity& fidelity = link.fidelity;
      list.push_back(
          {{"from", node.config_.self.value},
           {"to", report.peer.value},
           {"address", link.place.address.text()},
           {"up", report.up},
           {"cost_us", report.cost_us},
           {"rtt_ms", to_ms(report.rtt)},
           {"hello_loss_permille", report.loss_permille},
           {"times_down", report.counters.times_down},
           {"model", model_json(link.model.config())},
           {"packets", wire.packets},
           {"wire_bytes", wire.wire_bytes},
           {"busy_ns", wire.busy.count()},
           {"queue_drops", wire.queue_drops},
           {"losses", wire.losses},
           {"duplicates", wire.duplicates},
           {"reordered", wire.reordered},
           {"queued_bytes", link.model.queued_bytes(asio::steady_now())},
           {"under_way", link.under_way},
           {"overflows", link.overflows},
           {"control_bytes", report.counters.control_bytes_sent},
           {"retransmitted", report.counters.retransmitted},
           {"waiting_packets", report.queued_packets},
           {"packets_received", report.counters.packets_received},
           {"bytes_received", report.counters.bytes_received},
           {"drops", drops_of(report.counters.drops)},
           {"fidelity",
            {{"packets", fidelity.delay_error().count()},
             {"delay_error_p50_us", us(fidelity.delay_error().percentile(500))},
             {"delay_error_p99_us", us(fidelity.delay_error().percentile(990))},
             {"delay_error_max_us", us(fidelity.delay_error().max())},
             {"busy_periods", fidelity.busy_periods()},
             {"bandwidth_error_percent", static_cast<double>(fidelity.bandwidth_error_ppm()) / 1e4},
             {"bandwidth_error_worst_percent", static_cast<double>(fidelity.worst_bandwidth_error_ppm()) / 1e4}}}});
    }
    return {{"ok", true}, {"node", node.config_.self.value}, {"links", list}};
  }

  Json link_set(const Json& request) const {
    if (!request.contains("from") || !request.contains("to") || !request["from"].is_number_unsigned() ||
        !request["to"].is_number_unsigned() || !request.contains("set") || !request["set"].is_object())
      return failed("expected {\"command\":\"link_set\",\"from\":A,\"to\":B,\"set\":{...}}");
    const auto from = request["from"].get<std::uint64_t>();
    const auto to = request["to"].get<std::uint64_t>();
    if (from != node.config_.self.value)
      return failed("this is node " + std::to_string(node.config_.self.value) + "; the link from " +
                    std::to_string(from) + " to " + std::to_string(to) + " is set at node " + std::to_string(from));
    WireLinks::Link* link = to <= 0xffff ? node.wire_.find(NodeId(static_cast<std::uint16_t>(to))) : nullptr;
    if (link == nullptr) return failed("there is no link from " + std::to_string(from) + " to " + std::to_string(to));
    emulator::LinkConfig changed = link->model.config();
    if (const std::string error = apply(request["set"], changed); !error.empty()) return failed(error);
    const Instant now = asio::steady_now();
    node.wire_.configure(now, *link, changed);
    node.core_.set_bandwidth(now, link->place.id, pacing_rate(changed));
    return {{"ok", true}, {"from", from}, {"to", to}, {"model", model_json(changed)}};
  }

  Json end_plugin(const Json& request) const {
    if (!request.contains("port") || !request["port"].is_number_unsigned())
      return failed("expected {\"command\":\"end_plugin\",\"port\":P}");
    const auto port = request["port"].get<std::uint64_t>();
    for (auto& plugin : node.plugins_) {
      if (plugin->port().value != port) continue;
      plugin->stop();
      node.close(plugin->port());
      return {{"ok", true}, {"node", node.config_.self.value}, {"port", port}};
    }
    return failed("there is no plugin on port " + std::to_string(port));
  }
};

std::string Node::on_control(const std::string& line) {
  const Json request = Json::parse(line, nullptr, false);
  Control control{*this};
  Json answer;
  const std::string command =
      request.is_object() ? request.value("command", Json()).is_string() ? request["command"].get<std::string>() : ""
                          : "";
  if (command == "status") {
    answer = control.status();
  } else if (command == "links") {
    answer = control.links();
  } else if (command == "plugins") {
    Json list = Json::array();
    for (const PluginStatus& plugin : control.plugins()) list.push_back(plugin_json(plugin));
    answer = {{"ok", true}, {"node", config_.self.value}, {"plugins", list}};
  } else if (command == "link_set") {
    answer = control.link_set(request);
  } else if (command == "end_plugin") {
    answer = control.end_plugin(request);
  } else if (command == "reset_fidelity") {
    for (const PeerPlace& peer : config_.peers) wire_.find(peer.id)->fidelity = Fidelity{};
    answer = {{"ok", true}, {"node", config_.self.value}};
  } else {
    answer = failed(
        "unknown command; expected a JSON object with \"command\": status, links, plugins, link_set, "
        "end_plugin or reset_fidelity");
  }
  return answer.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace seneschal::overlay
