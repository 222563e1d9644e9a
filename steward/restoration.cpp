// Reading the log of an earlier life. [Steward 8]
#include "steward/core.hpp"

namespace seneschal::steward {

bool StewardCore::restore(Instant now, const Record& bytes, Effects& fx) {
  auto record = decode_record(bytes);
  if (!record) return false;
  if (auto* promise = std::get_if<PromiseRecord>(&record->what)) {
    context_.views.promise(promise->gv);
  } else if (auto* entered = std::get_if<LocalViewRecord>(&record->what)) {
    context_.views.enter(entered->lv);
    signing_.restore_view();
  } else if (auto* attempted = std::get_if<AttemptRecord>(&record->what)) {
    global_view_.restore(attempted->gv);
  } else if (auto* certificate = std::get_if<CertificateRecord>(&record->what)) {
    sequencing_.restore_certificate(*certificate);
  } else if (auto* proposed = std::get_if<ProposedRecord>(&record->what)) {
    sequencing_.restore_proposed(proposed->pre_prepare.value);
  } else if (auto* prepared = std::get_if<PreparedRecord>(&record->what)) {
    sequencing_.restore_prepared(prepared->pre_prepare.value);
  } else if (auto* accepted = std::get_if<AcceptedRecord>(&record->what)) {
    context_.views.promise(accepted->proposal.body.gv);
    global_.restore_accepted(*accepted);
  } else if (auto* ordered = std::get_if<OrderedRecord>(&record->what)) {
    global_.restore_ordered(ordered->entry.value);
    execute(now, fx);
  } else if (auto* signers = std::get_if<SignerSetRecord>(&record->what)) {
    signing_.restore(*signers);
  } else if (auto* checkpoint = std::get_if<CheckpointRecord>(&record->what)) {
    checkpoints_.restore(*checkpoint);
  } else if (auto* snapshot = std::get_if<SnapshotRecord>(&record->what)) {
    return restore_snapshot(*snapshot, fx);
  } else if (auto* batch = std::get_if<BatchRecord>(&record->what)) {
    sequencing_.restore_batch(*batch);
  } else if (auto* progress = std::get_if<ProgressRecord>(&record->what)) {
    if (progress->last_ordered != Seq{}) context_.ordered(progress->last_ordered, progress->ordered_in);
  }
  return true;
}

bool StewardCore::restore_snapshot(const SnapshotRecord& record, Effects& fx) {
  if (record.first == 0) restored_chunks_.clear();
  if (record.first != restored_chunks_.size()) {
    // The log begins in the middle of a state that a later one replaced.
    restored_chunks_.clear();
    headless_ = true;
    return true;
  }
  for (const auto& chunk : record.chunks) restored_chunks_.push_back(share(chunk.value));
  if (restored_chunks_.size() < record.total) return true;
  Seq seq = record.checkpoint.body.seq;
  std::vector<SharedBytes> chunks = std::exchange(restored_chunks_, {});
  headless_ = false;
  if (seq <= context_.history.aru()) return true;  // read from records before it
  if (!context_.execution.install(seq, chunks, fx)) return false;
  context_.history.jump(seq);
  checkpoints_.restore_installed(record.checkpoint, fx);
  return true;
}

}  // namespace seneschal::steward
