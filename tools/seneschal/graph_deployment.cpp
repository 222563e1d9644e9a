#include "tools/seneschal/graph_deployment.hpp"

#include "accountability/agreement.hpp"
#include "accountability/recorder.hpp"
#include "lab/node_report.hpp"
#include "runtime/config_text.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <fmt/format.h>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

namespace seneschal::graph_tool {
namespace {

using accountability::Comparison;
using accountability::SignedGraph;

constexpr auto kPatience = std::chrono::seconds(15);
constexpr std::chrono::seconds kPatienceWithOthers{2};  // they may be down, and are only compared

/// What a node says about one server's graph.
struct Builder {
  SignedGraph graph;
  std::string trouble;
  std::uint64_t updates = 0, refused = 0, snapshots = 0, cpu_us = 0, node_cpu_us = 0;
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
      Builder builder;
      builder.trouble = text("graph_trouble");
      builder.graph = {std::filesystem::path(text("graph_folder")).filename().string(),
                       text("graph_folder"),
                       number("graph_begin"),
                       number("graph_sealed"),
                       text("graph_digest"),
                       builder.trouble.empty()};
      builder.updates = number("graph_updates");
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

const Builder& named(const std::vector<Builder>& all, const std::string& server) {
  std::string names;
  for (const Builder& b : all) {
    if (b.graph.server == server) return b;
    names += " " + b.graph.server;
  }
  throw UsageError("server '" + server + "' builds no graph; these do:" + names);
}

std::string agreed_server(const std::vector<Builder>& all, Comparison& comparison) {
  std::vector<SignedGraph> graphs;
  for (const Builder& b : all) graphs.push_back(b.graph);
  return accountability::most_agreed(graphs, comparison).server;
}

void compare(const std::vector<Builder>& all, const Builder& chosen, Comparison& comparison) {
  std::size_t same = 0, behind = 0, unknown = 0;
  for (const Builder& b : all) {
    const auto verdict = comparison.of(chosen.graph, b.graph);
    const auto up_to = std::min(b.graph.sealed, chosen.graph.sealed);
    if (verdict == Comparison::Verdict::Other)
      std::fprintf(stderr, "warning: server %s's graph is not that of server %s up to update %lu\n",
                   b.graph.server.c_str(), chosen.graph.server.c_str(), up_to);
    else if (verdict == Comparison::Verdict::Unknown)
      ++unknown;
    else
      ++(up_to == chosen.graph.sealed ? same : behind);
  }
  std::string others;
  if (behind > 0) others += "; " + std::to_string(behind) + " are not as far, and agree";
  if (unknown > 0) others += "; " + std::to_string(unknown) + " cannot be compared";
  std::fprintf(stderr, "note: server %s's graph; %zu of %zu servers have the same up to update %lu%s\n",
               chosen.graph.server.c_str(), same, all.size(), chosen.graph.sealed, others.c_str());
  if (2 * same <= all.size())
    std::fprintf(stderr,
                 "warning: no more than half of the servers have signed this graph up to its end: what they have not "
                 "may be one faulty server's word\n");
}

/// A recorder signs at once what it has when this file is there; by itself it takes its time.
void ask_to_sign(const std::vector<Builder>& all) {
  for (const Builder& b : all)
    if (b.graph.sealed < b.updates && !b.graph.folder.empty())
      std::ofstream(b.graph.folder + accountability::Recorder::kWanted).flush();  // without it one waits longer
}

}  // namespace

GraphPlace find_graph(const std::string& dir, const std::string& server) {
  const lab::Cluster cluster = cluster_of(dir);
  auto all = builders_of(cluster);
  if (!server.empty()) (void)named(all, server);
  std::map<std::string, std::uint64_t> executed;  // by each server, when it was asked
  for (const Builder& b : all) executed.emplace(b.graph.server, b.updates);
  ask_to_sign(all);
  const auto begin = std::chrono::steady_clock::now();
  const auto ready = [&](const Builder& b) {
    const auto had = executed.find(b.graph.server);
    return !b.trouble.empty() || had == executed.end() || b.graph.sealed >= had->second;
  };
  const auto enough = [&] {  // what is needed: the named server, or most of them
    if (!server.empty()) return ready(named(all, server));
    return 2 * static_cast<std::size_t>(std::ranges::count_if(all, ready)) > all.size();
  };
  const auto waiting = [&] {
    const auto waited = std::chrono::steady_clock::now() - begin;
    return enough() ? !std::ranges::all_of(all, ready) && waited < kPatienceWithOthers : waited < kPatience;
  };
  while (waiting()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    all = builders_of(cluster);
  }
  if (!enough())
    fail(server.empty() ? std::string("most servers do not sign what they have executed; name one with --server")
                        : fmt::format("server {} has signed {} of its {} updates and does not go on", server,
                                      named(all, server).graph.sealed, executed.at(server)));
  Comparison comparison;
  const Builder& chosen = named(all, server.empty() ? agreed_server(all, comparison) : server);
  if (!chosen.trouble.empty())
    std::fprintf(stderr, "warning: server %s: %s\n", chosen.graph.server.c_str(), chosen.trouble.c_str());
  compare(all, chosen, comparison);
  return {chosen.graph.folder, cluster.dir + "/graph", cluster.keys, chosen.graph.server};
}

Json servers_json(const std::string& dir) {
  Json list = Json::array();
  for (const Builder& b : builders_of(cluster_of(dir)))
    list.push_back({{"server", b.graph.server},
                    {"begin", b.graph.begin},
                    {"updates", b.updates},
                    {"sealed", b.graph.sealed},
                    {"digest", b.graph.digest},
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
    std::printf("  %-8s %10lu %10lu  %-12.12s %8lu  %10.2f  %s\n", b.graph.server.c_str(), b.updates, b.graph.sealed,
                b.graph.digest.c_str(), b.refused,
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
