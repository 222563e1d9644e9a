// Which daemons run from a folder, by the locks that they hold: whatever else the folder says.
#pragma once
#include "base/ids.hpp"
#include "base/result.hpp"
#include "lab/process.hpp"

#include <string>
#include <vector>

namespace seneschal::lab {

struct RunningDaemon {
  NodeId node;
  ProcessId process;    // pid 0: it runs on another machine or in another container
  std::string session;  // sockets, as it says itself; empty if it has not said so yet
  std::string control;
};

/// Every daemon whose configuration is in `dir`, by node. Each holds its node's lock at this moment, so it is one of
/// this folder's daemons and nothing else. Error: the folder cannot be read.
Result<std::vector<RunningDaemon>> daemons_of(const std::string& dir);

}  // namespace seneschal::lab
