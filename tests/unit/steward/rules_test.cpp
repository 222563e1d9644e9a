// The pure parts: batching, views, settings, the choice of signers, records.
#include "steward/batching.hpp"
#include "steward/history.hpp"
#include "steward/records.hpp"
#include "steward/signer_choice.hpp"
#include "steward/views.hpp"

#include <gtest/gtest.h>

namespace seneschal::steward {
namespace {

Instant at(Duration d) {
  return Instant{d.count()};
}

TEST(StewardBatching, NoCutWhileAPrePrepareIsUnsigned) {
  BatchRule rule(50ms);
  EXPECT_LE(rule.ready_at(), at(0ms));
  rule.cut(at(1ms), Seq(1));
  EXPECT_EQ(rule.ready_at(), Instant::never());
  rule.signed_by_site(at(9ms), Seq(2));
  EXPECT_EQ(rule.ready_at(), Instant::never());
  rule.signed_by_site(at(9ms), Seq(1));
  EXPECT_LE(rule.ready_at(), at(9ms));
}

TEST(StewardBatching, GapIsZeroWhenTheSiteSignsFasterThanUpdatesArrive) {
  BatchRule rule(50ms);
  for (int i = 1; i <= 50; ++i) {
    rule.update_arrived(at(100ms * i));
    rule.cut(at(100ms * i), Seq(static_cast<std::uint64_t>(i)));
    rule.signed_by_site(at(100ms * i + 20ms), Seq(static_cast<std::uint64_t>(i)));
  }
  EXPECT_EQ(rule.gap(), 0ms);
}

TEST(StewardBatching, GapFollowsTheSigningTimeUpToItsBound) {
  BatchRule rule(50ms);
  Instant now = at(0ms);
  for (std::uint64_t i = 1; i <= 100; ++i) {
    for (int k = 0; k < 20; ++k) rule.update_arrived(now + 1ms * k);
    rule.cut(now, Seq(i));
    rule.signed_by_site(now + 20ms, Seq(i));
    now = now + 20ms;
  }
  EXPECT_EQ(rule.gap(), rule.signing_time());
  EXPECT_GT(rule.gap(), 19ms);
  EXPECT_LE(rule.gap(), 20ms);
  for (std::uint64_t i = 101; i <= 200; ++i) {
    rule.update_arrived(now);
    rule.cut(now, Seq(i));
    rule.signed_by_site(now + 90ms, Seq(i));
    for (int k = 0; k < 20; ++k) rule.update_arrived(now + 1ms * k);
    now = now + 90ms;
  }
  EXPECT_EQ(rule.gap(), 50ms);
}

TEST(StewardViews, LeaderAndRepresentativeFollowTheViews) {
  Membership m;
  m.sites = {{4, 1}, {7, 2}, {4, 1}};
  ServerId self{SiteId(1), ServerIndex(0)};
  Views views(m, self);
  EXPECT_EQ(views.leader_site(GlobalView(4)), SiteId(1));
  EXPECT_TRUE(views.is_representative());
  EXPECT_TRUE(views.constrained()) << "views 0 are constrained by nothing";
  EXPECT_TRUE(views.promise(GlobalView(1)));
  EXPECT_FALSE(views.promise(GlobalView(1)));
  EXPECT_TRUE(views.at_leader_site());
  EXPECT_FALSE(views.constrained()) << "a later view needs an exchange of states first";
  EXPECT_TRUE(views.learn(SiteId(2), LocalView(6)));
  EXPECT_EQ(views.representative(SiteId(2)).index, ServerIndex(2));
}

TEST(StewardSettings, AnythingButThreeFPlusOneIsAConfigurationError) {
  Membership m;
  m.sites = {{4, 1}, {5, 1}};
  auto bad = validate(m);
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("site 1 has 5 servers"), std::string::npos) << bad.error().message;
  m.sites[1] = {7, 2};
  EXPECT_TRUE(validate(m));
}

TEST(StewardSettings, OutOfRangeValuesNameTheRange) {
  Settings s;
  EXPECT_TRUE(s.validate());
  s.window = 65;
  EXPECT_NE(s.validate().error().message.find("from 1 to 64"), std::string::npos);
  s = {};
  s.history_span = 2 * s.checkpoint_interval;
  EXPECT_FALSE(s.validate());
  s = {};
  s.history_kept = s.history_span - 1;
  EXPECT_NE(s.validate().error().message.find("history_kept"), std::string::npos);
}

TEST(StewardSignerChoice, ASecondMissWithin64AnswersLosesThePlace) {
  SignerChoice choice({7, 2}, ServerIndex(0));
  choice.reset(ServerIndex(0));
  EXPECT_EQ(choice.chosen().size(), 5u);
  EXPECT_FALSE(choice.missed(ServerIndex(2)));
  for (int i = 0; i < 64; ++i) choice.answered(ServerIndex(2), 3ms);
  EXPECT_FALSE(choice.missed(ServerIndex(2)));
  for (int i = 0; i < 63; ++i) choice.answered(ServerIndex(2), 3ms);
  EXPECT_TRUE(choice.missed(ServerIndex(2)));
  EXPECT_FALSE(choice.chosen().contains(ServerIndex(2)));
  EXPECT_EQ(choice.chosen().size(), 5u);
  EXPECT_FALSE(choice.missed(ServerIndex(0)) || choice.missed(ServerIndex(0))) << "never itself";
}

TEST(StewardSignerChoice, AnExcludedServerNeverReturns) {
  SignerChoice choice({4, 1}, ServerIndex(0));
  choice.reset(ServerIndex(0));
  EXPECT_TRUE(choice.exclude(ServerIndex(1)));
  for (int i = 0; i < 10; ++i) {
    choice.missed(ServerIndex(2));
    choice.missed(ServerIndex(3));
    EXPECT_FALSE(choice.chosen().contains(ServerIndex(1)));
  }
}

TEST(StewardRecords, RoundTripAndGarbageIsRefused) {
  LogRecord record{LogRecord::kVersion, PromiseRecord{GlobalView(7)}};
  Bytes bytes = encode(record);
  auto back = decode_record(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, record);
  bytes.push_back(0);
  EXPECT_EQ(decode_record(bytes).error(), Reject::TrailingBytes);
  bytes.pop_back();
  bytes[0] = 9;
  EXPECT_EQ(decode_record(bytes).error(), Reject::WrongVersion);
  EXPECT_FALSE(decode_record(Bytes{1, 200}));
  EXPECT_FALSE(decode_record({}));
}

void execute_next(History& history) {
  Entry* e = history.at(history.aru().next());
  ASSERT_NE(e, nullptr);
  e->order.emplace();
  e->batch = {std::make_shared<const Batch>(), {}};
  history.advance();
}

TEST(StewardHistory, ReachesTwoWindowsAndKeepsItsSpan) {
  History history(4, 12, 12, 1 << 20);
  EXPECT_NE(history.at(Seq(8)), nullptr);
  EXPECT_EQ(history.at(Seq(9)), nullptr);
  for (std::uint64_t s = 1; s <= 20; ++s) {
    execute_next(history);
    if (s % 4 == 0) history.stabilize(Seq(s));
  }
  EXPECT_EQ(history.find(Seq(8)), nullptr);
  EXPECT_NE(history.find(Seq(9)), nullptr);
  EXPECT_EQ(history.base(), Seq(8));
  EXPECT_EQ(history.size(), 12u);
}

// [Steward 7.18]
TEST(StewardHistory, DropsNothingAboveTheCheckpointAndReachesOnlyLAboveIt) {
  History history(4, 12, 12, 1);  // not a byte is kept without need
  for (std::uint64_t s = 1; s <= 12; ++s) execute_next(history);
  EXPECT_NE(history.find(Seq(1)), nullptr);
  EXPECT_EQ(history.at(Seq(13)), nullptr);
  EXPECT_TRUE(history.stabilize(Seq(4)));
  EXPECT_FALSE(history.stabilize(Seq(4)));
  EXPECT_EQ(history.find(Seq(4)), nullptr);
  EXPECT_NE(history.find(Seq(5)), nullptr);
  EXPECT_NE(history.at(Seq(16)), nullptr);
  EXPECT_EQ(history.at(Seq(17)), nullptr);
}

TEST(StewardHistory, AnInstalledStateTakesThePlaceOfAllEntriesUpToIt) {
  History history(4, 12, 12, 1 << 20);
  for (std::uint64_t s = 1; s <= 6; ++s) execute_next(history);
  history.at(Seq(9));
  history.jump(Seq(8));
  EXPECT_EQ(history.aru(), Seq(8));
  EXPECT_EQ(history.base(), Seq(8));
  EXPECT_EQ(history.find(Seq(6)), nullptr);
  EXPECT_NE(history.find(Seq(9)), nullptr);
  EXPECT_EQ(history.bytes(), 0u);
}

}  // namespace
}  // namespace seneschal::steward
