// Steward as a plugin of the overlay daemon.
#include "accountability/online.hpp"
#include "replication/applications.hpp"
#include "runtime/plugin/server_plugin.hpp"
#include "steward/core.hpp"

namespace {

using namespace seneschal;
using namespace seneschal::plugin;

steward::Settings read_settings(ConfigText& config) {
  steward::Settings settings;
  settings.window = config.number("window", settings.window, 1, steward::kMaxWindow);
  settings.batch_max = config.number("batch_max", settings.batch_max, 1, replication::kMaxBatchUpdates);
  settings.fan_out = static_cast<steward::FanOut>(
      config.choice("fanout", {"all", "collector"}, static_cast<std::size_t>(settings.fan_out)));
  settings.delivery = static_cast<steward::Delivery>(
      config.choice("delivery", {"representative", "multicast"}, static_cast<std::size_t>(settings.delivery)));
  settings.set_checkpoint_interval(
      config.number("checkpoint_interval", settings.checkpoint_interval, 1, steward::kMaxCheckpointInterval));
  return settings;
}

Result<std::unique_ptr<Assembly>> make(const PluginContext& context) {
  auto config = ConfigText::parse(context.config, "steward plugin");
  if (!config) return std::unexpected(config.error());
  ServerConfig server = read_server(*config, context.folder);
  steward::Settings settings = read_settings(*config);
  settings.durability = server.keep_log ? steward::Durability::Log : steward::Durability::None;
  const auto graph = accountability::read_recorder(*config, context.folder);
  if (Status good = config->finish(); !good) return std::unexpected(good.error());
  if (Status good = settings.validate(); !good) return std::unexpected(good.error());
  if (Status good = steward::validate(server.roster.membership); !good) return std::unexpected(good.error());
  auto application = replication::make_application(server.application);
  if (!application) return std::unexpected(application.error());
  auto keys = load_server_keys(server, context.host);
  if (!keys) return std::unexpected(keys.error());
  auto observed = accountability::observe(std::move(*application), graph, Principal::of(server.self), **keys);
  if (!observed) return std::unexpected(observed.error());
  auto core = std::make_unique<steward::StewardCore>(server.self, server.roster.membership, settings,
                                                     std::move(observed->application));
  return std::make_unique<ServerAssembly>(context.host, std::move(server), std::move(*keys), std::move(core),
                                          steward::StewardCore::message_table(), observed->status());
}

}  // namespace

SENESCHAL_PLUGIN("steward", SENESCHAL_BOUNDED, make);
