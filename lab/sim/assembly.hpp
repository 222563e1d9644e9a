// Builds a deployment in a world: hosts, routers, replicas and clients with their keys.
#pragma once
#include "crypto/fake/fake_keys.hpp"
#include "lab/sim/checkers/checker.hpp"
#include "lab/sim/network.hpp"
#include "lab/sim/plan.hpp"
#include "replication/workload.hpp"

#include <functional>
#include <set>

namespace seneschal::lab::sim {

/// The keys of a server or client.
using KeySource = std::function<Result<std::unique_ptr<crypto::Keys>>(const Principal&)>;

struct AssemblyOptions {
  std::uint64_t seed = 1;
  Machines machines;
  CheckerSet* checkers = nullptr;       // null: nothing is checked
  world::Observer* observer = nullptr;  // instead of the checkers, to whom it may pass things on
  std::vector<Traitor> traitors;
  bool traitors_wait = false;  // they are correct until `turn`
  std::set<ClientId> two_faced;
  /// What each client does.
  std::function<replication::WorkloadSettings(ClientId)> workload;
  /// Clients that may join while the run goes on: they are there from the start, and nobody knows them.
  std::vector<ClientId> newcomers;
  /// Where keys come from, also those of newcomers, instead of being simulated; null: simulated.
  KeySource keys;
  bool keep_logs = false;  // servers can be restarted
  Duration patience{};     // the least T1; 0: the product's
};

struct ServerPart {
  ServerId id;
  std::size_t site = 0;  // of the topology
  world::Host* host = nullptr;
  world::SimProcess* process = nullptr;
};

struct ClientPart {
  ClientId id;
  std::size_t site = 0;
  world::Host* host = nullptr;
  world::SimProcess* process = nullptr;
  replication::WorkloadCore* workload = nullptr;  // owned by the process
  std::uint32_t lives = 1;
  std::uint64_t completed_before = 0;  // by earlier lives
  std::uint64_t refused_before = 0;

  std::uint64_t completed() const { return completed_before + workload->completed(); }
  std::uint64_t refused() const { return refused_before + workload->refused(); }
};

class Assembly {
 public:
  /// Errors: options that the protocol does not take, a membership of the wrong shape, keys that cannot be made.
  static Result<std::unique_ptr<Assembly>> build(const Deployment& deployment, const emulator::CostModel& costs,
                                                 const AssemblyOptions& options);

  world::World& world() { return world_; }
  Network& network() { return *network_; }
  const Roster& roster() const { return roster_; }
  std::vector<ServerPart>& servers() { return servers_; }
  std::vector<ClientPart>& clients() { return clients_; }
  ServerPart* server(ServerId id);
  ClientPart* client(ClientId id);
  /// Every host, each once.
  const std::vector<std::unique_ptr<world::Host>>& hosts() const { return hosts_; }
  std::vector<world::Host*> all_hosts();
  void start();
  /// A server that has crashed starts again now, with what its disk kept; `lost`: it had a log, and it is gone.
  void restart(ServerId id, bool lost);
  /// A client's process, which stopped, starts again now and does what `load` says.
  void restart(ClientId id, const replication::WorkloadSettings& load);
  /// Byzantine servers that waited begin.
  void turn() { *turned_ = true; }

 private:
  Assembly(const Deployment& deployment, const emulator::CostModel& costs, const AssemblyOptions& options);
  Result<std::unique_ptr<Core>> make_core(ServerId id);
  Status add_servers(const AssemblyOptions& options);
  Status add_clients(const AssemblyOptions& options);
  Status add_client(const ClientInfo& info, const AssemblyOptions& options);
  replication::ClientSettings settings_of(const ClientInfo& info) const;
  Status make_keys(const AssemblyOptions& options);
  Result<std::unique_ptr<crypto::Keys>> keys_of(const Principal& who);
  world::Host& host_for(unsigned cores);

  Deployment deployment_;
  Roster roster_;
  emulator::CostModel costs_;
  Machines machines_;
  CheckerSet* checkers_;
  world::Observer* observer_;
  world::World world_;
  OpenCache cache_;
  std::unique_ptr<crypto::fake::Registry> registry_;
  KeySource key_source_;
  std::vector<Traitor> traitors_;
  std::shared_ptr<bool> turned_;
  std::uint64_t seed_;
  Duration patience_;
  std::vector<std::unique_ptr<world::Host>> hosts_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<world::SimProcess>> processes_;
  std::vector<ServerPart> servers_;
  std::vector<ClientPart> clients_;
};

/// Keys that the deployment needs, with sizes as in the cost file.
crypto::KeyPlan key_plan(const Deployment& deployment, const emulator::CostModel& costs);

}  // namespace seneschal::lab::sim
