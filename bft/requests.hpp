// What clients ask for: pool and batching rule of the primary, forwarding and watching at the others, queries. [BFT
// 4]
#pragma once
#include "bft/ordering.hpp"
#include "replication/client_service.hpp"
#include "replication/pending_updates.hpp"
#include "runtime/gate.hpp"

namespace seneschal::bft {

class Requests {
 public:
  Requests(const Context& context, const replication::Execution& execution)
      : context_(context),
        execution_(execution),
        service_(execution, context.settings.draw_client),
        pool_(replication::most_members(context.membership)) {}

  std::optional<Reject> on_update(Instant now, const Verified<replication::Update>& message, Effects& fx);
  std::optional<Reject> on_query(Instant now, const Verified<replication::Query>& message, Effects& fx) {
    return service_.on_query(now, message.signer().client(), message.body(), fx);
  }
  /// Replies to the clients whose updates were executed, forgets what waited for it, and answers queries that did.
  /// `took` is the time from proposal to execution, 0 if unknown.
  void on_executed(Instant now, std::span<const ClientId> clients, Duration took, Effects& fx);

  /// Clients left: nothing of theirs stays.
  void clients_left();

  /// Updates whose proposal was given up. Those that are distrusted wait for their client to try again, and what it
  /// authenticates with MACs is not proposed for a while: each time costs everybody a round or two. [BFT 9]
  void put_back(Instant now, std::vector<Ordering::Returned> updates);

  /// The next batch, if it is time for one; `in_flight` are the primary's own proposals not executed yet.
  std::optional<Batch> cut(Instant now, std::uint64_t in_flight);
  /// When `cut` wants to be asked again.
  Instant deadline() const { return cut_at_; }
  const replication::WatchList& watched() const { return watched_; }
  std::size_t waiting() const { return pool_.size(); }

 private:
  Duration gap() const;
  /// Passes on what waits for that, as far as there is room.
  void relay(Instant now, Effects& fx);
  void leave_queue(ClientId client);

  const Context& context_;
  const replication::Execution& execution_;
  replication::ClientService service_;
  replication::PendingUpdates pool_;  // primary
  replication::WatchList watched_;    // backups: what the primary owes its clients
  // Watched ones to pass on, by the time they queued: who was passed on in vain and repeats itself queues anew, or
  // updates that the primary never takes would keep all others waiting.
  std::set<std::pair<Instant, ClientId>> unrelayed_;
  std::map<ClientId, Instant> queued_;            // the same the other way round
  std::map<ClientId, Instant> relayed_;           // passed on, not executed yet; at most kRelaysAtOnce
  std::map<ClientId, Instant> distrusted_until_;  // whose authenticators were doubted; bounded by the membership
  Instant last_cut_;
  Instant cut_at_ = Instant::never();
  Duration round_{};  // moving average from proposal to execution
};

}  // namespace seneschal::bft
