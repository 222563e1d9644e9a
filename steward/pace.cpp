#include "steward/pace.hpp"

namespace seneschal::steward {
namespace {
/// So many times what shares and round trips take is still no reason to complain. A collector that has to ask others
/// for shares, because f servers were late on purpose, stays below it.
constexpr std::uint32_t kPatience = 6;
/// Overdue time is forgiven at this part of the time in which nothing is.
constexpr std::uint32_t kForgiven = 16;
/// After so many T1 without anything overdue the plain measure holds again.
constexpr std::uint32_t kGoodTerms = 16;
constexpr std::uint32_t kMaxTolerance = 256;
}  // namespace

Duration Pace::allowance() const {
  return std::max(context_.settings.pace_floor,
                  kPatience * (timers_.local_round_trip() + timers_.site_write_time() + signing_.share_time()));
}

// f representatives may all be faulty: they get the plain measure. When one more was too slow, one that was is
// correct, and it is the measure that does not fit.
std::uint32_t Pace::tolerance() const {
  std::uint32_t f = context_.own().faults;
  if (changes_ <= f) return 1;
  return std::min<std::uint32_t>(1u << std::min(changes_ - f, 8u), kMaxTolerance);
}

void Pace::on_tick(Instant now, bool in_office) {
  const Views& views = context_.views;
  if (views_ != std::pair{views.global(), views.local()}) {
    // Only a representative that was slow says something about the measure: others are left for other reasons, and
    // who causes those must not make every later one be allowed more. Half of what this server bears itself, since
    // f+1 others may have reached their limit first.
    if (views_.second != views.local() && overdue_ > timers_.representative_timeout() / 2) ++changes_;
    views_ = {views.global(), views.local()};
    since_.reset();
    overdue_ = {};
  }
  bool judges = in_office && !views.is_representative() && views.participating();
  if (!judges || !since_) {
    since_ = judges ? std::optional(now) : std::nullopt;
    overdue_ = {};
    looked_ = blocked_ = last_strained_ = now;
    return;
  }
  // No ticks come while there is nothing to do; such time counts neither way.
  Duration passed = std::min(now - looked_, 2 * context_.settings.tick);
  looked_ = now;
  note_blocked(now);
  overdue_ += late(now, tolerance()) ? passed : -std::min(overdue_, passed / kForgiven);
  if (late(now, 1))
    last_strained_ = now;
  else if (now - last_strained_ > kGoodTerms * timers_.representative_timeout())
    changes_ = 0;
}

bool Pace::late(Instant now, std::uint32_t tolerance) const {
  return context_.views.at_leader_site() ? late_at_leader_site(now, tolerance) : late_elsewhere(now, tolerance);
}

// What was proposed wants the site's signature, which only the representative collects and sends out: at a leader
// site it shows that it did so when any other site accepts.
bool Pace::late_at_leader_site(Instant now, std::uint32_t tolerance) const {
  const Views& views = context_.views;
  Duration site = tolerance * allowance();
  Duration wide = timers_.knows_other_sites() ? 2 * (timers_.own_estimate() + timers_.write_time())
                                              : timers_.representative_timeout();
  std::size_t bytes = 0;  // under way between sites, the entry in question included
  for (const auto& [seq, entry] : context_.history.open()) {
    if (entry.order || !context_.history.may_vote(seq)) continue;
    if (entry.batch) bytes += encoded_size(*entry.batch.batch);
    bool is_signed = entry.proposal && entry.proposal->gv == views.global();
    // From when our own vote was out: who has a slow disk must not blame others.
    auto own = entry.prepares.find(context_.self.index);
    bool voted = own != entry.prepares.end() && views.current(own->second->gv, own->second->lv);
    if (!is_signed && voted && now - std::max(entry.pre_prepared_at, *since_) > site) return true;
    if (!is_signed || !context_.majority_reached()) continue;
    bool accepted = std::ranges::any_of(entry.accepts, [&](const auto& a) { return a.second->gv == views.global(); });
    // What links carry is not known here: who sends full batches waits longer for them.
    const auto full_batches = static_cast<std::int64_t>(bytes / context_.settings.batch_max_bytes);
    if (!accepted && now - std::max(entry.proposed_at, *since_) > site + tolerance * (1 + full_batches) * wide)
      return true;
  }
  return idles(now, tolerance) || leaves_out(tolerance);
}

// An Accept needs nothing but shares of this site, and the representative to combine them. It has had the Proposal
// since this server showed it to it, not since somebody showed it to this server.
bool Pace::late_elsewhere(Instant now, std::uint32_t tolerance) const {
  Duration site = tolerance * allowance();
  for (const auto& [seq, entry] : context_.history.open()) {
    if (entry.order || !entry.proposal || entry.proposal->gv != context_.views.global()) continue;
    if (!entry.batch || !context_.history.may_vote(seq)) continue;
    auto own = entry.accepts.find(context_.self.site);
    bool accepted = own != entry.accepts.end() && own->second->gv == entry.proposal->gv;
    if (!accepted && entry.given_at && now - std::max(*entry.given_at, *since_) > site) return true;
  }
  return false;
}

// It proposes nothing, though it could, and an update that this server gave it waits.
bool Pace::idles(Instant now, std::uint32_t tolerance) const {
  Duration allowed = context_.settings.batch_gap_max + tolerance * allowance();
  Instant free = std::max({blocked_, sequencing_.last_adopted(), *since_});
  if (now - free <= allowed) return false;
  auto given = updates_.oldest_given();
  return given && now - std::max(*given, free) > allowed;
}

// It proposes batches with room, and leaves out of them what this server gave it long before. One such update may
// have been lost on the way; two at a time hardly.
bool Pace::leaves_out(std::uint32_t tolerance) const {
  const Duration allowed = context_.settings.batch_gap_max + tolerance * allowance();
  const Instant last = sequencing_.last_with_room();
  return last - *since_ > allowed && updates_.given_before(last - allowed) > 1;
}

// Reasons to propose nothing: a PrePrepare that the site has not signed, a full window or full links, entries that
// the view change demands first; and a server that lags cannot say that there is none.
void Pace::note_blocked(Instant now) {
  const Views& views = context_.views;
  std::uint64_t open = 0;
  std::size_t bytes = 0;
  bool is_unsigned = false;
  for (const auto& [seq, entry] : context_.history.open()) {
    if (!entry.adopted && !entry.proposal) continue;
    ++open;
    if (entry.batch) bytes += encoded_size(*entry.batch.batch);
    is_unsigned = is_unsigned || !entry.proposal || entry.proposal->gv != views.global();
  }
  bool replays = !views.fixed().empty() && views.fixed().rbegin()->first > context_.history.aru();
  // What links carry is the representative's to find out, but two batches may be under way whatever it found.
  const bool full = open >= context_.settings.window || bytes >= 2 * context_.settings.batch_max_bytes;
  if (is_unsigned || replays || full || sequencing_.holds_back() || context_.certified > context_.history.aru())
    blocked_ = now;
}

}  // namespace seneschal::steward
