#include "lab/sim/protocols.hpp"

#include "bft/bft_core.hpp"
#include "steward/core.hpp"

namespace seneschal::lab::sim {

namespace {

steward::Settings steward_settings(const ProtocolOptions& options) {
  steward::Settings settings;
  settings.window = options.window;
  settings.batch_max = options.batch_max;
  settings.durability = options.durability == "wal" ? steward::Durability::Log : steward::Durability::None;
  settings.fan_out = options.fanout == "all" ? steward::FanOut::All : steward::FanOut::Collector;
  settings.delivery =
      options.delivery == "representative" ? steward::Delivery::Representative : steward::Delivery::Multicast;
  settings.set_checkpoint_interval(options.checkpoint_interval);
  settings.log_growth = std::uint64_t{options.log_growth_kb} * 1024;
  return settings;
}

Result<std::unique_ptr<Core>> make_steward(const Deployment& deployment, const Membership& membership, ServerId self,
                                           std::unique_ptr<replication::Application> application, Duration patience) {
  steward::Settings settings = steward_settings(deployment.options);
  if (patience > Duration{}) settings.representative_timeout = patience;
  if (Status good = settings.validate(); !good) return std::unexpected(good.error());
  if (Status good = steward::validate(membership); !good) return std::unexpected(good.error());
  return std::make_unique<steward::StewardCore>(self, membership, settings, std::move(application));
}

bft::Settings bft_settings(const ProtocolOptions& options) {
  bft::Settings settings;
  settings.window = options.window;
  settings.batch_max = options.batch_max;
  settings.durability = options.durability == "wal" ? bft::Durability::Log : bft::Durability::None;
  settings.log_growth = std::uint64_t{options.log_growth_kb} * 1024;
  settings.checkpoint_interval = options.checkpoint_interval;
  settings.log_span = std::max<std::uint64_t>(2 * options.checkpoint_interval, options.window);
  settings.auth = options.auth == "mac" ? bft::Auth::Mac : bft::Auth::Signatures;
  settings.delivery = options.delivery == "unicast" ? bft::Delivery::Unicast : bft::Delivery::Multicast;
  return settings;
}

Result<std::unique_ptr<Core>> make_bft(const Deployment& deployment, const Membership& membership, ServerId self,
                                       std::unique_ptr<replication::Application> application) {
  const bft::Settings settings = bft_settings(deployment.options);
  if (Status good = settings.validate(); !good) return std::unexpected(good.error());
  if (Status good = bft::validate(membership); !good) return std::unexpected(good.error());
  return std::make_unique<bft::BftCore>(self.index, membership, settings, std::move(application));
}

}  // namespace

MessageTable server_messages(Protocol protocol) {
  if (protocol == Protocol::Bft) return bft::BftCore::message_table();
  return steward::StewardCore::message_table();
}

Result<std::unique_ptr<Core>> make_server(const Deployment& deployment, const Membership& membership, ServerId self,
                                          std::unique_ptr<replication::Application> application, Duration patience) {
  if (deployment.protocol == Protocol::Steward)
    return make_steward(deployment, membership, self, std::move(application), patience);
  return make_bft(deployment, membership, self, std::move(application));
}

replication::ClientSettings client_settings(const Deployment& deployment, const Membership& membership,
                                            const ClientInfo& self) {
  if (deployment.protocol == Protocol::Steward) return replication::ClientSettings::steward(self);
  const AuthKind auth = deployment.options.auth == "mac" ? AuthKind::Authenticator : AuthKind::Signature;
  return replication::ClientSettings::bft(self.id, membership, auth);
}

}  // namespace seneschal::lab::sim
