// One server of the flat baseline: Castro and Liskov's protocol, normal case. [BFT 1]
#pragma once
#include "bft/catch_up.hpp"
#include "bft/log_renewal.hpp"
#include "bft/requests.hpp"
#include "runtime/core.hpp"

namespace seneschal::bft {

struct KeptState;

class BftCore : public Core {
 public:
  /// `membership` and `settings` must pass `validate`. Site 0 is the whole group.
  BftCore(ServerIndex self, const Membership& membership, Settings settings,
          std::unique_ptr<replication::Application> application);
  BftCore(const BftCore&) = delete;
  BftCore& operator=(const BftCore&) = delete;

  static MessageTable message_table();

  void start(Instant now, std::span<const Record> log, Effects& fx) override;
  void on_message(Instant now, const Inbound& message, Effects& fx) override;
  void on_done(Instant now, Ticket ticket, const JobResult& result, Effects& fx) override;
  void on_log_lost(Instant, Effects&) override { context_.participating = false; }
  void on_time(Instant now, Effects& fx) override;
  std::optional<Instant> deadline() const override;
  Admission admission() const override;
  void status(StatusList& out) const override;

  const replication::Execution& execution() const { return execution_; }
  Seq stable() const { return checkpoints_.stable(); }
  View view() const { return context_.view; }
  bool participating() const { return context_.participating; }

 private:
  std::optional<Reject> dispatch(Instant now, const Inbound& message, Effects& fx);
  /// Executes what can be, proposes what should be: after every input.
  void proceed(Instant now, Effects& fx);
  void restore(Instant now, std::span<const Record> log, Effects& fx);
  void install(const KeptState& state, Effects& fx);
  void execute(Instant now, Seq seq, std::shared_ptr<const Batch> batch, const Digest& digest, const Slot* slot,
               Effects& fx);

  Context context_;
  replication::Execution execution_;
  Ordering ordering_;
  Checkpoints checkpoints_;
  LogRenewal renewal_;
  CatchUp catch_up_;
  Requests requests_;
};

}  // namespace seneschal::bft
