#include "steward/plugin_server.hpp"

#include "accountability/online.hpp"
#include "replication/applications.hpp"
#include "steward/core.hpp"

namespace seneschal::steward {

using plugin::Assembly;
using plugin::PluginContext;
using plugin::ServerAssembly;
using plugin::ServerConfig;

namespace {
Settings read_settings(ConfigText& config) {
  Settings settings;
  settings.window = config.number("window", settings.window, 1, kMaxWindow);
  settings.batch_max = config.number("batch_max", settings.batch_max, 1, replication::kMaxBatchUpdates);
  settings.fan_out =
      static_cast<FanOut>(config.choice("fanout", {"all", "collector"}, static_cast<std::size_t>(settings.fan_out)));
  settings.delivery = static_cast<Delivery>(
      config.choice("delivery", {"representative", "multicast"}, static_cast<std::size_t>(settings.delivery)));
  settings.set_checkpoint_interval(
      config.number("checkpoint_interval", settings.checkpoint_interval, 1, kMaxCheckpointInterval));
  settings.log_growth = 1024 * config.number("log_growth_kb", settings.log_growth / 1024, 1, std::uint64_t{1} << 30);
  return settings;
}

/// What is binding reaches `window` beyond what is executed, Checkpoints stand at multiples of the interval, and a
/// batch that was prepared is proposed again in the next view.
std::vector<Fact> facts_of(const Settings& settings) {
  return {{"window", std::to_string(settings.window)},
          {"checkpoint_interval", std::to_string(settings.checkpoint_interval)},
          {"batch_max", std::to_string(settings.batch_max), true}};
}
}  // namespace

Result<std::unique_ptr<Assembly>> make_plugin_server(const PluginContext& context, std::string_view name,
                                                     const CoreWrap& wrap) {
  auto config = ConfigText::parse(context.config, std::string(name));
  if (!config) return std::unexpected(config.error());
  ServerConfig server = plugin::read_server(*config, context.folder);
  Settings settings = read_settings(*config);
  settings.durability = server.keep_log ? Durability::Log : Durability::None;
  server.protocol = "steward";
  server.settings = facts_of(settings);
  const auto graph = accountability::read_recorder(*config, context.folder, server.application);
  if (Status good = config->finish(); !good) return std::unexpected(good.error());
  if (Status good = settings.validate(); !good) return std::unexpected(good.error());
  if (Status good = validate(server.roster.membership); !good) return std::unexpected(good.error());
  auto application = replication::make_application(server.application);
  if (!application) return std::unexpected(application.error());
  auto keys = load_server_keys(server, context.host);
  if (!keys) return std::unexpected(keys.error());
  auto observed = accountability::observe(std::move(*application), graph, Principal::of(server.self), **keys);
  if (!observed) return std::unexpected(observed.error());
  std::unique_ptr<Core> core = std::make_unique<StewardCore>(server.self, server.roster.membership, settings,
                                                             std::move(observed->application));
  if (wrap) core = wrap(std::move(core), server.self, server.roster.membership);
  auto assembly = std::make_unique<ServerAssembly>(context.host, std::move(server), std::move(*keys), std::move(core),
                                                   StewardCore::message_table(), observed->status());
  assembly->set_check_log(check_log_format);
  return assembly;
}

}  // namespace seneschal::steward
