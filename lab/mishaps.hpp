// What happens to an experiment's deployment while it is measured: servers that are killed, sites that are cut off,
// links that get worse; and servers that are Byzantine from the start. The same description is carried out live
// (lab/live_mishaps) and simulated (lab/sim/mishap_actor). File format: docs/lab.md.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "emulator/link_model.hpp"
#include "emulator/toml_file.hpp"
#include "emulator/topology.hpp"
#include "lab/behaviours.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace seneschal::lab {

enum class MishapKind : std::uint8_t {
  KillRepresentatives,  // of `sites`: the present one and the `count - 1` that would follow it
  KillServers,          // `servers` of `sites`
  KillSites,            // everything at `sites`, their routers too
  Cut,                  // nothing passes between `sites` and the others
  Join,                 // it does again
  Links,                // all links between sites lose `loss_ppm` and take `extra` longer
  Restore,              // all links as the topology says
  Turn,                 // the series' Byzantine servers, which were correct until then, begin
  kLast = Turn,
};
std::string_view to_string(MishapKind kind);

/// How soon the service must be back, in the protocol's own timers and in wide-area round trips. [Steward 6]
struct Within {
  std::uint32_t t1 = 0;
  std::uint32_t t2 = 0;
  std::uint32_t t3 = 0;
  std::uint32_t round_trips = 0;
  bool operator==(const Within&) const = default;
};

struct Mishap {
  Duration at{};  // after the begin of the measured window
  MishapKind kind = MishapKind::KillRepresentatives;
  std::vector<std::uint16_t> sites;     // of the topology, from 0
  std::vector<std::string> site_names;  // of those
  std::vector<std::uint16_t> servers;
  std::uint16_t count = 1;
  std::uint32_t loss_ppm = 0;
  Duration extra{};
  std::optional<Within> within;
  bool operator==(const Mishap&) const = default;

  /// "2 representatives of paris die".
  std::string label() const;
  /// No client of the site can be served from then on (until it joins again).
  bool takes_away(std::size_t site) const;
  /// A link between sites while it lasts.
  emulator::LinkConfig changed(const emulator::LinkConfig& link) const;
};

/// Byzantine servers: at each of `sites` (none named: at all) those of `servers`.
struct Treason {
  Behaviour behaviour = Behaviour::Silent;
  std::vector<std::uint16_t> sites;
  std::vector<std::uint16_t> servers;
  bool operator==(const Treason&) const = default;
};
std::vector<Traitor> traitors_of(const std::vector<Treason>& treasons, std::size_t sites);
/// True if they begin with a mishap, not with the deployment.
bool turns(const std::vector<Mishap>& mishaps);

/// What the protocol waits for, as its servers say.
struct ProtocolTimers {
  Duration t1{}, t2{}, t3{}, round_trip{};
};
/// The longest round trip between two sites that have a link.
Duration longest_round_trip(const emulator::Topology& topology);
Duration bound_of(const Within& within, const ProtocolTimers& timers);
/// "3 T2 + 4 round trips".
std::string to_string(const Within& within);

/// `[[series.event]]` and `[[series.traitor]]`. Sites are numbered from 1 in files. Errors are noted in the tables.
std::vector<Mishap> read_mishaps(const emulator::TomlTable& series, const emulator::Topology& topology,
                                 const std::vector<std::uint16_t>& servers);
std::vector<Treason> read_treasons(const emulator::TomlTable& series, const emulator::Topology& topology,
                                   std::uint16_t faults, const std::vector<std::uint16_t>& servers);
/// What they read.
std::string to_toml(const Mishap& mishap);
std::string to_toml(const Treason& treason);

/// which servers of a site `mishap` kills; `representative` is that of the site's present local view.
std::vector<std::uint16_t> victims_of(const Mishap& mishap, std::uint16_t representative, std::uint16_t servers);

/// The representative's index by what the servers of its site say of themselves: the local view that all but f have
/// reached, so that no f liars choose.
std::uint16_t representative_of(const std::vector<std::map<std::string, std::string>>& statuses, std::uint16_t faults,
                                std::uint16_t servers);
/// Keeps the larger of each timer.
void take_timers(const std::map<std::string, std::string>& status, ProtocolTimers& timers);

}  // namespace seneschal::lab
