// Since when a client's update is neglected, which is not the same as since when it waits. [Steward 4]
//
// Under overload everybody waits, and replacing representatives makes it worse: what they have queued is lost and
// sent again. A representative does its duty if it orders what it can, first come first served. So waiting counts
// from the last progress on, unless the oldest watched update is passed over: something was ordered in its place that
// can only have come later, or a batch that it would have found room in was proposed without it.
#pragma once
#include "steward/config.hpp"

#include <optional>
#include <set>

namespace seneschal::steward {

/// An update that waits to be executed, and since when that is somebody's duty.
struct Waiting {
  ClientId client;
  Instant since;
};

class Neglect {
 public:
  explicit Neglect(const Settings& settings) : settings_(settings) {}

  /// `batch` was executed as `seq`, and in it updates of `clients`.
  void executed(Instant now, Seq seq, const std::vector<ClientId>& clients, const replication::Batch& batch);
  /// Nothing but the present view's representatives is judged from here on.
  void view_changed(Instant now) {
    subject_.reset();
    view_since_ = now;
  }
  /// Since when `oldest`, the longest-waiting update, is neglected; nothing if none waits. `transit`: an update is
  /// given that long to reach who orders it, before anything counts as passing it over. `proposed`: the highest seq
  /// that is proposed by now.
  std::optional<Instant> since(Instant now, const std::optional<Waiting>& oldest, Duration transit, Seq proposed);

 private:
  const Settings& settings_;
  struct Subject {
    ClientId client;
    Instant since;
    bool counts = false;  // it has had the time to arrive
    Seq proposed = {};    // by then: that may be from before it arrived
    bool passed_over = false;
    std::set<ClientId> served = {};  // since it counts; bounded by the membership
  };
  std::optional<Subject> subject_;  // the oldest watched update
  Instant progress_;
  Instant view_since_;
};

}  // namespace seneschal::steward
