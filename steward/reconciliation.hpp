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
  void entry_came(Instant now, const Verified<OrderedEntry>& message, Effects& fx);
  void on_tick(Instant now, Effects& fx);
  Instant deadline() const { return next_; }

 private:
  void ask(Instant now, Effects& fx);
  ServerId far_away();
  ServerId neighbour(std::uint32_t turn) const;
  void send(Instant now, ServerId to, Effects& fx);
  void hurry(Instant now);
  /// Entries that one answer brings: which of them is next, and how many others ask other sites for it before us.
  std::uint64_t part() const;
  std::uint32_t turns_before() const;

  Context& context_;
  Instant next_ = Instant::never();
  std::uint32_t turn_ = 0;             // who is asked next
  std::uint32_t far_turn_ = 0;         // which of the other sites' servers
  std::uint32_t beside_ = 0;           // which neighbour beside one of them
  std::uint32_t fruitless_ = 0;        // questions since the ARU moved
  std::optional<ServerId> helpful_;    // the last neighbour to send an entry since the last question
  bool site_is_behind_ = false;        // entries come from other sites
  std::optional<ServerId> asked_far_;  // the last server of another site that was asked
  Instant asked_far_at_{};
  std::uint64_t asked_part_ = 0;
  std::map<Principal, Instant> answered_;  // bounded by the membership
};

}  // namespace seneschal::steward
