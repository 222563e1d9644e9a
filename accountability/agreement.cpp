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
  auto head = read_head(file->bytes());
  if (!head) return std::unexpected("its head is " + head.error());
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

std::map<Principal, ServerTimes> read_times(const std::map<Principal, std::string>& folders, const Verifier& verify,
                                            std::map<Principal, std::string>& bad) {
  std::map<Principal, ServerTimes> all;
  for (const auto& [server, folder] : folders) {
    if (auto head = signed_head(folder, server, verify); !head) {
      bad[server] = head.error();
      continue;
    }
    const auto store = Store::open(folder);
    const auto doubt = store ? store->doubt(verify) : store.error().message;
    const bool its = store && store->head() && store->head()->signer == server;
    if (doubt || !its) {
      bad[server] = doubt.value_or("its head is another server's");
      continue;
    }
    ServerTimes times{store->graph().base(), UpdateId(store->head()->next), store->times()};
    if (times.notes.empty() && times.begin < times.end)
      bad[server] = "it keeps no times of its updates";
    else
      all.emplace(server, std::move(times));
  }
  return all;
}

UpdateId position_at(const ServerTimes& times, std::uint64_t unix_ms) {
  // A clock may have been set back: the first note that is not before that time ends the search.
  const auto after = std::ranges::find_if(times.notes, [&](const TimeNote& n) { return n.unix_ms >= unix_ms; });
  if (after == times.notes.begin()) return times.begin.value == 1 ? times.begin : UpdateId(0);
  const TimeNote& before = *std::prev(after);
  if (unix_ms < before.unix_ms + kTimeNoteMs) return before.first;
  return after == times.notes.end() ? times.end : after->first;
}

std::optional<UpdateId> agreed_at(const std::vector<ServerTimes>& times, std::size_t servers, std::uint64_t unix_ms) {
  struct Range {
    UpdateId first, last;
  };
  std::vector<Range> ranges;
  std::set<UpdateId> positions;
  std::size_t before = 0;  // servers that know nothing of what came then: they bear out no position
  for (const ServerTimes& one : times) {
    const UpdateId earliest = position_at(one, unix_ms - std::min(unix_ms, kTimeToleranceMs));
    const UpdateId latest = position_at(one, unix_ms + kTimeToleranceMs);
    before += earliest.value == 0 ? 1 : 0;
    if (latest.value != 0) ranges.push_back({std::max(earliest, one.begin), latest});
    if (const UpdateId position = position_at(one, unix_ms); position.value != 0) positions.insert(position);
  }
  std::optional<UpdateId> best;
  std::size_t most = times_needed(servers) - 1;
  for (const UpdateId position : positions) {
    const auto bears_out = [&](const Range& r) { return r.first <= position && position <= r.last; };
    const auto count = static_cast<std::size_t>(std::ranges::count_if(ranges, bears_out));
    if (count <= most) continue;
    best = position;
    most = count;
  }
  return !best && before >= times_needed(servers) ? std::optional(UpdateId(0)) : best;
}

}  // namespace seneschal::accountability
