#include "steward/forwarding.hpp"

#include "runtime/allowance.hpp"

#include <algorithm>
#include <iterator>

namespace seneschal::steward {
namespace {
/// Two windows of the largest size.
constexpr std::size_t kMaxTracks = 128;
/// Until a round trip to a site is measured.
constexpr Duration kUnknown = 250ms;
/// So many entries in a row came late to a site: the next ones go there at once. Not fewer: on a lossy link one is
/// late now and then. A representative that is late by turns costs no more than the bound says.
constexpr std::uint32_t kLateInARow = 2;
/// After so many entries one is not sent at once, to see if that is still necessary; doubles three times. It does not
/// begin anew while the view lasts: a representative that is late by turns would gain by it.
constexpr std::uint64_t kProbe = 64;
constexpr std::uint32_t kMaxProbeDoublings = 3;
/// Entries until sending at once is tried again where it did not help; doubles.
constexpr std::uint64_t kRest = 16;
/// A server whose turn passed without effect comes last for so many entries; doubles.
constexpr std::uint64_t kUnhelpful = 64;
constexpr std::uint32_t kMaxDoublings = 6;
/// A site that missed our Accept gets so many of the next ones from a second server.
constexpr std::uint64_t kRepeated = 64;
/// An Accept that is this young is still on its way.
constexpr Duration kYoung = 50ms;
/// What a server sends to another site in vain: less than 1 % of a link of 10 Mb/s. At once as much as two full
/// batches: one must not wait until the one before has turned out to be of use.
constexpr Allowance kInVain{4 * 1024, 64 * 1024};
/// For each so many bytes on the way to a site its Accept may take another round trip: so much a link of 2.5 Mb/s
/// carries in one. Neighbours bound what is under way, see `InFlight`.
constexpr std::size_t kLoad = 32 * 1024;
/// What an Accept weighs with what it is answered with, for each server that gets it.
constexpr std::size_t kAcceptBytes = 1024;
}  // namespace

Forwarding::Forwarding(const Membership& membership, ServerId self, const Timers& timers)
    : sites_(membership.sites),
      self_(self),
      timers_(timers),
      experience_(membership.sites.size()),
      unhelpful_(membership.site(self.site).servers) {}

Duration Forwarding::round_trip(SiteId site) const {
  const Duration measured = timers_.shortest_round_trip(site);
  return measured.count() == 0 ? kUnknown : measured;
}

Duration Forwarding::patience(SiteId site) const {
  return round_trip(site) + allowance_ + timers_.write_time_of(site);
}

// The representative is left out; a server that was of no help lately comes last.
std::vector<ServerIndex> Forwarding::turns(Seq seq, ServerIndex representative) const {
  const std::uint32_t n = sites_[self_.site.value].servers;
  std::vector<ServerIndex> turns;
  for (std::uint64_t i = 0; i + 1 < n; ++i)
    turns.emplace_back(static_cast<std::uint16_t>((representative.value + 1 + (seq.value + i) % (n - 1)) % n));
  // Not stable_partition: libstdc++ 12 builds it on something that clang calls deprecated.
  std::vector<ServerIndex> last;
  std::ranges::copy_if(turns, std::back_inserter(last),
                       [&](ServerIndex i) { return unhelpful_[i.value].until > seq; });
  std::erase_if(turns, [&](ServerIndex i) { return unhelpful_[i.value].until > seq; });
  turns.insert(turns.end(), last.begin(), last.end());
  return turns;
}

std::uint32_t Forwarding::own_turn(const Track& track) const {
  return static_cast<std::uint32_t>(std::ranges::find(track.turns, self_.index) - track.turns.begin());
}

// What was of use costs nothing in the end: see `accepted`.
bool Forwarding::may_send(Instant now, SiteId site, std::size_t bytes) {
  Instant& until = experience_[site.value].paid_until;
  if (until - now >= kInVain.time_for(kInVain.burst)) return false;
  until = std::max(until, now) + kInVain.time_for(bytes);
  return true;
}

std::vector<SiteId> Forwarding::proposed(Instant now, Seq seq, std::size_t bytes, SiteId leader,
                                         ServerIndex representative) {
  if (!tracks_.contains(seq) && tracks_.size() >= kMaxTracks) tracks_.erase(tracks_.begin());
  Track& track = tracks_[seq];
  const std::size_t asks = kAcceptBytes * (sites_[self_.site.value].faults + 1u);
  track = {now, leader == self_.site ? bytes : asks, leader, representative, false, {}, {}};
  track.sites.resize(sites_.size());
  track.turns = turns(seq, representative);
  std::vector<SiteId> at_once;
  for (std::uint16_t s = 0; leads(track) && s < sites_.size(); ++s) {
    Experience& experience = experience_[s];
    if (SiteId(s) == self_.site || !experience.at_once || seq == experience.probe_at) continue;
    track.sites[s].at_once = true;
    if (own_turn(track) != 0 || !may_send(now, SiteId(s), track.bytes)) continue;
    track.sites[s].sent = now;
    at_once.emplace_back(s);
  }
  return at_once;
}

bool Forwarding::accepted(Instant now, Seq seq, SiteId site) {
  auto it = tracks_.find(seq);
  if (it == tracks_.end()) return false;
  Track& track = it->second;
  AtSite& at = track.sites[site.value];
  if (at.accepted) return false;
  at.accepted = now;
  if (at.sent) {
    // A site that is late even if it gets everything at once is slow by itself: what it answers to is not known. A
    // correct one may take the allowance for its Accept, and the way there what a full batch takes.
    const Duration after = now - *at.sent;
    const bool of_use =
        after >= round_trip(site) * 7 / 8 && after <= patience(site) + allowance_ + 2 * round_trip(site);
    if (of_use && (experience_[site.value].rests == 0 || !at.at_once))
      experience_[site.value].paid_until = experience_[site.value].paid_until - kInVain.time_for(track.bytes);
  }
  if (leads(track) && !at.late) note_in_time(track, site);
  return site == self_.site && !leads(track) && seq <= repeat_until_ && own_turn(track) == 0;
}

void Forwarding::ordered(Seq seq) {
  if (auto it = tracks_.find(seq); it != tracks_.end()) it->second.ordered = true;
}

void Forwarding::view_changed() {
  tracks_.clear();
  std::ranges::fill(experience_, Experience{});
  std::ranges::fill(unhelpful_, Unhelpful{});
}

void Forwarding::note_in_time(const Track& track, SiteId site) {
  Experience& experience = experience_[site.value];
  if (track.sites[site.value].at_once) {
    experience.vain = experience.rests = 0;
    return;
  }
  experience.late = 0;
  experience.at_once = false;
}

void Forwarding::note_late(Track& track, Seq seq, SiteId site) {
  const auto doubled = [](std::uint64_t first, std::uint32_t times) {
    return first << std::min(times, kMaxDoublings);
  };
  track.sites[site.value].late = true;
  Experience& experience = experience_[site.value];
  if (!track.sites[site.value].at_once) {
    if (experience.at_once ? seq != experience.probe_at : seq < experience.rest_until) return;
    if (++experience.late < kLateInARow) return;
    experience.at_once = true;
    experience.probe_at = Seq(seq.value + (kProbe << experience.probes));
    experience.probes = std::min(experience.probes + 1, kMaxProbeDoublings);
    return;
  }
  Unhelpful& unhelpful = unhelpful_[track.turns.front().value];
  if (unhelpful.until <= seq) unhelpful.until = Seq(seq.value + doubled(kUnhelpful, unhelpful.times++));
  // More in a row than there are faulty servers to have had their turn: it is not for want of the Proposal.
  if (++experience.vain < sites_[self_.site.value].faults + 2u) return;
  experience.at_once = false;
  experience.late = experience.vain = 0;
  experience.rest_until = Seq(seq.value + doubled(kRest, experience.rests++));
}

bool Forwarding::misses(const Track& track, SiteId site) const {
  if (site == self_.site || site == track.leader || track.sites[site.value].accepted) return false;
  return leads(track) || !track.ordered;
}

bool Forwarding::over(Instant now, const Track& track) const {
  Duration longest{};
  bool missing = false;
  for (std::uint16_t s = 0; s < sites_.size(); ++s) {
    longest = std::max(longest, patience(SiteId(s)) + (sites_[self_.site.value].faults + 1) * step(SiteId(s)));
    missing = missing || misses(track, SiteId(s));
  }
  // Elsewhere a track stays that long: others may miss our Accept.
  return now - track.since > longest || (leads(track) && !missing);
}

// Of f+1 turns one is a correct server's, even if the representative is correct; a faulty one leaves one to spare.
std::vector<Forwarding::Due> Forwarding::due(Instant now) {
  std::vector<Due> all;
  std::vector<std::size_t> under_way(sites_.size());
  for (auto it = tracks_.begin(); it != tracks_.end();) {
    auto& [seq, track] = *it;
    if (over(now, track)) {
      it = tracks_.erase(it);
      continue;
    }
    const std::uint32_t turn = own_turn(track);
    const bool has = leads(track) || track.sites[self_.site.value].accepted;  // something to send
    Due due{seq, {}, turn};
    for (std::uint16_t s = 0; s < sites_.size(); ++s) {
      const SiteId site(s);
      AtSite& at = track.sites[s];
      const Duration waits = now - track.since;
      if (!misses(track, site)) continue;
      if (leads(track)) under_way[s] += track.bytes;
      const Duration loaded = static_cast<std::int64_t>(under_way[s] / kLoad) * round_trip(site);
      // What goes there at once may be served by a neighbour that is a little late itself.
      const Duration slack = at.at_once ? allowance_ / 4 : Duration{0};
      if (leads(track) && !at.late && waits > patience(site) + loaded + slack) note_late(track, seq, site);
      if (!has || at.sent || turn > sites_[self_.site.value].faults || self_.index == track.representative) continue;
      if (waits <= turn * step(site) + loaded + (at.at_once ? Duration{0} : patience(site))) continue;
      if (!may_send(now, site, track.bytes)) continue;
      at.sent = now;
      due.sites.push_back(site);
    }
    if (!due.sites.empty()) all.push_back(std::move(due));
    ++it;
  }
  return all;
}

bool Forwarding::accept_missed(Instant now, Seq seq) {
  auto it = tracks_.find(seq);
  if (it == tracks_.end() || leads(it->second)) return false;
  const Track& track = it->second;
  const auto& own = track.sites[self_.site.value].accepted;
  if (!own || now - *own < kYoung) return false;
  repeat_until_ = std::max(repeat_until_, Seq(seq.value + kRepeated));
  return own_turn(track) <= sites_[self_.site.value].faults;
}

}  // namespace seneschal::steward
