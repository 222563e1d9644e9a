// Which server of its site a client gives its updates to. A server that answers in time and yet later than it could
// is never suspected of anything: nobody but the client knows when it was given an update. So the client compares.
#pragma once
#include "base/ids.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <optional>

namespace seneschal::replication {

/// Now and then two updates in a row also go to another server; if the second of them takes much less time than
/// usual, that server is the contact from then on. Costs a copy of some updates, and no time: a trial of a server
/// that does nothing is noticed by nobody. The first of the two lets the other server know that it is asked
/// [Steward 3.2].
class ContactChoice {
 public:
  /// `faults` of the `servers` may be faulty. `tries`: false keeps the contact until `move_to`.
  ContactChoice(ServerIndex first, std::uint16_t servers, std::uint16_t faults, bool tries)
      : contact_(first), next_(first), servers_(servers), faults_(faults), tries_(tries && servers > 1) {}

  ServerIndex contact() const { return contact_; }
  /// The server that is on trial: it gets the next update, too.
  std::optional<ServerIndex> also() const { return trial_ ? std::optional(trial_->who) : std::nullopt; }
  /// An update took so long; `repeated` if it had to be sent again.
  void finished(Duration took, bool repeated);
  void move_to(ServerIndex contact);
  /// It answered something: who is dead does not become the contact because things got better while it was on trial.
  void heard(ServerIndex server) {
    if (trial_ && trial_->who == server) trial_->heard = true;
  }

 private:
  void begin_trial();
  void set_gap(std::uint32_t updates);

  struct Trial {
    ServerIndex who;
    int left = 2;  // updates
    bool heard = false;
  };
  ServerIndex contact_, next_;
  std::uint16_t servers_, faults_;
  bool tries_;
  Duration usual_{};         // moving average, without trials
  std::uint32_t since_ = 0;  // updates since the last trial
  std::uint32_t gap_ = kLeastGap;
  std::uint32_t in_vain_ = 0;  // trials since the gap last changed
  std::optional<Trial> trial_;
  static constexpr std::uint32_t kLeastGap = 2, kMostGap = 64;
};

}  // namespace seneschal::replication
