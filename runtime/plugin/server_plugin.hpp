// What every replica plugin does alike: reads who it is from its configuration, loads its keys, and puts keys, core
// and environment together. A protocol's plugin.cpp adds its own options and its core.
//
//   server = 2 0              # site, index
//   keys = ../keys            # what `seneschal keygen` wrote
//   application = kv
//   durability = wal          # or none: a server that starts again then only learns and answers
//   site_names = paris rome   # of the topology, in order; blanks and other odd characters as %20. May be left out
//   (the roster's lines)
#pragma once
#include "crypto/key_files.hpp"
#include "crypto/keys.hpp"
#include "runtime/plugin/adapter.hpp"
#include "runtime/roster.hpp"

namespace seneschal::plugin {

struct ServerConfig {
  ServerId self;
  std::string keys;  // folder of key files
  std::string application;
  std::string site_names;
  bool keep_log = true;
  Roster roster;
  std::string protocol;        // set by the protocol's plugin
  std::vector<Fact> settings;  // so are those of its settings that say what its log means
  std::vector<Fact> facts;     // all of these, and what the keys say; set when the keys are loaded
  std::vector<std::pair<std::string, NodeId>> members;  // whose private keys are there; set at the same time
};

/// Takes the lines above out of `config`; errors are noted there. `folder` is where relative paths start.
ServerConfig read_server(ConfigText& config, const std::string& folder);

/// A replica of one server over a node. Joins the server's groups.
class ServerAssembly final : public Assembly {
 public:
  ServerAssembly(const seneschal_host& host, ServerConfig config, std::unique_ptr<crypto::Keys> keys,
                 std::unique_ptr<Core> core, MessageTable messages,
                 std::function<void(StatusList&)> more_status = {});
  Replica& replica() override { return replica_; }
  PluginEnv& env() override { return env_; }
  Memory memory() const override;
  Status check_log(std::span<const Record> log) const override { return check_log_ ? check_log_(log) : Status{}; }
  /// What the protocol says of a log before the server starts with it.
  void set_check_log(std::function<Status(std::span<const Record>)> check) { check_log_ = std::move(check); }
  void status(StatusList& out) const override;

 private:
  ServerConfig config_;
  std::unique_ptr<crypto::Keys> keys_;
  std::unique_ptr<Core> core_;
  PluginEnv env_;
  Replica replica_;
  std::uint64_t views_entered_ = 0;
  std::function<void(StatusList&)> more_status_;
  std::function<Status(std::span<const Record>)> check_log_;
};

/// What a server's log and keys mean, in the words of the deployment's file: it must not change between two lives.
/// `settings`: those of the protocol. [docs/storage.md]
std::vector<Fact> facts_of(const Roster& roster, std::string_view protocol, std::string_view application,
                           std::string_view site_names, const std::vector<Fact>& settings,
                           const crypto::KeyPlan& plan);
/// Which keys the servers and sites have.
Fact keys_fact(const crypto::PublicKeys& keys);
/// "deployment 7": what all servers of a deployment belong to.
std::string memory_group(DeploymentId deployment);
/// "server 1.0".
std::string memory_member(ServerId server);

/// Checks that the configuration belongs to the endpoint that the node attached the instance to, and loads its keys.
Result<std::unique_ptr<crypto::Keys>> load_server_keys(ServerConfig& config, const seneschal_host& host);

}  // namespace seneschal::plugin
