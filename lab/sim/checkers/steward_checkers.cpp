#include "lab/sim/checkers/steward_checkers.hpp"

#include "crypto/digest.hpp"
#include "steward/records.hpp"

namespace seneschal::lab::sim {

using steward::Accept;
using steward::Prepare;
using steward::PrePrepare;
using steward::Proposal;

namespace {
std::uint64_t share_key(SiteId site, Span message) {
  return hash64(message, site.value);
}
std::string entry_name(GlobalView gv, Seq seq, const Digest& digest) {
  return digest.brief() + " (gv " + std::to_string(gv.value) + ", seq " + std::to_string(seq.value) + ")";
}
template <class M>
std::optional<M> body_of(const SealedParts& parts) {
  if (parts.header.protocol != M::kProtocol || parts.header.type != M::kType) return std::nullopt;
  auto body = decode<M>(parts.body);
  if (!body) return std::nullopt;
  return std::move(*body);
}
}  // namespace

// At least q of the site's servers, those that may lie at any time included.
bool SiteSignatures::enough(SiteId site, const Voters& voters) const {
  std::size_t correct = 0;
  for (ServerIndex index : voters) correct += facts_.correct({site, index}) ? 1 : 0;
  return correct + facts_.byzantine_in(site) >= facts_.membership.site(site).quorum();
}

void SiteSignatures::on_sent(Instant, const Principal& from, const SealedParts& parts) {
  if (!from.is_server()) return;
  const ServerId server = from.server();
  if (auto vote = body_of<Prepare>(parts)) {
    prepared_[{server.site, vote->gv, vote->lv, vote->seq, vote->digest}].insert(server.index);
  } else if (auto proposed = body_of<PrePrepare>(parts)) {
    const Digest digest = replication::digest_of(proposed->batch);
    prepared_[{server.site, proposed->gv, proposed->lv, proposed->seq, digest}].insert(server.index);
  }
}

void SiteSignatures::on_share(Instant at, ServerId server, Span message) {
  shared_[share_key(server.site, message)].insert(server.index);
  if (!facts_.correct(server)) return;
  const auto parts = parse_sealed(message);
  if (!parts) return;
  if (auto proposal = body_of<Proposal>(*parts))
    check_prepared(at, server, {server.site, proposal->gv, proposal->lv, proposal->seq, proposal->digest});
  else if (auto accept = body_of<Accept>(*parts))
    check_proposed(at, server, accept->gv, accept->seq, accept->digest);
}

// [Steward 3.5] A share of a Proposal needs a prepare certificate.
void SiteSignatures::check_prepared(Instant at, ServerId server, const PrepareKey& key) {
  const auto found = prepared_.find(key);
  if (found != prepared_.end() && enough(server.site, found->second)) return;
  fail(at, "server " + to_string(server) + " shares a Proposal of " +
               entry_name(std::get<GlobalView>(key), std::get<Seq>(key), std::get<Digest>(key)) + " that only " +
               std::to_string(found == prepared_.end() ? 0 : found->second.size()) + " servers prepared");
}

// [Steward 3.8] A share of an Accept needs the leader site's signature on the same content.
void SiteSignatures::check_proposed(Instant at, ServerId server, GlobalView gv, Seq seq, const Digest& digest) {
  const auto& proposals = entries_[seq].proposals;
  const auto of_view = proposals.find(gv);
  if (of_view != proposals.end() && of_view->second.contains(digest)) return;
  fail(at, "server " + to_string(server) + " shares an Accept of " + entry_name(gv, seq, digest) +
               " that no leader site proposed");
}

void SiteSignatures::on_site_signed(Instant at, SiteId site, Span message) {
  signed_.insert(crypto::sha256(message));
  const auto shares = shared_.find(share_key(site, message));
  if (shares == shared_.end() || !enough(site, shares->second))
    fail(at, "site " + std::to_string(site.value) + " signed with the shares of " +
                 std::to_string(shares == shared_.end() ? 0 : shares->second.size()) + " servers");
  const auto parts = parse_sealed(message);
  if (!parts) return;
  if (auto proposal = body_of<Proposal>(*parts)) {
    auto& of_view = entries_[proposal->seq].proposals[proposal->gv];
    of_view.emplace(proposal->digest, site);
    if (of_view.size() > 1)
      fail(at, "site " + std::to_string(site.value) + " proposed two contents, one of them " +
                   entry_name(proposal->gv, proposal->seq, proposal->digest));
    if (site.value != proposal->gv.value % facts_.membership.sites.size())
      fail(at, "site " + std::to_string(site.value) + " proposed in a view that it does not lead");
    check_survival(at, proposal->seq);
  } else if (auto accept = body_of<Accept>(*parts)) {
    const auto [found, fresh] = entries_[accept->seq].accepts[accept->gv].emplace(site, accept->digest);
    if (!fresh && found->second != accept->digest)
      fail(at, "site " + std::to_string(site.value) + " accepted two contents, one of them " +
                   entry_name(accept->gv, accept->seq, accept->digest));
    check_survival(at, accept->seq);
  }
}

std::size_t SiteSignatures::sites_behind(const Entry& entry, GlobalView gv, const Digest& digest) {
  const auto proposals = entry.proposals.find(gv);
  if (proposals == entry.proposals.end()) return 0;
  const auto proposal = proposals->second.find(digest);
  if (proposal == proposals->second.end()) return 0;
  std::size_t sites = 1;
  if (const auto accepts = entry.accepts.find(gv); accepts != entry.accepts.end())
    for (const auto& [site, accepted] : accepts->second)
      sites += site != proposal->second && accepted == digest ? 1 : 0;
  return sites;
}

// [Steward 3.9] A Proposal and Accepts of M-1 other sites, in one view.
bool SiteSignatures::majority_behind(Seq seq, const Digest& digest) const {
  const auto entry = entries_.find(seq);
  if (entry == entries_.end()) return false;
  for (const auto& [gv, proposals] : entry->second.proposals)
    if (sites_behind(entry->second, gv, digest) >= facts_.membership.site_majority()) return true;
  return false;
}

// [Steward 5] What a majority signed in one view no later leader site signs differently, seen by anyone or not.
void SiteSignatures::check_survival(Instant at, Seq seq) {
  const Entry& entry = entries_[seq];
  for (const auto& [gv, proposals] : entry.proposals)
    for (const auto& [digest, site] : proposals) {
      if (sites_behind(entry, gv, digest) < facts_.membership.site_majority()) continue;
      for (auto later = entry.proposals.upper_bound(gv); later != entry.proposals.end(); ++later)
        for (const auto& [other, other_site] : later->second)
          if (other != digest)
            fail(at, "site " + std::to_string(other_site.value) + " proposed " +
                         entry_name(later->first, seq, other) + " after a majority had signed " +
                         entry_name(gv, seq, digest));
    }
}

void SiteSignatures::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind == EventKind::SiteSigned && !signed_.contains(event.digest))
    fail(at, to_string(self) + " takes something of seq " + std::to_string(event.seq.value) + " for signed by " +
                 to_string(event.who) + ", which never signed it");
  if (event.kind != EventKind::Ordered && event.kind != EventKind::Executed) return;
  if (majority_behind(event.seq, event.digest)) return;
  fail(at, to_string(self) + (event.kind == EventKind::Ordered ? " orders " : " executes ") + event.digest.brief() +
               " at seq " + std::to_string(event.seq.value) + " without the signatures of a majority of sites");
}

}  // namespace seneschal::lab::sim
