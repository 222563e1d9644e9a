#include "steward/reach.hpp"

namespace seneschal::steward {
namespace {
/// How often other sites are asked while there is something to do.
constexpr Duration kRound = 2s;
/// A site is out of reach after so many rounds without an answer: one to a single server, one to f+1.
constexpr std::uint32_t kSilentRounds = 2;
}  // namespace

void Reach::start(Instant now) {
  next_ = now + kRound;
  context_.reached = context_.sites();
}

bool Reach::on_tick(Instant now, Effects& fx) {
  if (now < next_) return false;
  bool paused = now - next_ > kRound;  // idle in between: silence of long ago says nothing
  next_ = now + kRound;
  asked_ = now;
  probes_.clear();
  bool before = context_.majority_reached();
  std::size_t reached = 1;
  for (std::uint16_t s = 0; s < context_.sites(); ++s) {
    if (SiteId(s) == context_.self.site) {
      ask_neighbours(now, fx);
      continue;
    }
    Site& site = sites_[SiteId(s)];
    site.silent = site.answered || paused ? 0 : site.silent + 1;
    site.answered = false;
    if (site.silent < kSilentRounds) ++reached;
    ask(now, SiteId(s), fx);
  }
  ++turn_;
  context_.reached = reached;
  return before && !context_.majority_reached();
}

// A disk may have become slow since the last round: then its server is not to be replaced, and says so when it is
// asked.
void Reach::doubt(Instant now, Effects& fx) {
  if (now - asked_ < timers_.representative_timeout() / 4) return;
  asked_ = now;
  for (std::uint16_t s = 0; s < context_.sites(); ++s)
    if (SiteId(s) == context_.self.site)
      ask_neighbours(now, fx);
    else
      ask(now, SiteId(s), fx);
  ++turn_;
}

// How long a round inside the site takes decides how fast its representative has to be. [Steward 6]
void Reach::ask_neighbours(Instant now, Effects& fx) {
  std::uint32_t n = context_.own().servers;
  if (n < 2) return;
  const std::uint32_t count = timers_.knows_writes_of(context_.self.site) ? 1 : context_.own().faults + 1u;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t index = (context_.self.index.value + 1u + (turn_ + i) % (n - 1)) % n;
    ServerId to = context_.local(ServerIndex(static_cast<std::uint16_t>(index)));
    probes_[to] = now;
    fx.send(Destination::to(to), RoundTrip{false, static_cast<std::uint64_t>(now.ns), 0}, {.auth = AuthKind::Bare});
  }
}

void Reach::ask(Instant now, SiteId site, Effects& fx) {
  const SiteInfo& info = context_.membership.site(site);
  const bool few = sites_[site].silent == 0 && timers_.knows_writes_of(site);
  const std::uint32_t count = few ? 1 : info.faults + 1u;
  for (std::uint32_t i = 0; i < count; ++i) {
    std::uint32_t index = (context_.self.index.value + turn_ + i) % info.servers;
    ServerId to{site, ServerIndex(static_cast<std::uint16_t>(index))};
    probes_[to] = now;
    fx.send(Destination::to(to), RoundTrip{false, static_cast<std::uint64_t>(now.ns), 0}, {.auth = AuthKind::Bare});
  }
}

std::optional<Reject> Reach::on_round_trip(Instant now, const Verified<RoundTrip>& message, Effects& fx) {
  if (!message.signer().is_server()) return Reject::WrongSenderKind;
  ServerId from = message.signer().server();
  if (!message.body().back) {
    const auto write_us = static_cast<std::uint32_t>(std::min(writes_.time(now), kLongestWrite) / 1us);
    fx.send(Destination::to(from), RoundTrip{true, message.body().token, write_us}, {.auth = AuthKind::Bare});
    return std::nullopt;
  }
  auto probe = probes_.find(from);
  if (probe == probes_.end() || static_cast<std::uint64_t>(probe->second.ns) != message.body().token)
    return Reject::Superseded;
  timers_.measured(from, now - probe->second);
  timers_.wrote(from, Duration(message.body().write_us * 1us));
  probes_.erase(probe);
  if (from.site == context_.self.site) return std::nullopt;
  Site& site = sites_[from.site];
  site.answered = true;
  if (site.silent >= kSilentRounds) ++context_.reached;
  site.silent = 0;
  return std::nullopt;
}

}  // namespace seneschal::steward
