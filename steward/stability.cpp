#include "steward/stability.hpp"

namespace seneschal::steward {
namespace {
/// The longest time between two attempts to reach a site that says nothing.
constexpr Duration kSilentMost = 32s;
}  // namespace

void Stability::start(Instant now) {
  if (!context_.stable) return;
  for (const auto& checkpoint : context_.stable.proof->checkpoints)
    signed_[checkpoint.signer().site()] = context_.stable.seq;
  silent_retry_.start(now, context_.settings.reconcile_idle);
}

std::optional<Reject> Stability::on_checkpoint(Instant now, const Verified<Checkpoint>& message, Effects& fx) {
  return take(now, Held<Checkpoint>::of(message), fx);
}

std::optional<Reject> Stability::take(Instant now, const Held<Checkpoint>& checkpoint, Effects& fx) {
  const Seq seq = checkpoint->seq;
  if (!context_.due(seq)) return Reject::OutsideWindow;
  const SiteId site = checkpoint.signer.site();
  const bool ours = site == context_.self.site;
  const Digest content = content_of_sealed(*checkpoint.sealed);
  if (ours) signing_.combined(now, content, checkpoint.sealed);
  signed_[site] = std::max(signed_[site], seq);
  // One site's word settles nothing. It says that somebody has executed that far: there is something to fetch.
  context_.certify(seq);
  if (seq <= context_.history.stable()) return Reject::Superseded;
  if (!context_.history.may_become_stable(seq)) return Reject::OutsideWindow;
  auto [known, first] = held_[seq].try_emplace(site, checkpoint);
  if (!first) {
    // More servers of that site are faulty than the model allows.
    if (known->second->digest != checkpoint->digest) ++context_.alarms;
    return Reject::Duplicate;
  }
  // Sites that execute the same must come to the same state: something is broken, and without M that agree all stops.
  if (std::ranges::any_of(held_[seq], [&](const auto& h) { return h.second->digest != checkpoint->digest; }))
    ++context_.alarms;
  fx.event({.kind = EventKind::SiteSigned,
            .seq = seq,
            .digest = content,
            .state = {},
            .who = checkpoint.signer,
            .timestamp = {}});
  if (ours) {
    // The first time the representative alone sends it, at once; what is lost or withheld is sent again below.
    if (context_.views.is_representative()) fx.forward(Destination::all(), checkpoint.sealed);
    if (unstable_retry_.due == Instant::never()) unstable_retry_.start(now, context_.settings.retransmit_wide);
  }
  become_stable(seq, fx);
  if (silent_retry_.due == Instant::never()) silent_retry_.start(now, context_.settings.reconcile_idle);
  return std::nullopt;
}

void Stability::become_stable(Seq seq, Effects& fx) {
  std::map<Digest, std::vector<const Held<Checkpoint>*>> by_digest;
  for (const auto& [site, checkpoint] : held_.at(seq)) by_digest[checkpoint->digest].push_back(&checkpoint);
  for (const auto& [digest, signers] : by_digest) {
    if (signers.size() < context_.membership.site_majority()) continue;
    StableProof proof;
    for (const auto* checkpoint : signers) proof.checkpoints.items.push_back(checkpoint->embed());
    auto stable = context_.stable_of(proof);
    CHECK(stable.has_value());
    context_.stabilize(*stable, fx);
    forget_old();
    return;
  }
}

void Stability::forget_old() {
  held_.erase(held_.begin(), held_.upper_bound(context_.history.stable()));
}

std::size_t Stability::held() const {
  std::size_t count = 0;
  for (const auto& [seq, sites] : held_) count += sites.size();
  return count;
}

std::optional<Reject> Stability::on_news(Instant now, const Verified<CheckpointNews>& message, Effects& fx) {
  const CheckpointNews& m = message.body();
  std::optional<Reject> refused = Reject::Duplicate;
  bool behind = false;
  for (const auto& checkpoint : m.checkpoints) {
    behind = behind || checkpoint.body.seq <= context_.history.stable();
    const auto result = take(now, Held<Checkpoint>::of(checkpoint), fx);
    if (!result) refused.reset();
  }
  if (!m.relay) return refused;
  if (!refused) {
    CheckpointNews inside = m;
    inside.relay = false;
    fx.send(Destination::to(context_.self.site), inside, {.auth = AuthKind::Bare});
  }
  // Only those that ask are answered, so that answers are not answered.
  if (behind) context_.show_stable(now, {Destination::to(message.signer().server())}, message.signer(), fx);
  return refused;
}

std::optional<Reject> Stability::on_stable(Instant now, const Verified<StableCheckpoint>& message, Effects& fx) {
  const StableCheckpoint& m = message.body();
  const auto stable = context_.stable_of(m.proof);
  if (!stable) return Reject::Malformed;
  for (const auto& checkpoint : m.proof.checkpoints) {
    Seq& newest = signed_[checkpoint.signer().site()];
    newest = std::max(newest, stable->seq);
  }
  if (!context_.stabilize(*stable, fx)) {
    if (m.relay && stable->seq < context_.history.stable())
      context_.show_stable(now, {Destination::to(message.signer().server())}, message.signer(), fx);
    return Reject::Superseded;
  }
  forget_old();
  if (silent_retry_.due == Instant::never()) silent_retry_.start(now, context_.settings.reconcile_idle);
  if (m.relay)
    fx.send(Destination::to(context_.self.site), StableCheckpoint{false, m.proof}, {.auth = AuthKind::Bare});
  return std::nullopt;
}

// A representative may withhold Checkpoints, and links may lose them. So f+1 servers of a site send them again each
// time: first the representative and the f after it, then the next f+1, in turn.
bool Stability::speaks(std::uint32_t round) const {
  const std::uint32_t n = context_.own().servers;
  const std::uint32_t speakers = context_.own().faults + 1u;
  const std::uint32_t first = context_.views.representative().index.value + round % n * speakers;
  return (context_.self.index.value + n - first % n) % n < speakers;
}

void Stability::on_tick(Instant now, Effects& fx) {
  forget_old();  // a state or a constraint may have brought a newer one
  if (unstable_retry_.fire(now, context_.settings.retransmit_wide, context_.settings.retransmit_max)) {
    std::vector<Seq> own;
    for (const auto& [seq, sites] : held_)
      if (sites.contains(context_.self.site)) own.push_back(seq);
    if (own.empty())
      unstable_retry_.stop();
    else if (own.front() > looked_own_)  // all of them are newer than the last look: nothing is stuck
      unstable_retry_.start(now, context_.settings.retransmit_wide);
    else if (const std::uint32_t round = unstable_retry_.count - 1; speaks(round))
      tell_unstable({own.front(), own.back()}, round, fx);
    if (!own.empty()) looked_own_ = own.back();
  }
  if (silent_retry_.fire(now, context_.settings.reconcile_idle, kSilentMost)) {
    if (silent_sites().empty())
      silent_retry_.start(now, context_.settings.reconcile_idle);
    else if (const std::uint32_t round = silent_retry_.count - 1; speaks(round))
      tell_silent(round, fx);
    looked_stable_ = context_.history.stable();
  }
}

// Sites that have signed different Checkpoints meet at the lowest: each site signs all of them in turn.
void Stability::tell_unstable(const std::set<Seq>& own, std::uint32_t round, Effects& fx) {
  CheckpointNews news{true, {}};
  for (Seq seq : own) news.checkpoints.items.push_back(held_.at(seq).at(context_.self.site).embed());
  std::vector<Destination> to;
  for (std::uint16_t s = 0; s < context_.sites(); ++s) {
    if (SiteId(s) == context_.self.site) continue;
    for (const Destination& d : context_.some_of(SiteId(s), round)) to.push_back(d);
  }
  if (!to.empty()) fx.send(std::move(to), news, {.auth = AuthKind::Bare});
}

/// Sites that have signed nothing as new as what was stable a while ago: they may be behind and not know it.
std::vector<SiteId> Stability::silent_sites() const {
  std::vector<SiteId> silent;
  for (std::uint16_t s = 0; s < context_.sites(); ++s) {
    const SiteId site(s);
    const auto newest = signed_.find(site);
    if (site != context_.self.site && looked_stable_ != Seq{} &&
        (newest == signed_.end() || newest->second < looked_stable_))
      silent.push_back(site);
  }
  return silent;
}

void Stability::tell_silent(std::uint32_t round, Effects& fx) {
  std::vector<Destination> to;
  for (SiteId site : silent_sites()) to.push_back(context_.some_of(site, round).front());
  if (!to.empty()) fx.send(std::move(to), StableCheckpoint{true, *context_.stable.proof}, {.auth = AuthKind::Bare});
}

}  // namespace seneschal::steward
