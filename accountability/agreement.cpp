#include "accountability/agreement.hpp"

#include <algorithm>

namespace seneschal::accountability {

Comparison::Verdict Comparison::of(const SignedGraph& a, const SignedGraph& b) {
  const std::uint64_t begin = std::max(a.begin, b.begin), sealed = std::min(a.sealed, b.sealed);
  if (sealed + 1 < begin) return Verdict::Unknown;
  const std::string first = digest(a, begin, sealed), second = digest(b, begin, sealed);
  if (first.empty() || second.empty()) return Verdict::Unknown;
  return first == second ? Verdict::Same : Verdict::Other;
}

/// Of updates `begin` to `sealed`, as if the graph had begun there; empty if that cannot be told.
const std::string& Comparison::digest(const SignedGraph& graph, std::uint64_t begin, std::uint64_t sealed) {
  if (begin == graph.begin && sealed == graph.sealed) return graph.digest;
  const auto [known, fresh] = digests_.try_emplace({graph.server, begin, sealed});
  if (!fresh) return known->second;
  const auto [store, unopened] = stores_.try_emplace(graph.server);
  if (unopened)
    if (auto opened = Store::open(graph.folder)) store->second = std::move(*opened);
  if (!store->second || store->second->begin().value != graph.begin) return known->second;
  const UpdateId end(sealed + 1);
  const auto digest = begin == graph.begin ? store->second->digest_at(end)
                                           : digest_between(store->second->graph(), UpdateId(begin), end);
  if (digest) known->second = to_hex(digest->bytes);
  return known->second;
}

const SignedGraph& most_agreed(const std::vector<SignedGraph>& all, Comparison& comparison) {
  const auto worth = [&](const SignedGraph& one) {
    // Those that began elsewhere are left out: to compare them, updates are put in order anew from there on.
    const auto backs = [&](const SignedGraph& other) {
      return other.begin == one.begin && other.sealed >= one.sealed &&
             comparison.of(one, other) == Comparison::Verdict::Same;
    };
    const bool backed = 2 * static_cast<std::size_t>(std::ranges::count_if(all, backs)) > all.size();
    // One that saw everything rather than one that began later, at a state that it took over.
    return std::tuple(backed, one.whole, ~one.begin, one.sealed);
  };
  const SignedGraph* best = &all.front();
  auto most = worth(*best);
  for (const SignedGraph& one : all)
    if (const auto its = worth(one); its > most) best = &one, most = its;
  return *best;
}

}  // namespace seneschal::accountability
