// A Byzantine server of Steward as a plugin of the overlay daemon: the product's core with an adversary around it.
// Only test builds have it; the red-team experiment runs it live. Its configuration begins with a line more than that
// of a correct server:
//
//   behaviour = silent
#include "lab/sim/adversaries/adversary.hpp"
#include "steward/plugin_server.hpp"

#include <algorithm>

namespace {

using namespace seneschal;
using namespace seneschal::plugin;

constexpr std::string_view kKey = "behaviour = ";

Result<std::unique_ptr<Assembly>> make(const PluginContext& context) {
  const std::string_view config = context.config;
  const std::size_t end = config.find('\n');
  if (!config.starts_with(kKey) || end == std::string_view::npos)
    return failure("a traitor's configuration begins with 'behaviour = NAME'");
  const std::string_view wanted = config.substr(kKey.size(), end - kKey.size());
  const auto names = lab::behaviour_names();
  const auto found = std::ranges::find(names, wanted);
  if (found == names.end()) return failure("there is no behaviour '" + std::string(wanted) + "'");
  const auto behaviour = static_cast<lab::Behaviour>(found - names.begin());
  PluginContext rest = context;
  rest.config = std::string(config.substr(end + 1));
  return steward::make_plugin_server(
      rest, "traitor's plugin", [&](std::unique_ptr<Core> core, ServerId self, const Membership& membership) {
        return lab::sim::corrupt(std::move(core), behaviour, self, membership, membership.deployment.value);
      });
}

}  // namespace

SENESCHAL_PLUGIN("steward_traitor", SENESCHAL_BOUNDED, make);
