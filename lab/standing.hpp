// Who votes, who does not, and why: what an operator must know of a running deployment.
#pragma once
#include "lab/node_report.hpp"

#include <string>
#include <vector>

namespace seneschal::lab {

enum class DaemonState : std::uint8_t {
  Running,
  NotAnswering,  // its process is there, but says nothing
  Ended,         // no process has the node's lock
  Elsewhere,     // it runs on another machine or in another container
};
std::string_view to_string(DaemonState state);

struct ServerStanding {
  ServerId id;
  bool votes = false;
  bool settled = true;   // false: it is still starting, and may yet vote
  std::string why;       // it does not vote
  std::string trouble;   // it votes, but does not do all that it should
  std::string executed;  // the last seq that it executed; empty if it does not say
};

struct NodeStanding {
  NodeId id;
  std::string site;  // its name
  ProcessId process;
  DaemonState state = DaemonState::Ended;
  std::string why;  // it does not run, or does not answer
  std::size_t links = 0;
  std::size_t links_up = 0;
  std::vector<NodeId> reached;    // its link to them is up, as it says
  std::vector<NodeId> unreached;  // its link to them is not up
  std::vector<ServerStanding> servers;
};

/// Servers that decide together: those of a site, or all of a flat deployment.
struct GroupStanding {
  std::string name;
  std::size_t votes = 0;
  std::size_t together = 0;  // of those that vote, the most that reach each other
  std::size_t servers = 0;
  std::size_t needed = 0;
  bool able() const { return together >= needed; }
};

struct Standing {
  std::string name;
  std::vector<NodeStanding> nodes;
  std::vector<GroupStanding> groups;
  std::size_t sites_needed = 0;  // of the groups; 0: there is one group
  std::size_t able_sites = 0;    // the most groups that can decide and reach each other
  /// Nodes that reach each other, over others if need be; one list if all do. Those that do not answer are in none.
  std::vector<std::vector<NodeId>> islands;

  std::size_t voting() const;
  /// Every daemon answers and has all its links, and every server votes.
  bool serves() const;
  /// And nothing else is wrong either.
  bool whole() const;
  /// Nothing will change by waiting: what is missing has failed, ended or abstains.
  bool settled() const;
  /// What is wrong, one line each, the cause before its consequences; `troubles` of servers that vote come last.
  std::vector<std::string> faults() const;
  /// Of servers that vote, but do not do all that they should.
  std::vector<std::string> troubles() const;
};

/// Counts votes, and who reaches whom, from what the nodes said: fills `groups`, `able_sites` and `islands`.
void count_votes(Standing& standing, const Deployment& deployment, const Membership& members);
/// Asks all daemons at once; one that says nothing within `patience` does not answer.
Standing standing_of(const Deployment& deployment, const Cluster& cluster, Duration patience = 3s);
/// Asks until all is well, or what is not will not change by waiting, or the time is over, or the user interrupts.
Standing wait_settled(const Deployment& deployment, const Cluster& cluster, Duration timeout);

/// A table of nodes and servers, a line for each group, and what is wrong.
std::string to_text(const Standing& standing);
std::string to_json(const Standing& standing);

}  // namespace seneschal::lab
