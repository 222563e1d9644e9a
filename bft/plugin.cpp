// The flat baseline as a plugin of the overlay daemon.
#include "accountability/online.hpp"
#include "bft/bft_core.hpp"
#include "replication/applications.hpp"
#include "runtime/plugin/server_plugin.hpp"

namespace {

using namespace seneschal;
using namespace seneschal::plugin;

bft::Settings read_settings(ConfigText& config) {
  bft::Settings settings;
  settings.window = config.number("window", settings.window, 1, 64);
  settings.batch_max = config.number("batch_max", settings.batch_max, 1, replication::kMaxBatchUpdates);
  settings.auth =
      static_cast<bft::Auth>(config.choice("auth", {"mac", "signatures"}, static_cast<std::size_t>(settings.auth)));
  settings.delivery = static_cast<bft::Delivery>(
      config.choice("delivery", {"unicast", "multicast"}, static_cast<std::size_t>(settings.delivery)));
  settings.checkpoint_interval = config.number("checkpoint_interval", settings.checkpoint_interval, 1, 1 << 12);
  settings.log_span = std::max(2 * settings.checkpoint_interval, settings.window);
  settings.log_growth = 1024 * config.number("log_growth_kb", settings.log_growth / 1024, 1, std::uint64_t{1} << 30);
  return settings;
}

/// The span of the message log follows from the first two; the log has proposals as they were vouched for.
std::vector<Fact> facts_of(const bft::Settings& settings) {
  return {{"window", std::to_string(settings.window)},
          {"checkpoint_interval", std::to_string(settings.checkpoint_interval)},
          {"auth", settings.auth == bft::Auth::Mac ? "mac" : "signatures"}};
}

Result<std::unique_ptr<Assembly>> make(const PluginContext& context) {
  auto config = ConfigText::parse(context.config, "bft plugin");
  if (!config) return std::unexpected(config.error());
  ServerConfig server = read_server(*config, context.folder);
  bft::Settings settings = read_settings(*config);
  settings.durability = server.keep_log ? bft::Durability::Log : bft::Durability::None;
  server.protocol = "bft";
  server.settings = facts_of(settings);
  const auto graph = accountability::read_recorder(*config, context.folder, server.application);
  if (Status good = config->finish(); !good) return std::unexpected(good.error());
  if (Status good = settings.validate(); !good) return std::unexpected(good.error());
  if (Status good = bft::validate(server.roster.membership); !good) return std::unexpected(good.error());
  auto application = replication::make_application(server.application);
  if (!application) return std::unexpected(application.error());
  auto keys = load_server_keys(server, context.host);
  if (!keys) return std::unexpected(keys.error());
  auto observed = accountability::observe(std::move(*application), graph, Principal::of(server.self), **keys);
  if (!observed) return std::unexpected(observed.error());
  auto core = std::make_unique<bft::BftCore>(server.self.index, server.roster.membership, settings,
                                             std::move(observed->application));
  return std::make_unique<ServerAssembly>(context.host, std::move(server), std::move(*keys), std::move(core),
                                          bft::BftCore::message_table(), observed->status());
}

}  // namespace

SENESCHAL_PLUGIN("bft", SENESCHAL_BOUNDED, make);
