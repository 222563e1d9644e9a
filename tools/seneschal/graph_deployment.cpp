#include "tools/seneschal/graph_deployment.hpp"

#include "accountability/agreement.hpp"
#include "accountability/recorder.hpp"
#include "crypto/key_files.hpp"
#include "lab/node_report.hpp"
#include "runtime/config_text.hpp"
#include "tools/seneschal/graph_commands.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <thread>

namespace seneschal::graph_tool {
namespace {

using accountability::Agreement;
using accountability::SignedGraph;
using accountability::SignedGraphs;
using accountability::UpdateId;

constexpr auto kPatience = std::chrono::seconds(15);
constexpr std::chrono::seconds kPatienceWithOthers{2};  // they may be down

/// What a node says about one server's graph: to wait by, and to show. What is believed is read from the files.
struct Builder {
  std::string server, digest, trouble;
  std::uint64_t begin = 1, sealed = 0, updates = 0, refused = 0, snapshots = 0, cpu_us = 0, node_cpu_us = 0;
};

/// A node may say anything, also what a terminal obeys.
std::string printable(std::string text) {
  std::ranges::replace_if(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return text;
}

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
      builder.server = std::filesystem::path(text("graph_folder")).filename().string();
      builder.digest = printable(text("graph_digest"));
      builder.trouble = printable(text("graph_trouble"));
      builder.begin = number("graph_begin");
      builder.sealed = number("graph_sealed");
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

std::string name_of(const Principal& server) {
  return fmt::format("{}.{}", server.server().site.value, server.server().index.value);
}

/// Where the servers of the deployment have their graphs: as it was set up, whatever a node says.
std::map<Principal, std::string> folders_of(const lab::Cluster& cluster, const crypto::PublicKeys& known) {
  std::map<Principal, std::string> folders;
  for (const auto& [who, key] : known.signers)
    if (who.is_server()) folders.emplace(who, lab::graph_folder(cluster.dir, who.server()));
  return folders;
}

/// What these servers had executed when this began is in their files and signed afterwards: that of `server`, or of
/// most. A recorder that finds such a file in its folder signs at once and removes it.
void have_signed(const std::map<Principal, std::string>& folders, const std::vector<Builder>& builders,
                 const std::string& server) {
  std::map<std::string, std::string> asked;  // those that will answer
  for (const auto& [who, folder] : folders) {
    const auto builds = [&](const Builder& b) { return b.server == name_of(who) && b.trouble.empty(); };
    if (std::ranges::none_of(builders, builds)) continue;
    const std::string path = folder + accountability::Recorder::kWanted;
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0) continue;
    ::close(fd);
    asked.emplace(name_of(who), path);
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto signed_now = [](const auto& one) {
    std::error_code error;
    return !std::filesystem::exists(one.second, error);
  };
  const auto enough = [&] {
    if (server.empty())
      return 2 * static_cast<std::size_t>(std::ranges::count_if(asked, signed_now)) > folders.size();
    const auto its = asked.find(server);
    return its == asked.end() || signed_now(*its);
  };
  const auto waiting = [&] {
    const auto waited = std::chrono::steady_clock::now() - begin;
    return enough() ? !std::ranges::all_of(asked, signed_now) && waited < kPatienceWithOthers : waited < kPatience;
  };
  while (waiting()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  if (!enough()) std::fprintf(stderr, "warning: not all that was executed when this began is signed\n");
}

void compare(const SignedGraphs& graphs, const SignedGraph& chosen, std::size_t servers) {
  std::size_t same = 0, behind = 0, unknown = 0;
  for (const auto& [server, why] : graphs.bad)
    std::fprintf(stderr, "warning: the graph of %s does not count: %s\n", to_string(server).c_str(), why.c_str());
  for (const SignedGraph& other : graphs.good) {
    const bool itself = other.server == chosen.server;
    const bool empty = chosen.extent == other.extent && chosen.extent.begin == chosen.extent.end;
    const Agreement verdict = itself || empty ? Agreement::Same : agreement(chosen, other);
    if (verdict == Agreement::Other)
      std::fprintf(stderr, "warning: the graph of %s is not that of %s\n", to_string(other.server).c_str(),
                   to_string(chosen.server).c_str());
    else if (verdict == Agreement::Unknown)
      ++unknown;
    else
      ++(other.extent.end >= chosen.extent.end ? same : behind);
  }
  std::string others;
  if (behind > 0) others += "; " + std::to_string(behind) + " are not as far, and agree";
  if (unknown > 0) others += "; " + std::to_string(unknown) + " cannot be compared";
  std::fprintf(stderr, "note: server %s's graph; %zu of %zu servers have signed the same up to update %lu%s\n",
               name_of(chosen.server).c_str(), same, servers, chosen.extent.end.value - 1, others.c_str());
}

[[noreturn]] void fail_without_agreement(const SignedGraphs& graphs, std::size_t servers) {
  std::string text = fmt::format(
      "none of the {} servers' graphs is signed from its beginning to its end by more than half of them; ask again, "
      "or "
      "name one with --server:",
      servers);
  for (const SignedGraph& one : graphs.good)
    text += fmt::format("\n  {}: updates {} to {}", name_of(one.server), one.extent.begin.value,
                        one.extent.end.value - 1);
  for (const auto& [server, why] : graphs.bad) text += fmt::format("\n  {}: {}", name_of(server), why);
  fail(text);
}

}  // namespace

GraphPlace find_graph(const std::string& dir, const std::string& server) {
  const lab::Cluster cluster = cluster_of(dir);
  const auto builders = builders_of(cluster);
  const auto known = crypto::load_public_keys(cluster.keys);
  if (!known) fail(known.error().message);
  const auto folders = folders_of(cluster, *known);
  const auto named = std::ranges::find(folders, server, [](const auto& f) { return name_of(f.first); });
  if (!server.empty() && named == folders.end()) throw UsageError("the deployment has no server '" + server + "'");
  have_signed(folders, builders, server);
  const SignedGraphs graphs =
      accountability::read_signed_graphs(folders, [&](const Principal& who, Span message, Span signature) {
        return known->signers.at(who).verify(message, signature);
      });
  const SignedGraph* chosen = nullptr;
  if (server.empty()) {
    chosen = accountability::most_agreed(graphs.good, folders.size());
    if (chosen == nullptr) fail_without_agreement(graphs, folders.size());
  } else {
    const auto its = std::ranges::find(graphs.good, named->first, &SignedGraph::server);
    if (its == graphs.good.end()) {
      std::fprintf(stderr, "warning: the graph of server %s proves nothing: %s\n", server.c_str(),
                   graphs.bad.at(named->first).c_str());
      return {named->second, cluster.dir + "/graph", cluster.keys, server, {}, folders, cluster.dir};
    }
    chosen = &*its;
  }
  for (const Builder& b : builders)
    if (b.server == name_of(chosen->server) && !b.trouble.empty())
      std::fprintf(stderr, "warning: server %s: %s\n", b.server.c_str(), b.trouble.c_str());
  compare(graphs, *chosen, folders.size());
  return {chosen->folder,
          cluster.dir + "/graph",
          cluster.keys,
          name_of(chosen->server),
          SignedEnd{chosen->extent.end, chosen->digests.at(chosen->extent)},
          folders,
          cluster.dir};
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
