// Fetching ordered entries that passed this server by. [Steward 7]
#pragma once
#include "steward/context.hpp"

namespace seneschal::steward {

/// Rate limited on both sides, so that catching up never starves ordering.
class Reconciliation {
 public:
  explicit Reconciliation(Context& context) : context_(context) {}

  void start(Instant now);
  std::optional<Reject> on_request(Instant now, const Verified<ReconcileRequest>& message, Effects& fx);
  /// The ARU moved.
  void progressed(Instant now);
  /// Another server sent an ordered entry: it may have more.
  void entry_came(Instant now, const Principal& from);
  void on_tick(Instant now, Effects& fx);
  Instant deadline() const { return next_; }

 private:
  void ask(Instant now, Effects& fx);
  Seq known() const;

  Context& context_;
  Instant next_ = Instant::never();
  std::uint32_t turn_ = 0;                 // who is asked next
  std::uint32_t fruitless_ = 0;            // questions since the ARU moved
  std::optional<ServerId> helpful_;        // the last to send an entry
  std::map<Principal, Instant> answered_;  // bounded by the membership
};

}  // namespace seneschal::steward
