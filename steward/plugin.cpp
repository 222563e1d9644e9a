// Steward as a plugin of the overlay daemon.
#include "steward/plugin_server.hpp"

namespace {

using namespace seneschal;
using namespace seneschal::plugin;

Result<std::unique_ptr<Assembly>> make(const PluginContext& context) {
  return steward::make_plugin_server(context, "steward plugin");
}

}  // namespace

SENESCHAL_PLUGIN("steward", SENESCHAL_BOUNDED, make);
