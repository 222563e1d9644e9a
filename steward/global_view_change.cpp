#include "steward/global_view_change.hpp"

namespace seneschal::steward {
namespace {
constexpr Duration kNewsSpacing = 50ms;
}  // namespace

void GlobalViewChanges::start(Instant now, Effects& fx) {
  view_changed(now);
  if (attempted_ <= context_.views.global() || !context_.views.participating()) return;
  GlobalView again = std::exchange(attempted_, context_.views.global());
  attempt(now, again, fx);  // a restarted server stands by its attempt [Steward 8]
}

// An attempt is no promise: until it is preinstalled this server goes on in the old view.
void GlobalViewChanges::attempt(Instant now, GlobalView gv, Effects& fx) {
  attempted_ = gv;
  Ticket saved = context_.save(AttemptRecord{gv}, fx);
  auto us = static_cast<std::uint32_t>(timers_.own_estimate() / 1us);
  fx.send(Destination::to(context_.self.site), GlobalViewAttempt{gv, us}, {.after = saved});
  GlobalViewChange change{gv};
  signing_.agree(now, {GlobalViewChange::kType, gv, {}, {}},
                 share(site_message(context_.membership, context_.self.site, change)), saved, fx);
  retry_.start(now, context_.settings.retransmit_wide);
}

bool GlobalViewChanges::may_answer(Instant now, const Principal& who) {
  auto [last, first] = answered_.try_emplace(who, now);
  if (!first && now - last->second < kNewsSpacing) return false;
  last->second = now;
  return true;
}

GlobalViewNews GlobalViewChanges::proof() const {
  GlobalViewNews news;
  for (const auto& [site, change] : changes_)
    if (change->gv >= context_.views.global()) news.changes.items.push_back(change.embed());
  if (context_.aru_message && context_.aru_message->gv == context_.views.global())
    news.aru = context_.aru_message.embed();
  // A Proposal of this view proves it, too: it may be all this server ever saw of the change.
  for (const auto& [seq, entry] : context_.history.all())
    if (entry.proposal && entry.proposal->gv == context_.views.global()) {
      news.proposal = entry.proposal.embed();
      break;
    }
  return news;
}

bool GlobalViewChanges::proved() const {
  if (context_.views.global() == GlobalView{}) return true;
  const GlobalViewNews news = proof();
  return news.aru || news.proposal || news.changes.size() >= context_.membership.site_majority();
}

// A promise outlives a restart, what proved its view does not: where all who had the proof started again, a site that
// is behind could never be shown it, and alone never get there. So whoever is in a view without a proof asks for that
// view once more: those of its site who are ahead show theirs, or sign again that the site has left the view before.
// [deviation, Steward 5: attempts are for views above one's own]
void GlobalViewChanges::on_idle(Instant now, Effects& fx) {
  if (!context_.views.participating()) return;
  if (!standing_by_.fire(now, context_.settings.retransmit_wide, context_.settings.retransmit_max)) return;
  if (attempted_ > context_.views.global()) return;  // a change to a higher view proves this one, too
  if (proved()) return standing_by_.stop();
  attempt(now, context_.views.global(), fx);
  spread(standing_by_.count - 1, fx);
}

std::optional<Reject> GlobalViewChanges::on_attempt(Instant now, const Verified<GlobalViewAttempt>& message,
                                                    Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  ServerIndex server = message.signer().server().index;
  GlobalView gv = message.body().gv;
  timers_.reported(server, Duration(message.body().round_trip_us * 1us));
  if (gv <= context_.views.global()) {
    if (context_.views.global() != GlobalView{} && may_answer(now, message.signer()))
      fx.send(Destination::to(context_.local(server)), proof(), {.auth = AuthKind::Bare});
    return Reject::Superseded;
  }
  GlobalView& known = attempts_[server];
  if (known >= gv) return Reject::Duplicate;
  known = gv;
  return std::nullopt;
}

std::optional<Reject> GlobalViewChanges::take(Instant now, const Held<GlobalViewChange>& change, Effects& fx) {
  SiteId site = change.signer.site();
  if (site == context_.self.site) signing_.combined(now, content_of_sealed(*change.sealed), change.sealed);
  auto [held, first] = changes_.try_emplace(site, change);
  if (!first && held->second->gv >= change->gv) return Reject::Duplicate;
  held->second = change;
  if (change->gv > context_.views.global() && !higher_since_) higher_since_ = now;
  if (site == context_.self.site && context_.views.is_representative()) spread(0, fx);
  return std::nullopt;
}

void GlobalViewChanges::settle(Instant now, Effects& fx) {
  std::vector<GlobalView> wanted;
  for (const auto& [site, change] : changes_) wanted.push_back(change->gv);
  std::ranges::sort(wanted, std::greater{});
  std::size_t majority = context_.membership.site_majority();
  if (majority <= wanted.size() && wanted[majority - 1] > context_.views.global())
    context_.promise(wanted[majority - 1], fx);
  if (higher_since_ && (wanted.empty() || wanted[0] <= context_.views.global())) higher_since_.reset();
  if (!context_.views.participating()) return;
  std::vector<GlobalView> attempts;
  for (const auto& [server, gv] : attempts_)
    if (server != context_.self.index) attempts.push_back(gv);
  std::ranges::sort(attempts, std::greater{});
  std::size_t f = context_.own().faults;
  if (f < attempts.size() && attempts[f] > std::max(attempted_, context_.views.global()))
    attempt(now, attempts[f], fx);
}

void GlobalViewChanges::on_tick(Instant now, std::optional<Instant> oldest, Effects& fx) {
  if (!context_.views.participating()) return;
  GlobalView gv = context_.views.global();
  if (attempted_ > gv && retry_.fire(now, context_.settings.retransmit_wide, context_.settings.retransmit_max)) {
    auto us = static_cast<std::uint32_t>(timers_.own_estimate() / 1us);
    fx.send(Destination::to(context_.self.site), GlobalViewAttempt{attempted_, us});
    spread(retry_.count, fx);
  }
  if (attempted_ > gv || !oldest || now - std::max(*oldest, since_) <= patience()) return;
  attempt(now, gv.next(), fx);
}

// [Steward 6] Servers hear of the same waiting update at different times, up to a client's T0 apart. Once another
// server of this site or another site has asked for the next view, T2/2 less will do: T3 has a whole T2 to spare for
// each of f+1 representatives of the leader site, so that f servers who ask early gain nothing.
Duration GlobalViewChanges::patience() const {
  bool seconded = higher_since_ ||
                  std::ranges::any_of(attempts_, [&](const auto& a) { return a.second > context_.views.global(); });
  Duration t3 = timers_.leader_site_timeout();
  return seconded ? t3 - timers_.leader_representative_timeout() / 2 : t3;
}

// The representative, then any server, to the next f+1 servers of each site in turn. [Steward 7]
void GlobalViewChanges::spread(std::uint32_t round, Effects& fx) {
  auto own = changes_.find(context_.self.site);
  if (own == changes_.end() || own->second->gv < context_.views.global()) return;
  if (own->second->gv == context_.views.global() && proved()) return;
  if (!context_.views.is_representative() && round < 2) return;
  if (round == 0 && context_.settings.delivery == Delivery::Multicast)
    return fx.forward(Destination::all(), own->second.sealed);
  GlobalViewNews news;
  news.relay = true;
  news.changes.items.push_back(own->second.embed());
  std::vector<Destination> to;
  for (std::uint16_t s = 0; s < context_.sites(); ++s) {
    if (SiteId(s) == context_.self.site) continue;
    for (const Destination& d : context_.some_of(SiteId(s), round)) to.push_back(d);
  }
  if (!to.empty()) fx.send(std::move(to), news, {.auth = AuthKind::Bare});
}

}  // namespace seneschal::steward
