#include "replication/execution.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

namespace seneschal::replication {

Execution::Execution(std::unique_ptr<Application> application, const Membership& membership, std::uint64_t reach)
    : application_(std::move(application)), roster_(membership, reach) {
  CHECK(application_ != nullptr);
}

Executed Execution::execute(Seq seq, const Batch& batch, const Digest& batch_digest, Effects& fx) {
  CHECK(seq == executed_.next());
  Executed done;
  done.clients.reserve(batch.updates.size());
  for (const Signed<Update>& update : batch.updates) {
    if (!update.signer().is_client()) continue;
    ClientId client = update.signer().client();
    Timestamp timestamp = update.body.timestamp;
    // Both are the same at every server: roster and table are replicated state. [Steward 3.4] [Membership 3]
    if (roster_.member(client) == nullptr || clients_.executed(client, timestamp)) continue;
    Bytes result;
    if (roster_.is_administrator(client)) {
      auto outcome = roster_.administer(seq, update.body.operation.value, fx);
      result = std::move(outcome.result);
      if (outcome.left) {
        clients_.forget(*outcome.left);
        std::erase(done.clients, *outcome.left);
        done.some_left = true;
      }
    } else {
      application_->on_evidence(update.sealed);
      result = application_->apply(client, update.body.operation.value);
      if (result.size() > kMaxResult)
        result.clear();  // an application that breaks its bound must not break the codec
    }
    finish_update(seq, client, timestamp, std::move(result), fx);
    done.clients.push_back(client);
  }
  application_->settle();  // the order is final
  executed_ = seq;
  roster_.executed(seq, fx);
  Event event{};
  event.kind = EventKind::Executed;
  event.seq = seq;
  event.digest = batch_digest;
  event.state = state();
  fx.event(event);
  return done;
}

void Execution::finish_update(Seq seq, ClientId client, Timestamp timestamp, Bytes result, Effects& fx) {
  Event event{};
  event.kind = EventKind::UpdateDone;
  event.seq = seq;
  event.digest = crypto::sha256(result);
  event.who = Principal::of(client);
  event.timestamp = timestamp;
  fx.event(event);
  clients_.put(client, {timestamp, seq, std::move(result)});
}

bool Execution::may_order(const Batch& batch, Seq seq) const {
  if (!roster_.changes()) return true;  // whoever passed the gate belongs here for ever
  return std::ranges::all_of(batch.updates, [&](const Signed<Update>& update) {
    return update.signer().is_client() && roster_.may_order(update.signer().client(), seq);
  });
}

Digest Execution::state() const {
  if (!roster_.changes()) return application_->digest();
  return crypto::sha256({application_->digest().bytes, roster_.digest().bytes});
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
  if (roster_.changes()) encode_to(out, roster_.digest());
  return crypto::sha256(bytes);
}

std::shared_ptr<Snapshot> Execution::freeze() const {
  std::vector<TableEntry> entries;
  entries.reserve(clients_.entries().size());
  for (const auto& [client, last] : clients_.entries())
    entries.push_back({client, last.timestamp, last.seq, {last.result}});
  std::vector<SharedBytes> chunks = pack_table(entries);
  // A deployment without an administrator has the state, byte for byte, that it had before there were any.
  std::vector<SharedBytes> roster;
  if (roster_.changes()) roster = roster_.pack();
  SnapshotHead head{executed_, application_->digest(), static_cast<std::uint32_t>(chunks.size())};
  chunks.insert(chunks.begin(), share(encode(head)));
  chunks.insert(chunks.begin() + 1, roster.begin(), roster.end());
  return std::make_shared<Snapshot>(executed_, std::move(chunks), application_->freeze());
}

Status Execution::install(Seq seq, std::span<const SharedBytes> chunks, Effects& fx) {
  if (chunks.empty()) return failure("snapshot: it has no head");
  auto head = decode<SnapshotHead>(*chunks[0]);
  if (!head || head->seq != seq || head->table_chunks >= chunks.size())
    return failure("snapshot: its head is damaged, or it is not of seq " + std::to_string(seq.value));
  std::optional<ClientRoster> roster;
  std::size_t first = 1;  // chunk of the table
  if (roster_.changes()) {
    const auto count = chunks.size() > 1 ? ClientRoster::chunks(*chunks[1]) : std::nullopt;
    if (!count || *count >= chunks.size()) return failure("snapshot: its roster is missing");
    auto read = roster_.unpack(chunks.subspan(1, *count));
    if (!read) return std::unexpected(read.error());
    roster = std::move(*read);
    first += *count;
  }
  if (first + head->table_chunks > chunks.size()) return failure("snapshot: its client table is not whole");
  ClientTable table;
  for (std::size_t i = first; i < first + head->table_chunks; ++i) {
    auto chunk = decode<TableChunk>(*chunks[i]);
    if (!chunk) return failure("snapshot: chunk " + std::to_string(i) + " is no part of a client table");
    for (TableEntry& entry : chunk->entries.items)
      table.put(entry.client, {entry.timestamp, entry.seq, std::move(entry.result.value)});
  }
  if (Status good = application_->thaw(chunks.subspan(first + head->table_chunks)); !good) return good;
  if (roster) roster_.become(std::move(*roster), fx);
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
