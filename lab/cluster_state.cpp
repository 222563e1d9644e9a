// state.json: which processes belong to a running deployment.
#include "lab/cluster.hpp"
#include "lab/files.hpp"

#include <nlohmann/json.hpp>

namespace seneschal::lab {

using Json = nlohmann::ordered_json;

namespace {
/// A text member; empty if it is missing or something else.
std::string text_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : std::string();
}
}  // namespace

Status save_state(const Cluster& cluster) {
  Json nodes = Json::array();
  for (const ClusterNode& node : cluster.nodes)
    nodes.push_back({{"id", node.id.value},
                     {"pid", node.process.pid},
                     {"started", node.process.started},
                     {"session", node.session},
                     {"control", node.control},
                     {"log", node.log}});
  const Json state = {{"name", cluster.name}, {"sockets", cluster.sockets}, {"keys", cluster.keys}, {"nodes", nodes}};
  return write_file(cluster.dir + "/state.json", state.dump(2) + "\n");
}

Result<Cluster> load_state(const std::string& dir) {
  const std::string path = absolute(dir) + "/state.json";
  const auto text = read_file(path);
  if (!text)
    return failure("nothing runs from " + dir + " (no " + path + "); start it with 'seneschal lab up FILE --out " +
                   dir + "'");
  const Json state = Json::parse(*text, nullptr, false);
  const auto damaged = [&] { return failure(path + ": is damaged; end its processes by hand and remove the file"); };
  if (!state.is_object() || !state.contains("nodes") || !state["nodes"].is_array()) return damaged();
  Cluster cluster;
  cluster.dir = absolute(dir);
  cluster.name = text_of(state, "name");
  cluster.sockets = text_of(state, "sockets");
  cluster.keys = text_of(state, "keys");
  for (const Json& item : state["nodes"]) {
    if (!item.is_object() || !item.contains("pid") || !item["pid"].is_number_integer() || !item.contains("started") ||
        !item["started"].is_number_unsigned() || !item.contains("id") || !item["id"].is_number_unsigned())
      return damaged();
    ClusterNode node;
    node.id = NodeId(item["id"].get<std::uint16_t>());
    node.process = {item["pid"].get<pid_t>(), item["started"].get<std::uint64_t>()};
    node.session = text_of(item, "session");
    node.control = text_of(item, "control");
    node.log = text_of(item, "log");
    cluster.nodes.push_back(std::move(node));
  }
  return cluster;
}

}  // namespace seneschal::lab
