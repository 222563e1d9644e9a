// A scenario written down: what is built, what clients do, what goes wrong and when. A seed makes a plan; the plan is
// what runs, so a plan file repeats a run exactly, and a fault taken out of it leaves all other draws alone.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "emulator/link_model.hpp"
#include "emulator/world/sim_disk.hpp"
#include "lab/behaviours.hpp"
#include "lab/deployment.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace seneschal::lab::sim {

enum class FaultKind : std::uint8_t {
  Link,           // from, to: this direction of the link between two sites behaves like `link`
  Lan,            // site: the LAN of a site behaves like `link`
  Cut,            // from, to: nothing passes in this direction
  Join,           // from, to: it does again
  Crash,          // server: stops for good
  Slow,           // server: its machine needs `percent`/100 of the normal time
  Restart,        // server: stops, and starts again after `away` with what `disk` says is left of its log
  DiskFull,       // server: nothing that it writes becomes durable any more
  Drift,          // server: its clock gains `ppm` microseconds per second
  SlowDisk,       // server: a group of records becomes durable after `persist`, until all heals
  ClientRestart,  // client: its process stops, and starts again after `away`, knowing nothing
  kLast = ClientRestart,
};
std::string_view to_string(FaultKind kind);

struct Fault {
  Duration at{};
  FaultKind kind = FaultKind::Link;
  std::uint16_t from = 0;  // sites of the topology; `from` is also a LAN's site
  std::uint16_t to = 0;
  ServerId server;
  std::uint32_t percent = 100;
  emulator::LinkConfig link;
  Duration away{};
  world::DiskFate disk = world::DiskFate::Kept;
  std::int32_t ppm = 0;
  Duration persist{};
  ClientId client;
  bool operator==(const Fault&) const = default;
};

struct Plan {
  std::uint64_t seed = 1;
  Protocol protocol = Protocol::Steward;
  std::string profile = "swarm";
  std::uint16_t sites = 3;
  std::uint16_t faults = 1;
  /// Steward: f of each site, where they differ; `faults` is the largest. Empty: `faults` everywhere.
  std::vector<std::uint16_t> site_faults;
  std::uint32_t clients = 4;
  /// Clients that an administrator enrolls while the run goes on; 0: there is no administrator. It is one client
  /// more.
  std::uint32_t newcomers = 0;
  std::uint32_t two_faced = 0;  // of them the last so many break the rules for clients; nothing is asked for of them
  Duration delay = std::chrono::milliseconds(20);  // one way, between any two sites
  std::uint64_t bandwidth_bps = 10'000'000;
  std::uint64_t operations = 12;  // per client
  std::uint32_t payload = 100;
  std::uint32_t update_percent = 80;
  Duration think = std::chrono::milliseconds(20);
  ProtocolOptions options;
  Duration persist = std::chrono::microseconds(100);  // what making a group of records durable takes
  /// The least T1: shorter than the product's lets views change more often. 0: the product's. [Steward 6]
  Duration patience{};
  bool real_crypto = false;
  /// When all links, partitions and machines get well again (crashed servers stay away).
  Duration heal = std::chrono::seconds(2);
  /// When all operations must be done; not asked for if `progress` is false.
  Duration deadline = std::chrono::seconds(30);
  bool progress = true;
  /// No client's update may wait for so long while updates that were issued that much later are executed. 0: not
  /// asked for, since partitions and dead sites may make anybody wait.
  Duration served_within{};
  /// Faulty representatives of a site on which ordering depends may be in office for so long, while clients wait, for
  /// each of its f. 0: not asked for.
  Duration office_within{};
  std::vector<Fault> list;
  std::vector<Traitor> traitors;
  bool operator==(const Plan&) const = default;

  /// f of a site; in the flat baseline of all servers.
  std::uint16_t faults_of(SiteId site) const {
    return site.value < site_faults.size() && protocol == Protocol::Steward ? site_faults[site.value] : faults;
  }
  /// True if too many servers of the site crash for it ever to answer again: nothing is asked for of its clients.
  bool lost(SiteId site) const;
  ClientId administrator() const { return ClientId(clients + 1); }
  ClientId newcomer(std::uint32_t i) const { return ClientId(clients + 2 + i); }
  /// The deployment that the plan runs.
  Deployment deployment() const;
  /// True if the client with this place in the membership keeps the rules; the administrator always does.
  bool honest(std::size_t client) const { return client >= clients || client + two_faced < clients; }
  /// How many entries beyond the one that revoked a client may still hold an update of it. [Membership 4]
  std::uint64_t reach() const;
  /// True if servers start again: their logs are kept, and checked against what they say.
  bool restarts() const;
};

/// Profiles: "swarm" (the default: each seed draws its own mix of the others), "calm", "lossy", "partition" (of which
/// half cut off the leader site for long), "crash" (up to f servers of each site, representatives first),
/// "site-crash" (a whole site as well), "slow", "byzantine", "equivocate", "combined" (loss, partitions, crashes,
/// slow and Byzantine servers at once), "lagging" (a site away for longer than history reaches, poisoned states; not
/// part of the mix), "churn" (clients join and leave under loss and restarts; a fourth of all other seeds have some
/// of that as well), "views" (the seams between views: leader sites cut off one after the other, hoarding
/// representatives, short timers, two-faced clients; not part of the mix), "checkpoint-death" (the leader site dies
/// while what it ordered is scattered over sites that do not hear each other; not part of the mix), "disk" (a write
/// to the disk takes up to seconds: at all servers, at f of each site, at whole sites; with crashes; in a sixteenth
/// of the mix). Profiles that aim
/// at one rule each, not part of the mix: "queries" (reads at sites whose servers lag), "starve" (many clients, and
/// representatives that do not hear one of them), "office" (slow representatives), "ballots" (representatives whose
/// batches break the rules, with updates of clients that left among them), "clients" (client processes restart),
/// "uneven" (sites of different f), "bases" (sites answer a new leader site that catches up meanwhile), "betrayal"
/// (representatives leave what is ordered to the leader site alone, which dies).
const std::vector<std::string>& profiles();
/// The profile must be one of `profiles()` (CHECKed).
Plan make_plan(Protocol protocol, std::uint64_t seed, const std::string& profile);

/// A file that `parse_plan` reads back to an equal plan.
std::string to_toml(const Plan& plan);
Result<Plan> parse_plan(std::string_view text, std::string_view file_name);
Result<Plan> load_plan(const std::string& path);

}  // namespace seneschal::lab::sim
