#include "lab/sim/checkers/bft_checkers.hpp"

#include "bft/messages.hpp"

namespace seneschal::lab::sim {

namespace {
template <class M>
std::optional<M> body_of(const SealedParts& parts) {
  if (parts.header.protocol != M::kProtocol || parts.header.type != M::kType) return std::nullopt;
  auto body = decode<M>(parts.body);
  if (!body) return std::nullopt;
  return std::move(*body);
}
}  // namespace

// At least 2f+1 servers, those that may lie at any time included.
bool CommitQuorums::enough(const Voters& voters) const {
  std::size_t correct = 0;
  for (ServerIndex index : voters) correct += facts_.correct({SiteId(0), index}) ? 1 : 0;
  return correct + facts_.byzantine_in(SiteId(0)) >= facts_.membership.site(SiteId(0)).quorum();
}

void CommitQuorums::on_sent(Instant at, const Principal& from, const SealedParts& parts) {
  if (!from.is_server()) return;
  const ServerIndex index = from.server().index;
  if (auto vote = body_of<bft::Prepare>(parts)) {
    prepared_[{vote->seq, vote->digest, vote->view}].insert(index);
  } else if (auto proposal = body_of<bft::PrePrepare>(parts)) {
    prepared_[{proposal->seq, replication::digest_of(proposal->batch), proposal->view}].insert(index);
  } else if (auto commit = body_of<bft::Commit>(parts)) {
    const Key key{commit->seq, commit->digest, commit->view};
    committed_[key].insert(index);
    // [PBFT 4.2] A commit needs a prepared certificate.
    if (facts_.correct(from.server()) && !enough(prepared_[key]))
      fail(at, to_string(from) + " commits " + commit->digest.brief() + " at seq " +
                   std::to_string(commit->seq.value) + " that only " + std::to_string(prepared_[key].size()) +
                   " servers prepared");
  }
}

bool CommitQuorums::committed(Seq seq, const Digest& digest) const {
  for (auto it = committed_.lower_bound({seq, digest, View(0)}); it != committed_.end(); ++it) {
    if (std::get<Seq>(it->first) != seq || std::get<Digest>(it->first) != digest) return false;
    if (enough(it->second)) return true;
  }
  return false;
}

void CommitQuorums::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind != EventKind::Ordered && event.kind != EventKind::Executed) return;
  if (committed(event.seq, event.digest)) return;
  fail(at, to_string(self) + (event.kind == EventKind::Ordered ? " orders " : " executes ") + event.digest.brief() +
               " at seq " + std::to_string(event.seq.value) + " without 2f+1 commits");
}

}  // namespace seneschal::lab::sim
