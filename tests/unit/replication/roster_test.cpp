// Clients that join and leave by ordered operations of the administrator. [Membership]
#include "crypto/exchange.hpp"
#include "replication/execution.hpp"
#include "replication/kv.hpp"
#include "replication/pending_updates.hpp"
#include "tests/unit/replication/bed.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication {
namespace {

constexpr std::uint64_t kReach = 8;
constexpr ClientId kAdministrator{3};

Membership with_administrator() {
  Membership members = seneschal::testing::make_membership(2, 1, 3);
  members.administrator = kAdministrator;
  return members;
}

class RosterTest : public ::testing::Test {
 protected:
  seneschal::testing::Bed bed{with_administrator()};
  Execution execution = fresh();
  std::uint64_t ticket = 1;
  Effects fx{ticket};
  std::uint64_t orders = 0;

  Execution fresh() { return {std::make_unique<kv::KvApplication>(), bed.membership(), kReach}; }

  Enroll joins(std::uint32_t id, std::uint16_t home = 0) {
    return {ClientId(id), SiteId(home), NodeId(1), bed.registry().joining_keys(ClientId(id))};
  }
  Signed<Update> update(ClientId client, std::uint64_t timestamp, const Bytes& operation) {
    Update u;
    u.timestamp = Timestamp(timestamp);
    u.operation.value = operation;
    Header header;
    header.sender = Principal::of(client);
    return {encode(u), header, u};
  }
  Signed<Update> order(const Administration& what) { return update(kAdministrator, ++orders, encode(what)); }
  Executed run(std::vector<Signed<Update>> updates) {
    Batch batch;
    batch.updates.items = std::move(updates);
    return execution.execute(execution.executed().next(), batch, digest_of(batch), fx);
  }
  Administered answer() {
    return *decode<Administered>(execution.reply_for(kAdministrator, Timestamp(orders))->result.value);
  }
  Verdict say(const Administration& what) {
    run({order(what)});
    return answer().verdict;
  }
  void idle(std::uint64_t entries) {
    for (std::uint64_t i = 0; i < entries; ++i) run({});
  }
  template <class E>
  std::vector<ClientId> told() {
    std::vector<ClientId> ids;
    for (const auto& effect : fx.list()) {
      if constexpr (std::is_same_v<E, Effects::Enroll>) {
        if (auto* e = std::get_if<E>(&effect)) ids.push_back(e->client.info.id);
      } else {
        if (auto* e = std::get_if<E>(&effect)) ids.push_back(e->client);
      }
    }
    return ids;
  }
  std::vector<SharedBytes> chunks() {
    auto snapshot = execution.freeze();
    std::vector<SharedBytes> all;
    for (std::size_t i = 0; i < snapshot->chunks(); ++i) all.push_back(snapshot->chunk(i));
    return all;
  }
};

TEST_F(RosterTest, AnEnrolledClientIsExecutedFromTheEntryOnThatEnrollsIt) {
  EXPECT_TRUE(run({update(ClientId(4), 1, kv::put("a", as_span("1")))}).clients.empty());
  EXPECT_EQ(run({order({joins(4)}), update(ClientId(4), 1, kv::put("a", as_span("1")))}).clients.size(), 2u);
  EXPECT_EQ(answer(), (Administered{Verdict::Done, ClientId(5)}));
  EXPECT_EQ(told<Effects::Enroll>(), std::vector{ClientId(4)});
  EXPECT_EQ(execution.roster().member(ClientId(4))->home, SiteId(0));
}

TEST_F(RosterTest, TheAdministratorIsToldWhoBelongsHere) {
  run({order({joins(6)}), order({Revoke{ClientId(1)}}), order({ListMembers{}})});
  const auto listed = [&] {
    return *decode<Listed>(execution.reply_for(kAdministrator, Timestamp(orders))->result.value);
  };
  EXPECT_EQ(listed().members.items,
            (std::vector<Member>{
                {ClientId(2), SiteId(1), false}, {ClientId(3), SiteId(0), false}, {ClientId(6), SiteId(0), true}}))
      << "not the one that left, though its key is still kept";
  const Digest before = execution.roster().digest();
  run({order({ListMembers{ClientId(3)}})});
  EXPECT_EQ(listed().members.items.front().id, ClientId(3));
  EXPECT_EQ(listed().members.size(), 2u);
  run({order({ListMembers{ClientId(7)}})});
  EXPECT_TRUE(listed().members.empty());
  EXPECT_EQ(execution.roster().digest(), before);
}

TEST_F(RosterTest, ALongListComesInPages) {
  for (std::uint32_t id = 4; id < 4 + kMaxListed; ++id) ASSERT_EQ(say({joins(id)}), Verdict::Done);
  std::vector<Member> all;
  std::size_t pages = 0;
  for (ClientId from;; from = all.back().id.next()) {
    run({order({ListMembers{from}})});
    const auto page = decode<Listed>(execution.reply_for(kAdministrator, Timestamp(orders))->result.value);
    ASSERT_TRUE(page);
    all.insert(all.end(), page->members.begin(), page->members.end());
    ++pages;
    if (page->members.size() < kMaxListed) break;
  }
  EXPECT_EQ(pages, 2u);
  EXPECT_EQ(all.size(), kMaxListed + 3);
  EXPECT_TRUE(std::ranges::is_sorted(all));
}

TEST_F(RosterTest, ARevokedClientIsNotExecutedAnyMoreAndItsEntryIsDropped) {
  run({update(ClientId(1), 1, kv::put("a", as_span("1")))});
  const Executed done = run({order({Revoke{ClientId(1)}}), update(ClientId(1), 2, kv::put("a", as_span("2")))});
  EXPECT_TRUE(done.some_left);
  EXPECT_EQ(done.clients, std::vector{kAdministrator});
  EXPECT_EQ(execution.clients().find(ClientId(1)), nullptr);
  EXPECT_EQ(kv::print_result(execution.application().query(kv::get("a"))), "\"1\"");
}

TEST_F(RosterTest, IdsOnlyGrowSoThatNoOldUpdateIsExecutedAgain) {
  EXPECT_EQ(say({joins(2)}), Verdict::IdUsed) << "one of the first clients";
  EXPECT_EQ(say({joins(6)}), Verdict::Done);
  EXPECT_EQ(say({joins(5)}), Verdict::IdUsed) << "left out, so it may have been somebody's";
  run({update(ClientId(6), 1, kv::put("a", as_span("1")))});
  EXPECT_EQ(say({Revoke{ClientId(6)}}), Verdict::Done);
  EXPECT_EQ(say({joins(6)}), Verdict::IdUsed);
  idle(2 * kReach);
  EXPECT_EQ(say({joins(6)}), Verdict::IdUsed) << "also when nothing of it is remembered";
  EXPECT_TRUE(run({update(ClientId(6), 1, kv::put("a", as_span("2")))}).clients.empty());
  EXPECT_EQ(answer().next, ClientId(7));
}

TEST_F(RosterTest, OneSlipDoesNotUseUpTheIds) {
  EXPECT_EQ(say({joins(4 + kMaxIdStep)}), Verdict::IdTooFar);
  EXPECT_EQ(say({joins(~std::uint32_t{0})}), Verdict::IdTooFar);
  EXPECT_EQ(say({joins(4 + kMaxIdStep - 1)}), Verdict::Done);
}

TEST_F(RosterTest, OnlyTheAdministratorsUpdatesAreOrders) {
  run({update(ClientId(1), 1, encode(Administration{joins(4)}))});
  EXPECT_EQ(execution.roster().member(ClientId(4)), nullptr);
  EXPECT_EQ(execution.roster().members(), 3u);
}

TEST_F(RosterTest, NothingOfTheAdministratorReachesTheApplication) {
  const Digest before = execution.application().digest();
  run({update(kAdministrator, ++orders, kv::put("a", as_span("1")))});
  EXPECT_EQ(answer().verdict, Verdict::Malformed);
  EXPECT_EQ(execution.application().digest(), before);
}

TEST_F(RosterTest, AnOrderIsCarriedOutOnce) {
  const Signed<Update> once = order({joins(4)});
  run({once, once});
  run({once});
  EXPECT_EQ(execution.roster().members(), 4u);
  EXPECT_EQ(answer().verdict, Verdict::Done) << "a repetition gets the first answer";
}

TEST_F(RosterTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(say({joins(4, 2)}), Verdict::UnknownSite);
  EXPECT_EQ(say({Revoke{ClientId(9)}}), Verdict::UnknownClient);
  EXPECT_EQ(say({Revoke{kAdministrator}}), Verdict::IsAdministrator);
  EXPECT_EQ(say({Revoke{ClientId(2)}}), Verdict::Done);
  EXPECT_EQ(say({Revoke{ClientId(2)}}), Verdict::UnknownClient);
  Bytes longer = encode(Administration{joins(4)});
  longer.push_back(0);
  run({update(kAdministrator, ++orders, longer)});
  EXPECT_EQ(answer().verdict, Verdict::Malformed);
  EXPECT_EQ(execution.roster().members(), 2u);
}

TEST_F(RosterTest, RefusesKeysOfLowOrder) {
  Enroll weak = joins(4);
  weak.keys.exchange = {};
  EXPECT_EQ(say({weak}), Verdict::BadKeys);
  weak = joins(4);
  weak.keys.signing = {1};
  EXPECT_EQ(say({weak}), Verdict::BadKeys);
  EXPECT_EQ(execution.roster().next(), ClientId(4));
}

TEST_F(RosterTest, AKeyIsKeptUntilNoEntryUnderWayCanHoldAnUpdateOfIt) {
  EXPECT_EQ(say({Revoke{ClientId(1)}}), Verdict::Done);
  const std::uint64_t at = execution.executed().value;
  EXPECT_TRUE(execution.roster().may_order(ClientId(1), Seq(at + kReach)));
  EXPECT_FALSE(execution.roster().may_order(ClientId(1), Seq(at + kReach + 1)));
  idle(kReach - 1);
  EXPECT_TRUE(told<Effects::Dismiss>().empty());
  idle(1);
  EXPECT_EQ(told<Effects::Dismiss>(), std::vector{ClientId(1)});
  EXPECT_FALSE(execution.roster().may_order(ClientId(1), Seq(at + kReach)));
}

TEST_F(RosterTest, NeverHoldsMoreThanItsBound) {
  std::uint32_t id = 4;
  while (execution.roster().members() < kMaxMembers) {
    std::vector<Signed<Update>> batch;
    for (int i = 0; i < 256 && id <= kMaxMembers; ++i) batch.push_back(order({joins(id++)}));
    run(std::move(batch));
  }
  EXPECT_EQ(say({joins(id)}), Verdict::Full);
  EXPECT_EQ(say({Revoke{ClientId(4)}}), Verdict::Done);
  EXPECT_EQ(say({joins(id)}), Verdict::Full) << "its key still takes its place";
  idle(kReach);
  EXPECT_EQ(say({joins(id)}), Verdict::Done);
  // The whole of it goes through a snapshot.
  Execution other = fresh();
  std::uint64_t tickets = 1;
  Effects effects(tickets);
  ASSERT_TRUE(other.install(execution.executed(), chunks(), effects));
  EXPECT_EQ(other.digest(), execution.digest());
}

TEST_F(RosterTest, ASnapshotCarriesItAndTellsWhoCameAndWent) {
  run({order({joins(4)}), order({joins(5, 1)}), order({Revoke{ClientId(1)}}), order({Revoke{ClientId(5)}})});
  idle(kReach);  // 1 and 5 are forgotten
  run({order({joins(7, 1)}), order({Revoke{ClientId(4)}}), order({Revoke{ClientId(2)}})});
  run({update(ClientId(7), 3, kv::put("a", as_span("1")))});

  Execution other = fresh();
  std::uint64_t tickets = 1;
  Effects effects(tickets);
  ASSERT_TRUE(other.install(execution.executed(), chunks(), effects));
  EXPECT_EQ(other.digest(), execution.digest());
  EXPECT_EQ(other.state(), execution.state());
  fx.clear();
  std::swap(effects.list(), fx.list());
  EXPECT_EQ(told<Effects::Enroll>(), (std::vector{ClientId(4), ClientId(7)})) << "4 left, but its key is still kept";
  EXPECT_EQ(told<Effects::Dismiss>(), std::vector{ClientId(1)});
  // Both go on alike.
  std::swap(execution, other);
  fx.clear();
  EXPECT_EQ(say({joins(7)}), Verdict::IdUsed);
  EXPECT_TRUE(run({update(ClientId(7), 3, kv::put("a", as_span("2")))}).clients.empty());
  idle(kReach);
  EXPECT_EQ(told<Effects::Dismiss>(), (std::vector{ClientId(2), ClientId(4)}));
}

TEST_F(RosterTest, ADamagedRosterChangesNothing) {
  run({order({joins(4)})});
  const std::vector<SharedBytes> good = chunks();
  for (std::size_t damaged : {1u, 2u}) {
    std::vector<SharedBytes> bad = good;
    Bytes bytes = *bad[damaged];
    bytes.pop_back();
    bad[damaged] = share(bytes);
    Execution other = fresh();
    const Digest before = other.digest();
    std::uint64_t tickets = 1;
    Effects effects(tickets);
    EXPECT_FALSE(other.install(execution.executed(), bad, effects)) << damaged;
    EXPECT_EQ(other.digest(), before);
    EXPECT_TRUE(effects.list().empty());
  }
}

TEST_F(RosterTest, IsPartOfTheStateOnlyWhereThereIsAnAdministrator) {
  const Digest before = execution.digest();
  const Digest state = execution.state();
  run({order({joins(4)})});
  EXPECT_NE(execution.state(), state);
  EXPECT_NE(execution.digest(), before);
  Membership fixed = bed.membership();
  fixed.administrator.reset();
  Execution other(std::make_unique<kv::KvApplication>(), fixed, kReach);
  EXPECT_EQ(other.state(), other.application().digest());
  EXPECT_FALSE(other.roster().changes());
}

// What an installed roster says is what the one that it came from says, whatever happened to it.
TEST_F(RosterTest, AnInstalledRosterDecidesAsTheOneItCameFrom) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Prng random(seed);
    execution = fresh();
    orders = 0;
    const auto draw = [&]() -> Administration {
      const auto id = static_cast<std::uint32_t>(random.between(1, 12));
      if (random.chance(1, 2)) return {Revoke{ClientId(id)}};
      return {joins(id)};
    };
    for (int i = 0; i < 40; ++i) run({order(draw())});
    Execution other = fresh();
    ASSERT_TRUE(other.install(execution.executed(), chunks(), fx));
    for (int i = 0; i < 40; ++i) {
      Batch batch;
      batch.updates.items = {order(draw())};
      for (Execution* each : {&execution, &other})
        each->execute(each->executed().next(), batch, digest_of(batch), fx);
      ASSERT_EQ(execution.digest(), other.digest()) << seed;
      ASSERT_LE(execution.roster().members(), 12u);
    }
  }
}

TEST(Administration, HasOneEncoding) {
  const Administration enroll{Enroll{ClientId(0x01020304), SiteId(5), NodeId(6), {{7}, {8}}}};
  EXPECT_EQ(to_hex(encode(enroll)), "00010203040005000607" + std::string(62, '0') + "08" + std::string(62, '0'));
  EXPECT_EQ(to_hex(encode(Administration{Revoke{ClientId(9)}})), "0100000009");
  EXPECT_EQ(to_hex(encode(Administered{Verdict::Full, ClientId(9)})), "0600000009");
  EXPECT_EQ(to_hex(encode(Administration{ListMembers{ClientId(9)}})), "0200000009");
  Listed listed;
  listed.members.items = {{ClientId(9), SiteId(3), true}};
  EXPECT_EQ(to_hex(encode(listed)), "0000000100000009000301");
  EXPECT_FALSE(decode<Administration>(Bytes{3, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace seneschal::replication
