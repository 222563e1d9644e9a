// A server of Steward from a plugin's configuration.
#pragma once
#include "runtime/plugin/server_plugin.hpp"

#include <functional>
#include <string_view>

namespace seneschal::steward {

/// May put something around the core before it meets its host. The product's plugin does not; that of Byzantine
/// servers, in test builds, does.
using CoreWrap = std::function<std::unique_ptr<Core>(std::unique_ptr<Core>, ServerId, const Membership&)>;

/// Errors: a configuration that does not say what it must, keys that cannot be loaded. `name` is for messages.
Result<std::unique_ptr<plugin::Assembly>> make_plugin_server(const plugin::PluginContext& context,
                                                             std::string_view name, const CoreWrap& wrap = {});

}  // namespace seneschal::steward
