// How much the representative of the leader site keeps under way between sites. [Steward 3, Batching]
//
// More than links carry in a round only makes their queues longer: what waits there is lost when they overflow, and
// stands in the way of Accepts and view changes. Updates wait better in the pool, in their order of arrival, and make
// larger batches. So the limit is what was delivered in a round of the usual rate and the shortest time, and a half
// more to find out if there is room.
#pragma once
#include "base/ids.hpp"
#include "base/time.hpp"

#include <array>
#include <cstdint>
#include <map>

namespace seneschal::steward {

/// Integer arithmetic throughout: it decides what is ordered when.
class InFlight {
 public:
  /// `least` bytes are always allowed.
  explicit InFlight(std::size_t least) : least_(least) {}

  /// A batch of `bytes` is on its way.
  void cut(Instant now, Seq seq, std::size_t bytes);
  /// Everything up to `seq` is executed.
  void executed(Instant now, Seq seq);
  /// What was cut in another view is nobody's measure any more.
  void view_changed();

  bool has_room() const { return under_way_ < limit(); }
  /// Whether a representative that measures like this server may have `seq` under way: its measure may be another one
  /// by a factor of two. Only what is below `seq` counts, or entries that came in the wrong order would wait for each
  /// other.
  bool has_room_for(Seq seq) const;
  std::size_t under_way() const { return under_way_; }  // bytes
  std::size_t limit() const;                            // bytes

 private:
  struct Cut {
    Instant at;
    std::uint64_t delivered_before;
    std::size_t bytes;
  };
  void measure(Instant now, const Cut& cut);

  std::size_t least_;
  std::map<Seq, Cut> cuts_;  // not executed; bounded by the window
  std::size_t under_way_ = 0;
  std::uint64_t delivered_ = 0;            // bytes
  std::array<std::size_t, 16> samples_{};  // bytes per shortest round, of the last entries
  std::size_t next_sample_ = 0;
  Duration shortest_{};  // round, 0: not known
  Instant shortest_at_;  // when it was measured
  Seq drained_by_;       // the shortest round is measured anew until this is executed; 0: it is not
};

}  // namespace seneschal::steward
