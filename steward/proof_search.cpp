#include "steward/proof_search.hpp"

#include <algorithm>

namespace seneschal::steward {

void ProofSearch::want(Wanted wanted) {
  std::erase_if(searches_, [&](const auto& search) { return !wanted.contains(search.first); });
  for (auto& [item, holders] : wanted) searches_[item].holders = std::move(holders);
}

std::vector<StateItem> ProofSearch::wanted(Seq seq, const Digest& digest) const {
  std::vector<StateItem> items;
  for (const auto& [item, search] : searches_)
    if (item.seq == seq && item.digest == digest) items.push_back(item);
  return items;
}

// The first request goes to one server: usually it answers, and a batch comes once. After that f+1 at a time, or f
// servers that never answer could take f retransmissions one after the other.
std::vector<ServerIndex> ProofSearch::next(Search& search) const {
  const std::size_t most = search.begun ? faults_ + 1u : 1u;
  search.begun = true;
  const auto asked = [&](ServerIndex server) { return search.asked.contains(server); };
  if (std::ranges::all_of(search.holders, asked)) {
    search.asked.clear();
    ++search.rounds;
  }
  std::vector<ServerIndex> servers;
  for (ServerIndex server : search.holders)
    if (servers.size() < most && search.asked.insert(server).second) servers.push_back(server);
  return servers;
}

ProofSearch::Requests ProofSearch::due(Instant now) {
  Requests requests;
  constexpr std::uint32_t kMaxDoublings = 8;
  for (auto& [item, search] : searches_) {
    if (search.begun && now < search.due) continue;
    for (ServerIndex server : next(search)) requests[server].push_back(item);
    // Only a search that was of no use with all holders becomes rarer.
    const Duration wait = settings_.retransmit_local * (1 << std::min(search.rounds, kMaxDoublings));
    search.due = now + std::min(wait, settings_.retransmit_max);
  }
  return requests;
}

}  // namespace seneschal::steward
