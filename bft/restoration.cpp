#include "bft/restoration.hpp"

namespace seneschal::bft {

std::expected<LogRecord, Reject> decode_record(Span bytes) {
  auto record = decode<LogRecord>(bytes);
  if (!record) return record;
  if (record->version != LogRecord::kVersion) return std::unexpected(Reject::WrongVersion);
  return record;
}

std::optional<KeptState> newest_state(std::span<const Record> log) {
  std::optional<KeptState> newest;
  KeptState reading;
  for (const Record& bytes : log) {
    auto record = decode_record(bytes);
    auto* piece = record ? std::get_if<SnapshotRecord>(&record->what) : nullptr;
    if (piece == nullptr) continue;
    if (piece->first == 0) reading = {piece->seq, {}};
    // A log may begin in the middle of an older state, of which the first chunks are forgotten.
    if (piece->seq != reading.seq || piece->first != reading.chunks.size()) continue;
    for (auto& chunk : piece->chunks) reading.chunks.push_back(share(std::move(chunk.value)));
    if (reading.chunks.size() == piece->total) newest = std::move(reading);
  }
  return newest;
}

bool Restoration::take(Span bytes, Seq executed_so_far) {
  auto record = decode_record(bytes);
  if (!record) return false;
  if (auto* adopted = std::get_if<AdoptedRecord>(&record->what)) {
    PrePrepare& proposal = adopted->proposal.value;
    Open& open = open_[proposal.seq];
    open.view = proposal.view;
    open.batch = std::make_shared<const Batch>(std::move(proposal.batch));
    open.digest = replication::digest_of(*open.batch);
    open.prepared.reset();
    if (proposal.view == context_.view && context_.is_primary()) ordering_.restore_proposed(proposal.seq);
  } else if (auto* prepared = std::get_if<PreparedRecord>(&record->what)) {
    if (auto it = open_.find(prepared->seq); it != open_.end() && it->second.digest == prepared->digest)
      it->second.prepared = prepared->view;
  } else if (auto* promise = std::get_if<PromiseRecord>(&record->what)) {
    if (promise->view == context_.view) promises_[promise->seq].push_back(promise->digest);
  } else if (auto* entry = std::get_if<ExecutedRecord>(&record->what)) {
    return executed(*entry, executed_so_far);
  } else if (auto* stable = std::get_if<StableRecord>(&record->what)) {
    checkpoints_.restore(*stable);
  }
  return true;
}

bool Restoration::executed(const ExecutedRecord& record, Seq executed) {
  if (record.seq > installed_ && record.seq != executed.next()) return false;
  std::shared_ptr<const Batch> batch;
  if (record.batch)
    batch = std::make_shared<const Batch>(record.batch->value);
  else if (auto it = open_.find(record.seq); it != open_.end() && it->second.digest == record.digest)
    batch = it->second.batch;
  // Its AdoptedRecord may be forgotten if the state covers it.
  if (batch == nullptr) return record.seq <= installed_;
  execute_(record.seq, std::move(batch), record.digest);
  open_.erase(open_.begin(), open_.upper_bound(record.seq));
  promises_.erase(promises_.begin(), promises_.upper_bound(record.seq));
  return true;
}

void Restoration::finish(Instant now, Seq executed) {
  checkpoints_.on_executed(executed);
  ordering_.log().advance(checkpoints_.base());
  for (const auto& [seq, digests] : promises_)
    for (const Digest& digest : digests) ordering_.restore_promise(seq, digest);
  for (auto& [seq, open] : open_)
    if (open.view == context_.view && seq > executed)
      ordering_.restore_slot(now, seq, std::move(open.batch), open.digest, open.prepared == open.view);
}

}  // namespace seneschal::bft
