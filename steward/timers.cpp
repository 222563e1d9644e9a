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
      sites_(membership.sites.size()) {
  for (const SiteInfo& site : membership.sites) {
    faults_of_.push_back(site.faults);
    faults_ = std::max(faults_, site.faults);
  }
}

void Timers::measured(SiteId site, Duration round_trip) {
  std::deque<Duration>& last = own_[site];
  last.push_back(std::clamp(round_trip, Duration{0}, kLongestRoundTrip));
  if (last.size() > faults_of_[site.value] + 1u) last.pop_front();
}

bool Timers::knows_other_sites() const {
  return std::ranges::any_of(own_, [&](const auto& measured) {
    return measured.first != self_ && measured.second.size() > faults_of_[measured.first.value];
  });
}

Duration Timers::local_round_trip() const {
  auto own = own_.find(self_);
  return own == own_.end() || own->second.size() <= own_faults_ ? Duration{} : *std::ranges::min_element(own->second);
}

Duration Timers::shortest_round_trip(SiteId site) const {
  auto own = own_.find(site);
  return own == own_.end() || own->second.empty() ? Duration{} : *std::ranges::min_element(own->second);
}

Duration Timers::own_estimate() const {
  Duration most{};
  for (const auto& [site, last] : own_)
    if (last.size() > faults_of_[site.value]) most = std::max(most, *std::ranges::min_element(last));
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

void Timers::set_views(GlobalView gv, GlobalView ordered) {
  std::uint64_t behind = gv > ordered ? gv.value - ordered.value : 0;
  doublings_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(behind / sites_, kMaxDoublings));
}

// DEVIATION(TR V-E): the leader site does not ask the others for their T1. Between any two sites it takes at most
// twice its own longest round trip, since they can be reached through it, so every server uses that bound for T1:
// nothing has to be believed that comes unsigned from another site.
Duration Timers::representative_timeout() const {
  return std::max(floor_, 2 * 7 * round_trip() / 2) * (1 << doublings_);
}

Duration Timers::leader_representative_timeout() const {
  Duration t1 = representative_timeout();
  return (faults_ + 2) * t1 + t1 / 2;
}

Duration Timers::leader_site_timeout() const {
  return (faults_ + 3) * leader_representative_timeout();
}

}  // namespace seneschal::steward
