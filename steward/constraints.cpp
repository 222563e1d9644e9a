#include "steward/constraints.hpp"

namespace seneschal::steward {

bool outranks(const StateItem& a, const StateItem& b) {
  bool a_ordered = a.kind == EntryKind::Ordered;
  bool b_ordered = b.kind == EntryKind::Ordered;
  if (a_ordered != b_ordered) return a_ordered;
  if (a.gv != b.gv) return a.gv > b.gv;
  if (a.kind != b.kind) return a.kind > b.kind;  // within one gv a Proposal before a prepare certificate
  return a.lv > b.lv;
}

void StateUnion::raise(const Stable& reported) {
  if (reported.seq < base || (reported.seq == base && !stable)) return;
  // Different M sites may prove one Checkpoint: the smaller encoding, so that nothing depends on the order of
  // arrival.
  if (stable && reported.seq == stable.seq && encode(*reported.proof) >= encode(*stable.proof)) return;
  base = reported.seq;
  stable = reported;
  items.erase(items.begin(), items.upper_bound(base));
}

void StateUnion::add(const StateItem& item) {
  if (item.seq <= base) return;
  auto [held, fresh] = items.try_emplace(item.seq, item);
  // Ties happen between proofs of the same thing only; the smaller digest, so that nothing depends on the order of
  // arrival.
  bool better = outranks(item, held->second) || (!outranks(held->second, item) && item.digest < held->second.digest);
  if (!fresh && better) held->second = item;
}

Seq Bounds::base() const {
  Seq base;
  if (local != nullptr) base = std::max(base, local->base);
  if (global != nullptr) base = std::max(base, global->base);
  return base;
}

const Digest& no_op() {
  static const Digest digest = replication::digest_of(Batch{});
  return digest;
}

std::map<Seq, FixedEntry> required(const Bounds& bounds) {
  std::map<Seq, FixedEntry> fixed;
  Seq base = bounds.base();
  Seq highest = base;
  for (const StateUnion* from : {bounds.local, bounds.global})
    if (from != nullptr) highest = std::max(highest, from->highest());
  for (Seq seq = base.next(); seq <= highest; ++seq) {
    const StateItem* decides = nullptr;
    for (const StateUnion* from : {bounds.local, bounds.global}) {
      if (from == nullptr) continue;
      auto it = from->items.find(seq);
      if (it == from->items.end()) continue;
      if (decides == nullptr || (it->second.kind == EntryKind::Ordered && decides->kind != EntryKind::Ordered))
        decides = &it->second;
    }
    if (decides == nullptr)
      fixed[seq] = {no_op(), false};
    else
      fixed[seq] = {decides->digest, decides->kind == EntryKind::Ordered};
  }
  return fixed;
}

}  // namespace seneschal::steward
