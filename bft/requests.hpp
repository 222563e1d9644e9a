// What clients ask for: pool and batching rule of the primary, forwarding and watching at the others, queries. [BFT
// 4]
#pragma once
#include "bft/ordering.hpp"
#include "replication/execution.hpp"
#include "replication/pending_updates.hpp"
#include "runtime/gate.hpp"

namespace seneschal::bft {

class Requests {
 public:
  explicit Requests(const Context& context)
      : context_(context), pool_(replication::most_members(context.membership)) {}

  std::optional<Reject> on_update(Instant now, const Verified<replication::Update>& message,
                                  const replication::Execution& execution, Effects& fx);
  std::optional<Reject> on_query(const Verified<replication::Query>& message, const replication::Execution& execution,
                                 Effects& fx);
  /// Replies to the clients whose updates were executed, forgets what waited for it, and answers queries that did.
  /// `took` is the time from proposal to execution, 0 if unknown.
  void on_executed(Instant now, std::span<const ClientId> clients, Duration took,
                   const replication::Execution& execution, Effects& fx);

  /// Clients left: nothing of theirs stays.
  void clients_left(const replication::Execution& execution);

  /// Updates whose proposal was given up. Those that are distrusted wait for their client to try again, and what it
  /// authenticates with MACs is not proposed for a while: each time costs everybody a round or two. [BFT 9]
  void put_back(Instant now, std::vector<Ordering::Returned> updates, const replication::Execution& execution);

  /// The next batch, if it is time for one; `in_flight` are the primary's own proposals not executed yet.
  std::optional<Batch> cut(Instant now, std::uint64_t in_flight);
  /// When `cut` wants to be asked again.
  Instant deadline() const { return cut_at_; }
  const replication::WatchList& watched() const { return watched_; }
  std::size_t waiting() const { return pool_.size(); }

 private:
  void answer(ClientId client, const replication::Query& query, const replication::Execution& execution, Effects& fx);
  Duration gap() const;
  /// Passes on what waits for that, as far as there is room.
  void relay(Instant now, Effects& fx);
  void leave_queue(ClientId client);

  const Context& context_;
  replication::PendingUpdates pool_;  // primary
  replication::WatchList watched_;    // backups: what the primary owes its clients
  // Watched ones to pass on, by the time they queued: who was passed on in vain and repeats itself queues anew, or
  // updates that the primary never takes would keep all others waiting.
  std::set<std::pair<Instant, ClientId>> unrelayed_;
  std::map<ClientId, Instant> queued_;              // the same the other way round
  std::map<ClientId, Instant> relayed_;             // passed on, not executed yet; at most kRelaysAtOnce
  std::map<ClientId, replication::Query> queries_;  // wait for their min_seq; one per client
  std::map<ClientId, Instant> distrusted_until_;    // whose authenticators were doubted; bounded by the membership
  std::map<ClientId, Timestamp> answered_queries_;  // the newest of each; bounded by the membership
  Instant last_cut_;
  Instant cut_at_ = Instant::never();
  Duration round_{};  // moving average from proposal to execution
};

}  // namespace seneschal::bft
