// T1, T2 and T3. [Steward 6]
#include "steward/timers.hpp"

#include <gtest/gtest.h>

namespace seneschal::steward {
namespace {

Membership sites(std::uint16_t count, std::uint16_t faults) {
  Membership m;
  for (std::uint16_t i = 0; i < count; ++i) m.sites.push_back({static_cast<std::uint16_t>(3 * faults + 1), faults});
  return m;
}

TEST(StewardTimers, FollowTheReportsRatios) {
  Membership m = sites(5, 2);
  m.sites[4] = {16, 5};  // the largest f of any site decides
  Timers timers({}, m, SiteId(0));
  for (int i = 0; i < 6; ++i) timers.measured(SiteId(1), 200ms);
  for (std::uint16_t i = 1; i < 7; ++i) timers.reported(ServerIndex(i), 200ms);
  Duration t1 = timers.representative_timeout();
  EXPECT_GT(t1, 3 * 200ms);
  EXPECT_GT(timers.leader_representative_timeout(), (5 + 2) * t1);
  EXPECT_EQ(timers.leader_site_timeout(), (5 + 3) * timers.leader_representative_timeout());
}

TEST(StewardTimers, AreNeverBelowTheFloor) {
  Settings settings;
  Timers timers(settings, sites(3, 1), SiteId(0));
  EXPECT_EQ(timers.representative_timeout(), settings.representative_timeout);
}

TEST(StewardTimers, FServersCanNeitherStretchNorShortenThem) {
  Timers timers({}, sites(3, 1), SiteId(0));
  for (int i = 0; i < 6; ++i) timers.measured(SiteId(1), i % 2 == 0 ? 100ms : 9s);  // every other server delays
  timers.reported(ServerIndex(1), 100ms);
  timers.reported(ServerIndex(2), 100ms);
  timers.reported(ServerIndex(3), std::chrono::hours(1));
  EXPECT_EQ(timers.round_trip(), 100ms);
  timers.reported(ServerIndex(3), 0ms);
  EXPECT_EQ(timers.round_trip(), 100ms);
}

TEST(StewardTimers, WaitForSharesThatABusyMachineMakesSlowly) {
  Timers timers({}, sites(3, 1), SiteId(0));
  for (int i = 0; i < 6; ++i) timers.measured(SiteId(1), 100ms);
  EXPECT_EQ(timers.own_estimate(), 100ms);
  timers.set_share_time(300ms);
  EXPECT_EQ(timers.own_estimate(), 700ms);
  timers.reported(ServerIndex(1), 100ms);
  EXPECT_EQ(timers.round_trip(), 100ms);  // f servers that say they are slow change nothing
  timers.reported(ServerIndex(2), 700ms);
  EXPECT_GT(timers.representative_timeout(), 3 * 700ms);
  timers.set_share_time(std::chrono::hours(1));
  EXPECT_LE(timers.own_estimate(), 10s);
}

TEST(StewardTimers, DoubleTogetherOncePerRoundOfLeaderSites) {
  Timers timers({}, sites(3, 1), SiteId(0));
  Duration t1 = timers.representative_timeout();
  Duration t3 = timers.leader_site_timeout();
  timers.set_views(GlobalView(7), GlobalView(5));
  EXPECT_EQ(timers.doublings(), 0u);
  timers.set_views(GlobalView(8), GlobalView(5));
  EXPECT_EQ(timers.representative_timeout(), 2 * t1);
  EXPECT_EQ(timers.leader_site_timeout(), 2 * t3);
  timers.set_views(GlobalView(11), GlobalView(5));
  EXPECT_EQ(timers.leader_site_timeout(), 4 * t3);
  timers.set_views(GlobalView(11), GlobalView(11));  // and return when something is ordered
  EXPECT_EQ(timers.leader_site_timeout(), t3);
}

}  // namespace
}  // namespace seneschal::steward
