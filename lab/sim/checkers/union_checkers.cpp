#include "lab/sim/checkers/union_checkers.hpp"

#include "crypto/digest.hpp"
#include "lab/sim/checkers/order_checkers.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

using steward::CollectedConstraint;
using steward::CollectedState;
using steward::EntryKind;
using steward::GlobalConstraint;
using steward::StateContext;
using steward::StateItem;

namespace {

template <class M>
std::optional<M> read(const SealedParts& parts) {
  if (parts.header.protocol != M::kProtocol || parts.header.type != M::kType) return std::nullopt;
  auto body = decode<M>(parts.body);
  if (!body) return std::nullopt;
  return std::move(*body);
}

/// What decides first stands first.
auto rank(const StateItem& item) {
  const bool ordered = item.kind == EntryKind::Ordered;
  const bool certificate = item.kind == EntryKind::Certificate;
  // Any order certificate is as good as any other.
  return ordered ? std::tuple(true, GlobalView{}, false, LocalView{})
                 : std::tuple(false, item.gv, !certificate, certificate ? item.lv : LocalView{});
}

}  // namespace

bool ranks_above(const StateItem& a, const StateItem& b) {
  return rank(a) > rank(b);
}

// ---- unions ----

// That M sites signed it is the business of `Settled`.
void Unions::Union::raise(const std::optional<steward::StableProof>& proof) {
  if (!proof || proof->checkpoints.empty()) return;
  const Seq seq = proof->checkpoints.items.front().body.seq;
  if (seq <= base) return;
  base = stable = seq;
}

void Unions::Union::add(const StateItem& item) {
  if (item.seq <= base) return;
  auto& held = items[item.seq];
  if (!held.empty() && ranks_above(held.front(), item)) return;
  if (!held.empty() && ranks_above(item, held.front())) held.clear();
  held.push_back(item);
}

const StateItem* Unions::Union::at(Seq seq) const {
  const auto found = items.find(seq);
  return found == items.end() ? nullptr : &found->second.front();
}

bool Unions::Union::equals(const GlobalConstraint& message) const {
  const Seq shown = message.stable ? message.stable->checkpoints.items.front().body.seq : Seq{};
  if (message.base != asked || shown != stable || message.items.size() != items.size()) return false;
  return std::ranges::all_of(message.items, [&](const StateItem& item) {
    const auto named = items.find(item.seq);
    return named != items.end() && std::ranges::find(named->second, item) != named->second.end();
  });
}

// ---- what is sent round ----

void Unions::collected(const ServerId& by, const CollectedState& piece) {
  const auto& key = piece.state.body.key;
  Bundle& bundle = bundles_[{by.site, piece.chosen.items}];
  const Principal signer = piece.state.signer();
  if (!signer.is_server() || signer.server().site != by.site) return;
  const Digest digest_of_state = crypto::sha256(piece.state.sealed);
  if (!std::ranges::binary_search(piece.chosen.items, digest_of_state))
    return;  // damaged on purpose: nobody takes it
  if (!bundle.states.emplace(digest_of_state, piece.state.body).second) return;
  bundle.signers.insert(signer);
  const std::size_t quorum = facts_.membership.site(by.site).quorum();
  if (bundle.states.size() != piece.chosen.size() || bundle.signers.size() != quorum) return;
  Union all;
  all.base = all.asked = key.base;
  for (const auto& [digest, state] : bundle.states) all.raise(state.stable);
  for (const auto& [digest, state] : bundle.states) {
    if (state.key != key) return;
    for (const StateItem& item : state.items) all.add(item);
  }
  if (key.context == StateContext::Pending) local_[{key.gv, key.lv}].push_back(std::move(all));
  if (key.context == StateContext::Constraint) answers_[{by.site, key.gv}].push_back(std::move(all));
}

void Unions::collected(const CollectedConstraint& piece) {
  const ViewPair views(piece.constraint.body.gv, piece.lv);
  Set& set = sets_[{views, piece.chosen.items}];
  const Digest digest_of_constraint = crypto::sha256(piece.constraint.sealed);
  if (!std::ranges::binary_search(piece.chosen.items, digest_of_constraint)) return;
  if (!set.constraints.emplace(digest_of_constraint, piece.constraint.body).second) return;
  set.signers.insert(piece.constraint.signer());
  if (set.constraints.size() != piece.chosen.size() || set.signers.size() < facts_.membership.site_majority()) return;
  Union all;
  for (const auto& [digest, constraint] : set.constraints) all.base = std::max(all.base, constraint.base);
  for (const auto& [digest, constraint] : set.constraints) all.raise(constraint.stable);
  for (const auto& [digest, constraint] : set.constraints)
    for (const StateItem& item : constraint.items) all.add(item);
  global_[views].push_back(std::move(all));
}

void Unions::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!from.is_server() || parts.header.sender != from) return;
  const ServerId server = from.server();
  if (auto piece = read<CollectedState>(parts)) return collected(server, *piece);
  if (auto piece = read<CollectedConstraint>(parts)) return collected(*piece);
  if (!facts_.correct(server)) return;
  if (auto vote = read<steward::Prepare>(parts)) voted(at, server, vote->gv, vote->lv, vote->seq, vote->digest);
  if (auto proposed = read<steward::PrePrepare>(parts))
    voted(at, server, proposed->gv, proposed->lv, proposed->seq, replication::digest_of(proposed->batch));
}

// ---- what is done with it ----

// [Steward 4] What a seq must be: an order certificate from either; the local union's entry; the constraint's; a
// no-op below the highest of either; else it is free. And nothing at or below the highest base.
bool Unions::allows(const Union& local, const Union* global, Seq seq, const Digest& digest) {
  static const Digest kNoOp = replication::digest_of(replication::Batch{});
  if (seq <= local.base || (global != nullptr && seq <= global->base)) return false;
  const StateItem* here = local.at(seq);
  const StateItem* there = global != nullptr ? global->at(seq) : nullptr;
  if (here != nullptr && here->kind == EntryKind::Ordered) return digest == here->digest;
  if (there != nullptr && there->kind == EntryKind::Ordered) return digest == there->digest;
  const auto names = [&](const Union& all) {
    return std::ranges::any_of(all.items.at(seq), [&](const StateItem& item) { return item.digest == digest; });
  };
  if (here != nullptr) return names(local);
  if (there != nullptr) return names(*global);
  const Seq highest = std::max(local.highest(), global != nullptr ? global->highest() : Seq{});
  return (seq > highest) != (digest == kNoOp);  // what is free takes no empty batch [Steward 3.4]
}

void Unions::voted(Instant at, ServerId server, GlobalView gv, LocalView lv, Seq seq, const Digest& digest) {
  const ViewPair views(gv, lv);
  if (views == ViewPair{}) return;  // constrained by nothing
  const Seq executed = executed_[server];
  for (const Union& local : local_[views]) {
    if (local.base > executed) continue;
    if (gv == GlobalView{} && allows(local, nullptr, seq, digest)) return;
    for (const Union& global : global_[views])
      if (global.base <= executed && allows(local, &global, seq, digest)) return;
  }
  fail(at, "server " + to_string(server) + " votes for " + digest.brief() + " at seq " + std::to_string(seq.value) +
               " in (gv " + std::to_string(gv.value) + ", lv " + std::to_string(lv.value) + "), which none of " +
               std::to_string(local_[views].size()) + " bundles and " + std::to_string(global_[views].size()) +
               " sets allows who has executed up to " + std::to_string(executed.value));
}

// A correct server that takes a set of constraints tells its base. It must be the highest base in the set.
void Unions::constrained(Instant at, ServerId server, const Event& event) {
  const ViewPair views(GlobalView(event.view), LocalView(event.sub_view));
  const auto& unions = global_[views];
  if (std::ranges::any_of(unions, [&](const Union& all) { return all.base == event.seq; })) return;
  fail(at, "server " + to_string(server) + " takes a set of gv " + std::to_string(event.view) + ", lv " +
               std::to_string(event.sub_view) + " for one above " + std::to_string(event.seq.value) +
               ", which is the base of none of " + std::to_string(unions.size()));
}

void Unions::on_event(Instant at, const Principal& self, const Event& event) {
  if (self.is_server() && event.kind == EventKind::Constrained && facts_.correct(self.server()))
    constrained(at, self.server(), event);
  if (!self.is_server() || (event.kind != EventKind::Executed && !tells_state(event))) return;
  Seq& executed = executed_[self.server()];
  executed = std::max(executed, event.seq);
}

void Unions::on_share(Instant at, ServerId server, Span message) {
  if (!facts_.correct(server)) return;
  const auto parts = parse_sealed(message);
  if (!parts) return;
  const auto constraint = read<GlobalConstraint>(*parts);
  if (!constraint) return;
  const auto& unions = answers_[{server.site, constraint->gv}];
  if (std::ranges::any_of(unions, [&](const Union& all) { return all.equals(*constraint); })) return;
  fail(at, "server " + to_string(server) + " shares a constraint of gv " + std::to_string(constraint->gv.value) +
               " above " + std::to_string(constraint->base.value) + " that is the union of none of " +
               std::to_string(unions.size()) + " bundles");
}

}  // namespace seneschal::lab::sim
