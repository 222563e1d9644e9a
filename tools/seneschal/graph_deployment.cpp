#include "tools/seneschal/graph_deployment.hpp"

#include "accountability/recorder.hpp"
#include "lab/node_report.hpp"
#include "runtime/config_text.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>
#include <tuple>

namespace seneschal::graph_tool {
namespace {

constexpr auto kPatience = std::chrono::seconds(15);
constexpr std::chrono::seconds kPatienceWithOthers{2};  // they may be down, and are only compared

/// What a node says about one server's graph.
struct Builder {
  std::string server, folder, digest, trouble;
  std::uint64_t begin = 1, updates = 0, sealed = 0, refused = 0, snapshots = 0, cpu_us = 0, node_cpu_us = 0;
};

std::vector<Builder> ask_all(const lab::Cluster& cluster) {
  std::vector<Builder> all;
  for (const lab::ClusterNode& node : cluster.nodes) {
    const auto report = lab::ask_node(node);
    if (!report) {
      std::fprintf(stderr, "note: %s\n", report.error().message.c_str());
      continue;
    }
    for (const lab::PluginReport& plugin : report->plugins) {
      const auto text = [&](const char* name) {
        const auto it = plugin.status.find(name);
        return it == plugin.status.end() ? std::string() : it->second;
      };
      const auto number = [&](const char* name) { return parse_number(text(name)).value_or(0); };
      if (text("graph_folder").empty()) continue;
      Builder builder{std::filesystem::path(text("graph_folder")).filename().string(), text("graph_folder"),
                      text("graph_digest"), text("graph_trouble")};
      builder.begin = number("graph_begin");
      builder.updates = number("graph_updates");
      builder.sealed = number("graph_sealed");
      builder.refused = number("graph_refused");
      builder.snapshots = number("graph_snapshots");
      builder.cpu_us = number("graph_cpu_us");
      builder.node_cpu_us = report->cpu_us;
      all.push_back(std::move(builder));
    }
  }
  return all;
}

lab::Cluster cluster_of(const std::string& dir) {
  auto cluster = lab::load_state(dir);
  if (!cluster) throw UsageError(cluster.error().message);
  return std::move(*cluster);
}

std::vector<Builder> builders_of(const lab::Cluster& cluster) {
  auto all = ask_all(cluster);
  if (all.empty())
    throw UsageError(cluster.dir +
                     ": no server builds a graph; put 'accountability = true' into the deployment's file");
  return all;
}

const Builder& choose(const std::vector<Builder>& all, const std::string& server) {
  const Builder* best = nullptr;
  std::string names;
  for (const Builder& b : all) {
    names += " " + b.server;
    if (!server.empty() && b.server == server) return b;
    // One that saw everything rather than one that began later, at a state that it took over.
    const auto worth = [](const Builder& x) { return std::tuple(x.trouble.empty(), ~x.begin, x.updates); };
    const bool better = best == nullptr || worth(b) > worth(*best);
    if (better) best = &b;
  }
  if (!server.empty()) throw UsageError("server '" + server + "' builds no graph; these do:" + names);
  return *best;
}

/// Servers with as many signed updates must have the same digest; one that began later must have that of the chosen
/// graph without what was before.
void compare(const std::vector<Builder>& all, const Builder& chosen) {
  std::size_t same = 0, elsewhere = 0;
  std::optional<accountability::Store> store;
  for (const Builder& b : all) {
    std::string expected = chosen.digest;
    if (b.begin != chosen.begin) {
      if (!store)
        if (auto opened = accountability::Store::open(chosen.folder)) store = std::move(*opened);
      const auto digest = store ? accountability::digest_between(store->graph(), accountability::UpdateId(b.begin),
                                                                 accountability::UpdateId(b.sealed + 1))
                                : std::nullopt;
      if (!digest) {  // it is ahead, or began before
        ++elsewhere;
        continue;
      }
      expected = to_hex(digest->bytes);
    } else if (b.sealed != chosen.sealed) {
      ++elsewhere;
      continue;
    }
    if (b.digest == expected)
      ++same;
    else
      std::fprintf(stderr, "warning: after %lu updates server %s has another graph than server %s\n", b.sealed,
                   b.server.c_str(), chosen.server.c_str());
  }
  const std::string others =
      elsewhere == 0 ? "" : "; " + std::to_string(elsewhere) + " are at another update at the moment: ask again";
  std::fprintf(stderr, "note: server %s's graph; %zu of %zu servers have the same up to update %lu%s\n",
               chosen.server.c_str(), same, all.size(), chosen.sealed, others.c_str());
}

/// A recorder signs at once what it has when this file is there; by itself it takes its time.
void ask_to_sign(const std::vector<Builder>& all) {
  for (const Builder& b : all)
    if (b.sealed < b.updates && !b.folder.empty())
      std::ofstream(b.folder + accountability::Recorder::kWanted).flush();  // without it one waits longer
}

bool all_signed(const std::vector<Builder>& all) {
  return std::ranges::all_of(all, [](const Builder& b) { return b.sealed >= b.updates || !b.trouble.empty(); });
}

}  // namespace

GraphPlace find_graph(const std::string& dir, const std::string& server) {
  const lab::Cluster cluster = cluster_of(dir);
  auto all = builders_of(cluster);
  const Builder first = choose(all, server);
  if (!first.trouble.empty())
    std::fprintf(stderr, "warning: server %s: %s\n", first.server.c_str(), first.trouble.c_str());
  Builder now = first;
  ask_to_sign(all);
  const auto begin = std::chrono::steady_clock::now();
  const auto waiting = [&] {
    const auto waited = std::chrono::steady_clock::now() - begin;
    if (now.sealed < first.updates) return waited < kPatience;
    return !all_signed(all) && waited < kPatienceWithOthers;
  };
  while (waiting()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    all = builders_of(cluster);
    now = choose(all, first.server);
  }
  if (now.sealed < first.updates)
    fail(fmt::format("server {} has signed {} of its {} updates and does not go on", now.server, now.sealed,
                     first.updates));
  compare(all, now);
  return {now.folder, cluster.dir + "/graph", cluster.keys};
}

Json servers_json(const std::string& dir) {
  Json list = Json::array();
  for (const Builder& b : builders_of(cluster_of(dir)))
    list.push_back({{"server", b.server},
                    {"begin", b.begin},
                    {"updates", b.updates},
                    {"sealed", b.sealed},
                    {"digest", b.digest},
                    {"snapshots", b.snapshots},
                    {"refused_declarations", b.refused},
                    {"cpu_us", b.cpu_us},
                    {"node_cpu_us", b.node_cpu_us},
                    {"trouble", b.trouble}});
  return list;
}

void print_servers(const std::string& dir) {
  std::printf("  %-8s %10s %10s  %-12s %8s  %10s  %s\n", "SERVER", "UPDATES", "SIGNED", "DIGEST", "REFUSED",
              "CPU US/UPD", "TROUBLE");
  double graph = 0, nodes = 0;
  std::map<std::uint64_t, double> node_cpu;  // a node's figure is told by each of its servers
  for (const Builder& b : builders_of(cluster_of(dir))) {
    std::printf("  %-8s %10lu %10lu  %-12.12s %8lu  %10.2f  %s\n", b.server.c_str(), b.updates, b.sealed,
                b.digest.c_str(), b.refused,
                b.updates == 0 ? 0 : static_cast<double>(b.cpu_us) / static_cast<double>(b.updates),
                b.trouble.empty() ? "-" : b.trouble.c_str());
    graph += static_cast<double>(b.cpu_us);
    node_cpu[b.node_cpu_us] = static_cast<double>(b.node_cpu_us);
  }
  for (const auto& [key, us] : node_cpu) nodes += us;
  std::printf("  building the graph took %.2f %% of the processor time of all nodes since they started\n",
              nodes > 0 ? 100 * graph / nodes : 0);
}

}  // namespace seneschal::graph_tool
