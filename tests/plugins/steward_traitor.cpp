// A Byzantine server of Steward as a plugin of the overlay daemon: the product's core with an adversary around it.
// Only test builds have it; the red-team experiment runs it live. Its configuration begins with two lines more than
// that of a correct server; until the file of the second one is there it is correct (none named: it never is):
//
//   behaviour = silent
//   begins = /run/experiment/turned
#include "lab/sim/adversaries/adversary.hpp"
#include "steward/plugin_server.hpp"

#include <algorithm>
#include <filesystem>

namespace {

using namespace seneschal;
using namespace seneschal::plugin;

/// Takes `key = value` off the beginning of `text`.
Result<std::string> take_line(std::string_view key, std::string& text) {
  const std::string begin = std::string(key) + " = ";
  const std::size_t end = text.find('\n');
  if (!text.starts_with(begin) || end == std::string::npos)
    return failure("a traitor's configuration begins with 'behaviour = NAME' and 'begins = FILE'");
  std::string value = text.substr(begin.size(), end - begin.size());
  text.erase(0, end + 1);
  return value;
}

Result<std::unique_ptr<Assembly>> make(const PluginContext& context) {
  PluginContext rest = context;
  const auto wanted = take_line("behaviour", rest.config);
  if (!wanted) return std::unexpected(wanted.error());
  const auto begins = take_line("begins", rest.config);
  if (!begins) return std::unexpected(begins.error());
  const auto names = lab::behaviour_names();
  const auto found = std::ranges::find(names, *wanted);
  if (found == names.end()) return failure("there is no behaviour '" + *wanted + "'");
  const auto behaviour = static_cast<lab::Behaviour>(found - names.begin());
  lab::sim::Adversary::Begun begun;
  if (!begins->empty())
    begun = [file = *begins, yes = false]() mutable { return yes = yes || std::filesystem::exists(file); };
  return steward::make_plugin_server(
      rest, "traitor's plugin", [&](std::unique_ptr<Core> core, ServerId self, const Membership& membership) {
        return lab::sim::corrupt(std::move(core), behaviour, self, membership, membership.deployment.value, begun);
      });
}

}  // namespace

SENESCHAL_PLUGIN("steward_traitor", SENESCHAL_BOUNDED, make);
