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
    application_->on_evidence(update.sealed);
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

std::shared_ptr<Snapshot> Execution::freeze() const {
  std::vector<TableEntry> entries;
  entries.reserve(clients_.entries().size());
  for (const auto& [client, last] : clients_.entries())
    entries.push_back({client, last.timestamp, last.seq, {last.result}});
  std::vector<SharedBytes> chunks = pack_table(entries);
  SnapshotHead head{executed_, application_->digest(), static_cast<std::uint32_t>(chunks.size())};
  chunks.insert(chunks.begin(), share(encode(head)));
  return std::make_shared<Snapshot>(executed_, std::move(chunks), application_->freeze());
}

Status Execution::install(Seq seq, std::span<const SharedBytes> chunks) {
  if (chunks.empty()) return failure("snapshot: it has no head");
  auto head = decode<SnapshotHead>(*chunks[0]);
  if (!head || head->seq != seq || head->table_chunks >= chunks.size())
    return failure("snapshot: its head is damaged, or it is not of seq " + std::to_string(seq.value));
  ClientTable table;
  for (std::size_t i = 1; i <= head->table_chunks; ++i) {
    auto chunk = decode<TableChunk>(*chunks[i]);
    if (!chunk) return failure("snapshot: chunk " + std::to_string(i) + " is no part of a client table");
    for (TableEntry& entry : chunk->entries.items)
      table.put(entry.client, {entry.timestamp, entry.seq, std::move(entry.result.value)});
  }
  if (Status good = application_->thaw(chunks.subspan(1 + head->table_chunks)); !good) return good;
  clients_ = std::move(table);
  executed_ = seq;
  return {};
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
