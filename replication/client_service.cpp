#include "replication/client_service.hpp"

#include "base/check.hpp"

namespace seneschal::replication {

void ClientService::reply(ClientId client, Effects& fx) const {
  const StoredReply* last = execution_.clients().find(client);
  CHECK(last != nullptr);
  Reply reply;
  reply.timestamp = last->timestamp;
  reply.seq = last->seq;
  reply.result.value = last->result;
  fx.send(Destination::to(client), reply, {.auth = AuthKind::Mac});
}

std::optional<Reject> ClientService::reply_again(Instant now, ClientId client, Timestamp timestamp, Effects& fx) {
  const auto stored = execution_.reply_for(client, timestamp);
  if (!stored) return std::nullopt;
  if (!may_answer(now, client, kOverhead + stored->result.value.size())) return Reject::Overloaded;
  fx.send(Destination::to(client), *stored, {.auth = AuthKind::Mac});
  return std::nullopt;
}

std::optional<Reject> ClientService::on_query(Instant now, ClientId client, const Query& query, Effects& fx) {
  if (execution_.roster().member(client) == nullptr) return Reject::UnknownClient;
  const bool again = query.timestamp <= answered_[client];
  if (query.min_seq <= execution_.executed()) {
    if (again && !may_answer(now, client, kOverhead)) return Reject::Overloaded;
    const std::size_t size = answer(client, query, fx);
    if (again) budgets_.charge(now, client, size);
    return std::nullopt;
  }
  // Only a newer query takes the place of the one that waits: an older one is somebody's recording.
  const auto older = waiting_.find(client);
  if (again || (older != waiting_.end() && older->second.timestamp >= query.timestamp)) return Reject::Duplicate;
  waiting_[client] = query;
  return std::nullopt;
}

void ClientService::answer_waiting(Effects& fx) {
  std::erase_if(waiting_, [&](const auto& waiting) {
    if (waiting.second.min_seq > execution_.executed()) return false;
    answer(waiting.first, waiting.second, fx);
    return true;
  });
}

std::size_t ClientService::answer(ClientId client, const Query& query, Effects& fx) {
  Timestamp& newest = answered_[client];
  newest = std::max(newest, query.timestamp);
  const Answer answer = execution_.answer(query);
  fx.send(Destination::to(client), answer, {.auth = AuthKind::Mac});
  return answer.result.value.size();
}

void ClientService::clients_left() {
  const auto gone = [&](ClientId client) { return execution_.roster().member(client) == nullptr; };
  budgets_.forget_if(gone);
  std::erase_if(waiting_, [&](const auto& query) { return gone(query.first); });
  std::erase_if(answered_, [&](const auto& query) { return gone(query.first); });
}

}  // namespace seneschal::replication
