#include "runtime/plugin/server_plugin.hpp"

#include "crypto/key_ring.hpp"

#include <filesystem>

namespace seneschal::plugin {

ServerConfig read_server(ConfigText& config, const std::string& folder) {
  ServerConfig server;
  constexpr std::uint64_t kMax16 = 0xffff;
  for (const auto& line : config.all("server")) {
    const auto numbers = config.numbers(line, 2, kMax16);
    server.self = {SiteId(static_cast<std::uint16_t>(numbers[0])),
                   ServerIndex(static_cast<std::uint16_t>(numbers[1]))};
  }
  if (config.all("server").size() != 1) config.fail(0, "expected one line 'server = SITE INDEX'");
  server.keys = config.text("keys");
  if (!server.keys.starts_with('/')) server.keys = folder + "/" + server.keys;
  server.application = config.text("application", "kv");
  server.site_names = config.text("site_names", "");
  server.keep_log = config.choice("durability", {"wal", "none"}, 0) == 0;
  server.roster = read_roster(config);
  if (!server.roster.directory.knows(server.self))
    config.fail(0, "server " + to_string(server.self) + " is not among the servers of the 'site' lines");
  return server;
}

std::vector<Fact> facts_of(const Roster& roster, std::string_view protocol, std::string_view application,
                           std::string_view site_names, const std::vector<Fact>& settings,
                           const crypto::KeyPlan& plan) {
  const Membership& members = roster.membership;
  std::string faults;
  bool alike = true;
  for (const SiteInfo& site : members.sites) {
    faults += (faults.empty() ? "" : " ") + std::to_string(site.faults);
    alike = alike && site.faults == members.sites.front().faults;
  }
  if (alike && !members.sites.empty()) faults = std::to_string(members.sites.front().faults);
  std::vector<Fact> facts = {
      {"protocol", std::string(protocol)},
      {"application", std::string(application)},
      {"faults", faults},
      {"sites", site_names.empty() ? std::to_string(members.sites.size()) : std::string(site_names)},
      // Without an administrator, those whom nobody knew have no part in the state. With one, the first clients are
      // part of it: others join by its orders. [Membership 3]
      {"clients", std::to_string(members.clients.size()), !members.administrator},
      {"administrator", members.administrator ? std::to_string(members.administrator->value) : "0"},
  };
  facts.insert(facts.end(), settings.begin(), settings.end());
  if (!plan.sites.empty() && plan.sites.front().threshold)
    facts.push_back({"site_bits", std::to_string(plan.threshold_bits)});
  facts.push_back({"server_bits", plan.server_scheme == crypto::Scheme::Rsa1024 ? "1024" : "2048"});
  return facts;
}

Fact keys_fact(const crypto::PublicKeys& keys) {
  return {"keys", crypto::servers_fingerprint(keys)};
}

std::string memory_group(DeploymentId deployment) {
  return "deployment " + std::to_string(deployment.value);
}

std::string memory_member(ServerId server) {
  return "server " + std::to_string(server.site.value) + "." + std::to_string(server.index.value);
}

namespace {
/// The servers whose private keys are in the folder: they may begin here. A server whose keys come later may have
/// run where they come from.
std::vector<std::pair<std::string, NodeId>> members_with_keys(const ServerConfig& config) {
  std::vector<std::pair<std::string, NodeId>> members;
  const auto& sites = config.roster.directory.servers;
  for (std::size_t s = 0; s < sites.size(); ++s)
    for (std::size_t i = 0; i < sites[s].size(); ++i) {
      const ServerId server{SiteId(static_cast<std::uint16_t>(s)), ServerIndex(static_cast<std::uint16_t>(i))};
      std::error_code ignored;
      if (std::filesystem::exists(crypto::principal_directory(config.keys, Principal::of(server)), ignored))
        members.emplace_back(memory_member(server), sites[s][i]);
    }
  return members;
}
}  // namespace

Result<std::unique_ptr<crypto::Keys>> load_server_keys(ServerConfig& config, const seneschal_host& host) {
  const EndpointId place = config.roster.directory.endpoint(config.self);
  if (place.node.value != host.node || place.port.value != host.port)
    return failure("server " + to_string(config.self) + " belongs on node " + std::to_string(place.node.value) +
                   " port " + std::to_string(place.port.value) + ", but is attached to node " +
                   std::to_string(host.node) + " port " + std::to_string(host.port));
  crypto::KeyRing::Options options;
  options.deployment = config.roster.membership.deployment;
  auto ring = crypto::KeyRing::load(config.keys, Principal::of(config.self), std::move(options));
  if (!ring) return std::unexpected(ring.error());
  config.facts = facts_of(config.roster, config.protocol, config.application, config.site_names, config.settings,
                          (*ring)->plan());
  config.facts.push_back(keys_fact((*ring)->known()));
  config.members = members_with_keys(config);
  return std::unique_ptr<crypto::Keys>(std::move(*ring));
}

ServerAssembly::ServerAssembly(const seneschal_host& host, ServerConfig config, std::unique_ptr<crypto::Keys> keys,
                               std::unique_ptr<Core> core, MessageTable messages,
                               std::function<void(StatusList&)> more_status)
    : config_(std::move(config)),
      keys_(std::move(keys)),
      core_(std::move(core)),
      env_(host, Principal::of(config_.self), config_.roster.directory, *keys_),
      replica_(Principal::of(config_.self), config_.roster.membership, std::move(messages), *core_, *keys_, env_),
      more_status_(std::move(more_status)) {
  env_.on_event = [this](const Event& event) { views_entered_ += event.kind == EventKind::ViewEntered ? 1 : 0; };
  env_.join_groups(config_.self);
}

Memory ServerAssembly::memory() const {
  return {memory_group(config_.roster.membership.deployment), memory_member(config_.self), config_.keep_log,
          config_.facts, config_.members};
}

void ServerAssembly::status(StatusList& out) const {
  out.emplace_back("views_entered", std::to_string(views_entered_));
  out.emplace_back("accusations", std::to_string(env_.accusations()));
  if (more_status_) more_status_(out);
}

}  // namespace seneschal::plugin
