#include "bft/log.hpp"

namespace seneschal::bft {

Log::Log(std::uint64_t span, std::uint16_t servers) : span_(span), mask_(std::bit_ceil(span) - 1) {
  slots_.resize(mask_ + 1);
  for (Slot& slot : slots_) {
    slot.prepares = Votes(servers);
    slot.commits = Votes(servers);
  }
}

Slot& Log::at(Seq seq) {
  CHECK(contains(seq));
  Slot& s = slot(seq);
  if (s.seq != seq) {
    CHECK(s.seq.value == 0);  // what was there lay below the base and was freed
    s.seq = seq;
    highest_ = std::max(highest_, seq);
  }
  return s;
}

Slot* Log::find(Seq seq) {
  if (!contains(seq)) return nullptr;
  Slot& s = slot(seq);
  return s.seq == seq ? &s : nullptr;
}

void Log::reset(Slot& slot) {
  slot.seq = Seq();
  slot.batch.reset();
  slot.proposal.reset();
  slot.prepares.clear();
  slot.commits.clear();
  slot.adopted = slot.certified = {};
  slot.saved = slot.prepare_sent = slot.prepared = slot.committed = false;
  slot.prepare_proofs.clear();
  slot.doubtful.reset();
}

void Log::advance(Seq base) {
  CHECK(base >= base_);
  std::uint64_t last = std::min(base.value, base_.value + span_);
  for (std::uint64_t seq = base_.value + 1; seq <= last; ++seq) reset(slot(Seq(seq)));
  base_ = base;
  highest_ = std::max(highest_, base_);
}

}  // namespace seneschal::bft
