// The graph beside a replica: what a plugin's configuration says about it, and the application that tells it.
//
//   graph = FOLDER            # no such line: no graph
//   graph_source = flow       # declared, flow or conservative
//   graph_epoch = 65536       # updates between snapshots; 0: none
//   graph_keep = 0            # snapshots kept; 0: all
#pragma once
#include "accountability/recorder.hpp"
#include "crypto/keys.hpp"
#include "runtime/config_text.hpp"

namespace seneschal::accountability {

/// Takes the lines above out of `config`; errors are noted there. `folder` is where relative paths start,
/// `application` the name of what the replica executes.
std::optional<Recorder::Settings> read_recorder(ConfigText& config, const std::string& folder,
                                                const std::string& application);

struct Observed {
  std::unique_ptr<replication::Application> application;
  std::shared_ptr<Recorder> recorder;  // null: no graph is built
  std::string folder, trouble;         // where a graph was to be built, and why none is
  /// Lines about the graph for `ctl status`; empty without one.
  std::function<void(StatusList&)> status() const;
};
/// The application as a replica executes it, with or without a graph. A graph that cannot be gone on with stays as it
/// is and stops nobody: the replica runs without one, says so on stderr and in its status. `keys` sign the graph's
/// head as `self`, and must outlive the application.
Result<Observed> observe(std::unique_ptr<replication::Application> application,
                         const std::optional<Recorder::Settings>& settings, const Principal& self,
                         const crypto::Keys& keys);

}  // namespace seneschal::accountability
