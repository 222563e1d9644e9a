// Which server of its site a client gives its updates to. A server that answers in time and yet later than it could
// is never suspected of anything: nobody but the client knows when it was given an update. So the client compares.
#pragma once
#include "base/ids.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <optional>

namespace seneschal::replication {

/// Now and then two updates in a row also go to another server; the first of them lets it know that it is asked
/// [Steward 3.2]. If the second takes much less time than usual, two more go to that server alone: things may have
/// got better by themselves, and then a server that did nothing must not become the contact. If they are as quick, it
/// is. Costs a copy of some updates, and seldom time: a trial of a server that does nothing is noticed by nobody.
class ContactChoice {
 public:
  /// `faults` of the `servers` may be faulty. `tries`: false keeps the contact until `move_to`.
  ContactChoice(ServerIndex first, std::uint16_t servers, std::uint16_t faults, bool tries)
      : contact_(first), next_(first), servers_(servers), faults_(faults), tries_(tries && servers > 1) {}

  /// The server that gets the next update.
  ServerIndex contact() const { return trial_ && trial_->alone ? trial_->who : contact_; }
  /// The server that is on trial beside it: it gets the next update, too.
  std::optional<ServerIndex> also() const {
    return trial_ && !trial_->alone ? std::optional(trial_->who) : std::nullopt;
  }
  /// Whether only a server on trial gets the next update: its failure says nothing about the contact.
  bool alone() const { return trial_ && trial_->alone; }
  /// An update took so long; `repeated` if it had to be sent again.
  void finished(Duration took, bool repeated);
  void move_to(ServerIndex contact);
  /// It answered something: who is dead does not become the contact because things got better while it was on trial.
  void heard(ServerIndex server) {
    if (trial_ && trial_->who == server) trial_->heard = true;
  }

 private:
  void begin_trial();
  void tried(Duration took, bool repeated);
  void set_gap(std::uint32_t updates);

  static constexpr int kUpdatesEach = 2;
  struct Trial {
    ServerIndex who;
    int left = kUpdatesEach;
    bool heard = false;
    bool alone = false;
    Duration together{};  // what the last one took that both had got
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
