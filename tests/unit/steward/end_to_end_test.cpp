// Updates from client to reply over a network that does what networks do.
#include "bed.hpp"

namespace seneschal::steward::testing {
namespace {

struct Way {
  FanOut fan_out;
  Delivery delivery;
};

class StewardEndToEnd : public ::testing::TestWithParam<Way> {
 protected:
  Settings settings() const {
    Settings s;
    s.fan_out = GetParam().fan_out;
    s.delivery = GetParam().delivery;
    return s;
  }
};

INSTANTIATE_TEST_SUITE_P(Ways, StewardEndToEnd,
                         ::testing::Values(Way{FanOut::Collector, Delivery::Multicast},
                                           Way{FanOut::Collector, Delivery::Representative},
                                           Way{FanOut::All, Delivery::Multicast},
                                           Way{FanOut::All, Delivery::Representative}),
                         [](const auto& param) {
                           return std::string(param.param.fan_out == FanOut::All ? "All" : "Collector") +
                                  (param.param.delivery == Delivery::Multicast ? "Multicast" : "Representative");
                         });

// [Steward 3.7]
TEST_P(StewardEndToEnd, OrdersUpdatesOfAllSites) {
  Bed bed(3, 1, 2, settings());
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(10, 20s));
  bed.run_for(5s);
  bed.expect_agreement(Seq(10));
  EXPECT_EQ(bed.completions.size(), 60u);
}

TEST_P(StewardEndToEnd, TakesOneRoundTripMoreOrLess) {
  Bed bed(5, 1, 1, settings());
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(4, 20s));
  // The floor is 100 ms at the leader site and 150 ms elsewhere; local work is about 10 ms here.
  for (const auto& done : bed.completions) {
    EXPECT_EQ(done.retries, 0u);
    EXPECT_LT(done.finished - done.started, 200ms);
  }
  EXPECT_EQ(bed.rejects(server(0, 0), Reject::BadSignature), 0u);
}

TEST_P(StewardEndToEnd, LossDuplicationAndReorderingOnlyCostTime) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    Bed bed(3, 1, 2, settings(), seed);
    bed.loss_per_mille = 50;
    bed.duplicate_per_mille = 100;
    bed.jitter = 5ms;
    bed.start();
    ASSERT_TRUE(bed.all_clients_put(10, 120s)) << "seed " << seed;
    bed.loss_per_mille = 0;
    bed.run_for(10s);
    bed.expect_agreement(Seq(10));
    std::set<Seq> executed;
    for (auto& [who, node] : bed.nodes)
      if (who.is_server()) executed.insert(node->steward().execution().executed());
    EXPECT_EQ(executed.size(), 1u) << "everybody catches up, seed " << seed;
  }
}

TEST_P(StewardEndToEnd, KilledServersOnlyCostTime) {
  // Server 1 is a chosen signer; server 0, the representative, lives. Client 2's first contact is killed as well.
  Bed bed(3, 1, 2, settings());
  for (unsigned s = 0; s < 3; ++s) bed.kill(server(s, 1 + s % 3));
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(10, 60s));
  bed.run_for(5s);
  bed.expect_agreement(Seq(10));
}

TEST(StewardCollector, DemotesAKilledSignerAfterTwoMisses) {
  Bed bed(3, 1, 1);
  bed.kill(server(0, 1));
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(3, 30s));
  EXPECT_FALSE(bed.steward(server(0, 0)).signing().signers().contains(ServerIndex(1)));
  EXPECT_FALSE(bed.steward(server(0, 3)).signing().signers().contains(ServerIndex(1)));
  bed.completions.clear();
  ASSERT_TRUE(bed.all_clients_put(3, 30s));
  for (const auto& done : bed.completions) EXPECT_LT(done.finished - done.started, 200ms);
}

// A server that went on to a view where the others did not follow answers, but not by itself. With f others silent no
// q servers do without it: it is asked at once.
TEST(StewardCollector, WhoAnswersOnlyQuestionsIsAskedFromTheBeginning) {
  Bed bed(3, 1, 1);
  bed.kill(server(0, 3));
  std::set<Digest> asked;
  bed.drop = [&](const Bed::Datagram& m) {
    if (m.is<ShareRequest>() && m.to == Principal::of(server(0, 1))) asked.insert(m.body<ShareRequest>().content);
    if (!m.is<SigShare>() || m.from != Principal::of(server(0, 1))) return false;
    const SigShare& share = m.body<SigShare>();
    return share.seq != Seq{} && !asked.contains(share.content);
  };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(10, 60s));
  bed.completions.clear();
  ASSERT_TRUE(bed.all_clients_put(10, 60s));
  for (const auto& done : bed.completions)
    EXPECT_LT(done.finished - done.started, 150ms) << "200 and more if it waited for the missing one first";
  EXPECT_EQ(bed.completions.size(), 30u);
}

TEST(StewardCollector, OnlyQServersShareInTheCommonCase) {
  Bed bed(3, 1, 1);
  bed.record = true;
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(5, 30s));
  // The others make one now and then, to know how long it takes, and send it to nobody. [Steward 6.20]
  for (unsigned s = 0; s < 3; ++s) EXPECT_LE(bed.at(server(s, 3)).jobs[1], 1u) << "site " << s;
  for (unsigned s = 0; s < 3; ++s) EXPECT_EQ(bed.count_sent<SigShare>(server(s, 3)), 0u) << "site " << s;
  for (unsigned s = 0; s < 3; ++s) EXPECT_GT(bed.at(server(s, 2)).jobs[1], 4u) << "site " << s;
}

TEST(StewardEndToEndMore, ClientFindsItsContactDead) {
  Bed bed(3, 1, 1);
  // The clients' contact is server 0, the representative, by default: make it another one that is dead.
  bed.kill(server(1, 2));
  bed.drop = [](const Bed::Datagram& m) {
    return m.from.is_client() && m.from.client() == ClientId(2) && m.to == Principal::of(server(1, 0));
  };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(3, 60s));
  bed.expect_agreement(Seq(3));
}

TEST(StewardEndToEndMore, RunsWithBatchesOfOne) {
  Settings settings;
  settings.batch_max = 1;
  settings.window = 8;
  Bed bed(3, 1, 4, settings);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(10, 60s));
  bed.run_for(5s);
  bed.expect_agreement(Seq(120));
}

TEST(StewardEndToEndMore, RunsWithOneSiteAndWithTwo) {
  for (std::uint16_t sites : {1, 2}) {
    Bed bed(sites, 1, 2);
    bed.start();
    ASSERT_TRUE(bed.all_clients_put(10, 60s)) << sites;
    bed.expect_agreement(Seq(10));
  }
}

TEST(StewardEndToEndMore, RunsWithTwoFaultsPerSite) {
  Bed bed(3, 2, 2);
  for (unsigned s = 0; s < 3; ++s) {
    bed.kill(server(s, 2));
    bed.kill(server(s, 3));
  }
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(8, 60s));
  bed.expect_agreement(Seq(8));
}

TEST(StewardEndToEndMore, OrdersWhileAMinorityOfSitesIsCutOffAndTheyCatchUp) {
  Bed bed(3, 1, 1);
  bed.drop = [](const Bed::Datagram& m) {
    auto site = [](const Principal& p) { return p.is_server() ? p.server().site.value : p.value - 1; };
    return (site(m.from) == 2) != (site(m.to) == 2);
  };
  bed.start();
  for (int i = 0; i < 30; ++i) {
    bed.put(ClientId(1), "a", std::to_string(i));
    ASSERT_TRUE(bed.run_while(20s, [&] { return !bed.at(ClientId(1)).client().idle(); }));
  }
  EXPECT_EQ(bed.steward(server(2, 0)).execution().executed(), Seq(0));
  bed.drop = nullptr;
  bed.put(ClientId(1), "a", "last");
  bed.run_for(30s);
  bed.expect_agreement(Seq(31));
}

TEST(StewardEndToEndMore, TheSameSeedGivesTheSameRun) {
  auto run = [] {
    Bed bed(3, 1, 2, {}, 9);
    bed.loss_per_mille = 30;
    bed.jitter = 3ms;
    bed.start();
    EXPECT_TRUE(bed.all_clients_put(5, 60s));
    std::uint64_t hash = 0;
    for (auto& [who, node] : bed.nodes)
      for (const Event& e : node->events)
        hash = hash64(e.digest.bytes, hash ^ e.seq.value << 8 ^ static_cast<std::uint64_t>(e.kind));
    return std::pair(hash, bed.now);
  };
  EXPECT_EQ(run(), run());
}

}  // namespace
}  // namespace seneschal::steward::testing
