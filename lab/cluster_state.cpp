// What runs from a folder. state.json says how it was started; who runs now the daemons' locks say, and what is
// missing in the file is taken from the nodes' configuration.
#include "emulator/toml_file.hpp"
#include "lab/cluster.hpp"
#include "lab/daemons.hpp"
#include "lab/files.hpp"
#include "runtime/config_text.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace seneschal::lab {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

namespace {

/// A text member; empty if it is missing or something else.
std::string text_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool read_state(const std::string& text, Cluster& cluster) {
  const Json state = Json::parse(text, nullptr, false);
  if (!state.is_object() || !state.contains("nodes") || !state["nodes"].is_array()) return false;
  cluster.name = text_of(state, "name");
  cluster.sockets = text_of(state, "sockets");
  cluster.keys = text_of(state, "keys");
  for (const Json& item : state["nodes"]) {
    if (!item.is_object() || !item.contains("id") || !item["id"].is_number_unsigned() ||
        item["id"].get<std::uint64_t>() > 0xffff)
      return false;
    ClusterNode node;
    node.id = NodeId(item["id"].get<std::uint16_t>());
    node.session = text_of(item, "session");
    node.control = text_of(item, "control");
    node.log = text_of(item, "log");
    if (node.session.empty() || node.control.empty()) return false;
    cluster.nodes.push_back(std::move(node));
  }
  return !cluster.name.empty() && !cluster.sockets.empty() && !cluster.nodes.empty();
}

std::string log_of(const std::string& dir, NodeId id) {
  return fmt::format("{}/nodes/node{}.log", dir, id.value);
}

/// As `lab up` wrote it for the daemons.
void read_configuration(Cluster& cluster) {
  if (const auto file = emulator::TomlFile::load(cluster.dir + "/deployment.toml"))
    cluster.name = file->root().text("name", "");
  if (cluster.name.empty()) cluster.name = fs::path(cluster.dir).filename().string();
  if (const auto file = emulator::TomlFile::load(cluster.dir + "/nodes.toml"))
    for (const auto& table : file->root().tables("node")) {
      ClusterNode node;
      node.id = NodeId(static_cast<std::uint16_t>(table.integer("id", {0, 0xffff})));
      node.session = beside(file->name(), table.text("session", ""));
      node.control = beside(file->name(), table.text("control", ""));
      node.log = log_of(cluster.dir, node.id);
      cluster.sockets = fs::path(node.control).parent_path().string();
      cluster.nodes.push_back(std::move(node));
    }
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(cluster.dir + "/nodes", none)) {
    if (entry.path().extension() != ".conf") continue;
    const auto text = read_file(entry.path().string());
    auto config = ConfigText::parse(text ? *text : "", entry.path().string());
    if (config && config->has("keys")) cluster.keys = config->text("keys");
    if (!cluster.keys.empty()) break;
  }
}

void add_running(const std::vector<RunningDaemon>& running, Cluster& cluster) {
  for (const RunningDaemon& daemon : running) {
    auto it = std::ranges::find(cluster.nodes, daemon.node, &ClusterNode::id);
    if (it == cluster.nodes.end()) {
      cluster.nodes.push_back({});
      it = cluster.nodes.end() - 1;
      it->id = daemon.node;
      it->log = log_of(cluster.dir, daemon.node);
    }
    it->process = daemon.process;
    it->elsewhere = daemon.process.pid == 0;
    if (!daemon.session.empty()) it->session = daemon.session;
    if (!daemon.control.empty()) it->control = daemon.control;
  }
  std::ranges::sort(cluster.nodes, {}, &ClusterNode::id);
}

}  // namespace

Status save_state(const Cluster& cluster) {
  Json nodes = Json::array();
  for (const ClusterNode& node : cluster.nodes)
    nodes.push_back({{"id", node.id.value}, {"session", node.session}, {"control", node.control}, {"log", node.log}});
  const Json state = {{"name", cluster.name}, {"sockets", cluster.sockets}, {"keys", cluster.keys}, {"nodes", nodes}};
  return replace_file(cluster.dir + "/state.json", state.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

Result<Cluster> load_state(const std::string& dir) {
  Cluster cluster;
  cluster.dir = absolute(dir);
  const std::string path = cluster.dir + "/state.json";
  if (::access(cluster.dir.c_str(), R_OK | X_OK) != 0 && errno == EACCES)
    return failure(fmt::format("{} belongs to user {}, and you may not read it", dir, owner_of(cluster.dir)));
  const auto running = daemons_of(cluster.dir);
  if (!running) return std::unexpected(running.error());
  std::error_code none;
  const bool saved = fs::exists(path, none);
  if (!saved && running->empty())
    return failure("nothing runs from " + dir + " (no " + path + "); start it with 'seneschal lab up FILE --out " +
                   dir + "'");
  const auto text = read_file(path);
  if (!text || !read_state(*text, cluster)) {
    cluster.nodes.clear();
    read_configuration(cluster);
    cluster.note = path + (saved ? " is damaged" : " is missing") +
                   ": what it would say is taken from the daemons and their configuration";
  }
  add_running(*running, cluster);
  return cluster;
}

}  // namespace seneschal::lab
