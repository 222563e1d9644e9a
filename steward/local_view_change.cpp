#include "steward/local_view_change.hpp"

namespace seneschal::steward {
namespace {
constexpr Duration kProofSpacing = 50ms;
/// How often the representative tells the other sites who it is; retries go to other servers anyway.
constexpr std::uint32_t kNoticeRounds = 4;
}  // namespace

void LocalViewChange::start(Instant now, Effects& fx) {
  since_ = now;
  next_idle_ = now + context_.settings.reconcile_idle;
  preinstalled_ = context_.views.local() == LocalView{};
  if (preinstalled_ || !context_.views.participating()) return;
  noticed_ = false;
  // Restarted: the others show the proof, the representative the bundle. [Steward 8]
  send_new_rep({Destination::to(context_.self.site)}, true, fx);
  retry_.start(now, context_.settings.retransmit_local);
}

void LocalViewChange::send_new_rep(std::vector<Destination> to, bool loopback, Effects& fx) const {
  auto us = static_cast<std::uint32_t>(timers_.own_estimate() / 1us);
  // A server that abstains only asks: it cannot know which views it left.
  const LocalView lv = context_.views.participating() ? context_.views.local() : LocalView{};
  fx.send(std::move(to), NewRep{lv, us}, {.after = context_.promised, .loopback = loopback});
}

void LocalViewChange::move_to(LocalView lv, Instant now, Effects& fx) {
  CHECK(context_.views.enter(lv));
  context_.promised = context_.save(LocalViewRecord{lv}, fx);
  preinstalled_ = false;
  ++fruitless_;
  noticed_ = false;
  notice_.reset();
  send_new_rep({Destination::to(context_.self.site)}, true, fx);
  retry_.start(now, context_.settings.retransmit_local);
}

std::optional<Reject> LocalViewChange::take(ServerIndex server, Held<NewRep> vote) {
  auto [it, first] = votes_.try_emplace(server, vote);
  if (!first && it->second->lv >= vote->lv) return Reject::Duplicate;
  if (server != context_.self.index) timers_.reported(server, Duration(vote->round_trip_us * 1us));
  it->second = std::move(vote);
  return std::nullopt;
}

bool LocalViewChange::may_answer(Instant now, ServerIndex server) {
  auto [last, first] = answered_.try_emplace(server, now);
  if (!first && now - last->second < kProofSpacing) return false;
  last->second = now;
  return true;
}

std::optional<Reject> LocalViewChange::on_new_rep(Instant now, const Verified<NewRep>& message, Effects& fx) {
  if (!context_.is_local(message.signer())) return Reject::WrongSite;
  ServerIndex server = message.signer().server().index;
  LocalView lv = message.body().lv;
  auto refused = take(server, Held<NewRep>::of(message));
  if (server == context_.self.index) return refused;
  if (refused && lv <= context_.views.local() && preinstalled_ && may_answer(now, server)) {
    // It says so again: it lacks the proof, or the bundle.
    PreinstallProof proof;
    for (const auto& [from, vote] : votes_)
      if (vote->lv >= context_.views.local()) proof.votes.items.push_back(vote.embed());
    if (!proof.votes.empty()) fx.send(Destination::to(context_.local(server)), proof, {.auth = AuthKind::Bare});
    if (lv == context_.views.local()) asking_ = server;
  }
  if (lv > context_.views.local()) {
    settle(now, fx);
    // A gap: one server cannot move us, but it can show us why it is there.
    if (lv > context_.views.local() && may_answer(now, server))
      send_new_rep({Destination::to(context_.local(server))}, false, fx);
  }
  return refused;
}

std::optional<Reject> LocalViewChange::on_proof(Instant, const Verified<PreinstallProof>& message, Effects&) {
  std::optional<Reject> refused = Reject::Duplicate;
  for (const auto& vote : message.body().votes) {
    if (!context_.is_local(vote.signer())) return Reject::WrongSite;
    if (!take(vote.signer().server().index, Held<NewRep>::of(vote))) refused.reset();
  }
  return refused;
}

void LocalViewChange::settle(Instant now, Effects& fx) {
  if (!context_.views.participating()) return learn();
  // f+1 others above this server's view: one of them is correct. It joins the highest view for which that holds,
  // which is the smallest of theirs.
  std::vector<LocalView> others;
  for (const auto& [server, vote] : votes_)
    if (server != context_.self.index) others.push_back(vote->lv);
  std::ranges::sort(others, std::greater{});
  std::size_t f = context_.own().faults;
  if (f < others.size() && others[f] > context_.views.local()) move_to(others[f], now, fx);
  if (!preinstalled_) {
    auto behind =
        std::ranges::count_if(votes_, [&](const auto& v) { return v.second->lv >= context_.views.local(); });
    if (static_cast<std::size_t>(behind) >= context_.own().quorum()) {
      preinstalled_ = true;
      since_ = now;
      context_.tell_views(EventKind::ViewEntered, context_.history.aru(), Principal::of(context_.self), fx);
    }
  }
  if (preinstalled_ && !noticed_ && context_.promised.value == 0) {
    noticed_ = true;
    LocalViewNotice notice{context_.views.local()};
    signing_.agree(now, {LocalViewNotice::kType, context_.views.global(), notice.lv, {}},
                   share(site_message(context_.membership, context_.self.site, notice)), {}, fx);
  }
  collect(now, fx);
}

// Who abstains asks for no view, but must know who leads: it passes updates on, and says who its representative is. q
// others have preinstalled the view. [Steward 7]
void LocalViewChange::learn() {
  std::vector<LocalView> others;
  for (const auto& [server, vote] : votes_)
    if (server != context_.self.index) others.push_back(vote->lv);
  std::ranges::sort(others, std::greater{});
  const std::size_t quorum = context_.own().quorum();
  if (others.size() >= quorum) context_.views.enter(others[quorum - 1]);
  preinstalled_ = true;
}

// [Steward 4] At the leader site what this global view may have proposed, elsewhere what still wants an Accept.
void LocalViewChange::collect(Instant now, Effects& fx) {
  const Views& views = context_.views;
  if (!preinstalled_ || !views.is_representative()) return;
  bool leader = views.at_leader_site();
  if (leader && views.current(GlobalView{}, LocalView{})) return;
  if (!leader && views.local() == LocalView{}) return;
  StateKey key{leader ? StateContext::Pending : StateContext::Global, views.global(), views.local(),
               context_.history.aru()};
  if (!states_.collecting_any(key)) states_.collect(now, key, fx);
}

bool LocalViewChange::unfinished() const {
  const Views& views = context_.views;
  if (!preinstalled_) return true;
  if (views.at_leader_site() ? views.current(GlobalView{}, LocalView{}) : views.local() == LocalView{}) return false;
  return states_.local() == nullptr;
}

void LocalViewChange::on_tick(Instant now, std::optional<Instant> oldest, Effects& fx) {
  if (!context_.views.participating()) return;
  if (!preinstalled_ || (unfinished() && !context_.views.is_representative()) ||
      (context_.views.at_leader_site() && !context_.views.constrained())) {
    if (retry_.due == Instant::never()) retry_.start(now, context_.settings.retransmit_local);
    if (retry_.fire(now, context_.settings.retransmit_local, context_.settings.retransmit_max)) {
      Destination to =
          preinstalled_ ? Destination::to(context_.views.representative()) : Destination::to(context_.self.site);
      if (!preinstalled_ || !context_.views.is_representative()) send_new_rep({to}, !preinstalled_, fx);
    }
  } else {
    retry_.stop();
  }
  if (notice_ && notice_retry_.count < kNoticeRounds &&
      notice_retry_.fire(now, context_.settings.retransmit_wide, context_.settings.retransmit_max))
    spread_notice(notice_retry_.count, fx);
  // Only from a view that is preinstalled. An idle system changes no view.
  if (context_.history.aru() != progress_) {
    progress_ = context_.history.aru();
    fruitless_ = 0;
  }
  if (context_.views.is_representative()) return;  // it would leave its own view, and the others could not follow
  if (!preinstalled_ || !oldest) return;
  if (now - std::max(*oldest, since_) <= patience()) return;
  suspect(now, fx);
}

void LocalViewChange::suspect(Instant now, Effects& fx) {
  context_.tell_views(EventKind::Suspected, context_.history.aru(), Principal::of(context_.views.representative()),
                      fx);
  move_to(context_.views.local().next(), now, fx);
}

// [Steward 6] Once f+1 representatives have tried in vain, one of them correct, it is the leader site that does not
// answer: another site goes on looking, but more rarely, so that it is not between two views when the next leader
// site asks. The f+1 themselves get T1 each, or faulty ones could outlast T3; and nobody more than eight times that,
// or a site whose representative died meanwhile would come back late.
Duration LocalViewChange::patience() const {
  if (context_.views.at_leader_site()) return timers_.leader_representative_timeout();
  constexpr std::uint32_t kMostDoublings = 3;
  const std::uint32_t tried = context_.own().faults + 1u;
  return timers_.representative_timeout() * (1 << std::min(fruitless_ - std::min(fruitless_, tried), kMostDoublings));
}

void LocalViewChange::on_idle(Instant now, Effects& fx) {
  if (now < next_idle_) return;
  next_idle_ = now + context_.settings.reconcile_idle;
  std::uint16_t n = context_.own().servers;
  if (context_.views.local() == LocalView{} || n == 1 || !context_.views.participating()) return;
  std::uint32_t other = 1 + turn_++ % (n - 1u);
  ServerIndex to(static_cast<std::uint16_t>((context_.self.index.value + other) % n));
  send_new_rep({Destination::to(context_.local(to))}, false, fx);
}

std::optional<Reject> LocalViewChange::on_notice(Instant now, const Verified<LocalViewNotice>& message, Effects& fx) {
  SiteId site = message.signer().site();
  LocalView lv = message.body().lv;
  if (site != context_.self.site)
    return context_.views.learn(site, lv) ? std::nullopt : std::optional(Reject::Superseded);
  signing_.combined(now, content_of_sealed(*message.bytes()), message.bytes());
  if (lv != context_.views.local()) return Reject::Superseded;
  if (notice_) return Reject::Duplicate;
  notice_ = Held<LocalViewNotice>::of(message);
  notice_retry_.start(now, context_.settings.retransmit_wide);
  if (context_.views.is_representative()) spread_notice(0, fx);
  return std::nullopt;
}

void LocalViewChange::spread_notice(std::uint32_t round, Effects& fx) {
  if (!context_.views.is_representative() && round < 2) return;  // the representative, then any server
  if (context_.settings.delivery == Delivery::Multicast) return fx.forward(Destination::all(), notice_->sealed);
  std::vector<Destination> to;
  for (std::uint16_t s = 0; s < context_.sites(); ++s)
    if (SiteId(s) != context_.self.site)
      for (std::uint16_t i = 0; i < context_.membership.site(SiteId(s)).servers; ++i)
        to.push_back(Destination::to(ServerId{SiteId(s), ServerIndex(i)}));
  if (!to.empty()) fx.forward(std::move(to), notice_->sealed);
}

}  // namespace seneschal::steward
