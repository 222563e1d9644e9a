// What a server says to its clients: replies to executed updates, given again on request, and answers to queries, at
// once or when they can be given. Both protocols use it.
#pragma once
#include "replication/execution.hpp"
#include "runtime/allowance.hpp"

#include <map>

namespace seneschal::replication {

/// Anybody may record what a client said and repeat it. So new words of a client are answered without limit, and
/// repeated ones debit the client's budget: `repeated`, in bytes. What it keeps is bounded by the membership.
class ClientService {
 public:
  ClientService(const Execution& execution, Allowance repeated) : execution_(execution), budgets_(repeated) {}

  /// The client's last executed update gets its reply. CHECKs that there is one.
  void reply(ClientId client, Effects& fx) const;
  /// The client sent an update that was executed already, or asks with timestamp 0 which was its last: the stored
  /// reply, if there is one. Overloaded: over budget.
  std::optional<Reject> reply_again(Instant now, ClientId client, Timestamp timestamp, Effects& fx);
  /// An answer from executed state; if `min_seq` is not executed yet, then when it is. One query waits per client,
  /// the newest. The query is proven to be the client's; whether this server serves it is for the caller to say.
  std::optional<Reject> on_query(Instant now, ClientId client, const Query& query, Effects& fx);
  /// Entries were executed: answers the queries that waited for them.
  void answer_waiting(Effects& fx);
  /// Debits the client's budget for a message of `bytes` that something repeated draws; false: over budget.
  bool may_answer(Instant now, ClientId client, std::size_t bytes) { return budgets_.draw(now, client, bytes); }
  /// Forgets all clients that are no members any more.
  void clients_left();

  /// What a reply or an answer weighs beyond its result.
  static constexpr std::size_t kOverhead = 64;

 private:
  /// Returns the size of the result.
  std::size_t answer(ClientId client, const Query& query, Effects& fx);

  const Execution& execution_;
  Accounts<ClientId> budgets_;
  std::map<ClientId, Query> waiting_;
  std::map<ClientId, Timestamp> answered_;  // the newest of each client
};

}  // namespace seneschal::replication
