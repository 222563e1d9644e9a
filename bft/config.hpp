// What an operator may choose about the flat baseline. The same at every server of a deployment. [BFT 8]
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "runtime/allowance.hpp"
#include "runtime/membership.hpp"

namespace seneschal::bft {

enum class Auth : std::uint8_t {
  Mac,         // authenticators for requests and the normal case, signatures for checkpoints
  Signatures,  // signatures everywhere
  kLast = Signatures,
};

enum class Delivery : std::uint8_t {
  Unicast,    // the paper: one datagram per receiver
  Multicast,  // one datagram to the group: it crosses each link once
  kLast = Multicast,
};

enum class Durability : std::uint8_t {
  Log,   // records are durable before the message that reveals them
  None,  // no disk; a server that starts again counts as one without its log
  kLast = None,
};

struct Settings {
  Auth auth = Auth::Mac;
  Durability durability = Durability::Log;
  Delivery delivery = Delivery::Multicast;
  std::uint64_t window = 64;  // batches in flight
  std::size_t batch_max = 256;
  std::size_t batch_max_bytes = 32 * 1024;
  /// While batches are in flight the next one waits this long after the last, or for a share of the measured time
  /// from proposal to execution, whichever is longer. [BFT 4]
  Duration batch_gap = 500us;
  std::uint64_t batch_gap_share = 64;

  /// K: a checkpoint every so many entries. L: how far ordering runs ahead of the newest stable one.
  std::uint64_t checkpoint_interval = 128;
  std::uint64_t log_span = 256;
  /// The log is shortened when it has grown by this, and to twice what that wrote the last time.
  std::uint64_t log_growth = 16 * 1024 * 1024;
  /// Executed entries kept for servers that lag, by number and by bytes of their batches.
  std::size_t history_span = 4096;
  std::size_t history_bytes = 16 * 1024 * 1024;

  /// Bytes of replies and answers that repeated words of one client may draw; new ones are answered without limit.
  Allowance draw_client{128 * 1024, 128 * 1024};

  /// How long the primary proposes nothing with an authenticator of a client whose last one f+1 backups doubted.
  Duration doubt_pause = 1s;

  /// Without progress for this long a server asks for what it misses; follows the measured round (three times it)
  /// between the bounds, and doubles up to the upper one while nothing moves.
  Duration retransmit_first = 500ms;
  Duration retransmit_min = 50ms;
  Duration retransmit_max = 5s;
  /// How often a server tells the others how far it is when nothing is outstanding.
  Duration idle_status = 2s;

  /// Says which value is out of range and what is allowed.
  seneschal::Status validate() const;
};

/// The one group must be site 0 with n = 3f+1 servers, at most 64.
seneschal::Status validate(const Membership& membership);

}  // namespace seneschal::bft
