// What an operator may choose about Steward. The same at every server of a deployment.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "replication/messages.hpp"
#include "runtime/allowance.hpp"
#include "runtime/membership.hpp"

namespace seneschal::steward {

/// Hard limits of the wire format.
inline constexpr std::size_t kMaxSites = 64;
inline constexpr std::size_t kMaxServersPerSite = 64;
inline constexpr std::uint64_t kMaxWindow = 64;
inline constexpr std::uint64_t kMaxCheckpointInterval = 1 << 16;

/// Which servers are asked for shares of a site signature. [Steward 3.6]
enum class FanOut : std::uint8_t {
  All,        // the paper: every server sends its share to every server of the site, each combines
  Collector,  // the representative combines the shares of its q best responders
  kLast = Collector,
};

/// How site messages travel. [Steward 3.7]
enum class Delivery : std::uint8_t {
  Representative,  // the paper: to each site's representative, which passes them on inside
  Multicast,       // to the group of all servers
  kLast = Multicast,
};

enum class Durability : std::uint8_t {
  Log,   // records are durable before the message that reveals them
  None,  // like the paper: no disk; a restarted server counts as one without its log
  kLast = None,
};

struct Settings {
  std::uint64_t window = 32;  // W: entries in flight
  std::size_t batch_max = 256;
  std::size_t batch_max_bytes = 32 * 1024;
  Duration batch_gap_max = 50ms;
  FanOut fan_out = FanOut::Collector;
  Delivery delivery = Delivery::Multicast;
  Durability durability = Durability::Log;

  /// Granularity of everything below while work is outstanding.
  Duration tick = 20ms;
  /// A share the collector asked for is missing after this long (or four times the usual time, if that is longer).
  Duration share_timeout = 60ms;
  /// A server that holds a certificate and saw no combined signature sends its share to all after this long.
  Duration share_fallback = 500ms;
  /// First retransmission inside a site and between sites; doubles up to `retransmit_max`.
  Duration retransmit_local = 250ms;
  Duration retransmit_wide = 600ms;
  Duration retransmit_max = 5s;
  /// How long a server waits below a known entry before it asks others for it.
  Duration reconcile_after = 400ms;
  /// How often an idle server tells a neighbour what it has executed.
  Duration reconcile_idle = 2s;
  /// Entries and bytes sent in answer to one request, and the least time between two answers to one server.
  std::size_t reconcile_entries = 128;
  std::size_t reconcile_bytes = 128 * 1024;
  Duration reconcile_spacing = 20ms;
  /// Bytes of answers, with entries or pieces of a state, that one server of our site, one server of another site,
  /// and a whole other site may draw. Names from other sites are only claimed, and a wide-area link carries the
  /// answers: there the rate is what all our servers give together, whatever their number, and each gives its share.
  /// What a view change needs, `window` batches, fits into a burst.
  Allowance draw_neighbour{2 * 1024 * 1024, 2 * 1024 * 1024};
  Allowance draw_stranger{384 * 1024, 512 * 1024};
  Allowance draw_site{768 * 1024, 1024 * 1024};
  /// Bytes of replies and answers that repeated words of one client may draw; new ones are answered without limit.
  Allowance draw_client{128 * 1024, 128 * 1024};

  /// T1 is never shorter: the time a site gives its representative. T2 and T3 follow from it. [Steward 6]
  Duration representative_timeout = 500ms;
  /// A representative may always take this long for a round inside the site; longer where shares take long.
  Duration pace_floor = 100ms;
  /// Bytes of a state lent per second to each server of our site.
  std::uint64_t lend_near = 8 * 1024 * 1024;

  /// K: entries between checkpoints. L: how far beyond a checkpoint a server goes.
  std::uint64_t checkpoint_interval = 128;
  std::uint64_t history_span = 512;
  /// How many ordered entries are kept for others: while a state is fetched, many more than L are ordered.
  std::uint64_t history_kept = 2048;
  /// They are dropped earlier when their batches exceed this.
  std::size_t history_bytes = 16 * 1024 * 1024;

  /// The log begins anew behind a Checkpoint when it has grown by this, and to twice what that wrote the last time.
  std::uint64_t log_growth = 16 * 1024 * 1024;

  /// With the history that goes with it: 4K, and at least 2K + W.
  void set_checkpoint_interval(std::uint64_t k) {
    checkpoint_interval = k;
    history_span = std::max(4 * k, 2 * k + window);
    history_kept = 4 * history_span;
  }
  /// Says which value is out of range and what is allowed.
  Status validate() const;
};

/// Every site must have exactly n = 3f+1 servers. [Steward 1]
Status validate(const Membership& membership);

}  // namespace seneschal::steward
