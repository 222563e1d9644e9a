#include "lab/cluster.hpp"

#include "lab/files.hpp"
#include "lab/remembered.hpp"

#include <fmt/format.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <fstream>

namespace seneschal::lab {

namespace fs = std::filesystem;

namespace {

/// A socket's path must fit into 108 bytes.
constexpr std::size_t kLongestSocketFolder = 80;

/// UDP ports that are free now, `count` different ones.
Result<std::vector<std::uint16_t>> free_ports(std::size_t count) {
  std::vector<int> sockets;
  std::vector<std::uint16_t> ports;
  for (std::size_t i = 0; i < count; ++i) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) break;
    sockets.push_back(fd);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* name = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fd, name, size) != 0 || ::getsockname(fd, name, &size) != 0) break;
    ports.push_back(ntohs(address.sin_port));
  }
  for (int fd : sockets) ::close(fd);
  if (ports.size() < count) return failure("no free UDP port on 127.0.0.1");
  return ports;
}

std::string plugin_text(const Deployment& d, const Roster& roster, ServerId id, const std::string& keys,
                        const std::string& dir) {
  std::string text = fmt::format(
      "server = {} {}\nkeys = {}\nsite_names = {}\napplication = {}\nwindow = {}\nbatch_max = {}\ndelivery = {}\n"
      "durability = {}\nlog_growth_kb = {}\ncheckpoint_interval = {}\n",
      id.site.value, id.index.value, keys, site_names(d), d.options.application, d.options.window,
      d.options.batch_max, d.options.delivery, d.options.durability, d.options.log_growth_kb,
      d.options.checkpoint_interval);
  text += d.protocol == Protocol::Steward ? fmt::format("fanout = {}\n", d.options.fanout)
                                          : fmt::format("auth = {}\n", d.options.auth);
  if (d.options.accountability)
    text += fmt::format("graph = {}\ngraph_source = {}\ngraph_epoch = {}\ngraph_keep = {}\n", graph_folder(dir, id),
                        d.options.graph_source, d.options.graph_epoch, d.options.graph_keep);
  return text + to_text(roster);
}

/// Servers that begin from nothing begin new graphs: what an earlier deployment left is moved aside, not mixed in.
Status set_old_graphs_aside(const std::string& dir) {
  std::error_code error;
  if (!fs::exists(dir + "/graph", error) || has_run(dir)) return {};
  for (int n = 1;; ++n) {
    const std::string aside = fmt::format("{}/graph-before-{}", dir, n);
    if (fs::exists(aside, error)) continue;
    fs::rename(dir + "/graph", aside, error);
    return error ? failure(dir + "/graph: cannot be moved aside: " + error.message()) : Status{};
  }
}

class Starter {
 public:
  Starter(Deployment deployment, const std::string& dir, const ClusterOptions& options)
      : deployment_(std::move(deployment)), dir_(absolute(dir)), options_(options) {
    if (options_.program.empty()) options_.program = own_program();
    if (options_.plugins.empty())
      options_.plugins = (fs::path(options_.program).parent_path().parent_path() / "lib").string();
  }

  Result<Cluster> start() {
    cluster_.name = deployment_.name;
    cluster_.dir = dir_;
    cluster_.keys = options_.keys;
    if (Status good = prepare(); !good) return std::unexpected(good.error());
    if (Status good = write_files(); !good) return std::unexpected(good.error());
    for (ClusterNode& node : cluster_.nodes) {
      std::error_code ignored;
      fs::remove(node.log, ignored);
      auto process =
          spawn({options_.program, "node", "--config", dir_ + "/nodes.toml", "--node", std::to_string(node.id.value)},
                {.output = node.log, .die_with_parent = !options_.detach, .detach = options_.detach});
      if (!process) return give_up(process.error());
      node.process = *process;
      // At once: `lab down` must find it, whatever happens next.
      if (Status good = save_state(cluster_); !good) return give_up(good.error());
    }
    return std::move(cluster_);
  }

 private:
  std::unexpected<Error> give_up(Error error) {
    stop_cluster(cluster_);
    return std::unexpected(std::move(error));
  }

  Status prepare() {
    if (options_.fresh) forget_runs(dir_);
    std::error_code none;
    fs::remove(cluster_.turned(), none);
    if (Status aside = set_old_graphs_aside(dir_); !aside) return aside;
    if (Status made = make_dir(dir_ + "/nodes"); !made) return made;
    const std::string library = plugin_path();
    if (::access(library.c_str(), R_OK) != 0)
      return failure(library + ": the plugin is missing; build it, or name its folder with --plugins");
    if (!options_.traitors.empty() && ::access(traitor_path().c_str(), R_OK) != 0)
      return failure(traitor_path() +
                     ": the plugin of Byzantine servers is missing; build its target steward_traitor");
    cluster_.sockets = dir_ + "/run";
    if (cluster_.sockets.size() > kLongestSocketFolder) {
      char name[] = "/tmp/seneschal-XXXXXX";
      if (::mkdtemp(name) == nullptr) return failure("no folder for sockets can be made in /tmp");
      cluster_.sockets = name;
    }
    if (Status made = make_dir(cluster_.sockets); !made) return made;
    std::error_code ignored;
    fs::permissions(cluster_.sockets, fs::perms::owner_all, ignored);
    if (deployment_.base_port != 0) {
      for (std::size_t i = 0; i < deployment_.sites(); ++i)
        ports_.push_back(static_cast<std::uint16_t>(deployment_.base_port + i));
    } else {
      auto ports = free_ports(deployment_.sites());
      if (!ports) return std::unexpected(ports.error());
      ports_ = std::move(*ports);
    }
    for (std::size_t s = 0; s < deployment_.sites(); ++s) {
      ClusterNode node;
      node.id = deployment_.node_of_site(s);
      const std::string stem = cluster_.sockets + "/node" + std::to_string(node.id.value);
      node.session = stem + ".session";
      node.control = stem + ".control";
      node.log = fmt::format("{}/nodes/node{}.log", dir_, node.id.value);
      cluster_.nodes.push_back(std::move(node));
    }
    return {};
  }

  std::string plugin_path() const {
    return fmt::format("{}/lib{}.so", options_.plugins, to_string(deployment_.protocol));
  }
  std::string traitor_path() const { return options_.plugins + "/libsteward_traitor.so"; }

  const Traitor* traitor(ServerId id) const {
    const auto it = std::ranges::find(options_.traitors, id, &Traitor::server);
    return it == options_.traitors.end() ? nullptr : &*it;
  }

  Status write_files() {
    const Roster roster = deployment_.roster();
    std::string text = "# Made from deployment.toml.\n";
    for (std::size_t s = 0; s < cluster_.nodes.size(); ++s) {
      const ClusterNode& node = cluster_.nodes[s];
      text += fmt::format("\n[[node]]\nid = {}\naddress = {}\nsession = {}\ncontrol = {}\n", node.id.value,
                          toml_quoted(fmt::format("{}:{}", deployment_.address, ports_[s])),
                          toml_quoted(node.session), toml_quoted(node.control));
    }
    add_links(text);
    for (const ClusterNode& node : cluster_.nodes)
      for (ServerId id : deployment_.servers_on(node.id)) {
        const std::string name =
            fmt::format("{}-{}-{}", to_string(deployment_.protocol), id.site.value, id.index.value);
        std::string config = plugin_text(deployment_, roster, id, options_.keys, dir_);
        const Traitor* traitor = this->traitor(id);
        if (traitor != nullptr)
          config = fmt::format("behaviour = {}\nbegins = {}\n", to_string(traitor->behaviour),
                               options_.traitors_wait ? cluster_.turned() : "") +
                   config;
        if (Status good = write_file(fmt::format("{}/nodes/{}.conf", dir_, name), config); !good) return good;
        text += fmt::format(
            "\n[[plugin]]\nnode = {}\nname = \"{}\"\nlibrary = {}\nport = {}\nconfig = \"nodes/{}.conf\"\n",
            node.id.value, name, toml_quoted(traitor != nullptr ? traitor_path() : plugin_path()),
            roster.directory.endpoint(id).port.value, name);
      }
    if (Status good = write_file(dir_ + "/nodes.toml", text); !good) return good;
    return save_deployment(deployment_, dir_);
  }

  void add_links(std::string& text) const {
    const auto& topology = deployment_.topology;
    const auto add = [&](std::size_t a, std::size_t b, const emulator::LinkConfig& link, bool one_way) {
      text += fmt::format("\n[[link]]\nfrom = {}\nto = {}\n{}{}", a + 1, b + 1, one_way ? "one_way = true\n" : "",
                          deployment_.shaped ? link_keys(link) : "");
    };
    for (std::size_t a = 0; a < topology.size(); ++a)
      for (std::size_t b = a + 1; b < topology.size(); ++b) {
        const auto *there = topology.link(a, b), *back = topology.link(b, a);
        if (there == nullptr && back == nullptr) continue;
        add(a, b, there != nullptr ? *there : *back, false);
        if (there != nullptr && back != nullptr && *there != *back) add(b, a, *back, true);
      }
  }

  Deployment deployment_;
  std::string dir_;
  ClusterOptions options_;
  Cluster cluster_;
  std::vector<std::uint16_t> ports_;
};

}  // namespace

std::string graph_folder(const std::string& dir, ServerId id) {
  return fmt::format("{}/graph/{}.{}", dir, id.site.value, id.index.value);
}

std::vector<ProcessId> Cluster::processes() const {
  std::vector<ProcessId> list;
  for (const ClusterNode& node : nodes)
    if (node.process.pid > 0) list.push_back(node.process);
  return list;
}

const ClusterNode* Cluster::find(NodeId id) const {
  const auto it = std::ranges::find(nodes, id, &ClusterNode::id);
  return it == nodes.end() ? nullptr : &*it;
}

Result<Cluster> start_cluster(Deployment deployment, const std::string& dir, const ClusterOptions& options) {
  return Starter(std::move(deployment), dir, options).start();
}

bool has_run(const std::string& dir) {
  std::error_code ignored;
  return fs::exists(dir + "/has-run", ignored) || fs::exists(dir + "/data", ignored);
}

void forget_runs(const std::string& dir) {
  std::error_code ignored;
  // The marks last: if this is interrupted, servers without logs do not vote.
  fs::remove_all(dir + "/data", ignored);
  fs::remove_all(dir + "/has-run", ignored);
}

std::size_t stop_cluster(const Cluster& cluster) {
  const std::size_t killed = end_all(cluster.processes(), 3s);
  std::error_code ignored;
  // A killed daemon leaves its sockets behind; of the folder only what is ours is removed.
  for (const ClusterNode& node : cluster.nodes) {
    fs::remove(node.session, ignored);
    fs::remove(node.control, ignored);
  }
  if (!cluster.sockets.empty()) fs::remove(cluster.sockets, ignored);  // only if it is empty
  fs::remove(cluster.dir + "/state.json", ignored);
  return killed;
}

std::string log_tail(const std::string& path, std::size_t lines) {
  std::ifstream in(path);
  std::deque<std::string> last;
  for (std::string line; std::getline(in, line);) {
    if (line.empty()) continue;
    last.push_back(line);
    if (last.size() > lines) last.pop_front();
  }
  std::string text;
  for (const std::string& line : last) text += (text.empty() ? "" : " | ") + line;
  return text.empty() ? "(" + path + " is empty)" : text;
}

}  // namespace seneschal::lab
