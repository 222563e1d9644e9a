#include "lab/standing.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <thread>

namespace seneschal::lab {

using Json = nlohmann::ordered_json;

namespace {

/// A server votes if its replica runs, has its memory and says that it takes part.
ServerStanding server_of(ServerId id, std::uint32_t port, const NodeReport& report) {
  ServerStanding server;
  server.id = id;
  const auto plugin = std::ranges::find(report.plugins, port, &PluginReport::port);
  const auto not_yet = [&](std::string why) {
    server.settled = false;
    server.why = std::move(why);
    return server;
  };
  if (plugin == report.plugins.end()) return server.why = "its daemon does not have it", server;
  if (!plugin->running && plugin->error.empty()) return not_yet("it is starting");
  if (!plugin->running) return server.why = "it does not run: " + plugin->error, server;
  const auto value = [&](const char* key) {
    const auto it = plugin->status.find(key);
    return it == plugin->status.end() ? std::string() : it->second;
  };
  server.executed = value("executed");
  const std::string takes_part = value("participating");
  if (takes_part.empty()) return not_yet("it has not said anything yet");
  // "kept": it remembers; "none": it has nothing to remember yet, or is not to keep anything.
  if (plugin->log.starts_with("lost") || plugin->log.starts_with("failed"))
    server.why = "its log is " + plugin->log;
  else if (takes_part != "yes")
    server.why = takes_part.starts_with("no: ") ? takes_part.substr(4) : takes_part;
  else if (value("diverged") == "yes")
    server.why = "its state differs from the others'";
  server.votes = server.why.empty();
  server.trouble = value("graph_trouble");
  return server;
}

NodeStanding node_of(const Deployment& deployment, const Directory& directory, const ClusterNode& node,
                     Duration patience) {
  NodeStanding standing;
  standing.id = node.id;
  standing.process = node.process;
  const bool runs = alive(node.process);
  const auto report = runs ? ask_node(node, patience) : failure("");
  const auto servers = deployment.servers_on(node.id);
  if (report) {
    standing.state = DaemonState::Running;
    standing.links = report->links.size();
    for (const LinkReport& link : report->links) {
      standing.links_up += link.up ? 1 : 0;
      (link.up ? standing.reached : standing.unreached).push_back(link.peer);
    }
    for (ServerId id : servers) standing.servers.push_back(server_of(id, directory.endpoint(id).port.value, *report));
    return standing;
  }
  if (node.elsewhere) {
    standing.state = DaemonState::Elsewhere;
    standing.why = "it runs on another machine or in another container";
  } else if (runs && alive(node.process)) {
    standing.state = DaemonState::NotAnswering;
    standing.why = is_stopped(node.process)
                       ? fmt::format("it is stopped; 'kill -CONT {}' lets it go on", node.process.pid)
                       : report.error().message;
  } else {
    standing.why = log_tail(node.log, 1);
  }
  for (ServerId id : servers)
    standing.servers.push_back({id, false, standing.state != DaemonState::NotAnswering,
                                fmt::format("its daemon {}",
                                            [&] {
                                              return standing.state == DaemonState::NotAnswering ? "does not answer"
                                                     : standing.state == DaemonState::Elsewhere  ? "runs elsewhere"
                                                                                                 : "does not run";
                                            }()),
                                "", ""});
  return standing;
}

/// The running nodes, in lists of those that reach each other. A link between two of them counts if both say that it
/// is up; one to a node that cannot be asked, if its other end says so.
std::vector<std::vector<NodeId>> islands_of(const std::vector<NodeStanding>& nodes) {
  std::map<NodeId, const NodeStanding*> asked;
  for (const NodeStanding& node : nodes)
    if (node.state == DaemonState::Running) asked.emplace(node.id, &node);
  std::map<NodeId, std::set<NodeId>> neighbours;
  for (const auto& [id, node] : asked)
    for (NodeId peer : node->reached) {
      const auto other = asked.find(peer);
      if (other != asked.end() && std::ranges::count(other->second->reached, id) == 0) continue;
      neighbours[id].insert(peer);
      neighbours[peer].insert(id);
    }
  std::vector<std::vector<NodeId>> islands;
  std::set<NodeId> seen;
  for (const auto& [first, node] : asked) {
    if (!seen.insert(first).second) continue;
    std::vector<NodeId> open{first}, island;
    while (!open.empty()) {
      const NodeId id = open.back();
      open.pop_back();
      if (asked.contains(id)) island.push_back(id);
      for (NodeId next : neighbours[id])
        if (seen.insert(next).second) open.push_back(next);
    }
    std::ranges::sort(island);
    islands.push_back(std::move(island));
  }
  return islands;
}

std::string sentence(const GroupStanding& group) {
  return fmt::format("{}: {} of {} vote, {} needed", group.name, group.votes, group.servers, group.needed) +
         (group.together < group.votes ? fmt::format("; no more than {} of them reach each other", group.together)
                                       : "");
}

std::string sites_sentence(const Standing& standing) {
  return fmt::format("{} of {} sites can decide{}, {} needed", standing.able_sites, standing.groups.size(),
                     standing.islands.size() > 1 ? " and reach each other" : "", standing.sites_needed);
}

/// "node 3", "nodes 1, 2 and 4".
std::string nodes_named(const std::vector<NodeId>& nodes) {
  std::string text = nodes.size() == 1 ? "node " : "nodes ";
  for (std::size_t i = 0; i < nodes.size(); ++i)
    text += fmt::format("{}{}", i == 0 ? "" : i + 1 == nodes.size() ? " and " : ", ", nodes[i].value);
  return text;
}

}  // namespace

std::string_view to_string(DaemonState state) {
  switch (state) {
    case DaemonState::Running: return "running";
    case DaemonState::NotAnswering: return "not answering";
    case DaemonState::Ended: return "ended";
    case DaemonState::Elsewhere: return "elsewhere";
  }
  return "?";
}

std::size_t Standing::voting() const {
  std::size_t n = 0;
  for (const GroupStanding& group : groups) n += group.votes;
  return n;
}

bool Standing::whole() const {
  return !nodes.empty() && faults().empty();
}

bool Standing::serves() const {
  return !nodes.empty() && faults().size() == troubles().size();
}

std::vector<std::string> Standing::troubles() const {
  std::vector<std::string> list;
  for (const NodeStanding& node : nodes)
    for (const ServerStanding& server : node.servers)
      if (node.state == DaemonState::Running && server.votes && !server.trouble.empty())
        list.push_back(fmt::format("server {} at node {} ({}) votes, but: {}", to_string(server.id), node.id.value,
                                   node.site, server.trouble));
  return list;
}

bool Standing::settled() const {
  for (const NodeStanding& node : nodes) {
    if (node.state == DaemonState::NotAnswering && !is_stopped(node.process)) return false;
    for (const ServerStanding& server : node.servers)
      if (!server.settled && node.state == DaemonState::Running) return false;
    for (NodeId peer : node.unreached) {
      const auto other = std::ranges::find(nodes, peer, &NodeStanding::id);
      if (other != nodes.end() && other->state == DaemonState::Running) return false;
    }
  }
  return true;
}

std::vector<std::string> Standing::faults() const {
  std::vector<std::string> list;
  for (const NodeStanding& node : nodes) {
    const std::string place = fmt::format("node {} ({})", node.id.value, node.site);
    if (node.state != DaemonState::Running) {
      list.push_back(fmt::format("{}: {}: {}", place, to_string(node.state), node.why));
      continue;  // its servers do not vote for the same reason
    }
    for (const ServerStanding& server : node.servers)
      if (!server.votes)
        list.push_back(fmt::format("server {} at {} does not vote: {}", to_string(server.id), place, server.why));
    if (node.links > 0 && node.links_up == 0) {
      list.push_back(fmt::format("{}: unreachable: none of its links is up", place));
      continue;
    }
    for (NodeId peer : node.unreached) {
      const auto other = std::ranges::find(nodes, peer, &NodeStanding::id);
      if (other != nodes.end() && other->state == DaemonState::Running)
        list.push_back(fmt::format("{}: its link to node {} is not up", place, peer.value));
    }
  }
  for (const GroupStanding& group : groups)
    if (group.together < group.servers)
      list.push_back(sentence(group) + (group.able() ? "" : ": it can decide nothing"));
  if (islands.size() > 1) {
    std::vector<std::string> names;
    for (const auto& island : islands) names.push_back(nodes_named(island));
    list.push_back(fmt::format("{} do not reach each other", fmt::join(names, " and ")));
  }
  if (sites_needed > 0 && able_sites < sites_needed) list.push_back(sites_sentence(*this) + ": no update is ordered");
  for (std::string& trouble : troubles()) list.push_back(std::move(trouble));
  return list;
}

void count_votes(Standing& standing, const Deployment& deployment, const Membership& members) {
  const bool flat = deployment.protocol == Protocol::Bft;
  standing.groups.clear();
  for (std::size_t s = 0; s < members.sites.size(); ++s)
    standing.groups.push_back(
        {flat ? "all sites" : fmt::format("site {} ({})", s + 1, deployment.topology.sites[s].name), 0, 0,
         members.sites[s].servers, members.sites[s].quorum()});
  standing.islands = islands_of(standing.nodes);
  standing.able_sites = 0;
  for (const auto& island : standing.islands) {
    std::vector<std::size_t> votes(standing.groups.size());
    for (const NodeStanding& node : standing.nodes)
      if (std::ranges::count(island, node.id) != 0)
        for (const ServerStanding& server : node.servers) votes[server.id.site.value] += server.votes ? 1 : 0;
    std::size_t able = 0;
    for (std::size_t g = 0; g < votes.size(); ++g) {
      GroupStanding& group = standing.groups[g];
      group.votes += votes[g];
      group.together = std::max(group.together, votes[g]);
      able += votes[g] >= group.needed ? 1 : 0;
    }
    standing.able_sites = std::max(standing.able_sites, able);
  }
  if (!flat) standing.sites_needed = members.site_majority();
}

Standing standing_of(const Deployment& deployment, const Cluster& cluster, Duration patience) {
  const Roster roster = deployment.roster();
  Standing standing;
  standing.name = cluster.name;
  standing.nodes.resize(deployment.sites());
  {
    std::vector<std::jthread> threads;
    for (std::size_t s = 0; s < deployment.sites(); ++s)
      threads.emplace_back([&, s] {
        ClusterNode unknown;
        unknown.id = deployment.node_of_site(s);
        const ClusterNode* node = cluster.find(unknown.id);
        standing.nodes[s] = node_of(deployment, roster.directory, node != nullptr ? *node : unknown, patience);
        standing.nodes[s].site = deployment.topology.sites[s].name;
      });
  }
  count_votes(standing, deployment, roster.membership);
  return standing;
}

Standing wait_settled(const Deployment& deployment, const Cluster& cluster, Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    Standing standing = standing_of(deployment, cluster);
    if (standing.whole()) {
      // Groups were joined with the replicas' start; their link states need one more way across the network.
      sleep_unless_interrupted(300ms);
      return standing;
    }
    if (standing.settled() || interrupted() || std::chrono::steady_clock::now() > deadline) return standing;
    sleep_unless_interrupted(20ms);
  }
}

std::string to_text(const Standing& standing) {
  std::string text = fmt::format("{}\n{:<5} {:<14} {:>8} {:<13} {:>8}  {:<8} {:<5} {}\n", standing.name, "node",
                                 "site", "pid", "state", "links up", "server", "votes", "executed");
  for (const NodeStanding& node : standing.nodes) {
    const std::string pid = node.process.pid > 0 ? std::to_string(node.process.pid) : "-";
    const std::string links =
        node.state == DaemonState::Running ? fmt::format("{}/{}", node.links_up, node.links) : "-";
    const bool cut_off = node.state == DaemonState::Running && node.links > 0 && node.links_up == 0;
    const std::string begin = fmt::format("{:<5} {:<14} {:>8} {:<13} {:>8}", node.id.value, node.site, pid,
                                          cut_off ? "unreachable" : to_string(node.state), links);
    if (node.servers.empty()) text += begin + "\n";
    for (std::size_t i = 0; i < node.servers.size(); ++i) {
      const ServerStanding& server = node.servers[i];
      text += fmt::format("{:<52}  {:<8} {:<5} {}\n", i == 0 ? begin : "", to_string(server.id),
                          server.votes ? "yes" : "no", server.executed.empty() ? "-" : server.executed);
    }
  }
  for (const GroupStanding& group : standing.groups) text += sentence(group) + "\n";
  if (standing.sites_needed > 0) text += sites_sentence(standing) + "\n";
  for (const std::string& fault : standing.faults()) text += "! " + fault + "\n";
  return text;
}

std::string to_json(const Standing& standing) {
  Json nodes = Json::array(), groups = Json::array();
  for (const NodeStanding& node : standing.nodes) {
    Json servers = Json::array(), unreached = Json::array();
    for (const ServerStanding& server : node.servers)
      servers.push_back({{"server", to_string(server.id)},
                         {"votes", server.votes},
                         {"why", server.why},
                         {"trouble", server.trouble},
                         {"executed", server.executed}});
    for (NodeId peer : node.unreached) unreached.push_back(peer.value);
    nodes.push_back({{"node", node.id.value},
                     {"site", node.site},
                     {"pid", node.process.pid},
                     {"state", to_string(node.state)},
                     {"why", node.why},
                     {"links", node.links},
                     {"links_up", node.links_up},
                     {"links_down_to", unreached},
                     {"servers", servers}});
  }
  for (const GroupStanding& group : standing.groups)
    groups.push_back({{"name", group.name},
                      {"votes", group.votes},
                      {"together", group.together},
                      {"servers", group.servers},
                      {"needed", group.needed},
                      {"able", group.able()}});
  const Json all = {
      {"name", standing.name},      {"good", standing.whole()},          {"nodes", nodes},
      {"groups", groups},           {"able_sites", standing.able_sites}, {"sites_needed", standing.sites_needed},
      {"faults", standing.faults()}};
  return all.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace seneschal::lab
