// What an overlay node is told at start, and the bound of everything it holds.
#pragma once
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/time.hpp"

#include <variant>
#include <vector>

namespace seneschal::overlay {

/// One of the node's own links.
struct PeerConfig {
  NodeId id;
  /// Cost in microseconds, used until the round trip has been measured (and always, unless routing is Measured).
  std::uint32_t metric_us = 1000;
  /// Rate at which fragments and bulk are released to the link, in bits per second; 0 releases them at once.
  std::uint64_t bandwidth_bps = 0;
};

/// A link somewhere in the network, both directions alike; for static routes only.
struct StaticLink {
  NodeId a;
  NodeId b;
  std::uint32_t metric_us = 1000;
};

/// Nodes with members of a group from the start; spares the first flood. Optional.
struct StaticGroup {
  GroupId group;
  std::vector<NodeId> nodes;
};

enum class RoutingMode : std::uint8_t {
  Measured,    // links are watched; cost is the measured latency
  Configured,  // links are watched; cost is the configured metric
  Static,      // links are taken to be up and `static_links` is the map; no hellos
};

/// Bounds, and what happens at each:
///
/// | bound                  | at the bound                                                            |
/// |------------------------|-------------------------------------------------------------------------|
/// | max_payload            | send() refuses with TooLong; a fragment that claims more is TooLong     |
/// | max_packet             | larger messages are cut into fragments                                  |
/// | max_nodes              | link states of further origins are dropped, Overloaded                  |
/// | kMaxNeighbours, -Groups| join() refuses with Overloaded; a longer list does not decode           |
/// | max_ports              | open() refuses with Overloaded                                          |
/// | partials_per_source    | that source's oldest unfinished message is dropped, FragmentLimit       |
/// | partial_bytes          | a fragment that would start another message is dropped, FragmentLimit   |
/// | partial_timeout        | an unfinished message without news is dropped, Expired                  |
/// | paced_bytes (per link) | the fragment is dropped (at its source: the whole message), QueueFull   |
/// | reliable_bytes (link)  | the packet is refused: QueueFull at its source, not acknowledged to a   |
/// |                        | neighbour, which keeps it and tries again                               |
/// | kReliableWindow        | packets wait in the queue that reliable_bytes bounds                    |
/// | ttl                    | the packet is dropped, Expired                                          |
struct Limits {
  std::size_t max_payload = 256 * 1024;
  std::size_t max_packet = 1400;  // bytes of one UDP datagram, overlay header included
  std::size_t max_nodes = 256;
  std::size_t max_ports = 1024;
  std::size_t partials_per_source = 64;
  std::size_t partial_bytes = 16 * 1024 * 1024;
  Duration partial_timeout = 2s;  // of best effort; reliable ones get five times as long
  std::size_t paced_bytes = 4 * 1024 * 1024;
  std::size_t reliable_bytes = 4 * 1024 * 1024;
  std::uint8_t ttl = 32;
};

struct Timing {
  Duration hello_interval = 100ms;
  std::uint32_t missed_hellos = 5;   // silent for so many intervals: the link is down
  Duration originate_gap = 20ms;     // least time between two of our own link states
  Duration resend_interval = 250ms;  // an unacknowledged link state is sent again
  Duration refresh_interval = 20s;   // our link state is renewed
  Duration max_age = 70s;            // a link state that was not renewed is forgotten
};

struct NodeConfig {
  NodeId self;
  /// Grows with every start of the node (wall-clock nanoseconds, a restart count): tells old news from new.
  std::uint64_t boot = 1;
  std::vector<PeerConfig> peers;
  RoutingMode routing = RoutingMode::Measured;
  std::vector<StaticLink> static_links;
  std::vector<StaticGroup> static_groups;
  Limits limits;
  Timing timing;
};

/// Where a datagram goes: one endpoint, or every member of a group except its sender.
using Target = std::variant<EndpointId, GroupId>;

}  // namespace seneschal::overlay
