// T1, T2 and T3. [Steward 6]
#include "steward/timers.hpp"
#include "steward/write_time.hpp"

#include <gtest/gtest.h>

namespace seneschal::steward {
namespace {

Membership sites(std::uint16_t count, std::uint16_t faults) {
  Membership m;
  for (std::uint16_t i = 0; i < count; ++i) m.sites.push_back({static_cast<std::uint16_t>(3 * faults + 1), faults});
  return m;
}

// [Steward 6.1]
TEST(StewardTimers, FollowTheReportsRatios) {
  Membership m = sites(5, 2);
  m.sites[4] = {16, 5};  // the largest f of any site decides
  Timers timers({}, m, SiteId(0));
  for (std::uint16_t i = 0; i < 6; ++i) timers.measured({SiteId(1), ServerIndex(i)}, 200ms);
  for (std::uint16_t i = 1; i < 7; ++i) timers.reported(ServerIndex(i), 200ms);
  Duration t1 = timers.representative_timeout();
  EXPECT_GT(t1, 3 * 200ms);
  EXPECT_GT(timers.leader_representative_timeout(), (5 + 2) * t1);
  EXPECT_EQ(timers.leader_site_timeout(), (5 + 3) * timers.leader_representative_timeout());
}

// [Steward 6.1]
TEST(StewardTimers, AreNeverBelowTheFloor) {
  Settings settings;
  Timers timers(settings, sites(3, 1), SiteId(0));
  EXPECT_EQ(timers.representative_timeout(), settings.representative_timeout);
}

// [Steward 6.5]
TEST(StewardTimers, FServersCanNeitherStretchNorShortenThem) {
  Timers timers({}, sites(3, 1), SiteId(0));
  // A late server is asked twice in a row, as happens when two rounds of questions overlap.
  for (std::uint16_t i : {0, 1, 2, 3, 3}) timers.measured({SiteId(1), ServerIndex(i)}, i == 3 ? 9s : Duration(100ms));
  timers.reported(ServerIndex(1), 100ms);
  timers.reported(ServerIndex(2), 100ms);
  timers.reported(ServerIndex(3), std::chrono::hours(1));
  EXPECT_EQ(timers.round_trip(), 100ms);
  timers.reported(ServerIndex(3), 0ms);
  EXPECT_EQ(timers.round_trip(), 100ms);
}

// [Steward 6.5]
TEST(StewardTimers, WaitForSharesThatABusyMachineMakesSlowly) {
  Timers timers({}, sites(3, 1), SiteId(0));
  for (std::uint16_t i = 0; i < 4; ++i) timers.measured({SiteId(1), ServerIndex(i)}, 100ms);
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

// [Steward 6.8]
TEST(StewardTimers, KnowHowLongAWriteTakesWhereAnUpdateIsWritten) {
  Settings settings;
  Timers timers(settings, sites(3, 1), SiteId(2));
  timers.set_write_time(10ms);
  EXPECT_EQ(timers.representative_timeout(), settings.representative_timeout);
  timers.set_write_time(1500ms);
  EXPECT_GE(timers.representative_timeout(), 7 * 1500ms);
  timers.set_write_time(10ms);
  const auto say = [&](std::uint16_t site, std::vector<Duration> writes) {
    for (std::uint16_t i = 0; i < writes.size(); ++i) timers.wrote({SiteId(site), ServerIndex(i)}, writes[i]);
  };
  say(1, {1s, 1s, 1s, 1s});
  EXPECT_EQ(timers.write_time(), 10ms) << "sites 0 and 2 are a majority";
  say(0, {2s, 2s, 2s, 2s});
  EXPECT_EQ(timers.write_time(), 2s) << "site 0 leads";
  timers.set_views(GlobalView(1), GlobalView(0));
  EXPECT_EQ(timers.write_time(), 1s);
  EXPECT_EQ(timers.site_write_time(), 10ms) << "what its own representative may take";
}

// [Steward 6.7]
TEST(StewardTimers, FServersOfASiteCanNeitherStretchNorShortenWhatAWriteTakes) {
  Timers timers({}, sites(3, 1), SiteId(0));
  for (std::uint16_t site : {0, 1, 2})
    for (std::uint16_t i : {1, 2, 3}) timers.wrote({SiteId(site), ServerIndex(i)}, i == 3 ? 60s : Duration(5ms));
  timers.set_write_time(5ms);
  EXPECT_EQ(timers.write_time(), 5ms);
  for (std::uint16_t site : {0, 1, 2})
    for (std::uint16_t i : {1, 2, 3}) timers.wrote({SiteId(site), ServerIndex(i)}, i == 3 ? 0ms : 800ms);
  timers.set_write_time(800ms);
  EXPECT_EQ(timers.write_time(), 800ms);
  // Fewer than f+1 of a site say nothing, and nobody is believed more than a minute.
  Timers others({}, sites(3, 1), SiteId(0));
  others.wrote({SiteId(0), ServerIndex(1)}, std::chrono::hours(1));
  EXPECT_EQ(others.write_time(), 0ms);
  EXPECT_FALSE(others.knows_writes_of(SiteId(0)));
  others.set_write_time(std::chrono::hours(1));
  EXPECT_EQ(others.write_time(), 60s);
}

// [Steward 6.6]
TEST(StewardWriteTime, TheOneUnderWayCountsWithWhatItTakesSoFar) {
  WriteTime writes;
  EXPECT_TRUE(writes.unknown(Instant{}));
  writes.asked(Instant{}, Ticket(3));
  EXPECT_EQ(writes.time(Instant{} + 2s), 2s);
  EXPECT_FALSE(writes.unknown(Instant{} + 20s)) << "one is under way";
  writes.asked(Instant{} + 2s, Ticket(7));
  writes.durable(Instant{} + 3s, Ticket(2));
  EXPECT_EQ(writes.time(Instant{} + 3s), 3s);
  writes.durable(Instant{} + 4s, Ticket(3));
  EXPECT_EQ(writes.time(Instant{} + 60s), 4s);
  EXPECT_TRUE(writes.unknown(Instant{} + 60s));
  for (std::uint64_t i = 8; i < 60; ++i) {
    writes.asked(Instant{} + 60s, Ticket(i));
    writes.durable(Instant{} + 60s + 1ms, Ticket(i));
  }
  EXPECT_LT(writes.time(Instant{} + 61s), 10ms) << "a disk that is quick again is soon known to be";
  writes.asked(Instant{} + 70s, Ticket(99));
  writes.stop();
  EXPECT_EQ(writes.time(Instant{} + 90s), 0ms) << "the log is lost";
}

// [Steward 6.2]
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
