#include "lab/sim/checkers/status_checker.hpp"

#include "runtime/config_text.hpp"
#include "steward/config.hpp"

namespace seneschal::lab::sim {

StatusChecker::StatusChecker(Protocol protocol, std::uint64_t window, std::uint64_t clients) {
  if (protocol == Protocol::Steward) {
    const steward::Settings defaults;
    most_["entries"] = defaults.history_span + 2 * window;  // what is kept for laggards, and twice the window ahead
    most_["signing"] = 2 * (2 * window + 1) + 8;            // Proposal and Accept of each seq in reach, and of views
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
