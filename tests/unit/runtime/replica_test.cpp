#include "tests/unit/runtime/toy.hpp"

#include "runtime/timers.hpp"

#include <gtest/gtest.h>

namespace seneschal {
namespace {

using namespace toy;

const ServerId kSelf = server(0, 0);
const Principal kPeer = Principal::of(server(0, 1));

struct ReplicaTest : testing::Test {
  Membership membership = members();
  ToyKeys keys{Principal::of(kSelf)};
  ToyEnv env;
  ToyCore core;
  Replica replica{Principal::of(kSelf), membership, MessageTable::of<Ping, Bundle>(), core, keys, env};
  static Ping ping(std::uint64_t seq = 2) { return {1, Seq(seq), {{9}}}; }
  void receive(Bytes bytes) { replica.on_datagram({}, share(std::move(bytes))); }
  void finish_jobs() {
    auto jobs = std::exchange(env.jobs, {});
    for (auto& [job, ticket] : jobs) replica.on_done({}, ticket, perform(job, keys, Principal::of(kSelf)));
  }
};

TEST_F(ReplicaTest, DeliversProvenMessagesAndCountsTheRest) {
  receive(seal(ping(), kPeer));
  EXPECT_EQ(core.inbox.size(), 1u);
  Bytes forged = seal(ping(), kPeer);
  forged.back() ^= 1;
  receive(forged);
  EXPECT_EQ(core.inbox.size(), 1u);
  EXPECT_EQ(replica.rejected(Reject::BadSignature), 1u);
}

TEST_F(ReplicaTest, ABadInnerSignatureCondemnsTheWholeMessage) {
  Bundle b;
  auto inner = embedded(ping(), kPeer);
  inner.sealed.back() ^= 1;
  b.proven.items = {inner};
  receive(seal(b, kPeer));
  EXPECT_TRUE(core.inbox.empty());
  EXPECT_EQ(replica.rejected(Reject::BadInnerSignature), 1u);
}

TEST_F(ReplicaTest, ARetransmissionCostsNoSecondSignatureCheck) {
  receive(seal(ping(), kPeer));
  receive(seal(ping(), kPeer));
  EXPECT_EQ(core.inbox.size(), 2u);
  EXPECT_EQ(keys.verified, 1);
}

struct Forger {
  EndpointId at;
  std::uint64_t n = 0;
  SharedBytes next() {  // another one each time, or it could be recognised
    Bytes bytes = seal(Ping{1, Seq(++n), {{static_cast<Byte>(at.port.value)}}}, kPeer);
    bytes.back() ^= 1;
    return share(std::move(bytes));
  }
};

TEST_F(ReplicaTest, ForgeriesCostTheirEndpointItsHearingAndNobodyElse) {
  Forger forger{{NodeId(2), Port(7)}};
  for (int i = 0; i < 5000; ++i) replica.on_datagram({}, forger.next(), forger.at);
  EXPECT_EQ(keys.verified, 64) << "so many checks at once, whatever comes";
  EXPECT_EQ(replica.rejected(Reject::Overloaded), 5000u - 64u);
  replica.on_datagram({}, share(seal(ping(2), kPeer)), forger.at);
  EXPECT_EQ(core.inbox.size(), 0u) << "nothing that has to be checked is taken from there";
  replica.on_datagram({}, share(seal(ping(3), kPeer)), {NodeId(2), Port(8)});
  replica.on_datagram({}, share(seal(ping(4), kPeer)), {NodeId(3), Port(7)});
  EXPECT_EQ(core.inbox.size(), 2u) << "others are heard, on the same node too, whoever they are said to be";
  replica.on_datagram(Instant{} + 3s, share(seal(ping(5), kPeer)), forger.at);
  EXPECT_EQ(core.inbox.size(), 3u) << "it is heard again when the time has made up for it";
}

TEST_F(ReplicaTest, AForgerWithoutABudgetIsStillHeardAboutWhatIsProven) {
  Forger forger{{NodeId(2), Port(7)}};
  auto known = share(seal(ping(2), kPeer));
  receive(*known);
  for (int i = 0; i < 100; ++i) replica.on_datagram({}, forger.next(), forger.at);
  replica.on_datagram({}, known, forger.at);
  EXPECT_EQ(core.inbox.size(), 2u) << "that costs no check";
}

TEST_F(ReplicaTest, ANodeThatMakesUpEndpointsIsBoundedAsAWhole) {
  int before = keys.verified;
  for (std::uint32_t port = 1; port <= 200; ++port) {
    Forger forger{{NodeId(2), Port(port)}};
    for (int i = 0; i < 100; ++i) replica.on_datagram({}, forger.next(), forger.at);
  }
  EXPECT_EQ(keys.verified - before, 1024);
  replica.on_datagram({}, share(seal(ping(2), kPeer)), {NodeId(3), Port(1)});
  EXPECT_EQ(core.inbox.size(), 1u);
}

TEST(Accounts, AreAtMostSoManyAndSettledOnesMakeRoom) {
  Accounts<int> accounts({10, 10}, 3);
  for (int key = 0; key < 100; ++key) accounts.charge({}, key, 5);
  EXPECT_EQ(accounts.size(), 3u);
  EXPECT_TRUE(accounts.solvent({}, 50));
  accounts.charge(Instant{} + 1s, 50, 20);
  EXPECT_FALSE(accounts.solvent(Instant{} + 1s, 50));
  EXPECT_EQ(accounts.size(), 1u);
}

TEST(Accounts, PayAnyOneDrawAndGoIntoDebt) {
  Accounts<int> accounts({10, 10});
  EXPECT_TRUE(accounts.draw({}, 1, 1000));
  EXPECT_FALSE(accounts.draw({}, 1, 1));
  EXPECT_FALSE(accounts.draw(Instant{} + 99s, 1, 1));
  EXPECT_TRUE(accounts.draw(Instant{} + 100s, 1, 1));
  EXPECT_TRUE(accounts.draw({}, 2, 1));
}

TEST_F(ReplicaTest, WhatWaitsForALostLogIsNeverSent) {
  replica.drive({}, [&](Effects& fx) {
    Ticket saved = fx.persist({1});
    fx.send(Destination::to(SiteId(0)), ping(), {.auth = AuthKind::Bare, .after = saved});
    fx.send(Destination::to(SiteId(0)), ping(3), {.auth = AuthKind::Signature, .after = saved});
  });
  replica.lose_log({});
  finish_jobs();  // sealed only now
  EXPECT_TRUE(env.sent.empty());
  replica.drive({}, [&](Effects& fx) {
    fx.send(Destination::to(SiteId(0)), ping(), {.auth = AuthKind::Bare, .after = fx.persist({2})});
  });
  EXPECT_EQ(env.records.size(), 1u);
  EXPECT_TRUE(env.sent.empty());
  replica.drive({}, [&](Effects& fx) { fx.send(Destination::to(SiteId(0)), ping(), {.auth = AuthKind::Bare}); });
  EXPECT_EQ(env.sent.size(), 1u);
}

TEST_F(ReplicaTest, OwnMessagesComeBackOnlyThroughLoopback) {
  replica.drive({}, [&](Effects& fx) { fx.send(Destination::to(SiteId(0)), ping(), {.loopback = true}); });
  EXPECT_TRUE(env.sent.empty());
  finish_jobs();
  ASSERT_EQ(env.sent.size(), 1u);
  ASSERT_EQ(core.inbox.size(), 1u);
  EXPECT_EQ(core.inbox[0].bytes(), env.sent[0].second);
  receive(*env.sent[0].second);  // an echo from the network
  EXPECT_EQ(core.inbox.size(), 1u);
  EXPECT_EQ(replica.rejected(Reject::Replay), 1u);
}

TEST_F(ReplicaTest, NothingLeavesBeforeItsRecordIsDurable) {
  replica.drive({}, [&](Effects& fx) {
    Ticket ticket = fx.persist({1});
    fx.send(Destination::to(SiteId(0)), ping(), {.after = ticket});
  });
  finish_jobs();
  EXPECT_TRUE(env.sent.empty());
  ASSERT_EQ(env.records.size(), 1u);
  replica.on_done({}, env.records[0].second, Persisted{});
  EXPECT_EQ(env.sent.size(), 1u);
  EXPECT_EQ(core.done.size(), 1u);
}

TEST_F(ReplicaTest, ASendAfterADurableRecordLeavesAtOnce) {
  Ticket ticket;
  replica.drive({}, [&](Effects& fx) { ticket = fx.persist({1}); });
  replica.on_done({}, ticket, Persisted{});
  replica.drive({}, [&](Effects& fx) { fx.send(Destination::to(SiteId(0)), ping(), {.after = ticket}); });
  finish_jobs();
  EXPECT_EQ(env.sent.size(), 1u);
}

TEST_F(ReplicaTest, MacsAndAuthenticatorsAreMadePerReceiver) {
  replica.drive({}, [&](Effects& fx) {
    fx.send(Destination::to(server(0, 2)), ping(), {.auth = AuthKind::Mac});
    fx.send(Destination::all(), ping(), {.auth = AuthKind::Authenticator});
  });
  ASSERT_EQ(env.sent.size(), 2u);
  for (std::uint16_t peer : {1, 2}) {
    ToyEnv other_env;
    ToyCore other_core;
    Principal who = Principal::of(server(0, peer));
    ToyKeys other_keys(who);
    Replica other(who, membership, MessageTable::of<Ping>(), other_core, other_keys, other_env);
    other.on_datagram({}, env.sent[0].second);
    other.on_datagram({}, env.sent[1].second);
    EXPECT_EQ(other_core.inbox.size(), peer == 2 ? 2u : 1u);
  }
}

TEST_F(ReplicaTest, BareCarriersMustHaveNoAuthentication) {
  receive(seal(ping(), kPeer, AuthKind::Bare));
  EXPECT_EQ(core.inbox.size(), 1u);
  Bytes padded = seal(ping(), kPeer, AuthKind::Bare);
  padded.push_back(0);
  receive(padded);
  EXPECT_EQ(core.inbox.size(), 1u);
}

TEST_F(ReplicaTest, ManyClientSignaturesAreCheckedOffTheTransition) {
  Bundle b;
  for (std::uint64_t i = 0; i < 3; ++i) b.proven.items.push_back(embedded(ping(i), Principal::of(ClientId(1))));
  receive(seal(b, kPeer));
  EXPECT_TRUE(core.inbox.empty());
  ASSERT_EQ(env.jobs.size(), 1u);
  finish_jobs();
  EXPECT_EQ(core.inbox.size(), 1u);
}

TEST_F(ReplicaTest, VerifyingBacklogIsBounded) {
  ReplicaLimits limits;
  limits.max_verifying = 2;
  Replica small(Principal::of(kSelf), membership, MessageTable::of<Ping, Bundle>(), core, keys, env, nullptr, limits);
  for (std::uint64_t round = 0; round < 3; ++round) {
    Bundle b;
    for (std::uint64_t i = 0; i < 3; ++i)
      b.proven.items.push_back(embedded(ping(10 * round + i), Principal::of(ClientId(1))));
    small.on_datagram({}, share(seal(b, kPeer)));
  }
  EXPECT_EQ(env.jobs.size(), 2u);
  EXPECT_EQ(small.rejected(Reject::Overloaded), 1u);
}

TEST_F(ReplicaTest, ForgeriesAndRepetitionsTakeNoPlaceInTheBacklog) {
  ReplicaLimits limits;
  limits.max_verifying = 2;
  Replica small(Principal::of(kSelf), membership, MessageTable::of<Ping, Bundle>(), core, keys, env, nullptr, limits);
  Bundle b;
  for (std::uint64_t i = 0; i < 3; ++i) b.proven.items.push_back(embedded(ping(i), Principal::of(ClientId(1))));
  Bytes genuine = seal(b, kPeer);
  Bytes forged = genuine;
  forged.back() ^= 1;
  for (int i = 0; i < 3; ++i) small.on_datagram({}, share(Bytes(forged)));
  EXPECT_TRUE(env.jobs.empty());
  EXPECT_EQ(small.rejected(Reject::BadSignature), 3u);
  for (int i = 0; i < 3; ++i) small.on_datagram({}, share(Bytes(genuine)));
  EXPECT_EQ(env.jobs.size(), 1u);
  auto jobs = std::exchange(env.jobs, {});
  for (auto& [job, ticket] : jobs) small.on_done({}, ticket, perform(job, keys, Principal::of(kSelf)));
  EXPECT_EQ(core.inbox.size(), 1u);
  small.on_datagram({}, share(Bytes(genuine)));  // proven by now: no check, and the core sees a retransmission
  EXPECT_TRUE(env.jobs.empty());
  EXPECT_EQ(core.inbox.size(), 2u);
}

TEST_F(ReplicaTest, AdmissionFollowsTheCore) {
  core.limits.max_seq = 5;
  replica.start({}, {});
  receive(seal(ping(6), kPeer));
  EXPECT_TRUE(core.inbox.empty());
  EXPECT_EQ(replica.rejected(Reject::NotAdmitted), 1u);
  EXPECT_EQ(keys.verified, 0);
}

TEST_F(ReplicaTest, EffectsOfALoopbackAreCarriedOutToo) {
  core.on_input = [](const Inbound& m, Effects& fx) {
    if (m.as<Ping>()->body().seq < Seq(4))
      fx.send(Destination::to(SiteId(0)), ping(m.as<Ping>()->body().seq.value + 1),
              {.auth = AuthKind::Authenticator, .loopback = true});
  };
  replica.drive({}, [&](Effects& fx) {
    fx.send(Destination::to(SiteId(0)), ping(1), {.auth = AuthKind::Authenticator, .loopback = true});
  });
  EXPECT_EQ(env.sent.size(), 4u);
  EXPECT_EQ(core.inbox.size(), 4u);
}

TEST(TimerSet, PopsInTimeOrderThenKeyOrder) {
  TimerSet<int> timers;
  timers.set(3, {10});
  timers.set(1, {10});
  timers.set(2, {5});
  timers.set(2, {20});
  EXPECT_EQ(timers.next(), Instant{10});
  EXPECT_FALSE(timers.pop({9}));
  EXPECT_EQ(timers.pop({30}), 1);
  EXPECT_EQ(timers.pop({30}), 3);
  EXPECT_EQ(timers.pop({30}), 2);
  EXPECT_FALSE(timers.pop({30}));
}

}  // namespace
}  // namespace seneschal
