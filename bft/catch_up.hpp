// Retransmission: whoever makes no progress says how far it is, and the others send what it misses. [BFT 6]
#pragma once
#include "bft/checkpoints.hpp"
#include "bft/ordering.hpp"

#include <deque>

namespace seneschal::bft {

/// Executed entries, newest last, for servers that lag. Bounded by number and bytes.
class History {
 public:
  struct Item {
    Digest digest;
    std::shared_ptr<const Batch> batch;
    std::size_t bytes = 0;
  };
  History(std::size_t max_items, std::size_t max_bytes) : max_items_(max_items), max_bytes_(max_bytes) {}
  void push(Seq seq, const Digest& digest, std::shared_ptr<const Batch> batch);
  /// The next one will be `seq` + 1: a log whose beginning is forgotten may have gaps, and what was before them goes.
  void skip_to(Seq seq);
  const Item* find(Seq seq) const;
  Seq oldest() const { return Seq(last_.value - items_.size() + 1); }

 private:
  std::size_t max_items_;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Seq last_;
  std::deque<Item> items_;
};

class CatchUp {
 public:
  /// Claims are taken for this many entries above the executed ones, and as many are sent in one answer.
  static constexpr std::uint64_t kSpan = 64;

  CatchUp(const Context& context, Ordering& ordering, const Checkpoints& checkpoints);

  void start(Instant now) { tick_at_ = now + context_.settings.idle_status; }
  Instant deadline() const { return tick_at_; }
  /// Something may be outstanding now: makes sure that somebody looks after it in time. Cheap; call after every
  /// input.
  void watch(Instant now, Seq executed);
  /// From proposal to execution of `slot`, which is executed now; zero if that tells nothing about the round.
  ///
  /// Where something was lost the time is mostly somebody's patience. Patience follows the round: measuring such
  /// slots would make the next loss cost three times as much, and so on up to the longest patience (Karn's rule for
  /// TCP). So a slot counts only if nobody asked for anything since it was proposed. One loss spoils a window of
  /// slots and the next may spoil another; if still more go by, the round itself outlasts our patience, and they
  /// count.
  Duration measure(Instant now, const Slot& slot);
  /// `supplied`: decided by others' claims. `took`: what `measure` said.
  void on_progress(Instant now, Seq executed, bool supplied, Duration took);
  /// Sends a status if nothing moved for too long, or if nothing happens at all.
  void on_time(Instant now, Seq executed, Effects& fx);

  std::optional<Reject> on_status(Instant now, const Verified<Status>& message, Seq executed, Effects& fx);
  /// Keeps claims; `take` tells when they suffice.
  std::optional<Reject> on_entry(Instant now, const Verified<Entry>& message, Seq executed, Effects& fx);

  struct Decided {
    Digest digest;
    std::shared_ptr<const Batch> batch;
  };
  /// The content of `seq` if f+1 servers claim that it is committed, and the batch is here.
  std::optional<Decided> take(Seq seq);

  History& history() { return history_; }
  std::uint64_t statuses_sent() const { return turn_; }

 private:
  bool outstanding(Seq executed) const;
  Duration patience() const;
  /// Least time between two statuses of one server that others answer.
  Duration spacing() const { return context_.settings.retransmit_min / 10; }
  void send_status(Instant now, Seq executed, Effects& fx);
  void send_entries(ServerIndex to, const Status& status, Seq executed, Effects& fx) const;
  void send_slots(ServerIndex to, const Status& status, Seq executed, Effects& fx) const;
  bool supplies(ServerIndex to, std::uint32_t turn) const;

  const Context& context_;
  Ordering& ordering_;
  const Checkpoints& checkpoints_;
  History history_;
  std::map<Seq, std::vector<std::optional<Verified<Entry>>>> claims_;  // by server; within kSpan of the executed ones

  Instant tick_at_ = Instant::never();
  Instant last_progress_;
  bool was_outstanding_ = false;
  Seq told_;            // highest seq that another server claims to have executed: a hint, proves nothing
  bool eager_ = false;  // the last entries came from others and there may be more
  Instant last_status_{std::numeric_limits<std::int64_t>::min() / 2};
  Instant last_asked_{std::numeric_limits<std::int64_t>::min() / 2};  // the last status, ours or one that we answered
  std::uint64_t disturbed_ = 0;                                       // slots in a row that were under way then
  std::uint32_t turn_ = 0;
  unsigned doublings_ = 0;
  Duration round_{};               // moving average from proposal to execution of what `measure` lets count
  std::vector<Instant> answered_;  // by server: when we last answered its status
};

}  // namespace seneschal::bft
