// `seneschal node`: one overlay node, until SIGINT or SIGTERM.
#include "overlay/daemon/node.hpp"
#include "base/version.hpp"
#include "overlay/daemon/daemon_lock.hpp"
#include "tools/seneschal/commands.hpp"
#include "tools/seneschal/flags.hpp"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <tclap/CmdLine.h>
#include <unistd.h>
#include <csignal>
#include <nlohmann/json.hpp>

namespace {

using namespace seneschal;

constexpr std::array<const char*, 4> kLevels = {"debug", "info", "warn", "error"};

/// What others may want to know of a running daemon.
std::string presence(const overlay::DaemonConfig& config) {
  const nlohmann::ordered_json json = {{"node", config.self.value},
                                       {"pid", ::getpid()},
                                       {"address", config.address.text()},
                                       {"session", config.session_path},
                                       {"control", config.control_path}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

/// A node with so few file descriptors that nobody could use it, or ask it, does not begin. With a few more it
/// begins, and refuses the sessions for which none are left.
Status enough_descriptors(const overlay::DaemonConfig& config) {
  constexpr rlim_t kNode = 40, kPlugin = 4;  // its own and those that it keeps spare; a server's log and its graph
  rlimit limit{};
  const rlim_t needed = kNode + kPlugin * config.plugins.size();
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return {};
  return failure(fmt::format(
      "this process may have {} file descriptors, and a node with {} plugins needs {}; raise the limit ('ulimit -n')",
      limit.rlim_cur, config.plugins.size(), needed));
}

/// `handover`: a descriptor inherited from the starter, which is closed as soon as the node has its own lock.
int run(const std::string& config_path, std::optional<NodeId> self, int handover) {
  const auto config = overlay::load_daemon_config(config_path, self);
  if (!config) {
    fmt::print(stderr, "seneschal node: {}\n", config.error().message);
    return 2;
  }
  for (const std::string& note : config->notes) spdlog::info("note: {}: {}", config_path, note);
  if (const Status enough = enough_descriptors(*config); !enough) {
    fmt::print(stderr, "seneschal node: {}\n", enough.error().message);
    return 1;
  }
  // Before anything of the folder is touched: two daemons of one node would write the same logs.
  const auto lock = overlay::DaemonLock::take(config->lock_path, presence(*config));
  if (!lock) {
    fmt::print(stderr, "seneschal node: {}\n", lock.error().message);
    return 1;
  }
  if (handover > STDERR_FILENO) ::close(handover);
  auto node = overlay::Node::open(*config);
  if (!node) {
    fmt::print(stderr, "seneschal node: {}\n", node.error().message);
    return 1;
  }
  spdlog::info("node {} listens on {}, sessions at {}, control at {}", config->self.value, (*node)->address().text(),
               config->session_path, config->control_path);
  (*node)->run();
  return 0;
}

}  // namespace

int node_command(int argc, char** argv) {
  try {
    TCLAP::CmdLine line("Runs one overlay node until SIGINT or SIGTERM.", ' ', version());
    TCLAP::ValueArg<std::string> config("c", "config", "deployment file", true, "", "FILE", line);
    const tools::WholeFlag node(line, "n", "node", "which node of the file to be", 0, 0, 0xffff);
    TCLAP::ValueArg<std::string> level("l", "log", "debug, info, warn or error", false, "info", "LEVEL", line);
    const tools::WholeFlag handover(line, "", "handover", "used by 'seneschal lab': descriptor to close once running",
                                    0, 0, std::numeric_limits<int>::max(), "FD");
    line.setExceptionHandling(false);
    line.parse(argc, argv);
    if (std::ranges::find(kLevels, level.getValue()) == kLevels.end())
      throw TCLAP::ArgException("expected debug, info, warn or error", "--log");
    auto log = spdlog::stderr_color_mt("node");
    log->set_pattern("%Y-%m-%d %H:%M:%S.%e %^%l%$ %v");
    spdlog::set_default_logger(log);
    spdlog::set_level(spdlog::level::from_str(level.getValue()));
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);  // a limit on files is an error like a full disk, not the end
    std::optional<NodeId> self;
    const auto chosen = static_cast<std::uint16_t>(node.value());
    const int descriptor = handover.is_set() ? static_cast<int>(handover.value()) : -1;
    if (node.is_set()) self = NodeId(chosen);
    return run(config.getValue(), self, descriptor);
  } catch (const TCLAP::ArgException& error) {
    fmt::print(stderr, "seneschal node: {}\nTry 'seneschal node --help'.\n", tools::what_is_wrong(error));
    return 2;
  } catch (const TCLAP::ExitException& exit) {
    return exit.getExitStatus();
  }
}
