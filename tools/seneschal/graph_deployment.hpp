// The graphs of a running deployment: found through the control sockets of its nodes.
#pragma once
#include "tools/seneschal/graph_incident.hpp"

namespace seneschal::graph_tool {

/// The graph of server "SITE.INDEX" of the deployment that runs from `dir`; empty: the farthest that more than half
/// of the servers have signed to its end. Waits until what servers had executed when they were asked is in their
/// files and signed. Tells on stderr how many servers have the same graph, or who has another one. Throws with a
/// message for the user.
GraphPlace find_graph(const std::string& dir, const std::string& server);

/// All servers that build a graph: how far they are, and what that costs them.
Json servers_json(const std::string& dir);
void print_servers(const std::string& dir);

}  // namespace seneschal::graph_tool
