// Reading the log of an earlier life. [Steward 8]
#include "steward/core.hpp"

namespace seneschal::steward {
namespace {

/// The state that a log begins with, wherever in the log it is.
struct SavedState {
  Seq seq;
  std::optional<StableProof> proof;
  std::vector<SharedBytes> chunks;
};

/// By seq: how many records of the log come before the last word that this state is of no use.
std::map<Seq, std::size_t> find_discarded(std::span<const Record> log) {
  std::map<Seq, std::size_t> discarded;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (!may_be<DiscardedRecord>(log[i])) continue;
    if (auto record = decode_record(log[i])) discarded[std::get<DiscardedRecord>(record->what).seq] = i;
  }
  return discarded;
}

/// The newest state that is whole and was not discarded; nothing if there is none, and the log begins with seq 1. A
/// crash leaves the beginning of a state behind. A log gives back whole segments, so it may begin in the middle of
/// one: then another one, whole, must follow, or the log is not whole (false).
std::pair<std::optional<SavedState>, bool> find_state(std::span<const Record> log) {
  const std::map<Seq, std::size_t> discarded = find_discarded(log);
  std::optional<SavedState> newest;
  SavedState reading;
  bool headless = false;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (!may_be<SnapshotRecord>(log[i])) continue;
    auto record = decode_record(log[i]);
    if (!record) return {std::nullopt, false};
    auto& piece = std::get<SnapshotRecord>(record->what);
    if (piece.first == 0) reading = {piece.seq, std::move(piece.proof), {}};
    if (piece.first != reading.chunks.size() || piece.seq != reading.seq) {
      reading.chunks.clear();
      headless = true;
      continue;
    }
    for (auto& chunk : piece.chunks) reading.chunks.push_back(share(std::move(chunk.value)));
    if (reading.chunks.size() < piece.total) continue;
    SavedState whole = std::exchange(reading, {});
    const auto word = discarded.find(whole.seq);
    if (word == discarded.end() || word->second < i) newest = std::move(whole);
  }
  const bool good = newest || !headless;
  return {std::move(newest), good};
}

}  // namespace

// First the state, then what is ordered above it, then what all other records say about entries above that, in the
// order in which they were written: also of those that were written before the state, while it was on its way into
// the log. False if the log makes no sense.
bool StewardCore::restore(Instant now, std::span<const Record> log, Effects& fx) {
  for (const Record& record : log) context_.logged += record.size();
  const auto [state, whole] = find_state(log);
  if (!whole) return false;
  if (state) {
    const auto stable = state->proof ? context_.stable_of(*state->proof) : std::nullopt;
    if (!stable || stable->seq != state->seq) return false;
    if (!context_.execution.install(state->seq, state->chunks, fx)) return false;
    context_.history.jump(state->seq);
    restore_stable(*stable);
    checkpoints_.installed(*stable, fx);
  }
  return restore_order(now, log, fx) &&
         std::ranges::all_of(log, [&](const Record& record) { return restore_record(record); });
}

// (!) What is final comes first, by seq and not as it was written: a renewal writes old entries behind newer ones,
// and how far records reach depends on what is executed. [Steward 8]
bool StewardCore::restore_order(Instant now, std::span<const Record> log, Effects& fx) {
  std::map<Seq, std::size_t> ordered;
  for (std::size_t i = 0; i < log.size(); ++i) {
    if (!may_be<OrderedRecord>(log[i]) && !may_be<StableRecord>(log[i])) continue;
    const auto record = decode_record(log[i]);
    if (!record) return false;
    if (const auto* entry = std::get_if<OrderedRecord>(&record->what)) {
      ordered[entry->entry.value.proposal.body.seq] = i;
    } else {
      const auto stable = context_.stable_of(std::get<StableRecord>(record->what).proof);
      if (!stable) return false;
      restore_stable(*stable);
    }
  }
  for (auto it = ordered.upper_bound(context_.history.aru()); it != ordered.end(); ++it) {
    const auto record = decode_record(log[it->second]);
    if (!global_.restore_ordered(std::get<OrderedRecord>(record->what).entry.value)) ++context_.alarms;  // a hole
    execute(now, fx);
  }
  checkpoints_.restored();
  return true;
}

// It is in the log already.
void StewardCore::restore_stable(const Stable& stable) {
  if (!context_.history.stabilize(stable.seq)) return;
  context_.stable = stable;
  context_.certify(stable.seq);
  checkpoints_.restored();
}

bool StewardCore::restore_record(const Record& bytes) {
  const bool read = may_be<SnapshotRecord>(bytes) || may_be<OrderedRecord>(bytes) || may_be<StableRecord>(bytes);
  if (read) return true;
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
  } else if (auto* signers = std::get_if<SignerSetRecord>(&record->what)) {
    signing_.restore(*signers);
  } else if (auto* batch = std::get_if<BatchRecord>(&record->what)) {
    sequencing_.restore_batch(*batch);
  } else if (auto* progress = std::get_if<ProgressRecord>(&record->what)) {
    if (progress->last_ordered != Seq{}) context_.ordered(progress->last_ordered, progress->ordered_in);
  }
  return true;
}

}  // namespace seneschal::steward
