#include "accountability/agreement.hpp"

#include <algorithm>
#include <set>

namespace seneschal::accountability {
namespace {

Extent shared_extent(const Extent& a, const Extent& b) {
  return {std::max(a.begin, b.begin), std::min(a.end, b.end)};
}

/// The head of the graph in `folder`, if it is `server`'s own word; else what is wrong.
std::expected<Head, std::string> signed_head(const std::string& folder, const Principal& server,
                                             const Verifier& verify) {
  auto file = MappedFile::open(folder + "/head");
  if (!file) return std::unexpected(file.error().message);
  auto head = decode<Head>(file->bytes());
  if (!head) return std::unexpected("its head is unreadable");
  if (head->signer != server) return std::unexpected("its head is of " + to_string(head->signer));
  if (!verify(head->signer, head->signed_bytes(), head->signature.value))
    return std::unexpected("the head's signature is not that of " + to_string(server));
  if (head->begin < 1 || head->next < head->begin || head->next > std::uint64_t{1} << 62)
    return std::unexpected("its head makes no sense");
  return std::move(*head);
}

}  // namespace

SignedGraphs read_signed_graphs(const std::map<Principal, std::string>& folders, const Verifier& verify) {
  SignedGraphs read;
  std::map<Principal, Head> heads;
  std::set<UpdateId> begins, ends;
  for (const auto& [server, folder] : folders) {
    auto head = signed_head(folder, server, verify);
    if (!head) {
      read.bad[server] = head.error();
      continue;
    }
    begins.emplace(head->begin);
    ends.emplace(head->next);
    heads.emplace(server, std::move(*head));
  }
  for (const auto& [server, head] : heads) {
    auto store = Store::open(folders.at(server));
    // It may have been signed again meanwhile; what was signed before is in it all the same.
    std::optional<std::string> doubt = store ? store->updates_doubt() : store.error().message;
    SignedGraph graph{server, folders.at(server), {UpdateId(head.begin), UpdateId(head.next)}, {}};
    if (!doubt && (store->begin() != graph.extent.begin || store->digest_at(graph.extent.end) != head.digest))
      doubt = "its updates are not those that were signed";
    if (doubt) {
      read.bad[server] = *doubt;
      continue;
    }
    for (const UpdateId begin : begins)
      for (const UpdateId end : ends) {
        if (begin < graph.extent.begin || end > graph.extent.end || end < begin) continue;
        const auto digest =
            begin == graph.extent.begin ? store->digest_at(end) : digest_between(store->graph(), begin, end);
        if (digest) graph.digests.emplace(Extent{begin, end}, *digest);
      }
    for (const UpdateId last : store->snapshots())
      if (const auto state = store->noted_state(last); state && last < graph.extent.end)
        graph.states.emplace(last, *state);
    read.good.push_back(std::move(graph));
  }
  return read;
}

Agreement agreement(const SignedGraph& a, const SignedGraph& b) {
  const Extent shared = shared_extent(a.extent, b.extent);
  if (shared.end <= shared.begin) return Agreement::Unknown;
  const auto first = a.digests.find(shared), second = b.digests.find(shared);
  if (first == a.digests.end() || second == b.digests.end()) return Agreement::Unknown;
  if (first->second != second->second) return Agreement::Other;
  // Servers take their snapshots at the same updates. What a state was made of differs in form from one to the next.
  const bool states = std::ranges::all_of(a.states, [&](const auto& state) {
    const auto other = b.states.find(state.first);
    return other == b.states.end() || other->second == state.second;
  });
  return states ? Agreement::Same : Agreement::Other;
}

const SignedGraph* most_agreed(const std::vector<SignedGraph>& graphs, std::size_t servers) {
  const SignedGraph* best = nullptr;
  for (const SignedGraph& one : graphs) {
    const auto backs = [&](const SignedGraph& other) {
      const bool whole = other.extent.begin <= one.extent.begin && other.extent.end >= one.extent.end;
      return &other == &one ||
             (whole && (one.extent.end == one.extent.begin || agreement(one, other) == Agreement::Same));
    };
    if (2 * static_cast<std::size_t>(std::ranges::count_if(graphs, backs)) <= servers) continue;
    // One that saw everything rather than one that began later, at a state that it took over.
    const auto worth = [](const SignedGraph& graph) {
      return std::pair(~graph.extent.begin.value, graph.extent.end);
    };
    if (best == nullptr || worth(one) > worth(*best)) best = &one;
  }
  return best;
}

}  // namespace seneschal::accountability
