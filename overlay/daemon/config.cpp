#include "overlay/daemon/config.hpp"

#include "overlay/wire.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

namespace seneschal::overlay {
namespace {

using emulator::Range;
using emulator::TomlTable;

constexpr std::int64_t kMaxNode = 0xffff;
constexpr std::size_t kMaxPluginConfig = 1 << 20;

struct NodeEntry {
  asio::UdpAddress address;
  std::string session;
  std::string control;
};

using Links = std::map<std::pair<NodeId, NodeId>, emulator::LinkConfig>;

NodeId read_node_id(const TomlTable& table, std::string_view key) {
  return NodeId(static_cast<std::uint16_t>(table.integer(key, Range{0, kMaxNode})));
}

std::map<NodeId, NodeEntry> read_nodes(const TomlTable& root, const std::filesystem::path& folder) {
  std::map<NodeId, NodeEntry> nodes;
  std::map<std::array<Byte, 19>, NodeId> taken;
  for (const TomlTable& table : root.tables("node")) {
    const NodeId id = read_node_id(table, "id");
    NodeEntry entry;
    if (const auto address = asio::UdpAddress::parse(table.text("address"))) {
      entry.address = *address;
    } else {
      table.fail("address", address.error().message);
    }
    const std::string stem = "node-" + std::to_string(id.value);
    entry.session = (folder / table.text("session", stem + ".session")).string();
    entry.control = (folder / table.text("control", stem + ".control")).string();
    const auto [other, fresh] = taken.emplace(entry.address.key(), id);
    if (!fresh && entry.address.port() != 0)
      table.fail("address",
                 "the address of node " + std::to_string(other->second.value) + " too; expected another one");
    if (!nodes.emplace(id, entry).second)
      table.fail("id", "node " + std::to_string(id.value) + " is there twice; expected each id once");
  }
  if (nodes.empty()) root.fail("node", "there is no [[node]]; expected at least one");
  return nodes;
}

Links read_links(const TomlTable& root, const std::map<NodeId, NodeEntry>& nodes) {
  Links links;
  for (const TomlTable& table : root.tables("link")) {
    const NodeId a = read_node_id(table, "a");
    const NodeId b = read_node_id(table, "b");
    const bool one_way = table.boolean("one_way", false);
    for (const auto& [key, id] : {std::pair{"a", a}, std::pair{"b", b}})
      if (!nodes.contains(id))
        table.fail(key, "there is no node " + std::to_string(id.value) + "; expected the id of a [[node]]");
    if (a == b) table.fail("b", "a link needs two different nodes");
    const auto base = links.contains({a, b}) ? links[{a, b}] : emulator::LinkConfig{};
    const emulator::LinkConfig link = read_link(table, base);
    if (one_way && !links.contains({a, b}))
      table.fail("one_way", "there is no link between the two yet; expected a [[link]] without one_way before");
    links[{a, b}] = link;
    if (!one_way) links[{b, a}] = link;
  }
  return links;
}

// The plugins of one node; of the others only the form is checked.
std::vector<PluginSpec> read_plugins(const TomlTable& root, NodeId self, const std::map<NodeId, NodeEntry>& nodes,
                                     const std::filesystem::path& folder) {
  std::vector<PluginSpec> plugins;
  const std::filesystem::path data = folder / root.text("data_dir", "data");
  for (const TomlTable& table : root.tables("plugin")) {
    const NodeId node = read_node_id(table, "node");
    if (!nodes.contains(node)) table.fail("node", "there is no node " + std::to_string(node.value));
    PluginSpec spec;
    spec.library = table.text("library");
    spec.name = table.text("name", std::filesystem::path(spec.library).stem().string());
    spec.port = Port(static_cast<std::uint32_t>(table.integer("port", Range{0, 0xffffffff})));
    const std::string config = table.text("config", "");
    if (node != self) continue;
    spec.logs = data.string();
    spec.marks = (folder / "has-run").string();
    // A bare name is searched for where the system keeps libraries; a path starts at the file.
    if (spec.library.find('/') != std::string::npos) spec.library = (folder / spec.library).string();
    spec.folder = folder.string();
    if (!config.empty()) {
      const std::filesystem::path path = folder / config;
      std::ifstream in(path, std::ios::binary);
      spec.config.assign(std::istreambuf_iterator<char>(in), {});
      if (!in) table.fail("config", path.string() + " cannot be read; expected the plugin's configuration");
      if (spec.config.size() > kMaxPluginConfig) table.fail("config", path.string() + " is over 1 MiB");
      spec.folder = path.parent_path().string();
    }
    for (const PluginSpec& other : plugins)
      if (other.port == spec.port) {
        table.fail("port", "plugin '" + other.name + "' has this port already");
      } else if (other.name == spec.name) {
        table.fail("name",
                   "there is a plugin '" + spec.name + "' on this node already; they could not be told apart");
      }
    plugins.push_back(std::move(spec));
  }
  return plugins;
}

}  // namespace

emulator::LinkConfig read_link(const TomlTable& table, const emulator::LinkConfig& base) {
  const auto ppm = [&](std::string_view key, std::uint32_t fallback) {
    return static_cast<std::uint32_t>(table.scaled(key, 10'000, fallback, Range{0, emulator::kCertainPpm}));
  };
  emulator::LinkConfig link = base;
  link.delay = table.duration("delay_ms", 1ms, base.delay);
  link.jitter = table.duration("jitter_ms", 1ms, base.jitter);
  link.bandwidth_bps = static_cast<std::uint64_t>(table.scaled(
      "bandwidth_mbps", 1'000'000, static_cast<std::int64_t>(base.bandwidth_bps), Range{0, 1'000'000'000'000}));
  link.queue_bytes = static_cast<std::uint64_t>(
      table.scaled("queue_kib", 1024, static_cast<std::int64_t>(base.queue_bytes), Range{0, std::int64_t{1} << 40}));
  link.loss_ppm = ppm("loss_percent", base.loss_ppm);
  link.duplicate_ppm = ppm("duplicate_percent", base.duplicate_ppm);
  link.reorder_ppm = ppm("reorder_percent", base.reorder_ppm);
  link.reorder_extra = table.duration("reorder_extra_ms", 1ms, base.reorder_extra);
  return link;
}

std::string lock_path(const std::string& locks, NodeId node) {
  return locks + "/node-" + std::to_string(node.value) + ".lock";
}

Result<DaemonConfig> load_daemon_config(const std::string& path, std::optional<NodeId> node) {
  const auto file = emulator::TomlFile::load(path);
  if (!file) return std::unexpected(file.error());
  const TomlTable root = file->root();
  const std::filesystem::path folder = std::filesystem::absolute(path).parent_path();

  DaemonConfig config;
  constexpr std::array<std::string_view, 2> kModes = {"measured", "configured"};
  config.routing = root.choice("routing", kModes, 0) == 0 ? RoutingMode::Measured : RoutingMode::Configured;
  const std::string locks = (folder / root.text("lock_dir", std::string(kLockFolder))).string();
  config.crypto_threads = static_cast<unsigned>(root.integer("crypto_threads", 0, Range{0, 256}));
  const auto nodes = read_nodes(root, folder);
  const Links links = read_links(root, nodes);
  if (node && !nodes.contains(*node))
    return failure(path + ": there is no node " + std::to_string(node->value) + "; expected the id of a [[node]]");
  if (!node && nodes.size() > 1) {
    if (Status good = file->finish(); !good) return std::unexpected(good.error());
    return failure(path + ": has " + std::to_string(nodes.size()) + " nodes; say which one to be with --node N");
  }
  config.self = node ? *node : nodes.empty() ? NodeId() : nodes.begin()->first;
  config.plugins = read_plugins(root, config.self, nodes, folder);
  if (Status good = file->finish(); !good) return std::unexpected(good.error());

  const NodeEntry& self = nodes.at(config.self);
  config.address = self.address;
  config.session_path = self.session;
  config.control_path = self.control;
  config.lock_path = lock_path(locks, config.self);
  for (const auto& [ends, link] : links)
    if (ends.first == config.self) config.peers.push_back({ends.second, nodes.at(ends.second).address, link});
  if (config.peers.size() > kMaxNeighbours)
    return failure(path + ": node " + std::to_string(config.self.value) + " has " +
                   std::to_string(config.peers.size()) + " links; expected at most " +
                   std::to_string(kMaxNeighbours));
  for (const PeerPlace& peer : config.peers)
    if (peer.address.is_v4() != config.address.is_v4())
      return failure(path + ": node " + std::to_string(peer.id.value) + " (" + peer.address.text() + ") and node " +
                     std::to_string(config.self.value) + " (" + config.address.text() +
                     ") are linked; expected both to use IPv4, or both IPv6");
  return config;
}

}  // namespace seneschal::overlay
