// A deployment: which protocol, how many servers where, on which nodes, with which options. Written as TOML by people
// (`lab up`) or made from an experiment; everything else (membership, directory, files) follows from it.
#pragma once
#include "base/result.hpp"
#include "emulator/toml_file.hpp"
#include "emulator/topology.hpp"
#include "runtime/roster.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace seneschal::lab {

enum class Protocol : std::uint8_t { Steward, Bft };
std::string_view to_string(Protocol protocol);

/// Options of either protocol; those of the other one are ignored. Defaults are the product's.
struct ProtocolOptions {
  std::string application = "kv";      // what is replicated: "kv" or "sql"
  std::uint32_t batch_max = 256;       // updates per batch
  std::string fanout = "collector";    // Steward: shares to "collector" or "all"
  std::string delivery = "multicast";  // between sites: "multicast", or "representative" (Steward) / "unicast" (BFT)
  std::string auth = "mac";            // BFT: "mac" or "signatures"; Steward always signs
  std::uint32_t window = 32;           // entries in flight
  std::uint32_t checkpoint_interval = 128;  // entries between checkpoints
  std::string durability = "wal";           // "none": no disk; a server that starts again only learns and answers
  std::uint32_t log_growth_kb = 16 * 1024;  // the log is shortened when it has grown by this
  bool accountability = false;              // every server builds the Accountability Graph
  std::string graph_source = "flow";        // of dependencies: "declared", "flow", "conservative"
  std::uint64_t graph_epoch = 65536;        // updates between snapshots; 0: none
  std::uint64_t graph_keep = 0;             // snapshots kept; 0: all
  bool operator==(const ProtocolOptions&) const = default;
};

struct KeySizes {
  std::uint32_t site_bits = 2048;    // threshold keys (Steward)
  std::uint32_t server_bits = 2048;  // RSA keys of servers
  auto operator<=>(const KeySizes&) const = default;
};

struct Deployment {
  std::string name;
  Protocol protocol = Protocol::Steward;
  DeploymentId id{1};
  emulator::Topology topology;
  std::uint16_t faults = 1;
  /// Servers at each site of the topology. Steward: 3f+1 everywhere; where they differ (plans), each site has its own
  /// f, and `faults` is the largest. BFT: 3f+1 in all, placed site by site.
  std::vector<std::uint16_t> servers;
  /// Client i (from 1) is at site (i-1) mod sites.
  std::uint32_t clients = 5;
  /// Which of them may enroll and revoke clients; 0: nobody, the roster stays as it is.
  std::uint32_t administrator = 0;
  ProtocolOptions options;
  KeySizes keys;
  std::string address = "127.0.0.1";
  /// UDP port of node 1; the others follow. 0: free ports are chosen at start.
  std::uint16_t base_port = 0;
  /// Links behave like the topology's; false: as fast as the machine.
  bool shaped = true;

  std::size_t sites() const { return topology.size(); }
  NodeId node_of_site(std::size_t site) const { return NodeId(static_cast<std::uint16_t>(site + 1)); }
  std::size_t site_of_client(ClientId client) const { return (client.value - 1) % sites(); }
  std::uint32_t server_count() const;
  /// How many servers of a site may be faulty; in the flat baseline of all together.
  std::uint16_t faults_at(std::size_t site) const {
    return protocol == Protocol::Steward ? static_cast<std::uint16_t>((servers[site] - 1) / 3) : faults;
  }
  /// Membership and directory: BFT is one flat site 0, numbered site by site.
  Roster roster() const;
  /// Servers that node `node` hosts.
  std::vector<ServerId> servers_on(NodeId node) const;
};

/// 3f+1 servers at each of `sites` sites (Steward), or 3f+1 in all, dealt to the sites in turn (BFT).
std::vector<std::uint16_t> default_servers(Protocol protocol, std::uint16_t faults, std::size_t sites);

/// The keys of [options] and [keys], shared with experiment files.
ProtocolOptions read_options(const emulator::TomlTable& table, Protocol protocol, const ProtocolOptions& base);
KeySizes read_key_sizes(const emulator::TomlTable& table, const KeySizes& base);
/// `faults`, `servers`: checked against the protocol's shape; notes errors in `table`.
std::vector<std::uint16_t> read_servers(const emulator::TomlTable& table, Protocol protocol, std::uint16_t faults,
                                        std::size_t sites);
Protocol read_protocol(const emulator::TomlTable& table);

/// Reads a deployment file; paths in it are relative to its folder. Errors name file, line and what to do.
Result<Deployment> load_deployment(const std::string& path);
/// Writes `dir/deployment.toml` and `dir/topology.toml`, which `load_deployment` reads back to an equal deployment.
Status save_deployment(const Deployment& deployment, const std::string& dir);
/// A topology file's text that reads back equal.
std::string to_toml(const emulator::Topology& topology);
/// The keys of a link in topology and deployment files; those that are zero are left out.
std::string link_keys(const emulator::LinkConfig& link);
/// Text in double quotes, escaped for TOML.
std::string toml_quoted(std::string_view text);

}  // namespace seneschal::lab
