#include "overlay/daemon/config.hpp"

#include "emulator/link_toml.hpp"
#include "emulator/names.hpp"
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

/// The two ends of a link: `from` and `to`, as in topology files. Files of former versions say `a` and `b`.
struct Ends {
  std::string_view from = "from", to = "to";
};
Ends ends_of(const TomlTable& table, std::vector<std::string>& notes) {
  // Also asked for, so that a misspelt key is compared with the names of today.
  const bool today = table.has("from") || table.has("to");
  if (today || (!table.has("a") && !table.has("b"))) return {};
  if (notes.empty())
    notes.push_back("line " + std::to_string(table.line()) +
                    ": the ends of a [[link]] are called 'from' and 'to'; 'a' and 'b' are still understood");
  return {"a", "b"};
}

Links read_links(const TomlTable& root, const std::map<NodeId, NodeEntry>& nodes, std::vector<std::string>& notes) {
  Links links;
  for (const TomlTable& table : root.tables("link")) {
    const Ends ends = ends_of(table, notes);
    const NodeId from = read_node_id(table, ends.from);
    const NodeId to = read_node_id(table, ends.to);
    const bool one_way = table.boolean("one_way", false);
    for (const auto& [key, id] : {std::pair{ends.from, from}, std::pair{ends.to, to}})
      if (!nodes.contains(id))
        table.fail(key, "there is no node " + std::to_string(id.value) + "; expected the id of a [[node]]");
    if (from == to) table.fail(ends.to, "a link needs two different nodes");
    const auto base = links.contains({from, to}) ? links[{from, to}] : emulator::LinkConfig{};
    const emulator::LinkConfig link = emulator::read_link(table, base);
    if (one_way && !links.contains({from, to}))
      table.fail("one_way", "there is no link between the two yet; expected a [[link]] without one_way before");
    links[{from, to}] = link;
    if (!one_way) links[{to, from}] = link;
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
    spec.name = emulator::read_name(table, "name", std::filesystem::path(spec.library).stem().string());
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
  const Links links = read_links(root, nodes, config.notes);
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
