// A small message must not buy batches again and again, whoever sends it, and whoever is poor stays so alone.
// [Steward 7]
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

constexpr std::size_t kKibi = 1024;

/// Budgets of about two of the entries below, made up for within a second. To other sites four servers give together.
Settings tight() {
  Settings settings;
  settings.draw_neighbour = {32 * kKibi, 32 * kKibi};
  settings.draw_stranger = {4 * 32 * kKibi, 32 * kKibi};
  settings.draw_site = {4 * 48 * kKibi, 48 * kKibi};
  settings.draw_client = {16 * kKibi, 16 * kKibi};
  return settings;
}

Batch big(Lone& lone, std::uint64_t timestamp) {
  return lone.one(1, timestamp, std::string(15 * kKibi, 'v'));
}

std::size_t entries_to(Lone& lone, SiteId site) {
  return lone.bed.count_sent(
      [&](const Bed::Datagram& m) { return m.is<OrderedEntry>() && m.to.is_server() && m.to.server().site == site; });
}

constexpr std::uint64_t kEntries = 12;

/// A server of site 1 that has executed big entries, with their Proposals and the Accepts of site 2, as sent again.
struct Rich {
  Rich() : lone(server(1, 2), tight()) {
    for (std::uint64_t seq = 1; seq <= kEntries; ++seq) {
      Batch b = big(lone, seq);
      proposals.push_back(lone.carrier(lone.proposal(seq, b), b, true));
      late = lone.accept(2, seq, b);
      const Signed<Accept> accept =
          lone.bed.sign(Principal::of(SiteId(2)), Accept{GlobalView(0), Seq(seq), digest_of(b)});
      accepts.push_back(lone.bed.seal(Principal::of(server(2, 0)), RelayedAccept{accept}, AuthKind::Bare));
      lone.deliver(proposals.back());
      lone.deliver(late);
    }
    lone.bed.run_for(1min);
    lone.bed.sent.clear();
  }
  Lone lone;
  std::vector<SharedBytes> proposals;
  std::vector<SharedBytes> accepts;
  SharedBytes late;
};

TEST(StewardBudgets, ReplayedAcceptsDrawEntriesWithinTheirSitesBudgetOnly) {
  Rich rich;
  for (int round = 0; round < 20; ++round)
    for (const auto& accept : rich.accepts) rich.lone.bed.deliver(rich.lone.self, accept);
  // Two servers of the site get each entry: 48 KiB at once are two of those pairs, the second on debt.
  EXPECT_EQ(rich.lone.sent<OrderedEntry>(), 4u);
  rich.lone.bed.run_for(10s);
  rich.lone.bed.sent.clear();
  rich.lone.bed.deliver(rich.lone.self, rich.accepts[0]);
  EXPECT_EQ(rich.lone.sent<OrderedEntry>(), 2u) << "a site that is really behind gets its answer later";
}

// A slow server's site says many things late, and twice.
// [Steward 7.8]
TEST(StewardBudgets, AnAcceptThatIsOnlyLateDrawsNothing) {
  Rich rich;
  rich.lone.bed.deliver(rich.lone.self, rich.late);
  EXPECT_EQ(rich.lone.sent<OrderedEntry>(), 0u);
  rich.lone.bed.deliver(rich.lone.self, rich.accepts.back());
  EXPECT_EQ(rich.lone.sent<OrderedEntry>(), 2u) << "one that is sent again does";
}

TEST(StewardBudgets, ReplayedCarriersDrawEntriesWithinTheirSitesBudgetOnly) {
  Rich rich;
  for (int round = 0; round < 20; ++round)
    for (const auto& carrier : rich.proposals) rich.lone.bed.deliver(rich.lone.self, carrier);
  EXPECT_EQ(entries_to(rich.lone, SiteId(0)), 4u);
  EXPECT_EQ(rich.lone.sent<ProposalCarrier>(), 0u) << "nothing that is executed is passed on inside";
}

// [Steward 7.10]
TEST(StewardBudgets, ReplaysOfOneSitesWordsLeaveTheOtherSitesTheirs) {
  Rich rich;
  for (int round = 0; round < 20; ++round)
    for (const auto& accept : rich.accepts) rich.lone.bed.deliver(rich.lone.self, accept);
  rich.lone.bed.deliver(rich.lone.self, rich.proposals[0]);
  EXPECT_EQ(entries_to(rich.lone, SiteId(0)), 2u);
}

// [Steward 7.10]
TEST(StewardBudgets, RequestsInManyNamesOfOneSiteShareThatSitesBudget) {
  Rich rich;
  for (int round = 0; round < 20; ++round) {
    for (unsigned i = 0; i < 4; ++i)
      rich.lone.bed.deliver(
          rich.lone.self, rich.lone.bed.seal(Principal::of(server(2, i)), ReconcileRequest{Seq(0)}, AuthKind::Bare));
    rich.lone.bed.run_for(1ms);
  }
  // Half of 48 KiB, the last on debt: the other half is there for a view change.
  EXPECT_EQ(entries_to(rich.lone, SiteId(2)), 2u);
  rich.lone.bed.deliver(rich.lone.self,
                        rich.lone.bed.seal(Principal::of(server(0, 1)), ReconcileRequest{Seq(0)}, AuthKind::Bare));
  EXPECT_EQ(entries_to(rich.lone, SiteId(0)), 2u) << "half of 32 KiB for one name";
}

// [Steward 7.10]
TEST(StewardBudgets, ANeighbourDrawsFromItsOwnAccountOnly) {
  Rich rich;
  auto ask = [&](unsigned who) {
    rich.lone.bed.deliver(rich.lone.self, rich.lone.bed.seal(Principal::of(server(1, who)), ReconcileRequest{Seq(0)},
                                                             AuthKind::Mac, rich.lone.me()));
  };
  for (int round = 0; round < 20; ++round) {
    ask(3);
    rich.lone.bed.run_for(1ms);
  }
  EXPECT_EQ(rich.lone.sent<OrderedEntry>(), 3u);
  rich.lone.bed.sent.clear();
  ask(1);
  EXPECT_EQ(rich.lone.sent<OrderedEntry>(), 3u);
}

TEST(StewardBudgets, ReplayedRelaysOfAnOpenEntryArePassedOnWithinTheirSitesBudgetOnly) {
  Lone lone(server(1, 2), tight());
  Batch b = big(lone, 1);
  auto carrier = lone.carrier(lone.proposal(1, b), b, true);
  for (int round = 0; round < 200; ++round) {  // 20 seconds at 32 KiB a second, 15 KiB to each of four servers
    lone.bed.deliver(lone.self, carrier);
    lone.bed.run_for(100ms);
  }
  std::size_t relayed = lone.sent<ProposalCarrier>() / 3;
  EXPECT_GE(relayed, 10u) << "whoever missed it gets it again";
  EXPECT_LE(relayed, 14u);
}

TEST(StewardBudgets, ARepresentativesOldPrePreparesDrawFromItsAccountOnly) {
  Lone lone(server(0, 2), tight());
  std::vector<SharedBytes> old;
  for (std::uint64_t seq = 1; seq <= 8; ++seq) {
    Batch b = big(lone, seq);
    old.push_back(lone.pre_prepare(seq, b));
    lone.order(seq, b);
  }
  lone.bed.run_for(10s);
  lone.bed.sent.clear();
  for (int round = 0; round < 20; ++round)
    for (const auto& pre_prepare : old) lone.bed.deliver(lone.self, pre_prepare);
  EXPECT_EQ(lone.sent<OrderedEntry>(), 3u);
}

// [Steward 7.10]
TEST(StewardBudgets, AClientsRecordedWordsDrawItsRepliesWithinItsBudget) {
  Lone lone(server(1, 2), tight());
  lone.order(1, lone.one(3, 1));
  auto update = share(lone.bed.update(ClientId(3), 1).sealed);
  for (int i = 0; i < 2000; ++i) lone.bed.deliver(lone.self, update);
  std::size_t replies = lone.sent<replication::Reply>();
  EXPECT_GE(replies, 100u);
  EXPECT_LE(replies, 300u);
}

TEST(StewardBudgets, NewQueriesAreFreeRepeatedOnesAreNot) {
  Lone lone(server(1, 2), tight());
  auto query = [&](std::uint64_t timestamp) {
    return lone.bed.seal(Principal::of(ClientId(3)), replication::Query{Timestamp(timestamp), Seq(0), {}});
  };
  for (std::uint64_t t = 1; t <= 1000; ++t) lone.bed.deliver(lone.self, query(t));
  EXPECT_EQ(lone.sent<replication::Answer>(), 1000u);
  for (std::uint64_t t = 1; t <= 1000; ++t) lone.bed.deliver(lone.self, query(t));
  EXPECT_LE(lone.sent<replication::Answer>(), 1300u);
}

// Forged forwarded updates: bare carriers, so anybody can make them in any server's and any client's name.
SharedBytes forged(Lone& lone, std::uint32_t client, std::uint64_t timestamp, unsigned claimed_site) {
  Signed<Update> update = lone.bed.update(ClientId(client), timestamp);
  update.sealed.back() ^= 1;
  return lone.bed.seal(Principal::of(server(claimed_site, 0)), ForwardedUpdate{Leg::ToLeaderSite, update},
                       AuthKind::Bare);
}

TEST(StewardBudgets, AFloodOfForgedUpdatesFromOnePlaceStarvesNoOtherSiteAndNoOtherServer) {
  Lone lone(server(0, 0));
  EndpointId flooder{NodeId(3), Port(102)};
  Replica& replica = *lone.node().replica;
  for (std::uint64_t t = 1; t <= 3000; ++t)  // in the names of site 1 and its client 3
    replica.on_datagram(lone.bed.now, forged(lone, 3, t, 1), flooder);
  EXPECT_EQ(replica.rejected(Reject::BadInnerSignature), 64u) << "the signatures that were checked";
  auto genuine = [&](std::uint32_t client) {
    return lone.bed.seal(Principal::of(server(1, 0)),
                         ForwardedUpdate{Leg::ToLeaderSite, lone.bed.update(ClientId(client), 1)}, AuthKind::Bare);
  };
  replica.on_datagram(lone.bed.now, genuine(3), {NodeId(2), Port(100)});
  replica.on_datagram(lone.bed.now, genuine(5), {NodeId(3), Port(100)});
  EXPECT_EQ(lone.core().updates().watched().size(), 2u)
      << "the client whose name was used, a neighbour of the flooder";
}

TEST(StewardBudgets, AClientsOwnSignaturesAreCheckedOnlySoOftenWhenOthersCarryThem) {
  Lone lone(server(0, 1));
  Replica& replica = *lone.node().replica;
  auto carried = [&](std::uint32_t client, std::uint64_t timestamp) {
    return lone.bed.seal(Principal::of(server(1, 0)),
                         ForwardedUpdate{Leg::ToLeaderSite, lone.bed.update(ClientId(client), timestamp)},
                         AuthKind::Bare);
  };
  for (std::uint64_t t = 1; t <= 3000; ++t) replica.on_datagram(lone.bed.now, carried(3, t), {NodeId(2), Port(100)});
  EXPECT_GE(replica.rejected(Reject::Overloaded), 3000u - 1025u);
  replica.on_datagram(lone.bed.now, carried(4, 1), {NodeId(2), Port(100)});
  EXPECT_EQ(lone.core().updates().watched().size(), 2u) << "another client of the same server is heard";
}

// Old updates with a good signature, more than a server remembers to have checked: the one who replays them pays.
TEST(StewardBudgets, ReplayedSignaturesOfAClientAreNoReasonToRefuseItsUpdateFromElsewhere) {
  Lone lone(server(0, 1));
  Replica& replica = *lone.node().replica;
  auto carried = [&](std::uint32_t client, std::uint64_t timestamp) {
    return lone.bed.seal(Principal::of(server(1, 0)),
                         ForwardedUpdate{Leg::ToLeaderSite, lone.bed.update(ClientId(client), timestamp)},
                         AuthKind::Bare);
  };
  lone.order(1, lone.one(3, 3000));
  ASSERT_EQ(lone.core().execution().executed(), Seq(1));
  const EndpointId replayer{NodeId(3), Port(101)}, representative{NodeId(2), Port(100)};
  for (std::uint64_t t = 1; t < 3000; ++t) replica.on_datagram(lone.bed.now, carried(3, t), replayer);
  EXPECT_GT(replica.rejected(Reject::Overloaded), 1000u) << "the replayer is heard only so often";
  ASSERT_TRUE(lone.core().updates().watched().empty());
  replica.on_datagram(lone.bed.now, carried(3, 3001), representative);
  EXPECT_EQ(lone.core().updates().watched().size(), 1u);
}

TEST(StewardBudgets, ThatAllowNothingAreAConfigurationError) {
  Settings settings;
  settings.draw_site.per_second = 0;
  ASSERT_FALSE(settings.validate().has_value());
  EXPECT_NE(settings.validate().error().message.find("draw_site"), std::string::npos);
}

}  // namespace
}  // namespace seneschal::steward::testing
