#include "replication/execution.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

namespace seneschal::replication {

Execution::Execution(std::unique_ptr<Application> application, const Membership& membership)
    : application_(std::move(application)), membership_(membership) {
  CHECK(application_ != nullptr);
}

std::vector<ClientId> Execution::execute(Seq seq, const Batch& batch, const Digest& batch_digest, Effects& fx) {
  CHECK(seq == executed_.next());
  std::vector<ClientId> done;
  done.reserve(batch.updates.size());
  for (const Signed<Update>& update : batch.updates) {
    if (!update.signer().is_client()) continue;
    ClientId client = update.signer().client();
    Timestamp timestamp = update.body.timestamp;
    // Both are the same at every server: membership is configuration, the table is replicated state. [Steward 3.4]
    if (membership_.client(client) == nullptr || clients_.executed(client, timestamp)) continue;
    Bytes result = application_->apply(client, update.body.operation.value);
    if (result.size() > kMaxResult) result.clear();  // an application that breaks its bound must not break the codec
    Event event{};
    event.kind = EventKind::UpdateDone;
    event.seq = seq;
    event.digest = crypto::sha256(result);
    event.who = Principal::of(client);
    event.timestamp = timestamp;
    fx.event(event);
    clients_.put(client, {timestamp, seq, std::move(result)});
    done.push_back(client);
  }
  application_->settle();  // the order is final
  executed_ = seq;
  Event event{};
  event.kind = EventKind::Executed;
  event.seq = seq;
  event.digest = batch_digest;
  event.state = application_->digest();
  fx.event(event);
  return done;
}

Digest Execution::digest() const {
  Bytes bytes;
  Writer out(bytes);
  out.raw(as_span("seneschal/state"));
  encode_to(out, application_->digest());
  encode_to(out, executed_);
  out.number(clients_.entries().size(), 8);
  for (const auto& [client, last] : clients_.entries()) {
    encode_to(out, client);
    encode_to(out, last.timestamp);
    encode_to(out, last.seq);
    out.number(last.result.size(), 8);
    out.raw(last.result);
  }
  return crypto::sha256(bytes);
}

std::optional<Reply> Execution::reply_for(ClientId client, Timestamp timestamp) const {
  const StoredReply* last = clients_.find(client);
  Reply reply;
  reply.stale = true;
  if (last == nullptr && timestamp.value == 0) return reply;  // nothing executed yet
  if (last == nullptr || last->timestamp < timestamp) return std::nullopt;
  reply.timestamp = last->timestamp;
  reply.seq = last->seq;
  reply.stale = last->timestamp > timestamp;
  if (!reply.stale) reply.result.value = last->result;
  return reply;
}

Answer Execution::answer(const Query& query) const {
  Answer answer;
  answer.timestamp = query.timestamp;
  answer.seq = executed_;
  answer.result.value = application_->query(query.operation.value);
  if (answer.result.value.size() > kMaxResult) answer.result.value.clear();
  return answer;
}

}  // namespace seneschal::replication
