#include "lab/sim/checkers/status_checker.hpp"

#include "runtime/config_text.hpp"
#include "steward/config.hpp"

namespace seneschal::lab::sim {
namespace {
/// Of a simulated server's log, besides what may grow: more than twice all that a renewal writes, and what is written
/// while one runs. Simulated states are small; of each entry that a renewal may write, Proposal, Accepts and batch.
constexpr std::uint64_t kLog = 512 * 1024, kLogEntry = 1024;
}  // namespace

StatusChecker::StatusChecker(Protocol protocol, const ProtocolOptions& options, std::uint64_t clients) {
  if (protocol == Protocol::Steward) {
    const std::uint64_t window = options.window;
    steward::Settings settings;
    settings.window = window;
    settings.set_checkpoint_interval(options.checkpoint_interval);
    most_["entries"] = settings.history_kept + 2 * window;  // what is kept for laggards, and twice the window ahead
    // Proposal and Accept of each seq in reach; for each Checkpoint that may come its own, and shares that were too
    // late for the entry; what one faulty server may begin
    most_["signing"] =
        2 * (2 * window + 1) + 3 * (settings.history_span / settings.checkpoint_interval + 2) + 4 * window;
    // those above the newest Checkpoint, its own, and what is lent
    most_["snapshots"] = settings.history_span / settings.checkpoint_interval + 1 + 1 + 2;
    most_["log_bytes"] = 2 * 1024 * std::uint64_t{options.log_growth_kb} + kLog +
                         2 * kLogEntry * (settings.checkpoint_interval + 2 * window);
    must_be_["diverged"] = "no";
    most_["waiting_updates"] = clients;
    most_["watched_updates"] = clients;
    most_["alarms"] = 0;
  } else {
    most_["waiting"] = clients;
    most_["watched"] = clients;
    must_be_["diverged"] = "no";
  }
}

std::optional<std::string> StatusChecker::check(const StatusList& status) const {
  for (const auto& [name, value] : status) {
    if (const auto most = most_.find(name); most != most_.end()) {
      const auto number = parse_number(value);
      if (!number || *number > most->second)
        return "bounded-memory: '" + name + "' is " + value + ", at most " + std::to_string(most->second) +
               " is allowed";
    }
    if (const auto good = must_be_.find(name); good != must_be_.end() && value != good->second)
      return "fault-model: '" + name + "' is " + value;
  }
  return std::nullopt;
}

}  // namespace seneschal::lab::sim
