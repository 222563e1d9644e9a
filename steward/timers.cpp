#include "steward/timers.hpp"

#include <algorithm>
#include <functional>

namespace seneschal::steward {
namespace {
/// No report makes a timer longer than an hour: beyond it doubling has no meaning.
constexpr std::uint32_t kMaxDoublings = 12;
/// A round trip that nobody believes: reports are cut off here.
constexpr Duration kLongestRoundTrip = 10s;
}  // namespace

Timers::Timers(const Settings& settings, const Membership& membership, SiteId self)
    : floor_(settings.representative_timeout),
      self_(self),
      own_faults_(membership.site(self).faults),
      sites_(membership.sites.size()),
      majority_(membership.site_majority()) {
  for (const SiteInfo& site : membership.sites) {
    faults_of_.push_back(site.faults);
    faults_ = std::max(faults_, site.faults);
  }
}

// A server that is asked again takes the place of its older answer: else f late ones could be all f+1.
void Timers::measured(ServerId server, Duration round_trip) {
  std::deque<Measured>& last = own_[server.site];
  std::erase_if(last, [&](const Measured& m) { return m.server == server.index; });
  last.push_back({server.index, std::clamp(round_trip, Duration{0}, kLongestRoundTrip)});
  if (last.size() > faults_of_[server.site.value] + 1u) last.pop_front();
}

std::optional<Duration> Timers::shortest(SiteId site) const {
  auto own = own_.find(site);
  if (own == own_.end() || own->second.size() <= faults_of_[site.value]) return std::nullopt;
  return std::ranges::min_element(own->second, {}, &Measured::round_trip)->round_trip;
}

bool Timers::knows_other_sites() const {
  return std::ranges::any_of(own_, [&](const auto& of) { return of.first != self_ && shortest(of.first); });
}

Duration Timers::local_round_trip() const {
  return shortest(self_).value_or(Duration{});
}

Duration Timers::shortest_round_trip(SiteId site) const {
  auto own = own_.find(site);
  return own == own_.end() || own->second.empty()
             ? Duration{}
             : std::ranges::min_element(own->second, {}, &Measured::round_trip)->round_trip;
}

Duration Timers::own_estimate() const {
  Duration most{};
  for (const auto& [site, last] : own_) most = std::max(most, shortest(site).value_or(Duration{}));
  return std::min(most + 2 * share_time_, kLongestRoundTrip);
}

void Timers::reported(ServerIndex server, Duration round_trip) {
  of_servers_[server] = std::clamp(round_trip, Duration{0}, kLongestRoundTrip);
}

Duration Timers::round_trip() const {
  std::vector<Duration> all{own_estimate()};
  for (const auto& [server, estimate] : of_servers_) all.push_back(estimate);
  std::ranges::sort(all, std::greater{});
  return own_faults_ < all.size() ? all[own_faults_] : Duration{};
}

void Timers::wrote(ServerId server, Duration write) {
  writes_[server.site][server.index] = std::clamp(write, Duration{0}, kLongestWrite);
}

bool Timers::knows_writes_of(SiteId site) const {
  auto said = writes_.find(site);
  return said != writes_.end() && said->second.size() > faults_of_[site.value];
}

// The f+1-st highest is at most what a correct server said. Servers that say too little change nothing once f+1
// correct ones were heard.
Duration Timers::write_time_of(SiteId site) const {
  std::vector<Duration> all;
  if (site == self_) all.push_back(write_time_);
  if (auto said = writes_.find(site); said != writes_.end())
    for (const auto& [server, write] : said->second) all.push_back(write);
  std::ranges::sort(all, std::greater{});
  const std::size_t f = faults_of_[site.value];
  return f < all.size() ? all[f] : Duration{};
}

Duration Timers::site_write_time() const {
  return std::max(write_time_, write_time_of(self_));
}

Duration Timers::write_time() const {
  std::vector<Duration> sites;
  for (std::uint16_t s = 0; s < sites_; ++s) sites.push_back(write_time_of(SiteId(s)));
  const Duration leader = sites[leader_.value];
  std::ranges::sort(sites);
  return std::max({site_write_time(), leader, sites[majority_ - 1]});
}

void Timers::set_views(GlobalView gv, GlobalView ordered) {
  leader_ = SiteId(static_cast<std::uint16_t>(gv.value % sites_));
  std::uint64_t behind = gv > ordered ? gv.value - ordered.value : 0;
  doublings_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind / sites_, kMaxDoublings));
}

// DEVIATION(TR V-E): the leader site does not ask the others for their T1. Between any two sites it takes at most
// twice its own longest round trip, since they can be reached through it, so every server uses that bound for T1:
// nothing has to be believed that comes unsigned from another site.
Duration Timers::representative_timeout() const {
  return std::max(floor_, 7 * (round_trip() + write_time())) * (1 << doublings_);
}

Duration Timers::leader_representative_timeout() const {
  Duration t1 = representative_timeout();
  return (faults_ + 2) * t1 + t1 / 2;
}

Duration Timers::leader_site_timeout() const {
  return (faults_ + 3) * leader_representative_timeout();
}

}  // namespace seneschal::steward
