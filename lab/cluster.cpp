#include "lab/cluster.hpp"

#include "lab/daemons.hpp"
#include "lab/files.hpp"
#include "lab/remembered.hpp"
#include "runtime/asio/udp_socket.hpp"
#include "runtime/config_quote.hpp"

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
      id.site.value, id.index.value, config_quoted(keys), config_quoted(site_names(d)), d.options.application,
      d.options.window, d.options.batch_max, d.options.delivery, d.options.durability, d.options.log_growth_kb,
      d.options.checkpoint_interval);
  text += d.protocol == Protocol::Steward ? fmt::format("fanout = {}\n", d.options.fanout)
                                          : fmt::format("auth = {}\n", d.options.auth);
  if (d.options.accountability)
    text += fmt::format("graph = {}\ngraph_source = {}\ngraph_epoch = {}\ngraph_keep = {}\n",
                        config_quoted(graph_folder(dir, id)), d.options.graph_source, d.options.graph_epoch,
                        d.options.graph_keep);
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

std::string plugin_folder(const ClusterOptions& options) {
  if (!options.plugins.empty()) return options.plugins;
  const std::string program = options.program.empty() ? own_program() : options.program;
  // As installed, or as built.
  const fs::path lib = fs::path(program).parent_path().parent_path() / "lib";
  std::error_code error;
  return (fs::is_directory(lib / "seneschal", error) ? lib / "seneschal" : lib).string();
}
std::string plugin_path(Protocol protocol, const ClusterOptions& options) {
  return fmt::format("{}/lib{}.so", plugin_folder(options), to_string(protocol));
}
std::string traitor_path(const ClusterOptions& options) {
  return plugin_folder(options) + "/libsteward_traitor.so";
}

enum class Lifetime : std::uint8_t { Own, OfItsStarter };

/// The child inherits the folder's lock and keeps it until it has its node's own: between the two it could not be
/// found.
Result<ProcessId> spawn_daemon(const std::string& program, const std::string& dir, const ClusterNode& node,
                               const FolderLock& lock, Lifetime lifetime) {
  const bool own = lifetime == Lifetime::Own;
  return spawn({program, "node", "--config", dir + "/nodes.toml", "--node", std::to_string(node.id.value),
                "--handover", std::to_string(lock.fd())},
               {.output = node.log, .die_with_parent = !own, .detach = own, .keep = lock.fd()});
}

class Starter {
 public:
  Starter(Deployment deployment, const std::string& dir, const ClusterOptions& options)
      : deployment_(std::move(deployment)), dir_(absolute(dir)), options_(options) {
    if (options_.program.empty()) options_.program = own_program();
  }

  Result<Cluster> start() {
    cluster_.name = deployment_.name;
    cluster_.dir = dir_;
    cluster_.keys = options_.keys;
    if (Status locked = lock(); !locked) return std::unexpected(locked.error());
    if (Status good = prepare(); !good) return std::unexpected(good.error());
    if (Status good = write_files(); !good) return std::unexpected(good.error());
    // Before the first daemon starts: a command that finds one daemon must know the others.
    if (Status good = save_state(cluster_); !good) return std::unexpected(good.error());
    for (ClusterNode& node : cluster_.nodes) {
      std::error_code ignored;
      fs::remove(node.log, ignored);
      auto process = spawn_daemon(options_.program, dir_, node, *lock_,
                                  options_.detach ? Lifetime::Own : Lifetime::OfItsStarter);
      if (!process) return give_up(process.error());
      node.process = *process;
    }
    return std::move(cluster_);
  }

 private:
  std::unexpected<Error> give_up(Error error) {
    stop_cluster(cluster_);
    return std::unexpected(std::move(error));
  }

  Status lock() {
    if (Status made = make_dir(dir_); !made) return made;
    lock_ = options_.lock;
    if (lock_ == nullptr) {
      auto taken = FolderLock::take(dir_);
      if (!taken) return std::unexpected(taken.error());
      own_lock_.emplace(std::move(*taken));
      lock_ = &*own_lock_;
    }
    const auto running = daemons_of(dir_);
    if (!running) return std::unexpected(running.error());
    if (running->empty()) return {};
    return failure(fmt::format("{}: the daemon of node {} runs from this folder (process {}); end it first", dir_,
                               running->front().node.value, running->front().process.pid));
  }

  Status prepare() {
    if (options_.fresh) forget_runs(dir_);
    std::error_code none;
    fs::remove(cluster_.turned(), none);
    if (Status aside = set_old_graphs_aside(dir_); !aside) return aside;
    if (Status made = make_dir(dir_ + "/nodes"); !made) return made;
    if (Status there = check_plugins(deployment_.protocol, options_); !there) return there;
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
      if (Status free = check_ports(); !free) return free;
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

  /// A daemon that cannot have its port ends at once, and the others wait for it in vain.
  Status check_ports() const {
    std::vector<std::unique_ptr<asio::UdpSocket>> taken;
    for (std::size_t s = 0; s < ports_.size(); ++s) {
      const auto address = asio::UdpAddress::parse(fmt::format("{}:{}", deployment_.address, ports_[s]));
      if (!address) return std::unexpected(address.error());
      auto socket = asio::UdpSocket::open(*address);
      if (!socket)
        return failure(fmt::format("node {}: {}, or another 'base_port'", deployment_.node_of_site(s).value,
                                   socket.error().message));
      taken.push_back(std::move(*socket));
    }
    return {};
  }

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
        if (Status good = replace_file(fmt::format("{}/nodes/{}.conf", dir_, name), config); !good) return good;
        text += fmt::format(
            "\n[[plugin]]\nnode = {}\nname = \"{}\"\nlibrary = {}\nport = {}\nconfig = \"nodes/{}.conf\"\n",
            node.id.value, name,
            toml_quoted(traitor != nullptr ? traitor_path(options_) : plugin_path(deployment_.protocol, options_)),
            roster.directory.endpoint(id).port.value, name);
      }
    if (Status good = replace_file(dir_ + "/nodes.toml", text); !good) return good;
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
  std::optional<FolderLock> own_lock_;
  const FolderLock* lock_ = nullptr;
  std::vector<std::uint16_t> ports_;
};

}  // namespace

std::string graph_folder(const std::string& dir, ServerId id) {
  return fmt::format("{}/graph/{}.{}", dir, id.site.value, id.index.value);
}

std::vector<const ClusterNode*> Cluster::running() const {
  std::vector<const ClusterNode*> list;
  for (const ClusterNode& node : nodes)
    if (node.elsewhere || alive(node.process)) list.push_back(&node);
  return list;
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

Status check_plugins(Protocol protocol, const ClusterOptions& options) {
  if (const std::string path = plugin_path(protocol, options); ::access(path.c_str(), R_OK) != 0)
    return failure(path + ": the plugin is missing; build it, or name its folder with --plugins");
  if (const std::string path = traitor_path(options); !options.traitors.empty() && ::access(path.c_str(), R_OK) != 0)
    return failure(path + ": the plugin of Byzantine servers is missing; build its target steward_traitor");
  return {};
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

namespace {
/// A daemon ends once what its servers write is on the disk, however slow that is.
constexpr Duration kEndGrace = 20s;

/// Ends what `select` picks of the folder's daemons; those that a moment ago were still being started are found in
/// the next round.
template <class Select>
Stopped stop(const Cluster& cluster, Select select) {
  constexpr int kRounds = 3;
  Stopped stopped;
  std::vector<ProcessId> processes;
  for (const ClusterNode& node : cluster.nodes)
    if (select(node.id) && node.process.pid > 0) processes.push_back(node.process);
  for (int round = 0; round < kRounds; ++round) {
    if (const auto running = daemons_of(cluster.dir))
      for (const RunningDaemon& daemon : *running)
        if (select(daemon.node) && daemon.process.pid > 0 && std::ranges::count(processes, daemon.process) == 0)
          processes.push_back(daemon.process);
    if (processes.empty()) break;
    const Ended ended = end_all(processes, kEndGrace);
    stopped.killed += ended.killed;
    processes.clear();
    if (!ended.stayed.empty()) break;
  }
  std::vector<NodeId> left;
  if (const auto running = daemons_of(cluster.dir))
    for (const RunningDaemon& daemon : *running) {
      if (!select(daemon.node)) continue;
      ClusterNode node;
      node.id = daemon.node;
      node.process = daemon.process;
      left.push_back(node.id);
      stopped.left.push_back(std::move(node));
    }
  std::error_code ignored;
  // A killed daemon leaves its sockets behind; of the folder only what is ours is removed.
  for (const ClusterNode& node : cluster.nodes) {
    if (!select(node.id) || std::ranges::count(left, node.id) != 0) continue;
    fs::remove(node.session, ignored);
    fs::remove(node.control, ignored);
  }
  return stopped;
}
}  // namespace

Stopped stop_cluster(const Cluster& cluster) {
  Stopped stopped = stop(cluster, [](NodeId) { return true; });
  if (!stopped.left.empty()) return stopped;
  std::error_code ignored;
  if (!cluster.sockets.empty()) fs::remove(cluster.sockets, ignored);  // only if it is empty
  fs::remove(cluster.dir + "/state.json", ignored);
  return stopped;
}

Stopped stop_daemon(const Cluster& cluster, NodeId node) {
  return stop(cluster, [node](NodeId id) { return id == node; });
}

Result<ProcessId> start_daemon(const Cluster& cluster, NodeId id, const FolderLock& lock) {
  const ClusterNode* node = cluster.find(id);
  if (node == nullptr) return failure(fmt::format("{}: there is no node {}", cluster.dir, id.value));
  if (Status made = make_dir(fs::path(node->control).parent_path().string()); !made)
    return std::unexpected(made.error());
  return spawn_daemon(own_program(), cluster.dir, *node, lock, Lifetime::Own);
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
