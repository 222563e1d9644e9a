// Steward at one server: the rooms of the protocol, put together. [Steward 3]
#pragma once
#include "runtime/core.hpp"
#include "steward/adoption.hpp"
#include "steward/global_constraint.hpp"
#include "steward/global_ordering.hpp"
#include "steward/global_view_change.hpp"
#include "steward/local_view_change.hpp"
#include "steward/log_renewal.hpp"
#include "steward/neglect.hpp"
#include "steward/pace.hpp"
#include "steward/reach.hpp"
#include "steward/reconciliation.hpp"
#include "steward/stability.hpp"

namespace seneschal::steward {

class StewardCore : public Core {
 public:
  /// `membership` and `settings` must be valid (see `validate`).
  StewardCore(ServerId self, const Membership& membership, Settings settings,
              std::unique_ptr<replication::Application> application);

  /// What the gate of a Steward server understands.
  static MessageTable message_table();

  void start(Instant now, std::span<const Record> log, Effects& fx) override;
  void on_message(Instant now, const Inbound& message, Effects& fx) override;
  void on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) override;
  void on_time(Instant now, Effects& fx) override;
  void on_log_lost(Instant, Effects&) override { context_.views.abstain(); }
  std::optional<Instant> deadline() const override;
  Admission admission() const override;
  void status(StatusList& out) const override;

  const Views& views() const { return context_.views; }
  const History& history() const { return context_.history; }
  const replication::Execution& execution() const { return context_.execution; }
  const ThresholdSigning& signing() const { return signing_; }
  const CollectiveState& states() const { return states_; }
  const Sequencing& sequencing() const { return sequencing_; }
  const Updates& updates() const { return updates_; }
  const Pace& pace() const { return pace_; }
  const Checkpoints& checkpoints() const { return checkpoints_; }
  const StateTransfer& transfer() const { return transfer_; }
  const Stable& stable() const { return context_.stable; }
  const Stability& stability() const { return stability_; }

 private:
  std::optional<Reject> dispatch(Instant now, const Inbound& message, Effects& fx);
  std::optional<Reject> dispatch_local(Instant now, const Inbound& message, Effects& fx);
  void proposal_came(Instant now, Seq seq);
  std::optional<Reject> dispatch_state(Instant now, const Inbound& message, Effects& fx);
  std::optional<Reject> dispatch_views(Instant now, const Inbound& message, Effects& fx);
  std::optional<Reject> on_news(Instant now, const Verified<GlobalViewNews>& message, Effects& fx);
  void settle(Instant now, Effects& fx);
  void settle_views(Instant now, Effects& fx);
  void constrain(Effects& fx);
  std::optional<Instant> oldest_work(Instant now, std::optional<Instant> neglected);
  Seq proposed() const;
  bool catching_up(Instant now) const;
  void execute(Instant now, Effects& fx);
  void adopt(Instant now, Effects& fx);
  void install(Instant now, StateTransfer::State state, Effects& fx);
  void executed_elsewhere(Instant now, Effects& fx);
  void measure_write(Instant now, Effects& fx);
  /// Clients were revoked: their updates and queries wait no more.
  void clients_left() {
    updates_.clients_left();
    sequencing_.clients_left();
  }
  bool busy() const;
  bool restore(Instant now, std::span<const Record> log, Effects& fx);
  bool restore_order(Instant now, std::span<const Record> log, Effects& fx);
  bool restore_record(const Record& record);
  void restore_stable(const Stable& stable);

  bool restoring_ = false;  // the log is being read: nobody is answered and nothing is voted for [Steward 7]
  Context context_;
  Timers timers_;
  WriteTime writes_;
  Reach reach_;
  ThresholdSigning signing_;
  CollectiveState states_;
  Sequencing sequencing_;
  GlobalOrdering global_;
  Updates updates_;
  Neglect neglect_;         // by the representative
  Neglect neglect_by_all_;  // by all representatives that it was given to: by the leader site
  Pace pace_;
  Reconciliation reconciliation_;
  LocalViewChange local_view_;
  GlobalViewChanges global_view_;
  GlobalConstraints constraints_;
  std::pair<GlobalView, LocalView> seen_;  // the views that the rooms know of
  std::pair<Seq, Instant> behind_;         // the ARU, and since when it stays below a known order certificate
  Instant executed_at_{};                  // the last entry
  Instant caught_up_at_{};                 // when a state or old entries came in last
  Stability stability_;
  Checkpoints checkpoints_;
  StateTransfer transfer_;
  Adoption adoption_;
  LogRenewal renewal_;
  Instant next_tick_ = Instant::never();
};

}  // namespace seneschal::steward
