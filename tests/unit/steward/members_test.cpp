// Clients that join and leave. [Membership]
#include "again.hpp"
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

using replication::Administered;
using replication::Administration;
using replication::Enroll;
using replication::Revoke;

constexpr ClientId kAdministrator{3};
constexpr ClientId kNewcomer{4};

Settings small_windows() {
  Settings s;
  s.window = 8;
  s.checkpoint_interval = 8;
  s.history_span = s.history_kept = 24;
  s.batch_max = 1;
  return s;
}

Enroll joins(Bed& bed, ClientId id, unsigned home) {
  return {id, SiteId(static_cast<std::uint16_t>(home)), NodeId(1), bed.registry.joining_keys(id)};
}

/// One operation to its end; its result.
std::optional<Bytes> operate(Bed& bed, ClientId id, Bytes operation, bool query = false, Duration limit = 30s) {
  auto& client = bed.at(id).client();
  bed.operate(id, std::move(operation), query);
  if (!bed.run_while(limit, [&] { return !client.idle(); })) return std::nullopt;
  return client.take_completions().at(0).result;
}
replication::Verdict order(Bed& bed, const Administration& what) {
  const auto result = operate(bed, kAdministrator, encode(what));
  if (!result) return replication::Verdict::kLast;
  return decode<Administered>(*result)->verdict;
}
Bytes put(std::string_view key, std::string_view value) {
  return replication::kv::put(key, as_span(value));
}
template <class E>
bool told(const std::vector<Effects::Effect>& effects) {
  return std::ranges::any_of(effects, [](const auto& e) { return std::holds_alternative<E>(e); });
}

TEST(StewardMembers, AClientIsServedFromItsEnrolmentToItsRevocation) {
  Bed bed(3, 1, 1, small_windows(), 1, kAdministrator);
  bed.add_client({kNewcomer, SiteId(1)});
  bed.start();
  EXPECT_FALSE(operate(bed, kNewcomer, put("a", "0"), false, 3s)) << "a stranger";
  ASSERT_EQ(order(bed, {joins(bed, kNewcomer, 1)}), replication::Verdict::Done);
  auto& newcomer = bed.at(kNewcomer).client();
  ASSERT_TRUE(bed.run_while(30s, [&] { return !newcomer.idle(); })) << "what it asked for before is served now";
  newcomer.take_completions();
  ASSERT_TRUE(operate(bed, kNewcomer, put("a", "1")));
  EXPECT_EQ(replication::kv::print_result(*operate(bed, kNewcomer, replication::kv::get("a"), true)), "\"1\"");
  ASSERT_EQ(order(bed, {Revoke{kNewcomer}}), replication::Verdict::Done);
  EXPECT_FALSE(operate(bed, kNewcomer, put("a", "2"), false, 20s));
  bed.expect_agreement();
  for (auto& [who, node] : bed.nodes) {
    if (!who.is_server()) continue;
    EXPECT_EQ(node->steward().views().local(), LocalView(0)) << "nobody is suspected for it";
    EXPECT_TRUE(node->steward().updates().watched().empty());
  }
}

TEST(StewardMembers, AServerThatWasAwayLearnsOfThemWithTheStateThatItFetches) {
  Bed bed(3, 1, 1, small_windows(), 1, kAdministrator);
  bed.add_client({kNewcomer, SiteId(1)});
  const ServerId lagging = server(1, 3);
  const auto away = [&](const Principal& p) { return p == Principal::of(lagging); };
  bed.drop = [&](const Bed::Datagram& m) { return away(m.from) != away(m.to); };
  bed.start();
  ASSERT_EQ(order(bed, {joins(bed, kNewcomer, 1)}), replication::Verdict::Done);
  ASSERT_EQ(order(bed, {Revoke{ClientId(2)}}), replication::Verdict::Done);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(operate(bed, kNewcomer, put("a", std::to_string(i))));
  EXPECT_EQ(bed.steward(lagging).execution().executed(), Seq(0));
  bed.drop = nullptr;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(operate(bed, kNewcomer, put("a", std::to_string(i))));
  bed.run_for(20s);
  const auto& roster = bed.steward(lagging).execution().roster();
  EXPECT_NE(roster.member(kNewcomer), nullptr);
  EXPECT_EQ(roster.member(ClientId(2)), nullptr);
  EXPECT_EQ(bed.steward(lagging).execution().digest(), bed.steward(server(1, 0)).execution().digest());
  // Its gate was told, too: it hears the newcomer itself, and not the one that left.
  const std::uint64_t strangers = bed.rejects(lagging, Reject::UnknownSender);
  bed.deliver(lagging, share(bed.update(kNewcomer, 1).sealed));
  EXPECT_EQ(bed.rejects(lagging, Reject::UnknownSender), strangers);
  bed.deliver(lagging, share(bed.update(ClientId(2), 1).sealed));
  EXPECT_EQ(bed.rejects(lagging, Reject::UnknownSender), strangers + 1);

  Again again(bed, lagging, bed.at(lagging).log, small_windows());
  EXPECT_EQ(again.core.execution().digest(), bed.steward(lagging).execution().digest());
  EXPECT_TRUE(told<Effects::Enroll>(again.effects));
  EXPECT_TRUE(told<Effects::Dismiss>(again.effects));
}

TEST(StewardMembers, ARestartedServerKnowsThemFromItsLog) {
  Bed bed(3, 1, 1, {}, 1, kAdministrator);
  bed.add_client({kNewcomer, SiteId(1)});
  bed.start();
  ASSERT_EQ(order(bed, {joins(bed, kNewcomer, 1)}), replication::Verdict::Done);
  ASSERT_TRUE(operate(bed, kNewcomer, put("a", "1")));
  bed.run_for(2s);
  Again again(bed, server(1, 2), bed.at(server(1, 2)).log);
  EXPECT_EQ(again.core.execution().digest(), bed.steward(server(0, 0)).execution().digest());
  EXPECT_TRUE(told<Effects::Enroll>(again.effects));
}

// Client 1 leaves with entry 1; W = 4, so the reach is 8.
class Left : public ::testing::Test {
 protected:
  static Settings narrow() {
    Settings s;
    s.window = 4;
    return s;
  }
  Lone lone{server(0, 1), narrow(), 3, ClientId(6)};
  void leave() {
    lone.order(1, lone.batch({lone.bed.sign(Principal::of(ClientId(6)),
                                            Update{Timestamp(1), {encode(Administration{Revoke{ClientId(1)}})}})}));
    ASSERT_EQ(lone.core().execution().roster().member(ClientId(1)), nullptr);
  }
};

TEST_F(Left, AnEntryWithinReachMayHoldItsUpdateAndOneBeyondMayNot) {
  leave();
  for (std::uint64_t seq = 2; seq <= 6; ++seq) lone.order(seq, lone.one(2, seq));
  EXPECT_EQ(lone.deliver(lone.pre_prepare(10, lone.one(1, 7)), Reject::UnknownClient), 1u);
  lone.deliver(lone.pre_prepare(9, lone.one(1, 8)));
  EXPECT_EQ(lone.sent<Prepare>(), 3u) << "to three neighbours";
  // And it is skipped when it is executed.
  lone.order(7, lone.one(1, 9));
  EXPECT_EQ(lone.core().execution().executed(), Seq(7));
  EXPECT_EQ(lone.core().execution().clients().find(ClientId(1)), nullptr);
}

TEST_F(Left, ItsKeyIsForgottenWithTheLastEntryThatMayHoldIt) {
  leave();
  for (std::uint64_t seq = 2; seq <= 8; ++seq) lone.order(seq, lone.one(2, seq));
  const SharedBytes late = share(lone.bed.update(ClientId(1), 5).sealed);
  EXPECT_EQ(lone.deliver(late, Reject::UnknownClient), 1u);
  lone.order(9, lone.one(2, 9));
  EXPECT_EQ(lone.deliver(late, Reject::UnknownSender), 1u);
}

TEST_F(Left, NothingOfItIsWatchedAnyMore) {
  lone.deliver(share(lone.bed.update(ClientId(1), 1).sealed));
  EXPECT_EQ(lone.core().updates().watched().size(), 1u);
  leave();
  EXPECT_TRUE(lone.core().updates().watched().empty());
}

}  // namespace
}  // namespace seneschal::steward::testing
