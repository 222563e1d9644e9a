#include "lab/sim/assembly.hpp"

#include "accountability/ingest.hpp"
#include "base/check.hpp"
#include "crypto/merkle.hpp"
#include "lab/sim/adversaries/adversary.hpp"
#include "lab/sim/protocols.hpp"
#include "replication/applications.hpp"
#include "replication/observed_application.hpp"

namespace seneschal::lab::sim {

namespace {

/// Less than a live replica remembers: eighty of them share one processor's cache.
constexpr std::size_t kRememberedProofs = 2048;

/// A state with one chunk more: how many operations led to it.
class FrozenWitness final : public replication::Frozen {
 public:
  FrozenWitness(std::shared_ptr<const replication::Frozen> state, std::uint64_t applied)
      : state_(std::move(state)), count_(share(encode(applied))) {}
  std::size_t chunks() const override { return state_->chunks() + 1; }
  SharedBytes chunk(std::size_t index) const override {
    return index < state_->chunks() ? state_->chunk(index) : count_;
  }
  Digest leaf(std::size_t index) const override {
    return index < state_->chunks() ? state_->leaf(index) : crypto::merkle_leaf(*count_);
  }
  std::size_t cost(std::size_t index) const override {
    return index < state_->chunks() ? state_->cost(index) : count_->size();
  }

 private:
  std::shared_ptr<const replication::Frozen> state_;
  SharedBytes count_;
};

/// Shows the checkers what is executed.
class WitnessApplication final : public replication::Application {
 public:
  WitnessApplication(std::unique_ptr<replication::Application> application, ServerId server, CheckerSet& checkers)
      : application_(std::move(application)), server_(server), checkers_(checkers) {}

  Bytes apply(ClientId client, Span operation) override {
    ++applied_;
    Bytes result = application_->apply(client, operation);
    checkers_.on_applied(server_, client, operation, result);
    return result;
  }
  void undo() override {
    --applied_;
    application_->undo();
  }
  void on_evidence(Span sealed) override { application_->on_evidence(sealed); }
  void settle() override { application_->settle(); }
  Bytes query(Span operation) const override { return application_->query(operation); }
  Digest digest() const override { return application_->digest(); }
  Bytes snapshot() const override { return application_->snapshot(); }
  Status restore(Span snapshot) override { return application_->restore(snapshot); }
  std::shared_ptr<const replication::Frozen> freeze() const override {
    return std::make_shared<FrozenWitness>(application_->freeze(), applied_);
  }
  Status thaw(std::span<const SharedBytes> chunks) override {
    if (chunks.empty()) return failure("the count of operations is missing");
    const auto applied = decode<std::uint64_t>(*chunks.back());
    if (!applied) return failure("the count of operations is damaged");
    if (Status good = application_->thaw(chunks.first(chunks.size() - 1)); !good) return good;
    applied_ = *applied;
    checkers_.on_thawed(server_, applied_);
    return {};
  }

 private:
  std::unique_ptr<replication::Application> application_;
  std::uint64_t applied_ = 0;
  ServerId server_;
  CheckerSet& checkers_;
};

crypto::Scheme client_scheme(std::uint32_t bytes) {
  for (crypto::Scheme scheme : {crypto::Scheme::Rsa1024, crypto::Scheme::Rsa2048})
    if (crypto::signature_bytes(scheme) == bytes) return scheme;
  return crypto::Scheme::Ed25519;
}

}  // namespace

crypto::KeyPlan key_plan(const Deployment& deployment, const emulator::CostModel& costs) {
  const Roster roster = deployment.roster();
  crypto::KeyPlan plan;
  plan.deployment = deployment.id;
  for (std::size_t s = 0; s < roster.membership.sites.size(); ++s) {
    const SiteInfo& info = roster.membership.sites[s];
    plan.sites.push_back(
        {SiteId(static_cast<std::uint16_t>(s)), info.servers, info.faults, deployment.protocol == Protocol::Steward});
  }
  for (const ClientInfo& client : roster.membership.clients) plan.clients.push_back({client.id, client.home});
  plan.server_scheme = deployment.keys.server_bits == 1024 ? crypto::Scheme::Rsa1024 : crypto::Scheme::Rsa2048;
  plan.client_scheme = client_scheme(costs.sizes.client);
  plan.threshold_bits = deployment.keys.site_bits;
  plan.strength = crypto::KeyStrength::Test;
  return plan;
}

Assembly::Assembly(const Deployment& deployment, const emulator::CostModel& costs, const AssemblyOptions& options)
    : deployment_(deployment),
      roster_(deployment.roster()),
      costs_(costs.for_threshold(2u * deployment.faults + 1, 3u * deployment.faults + 1)),
      machines_(options.machines),
      checkers_(options.checkers),
      observer_(options.observer != nullptr ? options.observer : options.checkers),
      world_(options.seed),
      cache_(16384),
      traitors_(options.traitors),
      turned_(std::make_shared<bool>(!options.traitors_wait)),
      seed_(options.seed),
      patience_(options.patience) {}

Result<std::unique_ptr<Assembly>> Assembly::build(const Deployment& deployment, const emulator::CostModel& costs,
                                                  const AssemblyOptions& options) {
  std::unique_ptr<Assembly> assembly(new Assembly(deployment, costs, options));
  Assembly& a = *assembly;
  if (a.checkers_ != nullptr) a.checkers_->set_world(&a.world_);
  if (a.machines_.placement == Placement::OneHost)
    a.hosts_.push_back(std::make_unique<world::Host>(a.world_, a.machines_.one_host_cores));
  // Cables are where they are, whoever belongs to the deployment.
  Directory attached = a.roster_.directory;
  for (ClientId id : options.newcomers) attached.add(id, deployment.node_of_site(deployment.site_of_client(id)));
  a.network_ = std::make_unique<Network>(a.world_, a.deployment_, attached, a.costs_, a.machines_,
                                         a.hosts_.empty() ? nullptr : a.hosts_.front().get());
  if (Status made = a.make_keys(options); !made) return std::unexpected(made.error());
  if (Status added = a.add_servers(options); !added) return std::unexpected(added.error());
  if (Status added = a.add_clients(options); !added) return std::unexpected(added.error());
  return assembly;
}

Status Assembly::make_keys(const AssemblyOptions& options) {
  const crypto::KeyPlan plan = key_plan(deployment_, costs_);
  if (Status good = crypto::validate(plan); !good) return good;
  key_source_ = options.keys;
  if (!key_source_) registry_ = std::make_unique<crypto::fake::Registry>(plan, options.seed);
  return {};
}

Result<std::unique_ptr<crypto::Keys>> Assembly::keys_of(const Principal& who) {
  if (key_source_) return key_source_(who);
  const bool newcomer = who.is_client() && roster_.membership.client(who.client()) == nullptr;
  return newcomer ? registry_->joining(who.client()) : registry_->keys(who);
}

world::Host& Assembly::host_for(unsigned cores) {
  if (machines_.placement == Placement::OwnHosts) hosts_.push_back(std::make_unique<world::Host>(world_, cores));
  return *hosts_.back();
}

Result<std::unique_ptr<Core>> Assembly::make_core(ServerId id) {
  auto application = replication::make_application(deployment_.options.application);
  if (!application) return std::unexpected(application.error());
  // As in a plugin: dependencies are unwrapped at every server, whether it builds the graph or not.
  *application = std::make_unique<replication::ObservedApplication>(
      std::move(*application), checkers_ != nullptr ? checkers_->graph_observer(id) : nullptr, accountability::judge);
  if (checkers_ != nullptr)
    *application = std::make_unique<WitnessApplication>(std::move(*application), id, *checkers_);
  auto core = make_server(deployment_, roster_.membership, id, std::move(*application), patience_);
  if (!core) return core;
  for (const Traitor& traitor : traitors_)
    if (traitor.server == id)
      *core = corrupt(std::move(*core), traitor.behaviour, id, roster_.membership, seed_,
                      [turned = turned_] { return *turned; });
  return core;
}

void Assembly::restart(ServerId id, bool lost) {
  auto core = make_core(id);
  CHECK(core.has_value());  // it could be made before
  if (checkers_ != nullptr) checkers_->on_restarted(id, lost);
  server(id)->process->restart(world_.now(), std::move(*core), lost);
}

// As hosts do: no two lives of a client begin with the same timestamp. [Steward 3.1]
replication::ClientSettings Assembly::settings_of(const ClientInfo& info) const {
  replication::ClientSettings settings = client_settings(deployment_, roster_.membership, info);
  settings.first_timestamp = Timestamp(static_cast<std::uint64_t>((world_.now() - Instant{}) / 1us) + 1);
  return settings;
}

void Assembly::restart(ClientId id, const replication::WorkloadSettings& load) {
  ClientPart& part = *client(id);
  ++part.lives;
  part.completed_before = part.completed();
  part.refused_before = part.refused();
  auto core = std::make_unique<replication::WorkloadCore>(roster_.membership,
                                                          settings_of(*roster_.membership.client(id)), load);
  part.workload = core.get();
  if (checkers_ != nullptr) checkers_->on_client_restarted(id);
  part.process->restart(world_.now(), std::move(core), false);
}

Status Assembly::add_servers(const AssemblyOptions& options) {
  for (std::size_t s = 0; s < roster_.membership.sites.size(); ++s) {
    for (std::uint16_t i = 0; i < roster_.membership.sites[s].servers; ++i) {
      const ServerId id{SiteId(static_cast<std::uint16_t>(s)), ServerIndex(i)};
      auto core = make_core(id);
      if (!core) return std::unexpected(core.error());
      auto keys = keys_of(Principal::of(id));
      if (!keys) return std::unexpected(keys.error());

      world::ProcessSetup setup;
      setup.self = Principal::of(id);
      setup.membership = &roster_.membership;
      setup.table = server_messages(deployment_.protocol);
      setup.core = std::move(*core);
      setup.keys = checkers_ != nullptr ? witness(std::move(*keys), id, *checkers_) : std::move(*keys);
      setup.costs = &costs_;
      setup.limits.remembered_proofs = kRememberedProofs;
      setup.cache = &cache_;
      setup.observer = observer_;
      setup.keep_log = options.keep_logs;
      world::Host& host = host_for(machines_.server_cores);
      processes_.push_back(std::make_unique<world::SimProcess>(world_, host, *network_, std::move(setup)));
      network_->attach(*processes_.back());
      servers_.push_back({id, roster_.directory.endpoint(id).node.value - 1u, &host, processes_.back().get()});
    }
  }
  return {};
}

Status Assembly::add_clients(const AssemblyOptions& options) {
  for (const ClientInfo& info : roster_.membership.clients)
    if (Status added = add_client(info, options); !added) return added;
  for (ClientId id : options.newcomers) {
    const std::size_t site = deployment_.site_of_client(id);
    const SiteId home(deployment_.protocol == Protocol::Steward ? static_cast<std::uint16_t>(site)
                                                                : std::uint16_t{0});
    if (Status added = add_client({id, home}, options); !added) return added;
  }
  return {};
}

Status Assembly::add_client(const ClientInfo& info, const AssemblyOptions& options) {
  auto keys = keys_of(Principal::of(info.id));
  if (!keys) return std::unexpected(keys.error());
  const replication::WorkloadSettings load =
      options.workload ? options.workload(info.id) : replication::WorkloadSettings{};
  auto core = std::make_unique<replication::WorkloadCore>(roster_.membership, settings_of(info), load);
  replication::WorkloadCore* workload = core.get();
  world::ProcessSetup setup;
  setup.self = Principal::of(info.id);
  setup.membership = &roster_.membership;
  setup.table = replication::ClientCore::message_table();
  setup.core = std::move(core);
  if (options.two_faced.contains(info.id))
    setup.core = two_faced(std::move(setup.core), info, roster_.membership, options.seed);
  setup.keys = std::move(*keys);
  setup.costs = &costs_;
  setup.cache = nullptr;  // replies are for one receiver each
  setup.keep_log = true;  // it has none, but may start again
  setup.observer = observer_;
  world::Host& host = host_for(machines_.client_cores);
  processes_.push_back(std::make_unique<world::SimProcess>(world_, host, *network_, std::move(setup)));
  network_->attach(*processes_.back());
  clients_.push_back({info.id, deployment_.site_of_client(info.id), &host, processes_.back().get(), workload});
  return {};
}

ServerPart* Assembly::server(ServerId id) {
  for (ServerPart& part : servers_)
    if (part.id == id) return &part;
  return nullptr;
}

ClientPart* Assembly::client(ClientId id) {
  for (ClientPart& part : clients_)
    if (part.id == id) return &part;
  return nullptr;
}

std::vector<world::Host*> Assembly::all_hosts() {
  std::vector<world::Host*> all = network_->router_hosts();
  for (auto& host : hosts_) all.push_back(host.get());
  return all;
}

void Assembly::start() {
  network_->start();
  for (auto& process : processes_) process->start(world_.now());
}

}  // namespace seneschal::lab::sim
