// Messages larger than a packet: put together again, within limits that a lying sender cannot move.
#pragma once
#include "overlay/counters.hpp"
#include "overlay/wire.hpp"

#include <map>

namespace seneschal::overlay {

/// A whole message: a window into shared bytes.
struct Message {
  SharedBytes owner;
  Span payload;
};

class Reassembler {
 public:
  explicit Reassembler(const Limits& limits) : limits_(limits) {}

  /// Takes one piece (header and payload already agree with each other). Gives the message when it is complete,
  /// nothing while pieces are missing.
  /// Errors: TooLong, FragmentLimit, Duplicate, Conflict (pieces of one message that contradict each other).
  std::expected<std::optional<Message>, Reject> add(Instant now, const Frame& piece);

  /// Drops unfinished messages without news for `partial_timeout`.
  void expire(Instant now);
  Instant deadline() const;

  std::size_t partial_bytes() const { return bytes_; }
  std::size_t partials() const;
  /// Unfinished messages that had to go: FragmentLimit (pushed out by newer ones), Expired.
  const DropCounts& drops() const { return drops_; }

 private:
  struct Partial {
    DataHeader first;
    Instant news;
    std::uint32_t missing = 0;
    std::vector<bool> have;
    // All pieces so far are windows into one shared message (sender in the same process): nothing is copied.
    SharedBytes shared;
    Bytes buffer;
  };
  // Per source node. A late duplicate of a finished message must not open it again.
  struct Source {
    std::vector<Partial> partials;             // oldest first
    std::array<std::uint64_t, 32> finished{};  // message + 1; 0 is none
    std::size_t next_finished = 0;
  };

  static bool same_message(const DataHeader& a, const DataHeader& b);
  static bool is_window(const Frame& piece);
  Instant dies_at(const Partial& partial) const;
  std::expected<Partial*, Reject> partial_of(Instant now, Source& source, const Frame& piece);
  void store(Partial& partial, const Frame& piece);
  void forget(Source& source, std::size_t index);

  Limits limits_;
  std::map<NodeId, Source> sources_;
  std::size_t bytes_ = 0;
  DropCounts drops_;
};

}  // namespace seneschal::overlay
