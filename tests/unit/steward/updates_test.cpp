// Clients' updates on their way, replies and queries. [Steward 3.1] [Steward 3.2] [Steward 3.3] [Steward 3.10]
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

SharedBytes direct(Lone& lone, std::uint32_t client, std::uint64_t timestamp, std::string value = "v") {
  return share(lone.bed.update(ClientId(client), timestamp, std::move(value)).sealed);
}
/// From a server of site 2, or by a neighbour.
SharedBytes forwarded(Lone& lone, Leg leg, std::uint32_t client, std::uint64_t timestamp) {
  const ForwardedUpdate m{leg, lone.bed.update(ClientId(client), timestamp)};
  if (leg == Leg::ToLeaderSite) return lone.bed.seal(Principal::of(server(2, 2)), m, AuthKind::Bare);
  const ServerId neighbour{lone.self.site, ServerIndex(3)};
  return lone.bed.seal(Principal::of(neighbour), m, AuthKind::Mac, lone.me());
}

// Clients 1 and 2 belong to site 0, 3 and 4 to site 1, 5 and 6 to site 2.

TEST(StewardUpdates, AreForwardedToTheRepresentativeAndWatched) {
  Lone lone(server(1, 2));
  lone.deliver(direct(lone, 3, 1));
  ASSERT_EQ(lone.sent<ForwardedUpdate>(), 1u);
  EXPECT_EQ(lone.bed.sent[0].to, Principal::of(server(1, 0)));
  EXPECT_EQ(lone.core().updates().watched().size(), 1u);
}

// Its client may be unable to tell the others, or not want to.
TEST(StewardUpdates, ThatNobodyElseWasGivenAreShownToTheWholeSiteInTheEnd) {
  Settings patient;
  patient.representative_timeout = 60s;
  Lone lone(server(1, 2), patient);
  lone.deliver(direct(lone, 3, 1));
  std::map<Principal, std::size_t> shown;
  const auto count = [&] {
    shown.clear();
    for (const auto& m : lone.bed.sent)
      if (m.is<ForwardedUpdate>()) ++shown[m.to];
  };
  lone.bed.run_for(2s);
  count();
  EXPECT_EQ(shown.size(), 1u) << "the representative";
  lone.bed.run_for(20s);
  count();
  EXPECT_EQ(shown.size(), 3u) << "all others";
  // Who is shown it watches it, and passes it on to the representative.
  Lone other(server(1, 1), patient);
  other.deliver(forwarded(other, Leg::ToRepresentative, 3, 1));
  EXPECT_EQ(other.core().updates().watched().size(), 1u);
  ASSERT_EQ(other.sent<ForwardedUpdate>(), 1u);
  EXPECT_EQ(other.bed.sent.back().to, Principal::of(server(1, 0)));
  other.bed.run_for(20s);
  for (const auto& m : other.bed.sent) {
    EXPECT_TRUE(!m.is<ForwardedUpdate>() || m.to == Principal::of(server(1, 0))) << "not everybody tells everybody";
  }
}

// A representative that sends the client's own message back again and again must not keep the site from seeing it.
TEST(StewardUpdates, AreShownToTheWholeSiteHoweverOftenTheyAreRepeated) {
  Settings patient;
  patient.representative_timeout = 60s;
  Lone lone(server(1, 2), patient);
  const SharedBytes update = direct(lone, 3, 1);
  for (int i = 0; i < 200; ++i) {
    lone.deliver(update);
    lone.bed.run_for(100ms);
  }
  std::set<Principal> shown;
  for (const auto& m : lone.bed.sent)
    if (m.is<ForwardedUpdate>()) shown.insert(m.to);
  EXPECT_EQ(shown.size(), 3u);
}

// A representative that takes its time with them would be noticed by nobody. [Steward 3.2]
TEST(StewardUpdates, OfAClientThatChoseThisServerGoToTheLeaderSitePastTheRepresentative) {
  Settings patient;
  patient.representative_timeout = 60s;
  Lone lone(server(1, 2), patient);
  const auto sent_to = [&] {
    std::vector<Principal> to;
    for (const auto& m : lone.bed.sent)
      if (m.is<ForwardedUpdate>()) to.push_back(m.to);
    lone.bed.sent.clear();
    return to;
  };
  const Principal representative = Principal::of(server(1, 0)), leader = Principal::of(server(0, 0));
  lone.deliver(direct(lone, 3, 1));
  EXPECT_EQ(sent_to(), std::vector{representative}) << "it may have asked everybody";
  lone.order(1, lone.one(3, 1));
  lone.bed.sent.clear();
  lone.deliver(direct(lone, 3, 2));
  EXPECT_EQ(sent_to(), (std::vector{leader, representative})) << "who tells more of the leader site, if need be";
  lone.deliver(direct(lone, 4, 1));
  EXPECT_EQ(sent_to(), std::vector{representative}) << "another client";
  lone.bed.run_for(700ms);
  const auto again = sent_to();
  EXPECT_GT(std::ranges::count(again, representative), 0);
  EXPECT_EQ(std::ranges::count(again, leader), 0) << "it has it, or does not want it: others of its site are told";
  // Not executed here: a representative that keeps this server a little behind gains nothing, the client goes on.
  lone.deliver(direct(lone, 3, 3));
  EXPECT_EQ(sent_to(), (std::vector{leader, representative}));
  lone.order(2, lone.one(3, 3));
  lone.order(3, lone.one(3, 4));  // came to another server
  lone.bed.sent.clear();
  lone.deliver(direct(lone, 3, 5));
  EXPECT_EQ(sent_to(), std::vector{representative});
}

// A client that gives its updates to all servers makes all of them its contacts.
TEST(StewardUpdates, GoPastTheRepresentativeOnlyWithinTheClientsAccount) {
  Settings frugal;
  frugal.representative_timeout = 60s;
  frugal.draw_client = {2000, 2000};
  Lone lone(server(1, 2), frugal);
  lone.deliver(direct(lone, 3, 1));
  std::size_t past = 0, usual = 0;
  for (std::uint64_t timestamp = 2; timestamp <= 100; ++timestamp) {
    lone.bed.sent.clear();
    lone.deliver(direct(lone, 3, timestamp));
    for (const auto& m : lone.bed.sent)
      if (m.is<ForwardedUpdate>()) ++(m.to == Principal::of(server(0, 0)) ? past : usual);
  }
  EXPECT_EQ(usual, 99u);
  EXPECT_GT(past, 3u);
  EXPECT_LT(past, 40u);
}

TEST(StewardUpdates, OfOtherSitesClientsAndOfStrangersAreRefused) {
  Lone lone(server(1, 2));
  EXPECT_EQ(lone.deliver(direct(lone, 1, 1), Reject::WrongSite), 1u);
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), 0u);
}

// [Steward 7.6]
TEST(StewardUpdates, AreForwardedByARepresentativeToTheLeaderSiteAndThenToItsNextServers) {
  Settings patient;
  patient.representative_timeout = 60s;
  Lone lone(server(1, 0), patient);
  lone.deliver(direct(lone, 3, 1));
  ASSERT_EQ(lone.sent<ForwardedUpdate>(), 1u);
  EXPECT_EQ(lone.bed.sent[0].to, Principal::of(server(0, 0)));
  lone.bed.run_for(700ms);
  ASSERT_EQ(lone.sent<ForwardedUpdate>(), 3u);  // f+1 more
  lone.bed.run_for(1500ms);
  ASSERT_EQ(lone.sent<ForwardedUpdate>(), 5u);
  std::set<Principal> asked;
  for (const auto& m : lone.bed.sent)
    if (m.is<ForwardedUpdate>()) asked.insert(m.to);
  EXPECT_EQ(asked.size(), 4u) << "in turn, until all servers of the leader site were asked";
}

// Who orders at the leader site may leave out what comes from other sites, and nobody there knows of it.
// [Steward 3.3]
class StewardLeftOut : public ::testing::TestWithParam<std::uint32_t> {};
INSTANTIATE_TEST_SUITE_P(BatchMax, StewardLeftOut, ::testing::Values(256u, 1u));

TEST_P(StewardLeftOut, UpdatesGoToOthersOfTheLeaderSiteAtOnceUnlessBatchesAreFull) {
  Settings settings;
  settings.representative_timeout = 60s;
  settings.retransmit_wide = 5s;
  settings.batch_max = GetParam();
  const bool has_room = settings.batch_max > 1;
  Lone lone(server(1, 0), settings);
  std::uint64_t seq = 0;
  for (std::uint64_t timestamp = 1; timestamp <= 2; ++timestamp) {
    lone.bed.sent.clear();
    lone.deliver(direct(lone, 3, timestamp));
    EXPECT_EQ(lone.sent<ForwardedUpdate>(), 1u);
    lone.bed.run_for(100ms);
    lone.order(++seq, lone.one(1, timestamp));  // others are served
    lone.bed.run_for(500ms);
    EXPECT_EQ(lone.sent<ForwardedUpdate>(), has_room ? 3u : 1u) << "f+1 others, and not it again";
    lone.order(++seq, lone.one(3, timestamp));
  }
  lone.bed.sent.clear();
  lone.deliver(direct(lone, 4, 1));
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), has_room ? 3u : 1u);
  lone.order(++seq, lone.one(4, 1));
  lone.bed.sent.clear();
  // Another one represents the leader site: nothing is known of it.
  lone.deliver(lone.bed.seal(Principal::of(SiteId(0)), LocalViewNotice{LocalView(1)}));
  lone.deliver(direct(lone, 4, 2));
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), 1u);
  EXPECT_EQ(lone.bed.sent.back().to, Principal::of(server(0, 1)));
}

TEST(StewardUpdates, GoToTheRepresentativeThatTheLeaderSiteAnnounced) {
  Lone lone(server(1, 0));
  lone.deliver(lone.bed.seal(Principal::of(SiteId(0)), LocalViewNotice{LocalView(2)}));
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(SiteId(0)), LocalViewNotice{LocalView(1)}), Reject::Superseded),
            1u);
  lone.deliver(direct(lone, 3, 1));
  EXPECT_EQ(lone.bed.sent[0].to, Principal::of(server(0, 2)));
}

// It may have been down when the notices came.
TEST(StewardUpdates, GoToTheRepresentativeThatProposesLately) {
  Lone lone(server(1, 0));
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b, 0, 2), b));
  Batch c = lone.one(2);
  lone.deliver(lone.carrier(lone.proposal(2, c, 0, 1), c));  // older
  lone.bed.sent.clear();
  lone.deliver(direct(lone, 3, 1));
  ASSERT_EQ(lone.sent<ForwardedUpdate>(), 1u);
  EXPECT_EQ(lone.bed.sent.back().to, Principal::of(server(0, 2)));
}

TEST(StewardUpdates, FromAfarArePassedToAllServersOfTheLeaderSite) {
  Lone lone(server(0, 1));
  lone.deliver(forwarded(lone, Leg::ToLeaderSite, 3, 1));
  EXPECT_EQ(lone.bed.count_sent([](const Bed::Datagram& m) {
    return m.is<ForwardedUpdate>() && m.body<ForwardedUpdate>().leg == Leg::InsideLeaderSite;
  }),
            3u);
  EXPECT_EQ(lone.core().updates().watched().size(), 1u);
  // What was passed on is watched, and passed on no further.
  Lone other(server(0, 2));
  other.deliver(forwarded(other, Leg::InsideLeaderSite, 3, 1));
  EXPECT_EQ(other.sent<ForwardedUpdate>(), 0u);
  EXPECT_EQ(other.core().updates().watched().size(), 1u);
}

// Anybody could else make servers watch what nobody gave to their representative.
TEST(StewardUpdates, InsideASiteCountOnlyWithTheMacOfANeighbour) {
  Lone lone(server(0, 2));
  for (Leg leg : {Leg::InsideLeaderSite, Leg::ToRepresentative}) {
    const ForwardedUpdate m{leg, lone.bed.update(ClientId(1), 1)};
    const Principal neighbour = Principal::of(server(0, 3));
    const Principal stranger = Principal::of(server(2, 2));
    EXPECT_EQ(lone.deliver(lone.bed.seal(neighbour, m, AuthKind::Bare), Reject::BadSignature), 1u);
    EXPECT_EQ(lone.deliver(lone.bed.seal(stranger, m, AuthKind::Bare), Reject::WrongSite), 1u);
    // A MAC for somebody else.
    const SharedBytes foreign = lone.bed.seal(neighbour, m, AuthKind::Mac, Principal::of(server(0, 1)));
    EXPECT_EQ(lone.deliver(foreign, Reject::BadSignature), 1u);
  }
  EXPECT_TRUE(lone.core().updates().watched().empty());
  lone.deliver(forwarded(lone, Leg::InsideLeaderSite, 1, 1));
  EXPECT_EQ(lone.core().updates().watched().size(), 1u);
}

// What a server was only shown counts from when it gave it to the representative itself.
TEST(StewardUpdates, ThatAreOnlyWatchedAreGivenToTheRepresentativeWellBeforeItIsSuspected) {
  Settings settings;
  settings.pace_floor = 60s;  // Local_T alone is in question
  Lone lone(server(0, 2), settings);
  const Timers timers(settings, lone.bed.membership, SiteId(0));
  const Duration t2 = timers.leader_representative_timeout();
  lone.deliver(forwarded(lone, Leg::InsideLeaderSite, 1, 1));
  lone.bed.run_for(t2 / 3 - 50ms);
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), 0u) << "who showed it passes it on, usually";
  lone.bed.run_for(150ms);
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), 1u);
  lone.bed.run_for(t2 - 100ms);
  EXPECT_EQ(lone.sent<NewRep>(), 0u);
  lone.bed.run_for(200ms);
  EXPECT_GT(lone.sent<NewRep>(), 0u);
}

TEST(StewardUpdates, OnePerClientIsWatchedTheHighestTimestamp) {
  Lone lone(server(1, 2));
  lone.deliver(direct(lone, 3, 2));
  lone.deliver(direct(lone, 3, 5));
  EXPECT_EQ(lone.deliver(direct(lone, 3, 4), Reject::StaleTimestamp), 1u);
  lone.deliver(direct(lone, 3, 5, "another operation"));
  ASSERT_EQ(lone.core().updates().watched().size(), 1u);
  EXPECT_EQ(lone.core().updates().watched().entries().begin()->second.timestamp, Timestamp(5));
  // An equal or higher timestamp of the client, whatever the operation, ends the watch.
  lone.order(1, lone.one(3, 5, "somebody's"));
  EXPECT_TRUE(lone.core().updates().watched().empty());
}

TEST(StewardUpdates, ASecondOperationUnderOneTimestampIsNotOrderedTwice) {
  Bed bed(3, 1, 1);
  bed.start();
  bed.deliver(server(0, 0), share(bed.update(ClientId(1), 1, "one").sealed));
  bed.deliver(server(0, 1), share(bed.update(ClientId(1), 1, "two").sealed));
  bed.run_for(3s);
  bed.expect_agreement(Seq(1));
  for (auto& [who, node] : bed.nodes)
    if (who.is_server()) {
      EXPECT_TRUE(node->steward().updates().watched().empty()) << to_string(who);
    }
}

TEST(StewardUpdates, AMacIsNoSignature) {
  Lone lone(server(0, 1));
  Header header{kWireVersion,     ProtocolId::Replication,   Update::kType, AuthKind::Authenticator,
                DeploymentId(11), Principal::of(ClientId(1))};
  Update body{Timestamp(1), {replication::kv::put("k", {})}};
  Bytes sealed = unsealed(header, encode(body));
  Bytes macs;
  for (unsigned i = 0; i < 4; ++i)
    append(macs, lone.bed.at(ClientId(1)).keys->mac(Principal::of(server(0, i)), sealed));
  append(sealed, macs);
  header = parse_sealed(sealed)->header;
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.batch({{sealed, header, body}})), Reject::Malformed), 1u);
  EXPECT_EQ(lone.deliver(share(sealed), Reject::Malformed), 1u);
}

TEST(StewardReplies, ComeFromTheServersOfTheClientsSite) {
  Lone home(server(1, 2));
  home.order(1, home.one(3));
  EXPECT_EQ(home.sent<replication::Reply>(), 1u);
  Lone elsewhere(server(2, 2));
  elsewhere.order(1, elsewhere.one(3));
  EXPECT_EQ(elsewhere.sent<replication::Reply>(), 0u);
}

TEST(StewardReplies, AreSentAgainForAnExecutedTimestamp) {
  Lone lone(server(1, 2));
  lone.order(1, lone.one(3, 7));
  lone.deliver(direct(lone, 3, 7));
  EXPECT_EQ(lone.sent<replication::Reply>(), 2u);
  lone.deliver(direct(lone, 3, 6));
  ASSERT_EQ(lone.sent<replication::Reply>(), 3u);
  EXPECT_TRUE(lone.bed.sent.back().body<replication::Reply>().stale);
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), 0u);
}

TEST(StewardReplies, AnswerTheQuestionForTheLastTimestamp) {
  Lone lone(server(1, 2));
  lone.deliver(direct(lone, 3, 0));
  ASSERT_EQ(lone.sent<replication::Reply>(), 1u);
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), 0u);
  EXPECT_TRUE(lone.core().updates().watched().empty());
}

TEST(StewardQueries, AreAnsweredFromExecutedState) {
  Bed bed(3, 1, 1);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 20s));
  bed.run_for(1s);
  bed.operate(ClientId(2), encode(replication::kv::Operation{replication::kv::Get{{to_bytes("k2")}}}), true);
  Instant asked = bed.now;
  ASSERT_TRUE(bed.run_while(5s, [&] { return !bed.at(ClientId(2)).client().idle(); }));
  auto done = bed.at(ClientId(2)).client().take_completions().at(0);
  EXPECT_TRUE(done.query);
  EXPECT_FALSE(done.fell_back);
  EXPECT_LT(bed.now - asked, 5ms);
}

// ---- fewer sites than a majority ----

TEST(StewardMajority, WithoutItAClientIsToldAndQueriesAreAnswered) {
  Bed bed(5, 1, 1);
  auto in_minority = [](const Principal& who) {
    SiteId site = who.is_server() ? who.server().site : SiteId(static_cast<std::uint16_t>(who.client().value - 1));
    return site.value < 2;
  };
  bed.start();
  bed.put(ClientId(1), "a", "1");
  ASSERT_TRUE(bed.run_while(10s, [&] { return !bed.at(ClientId(1)).client().idle(); }));
  bed.drop = [&](const Bed::Datagram& m) { return in_minority(m.from) != in_minority(m.to); };
  bed.put(ClientId(1), "b", "2");
  bed.put(ClientId(3), "c", "3");
  bed.run_for(2s);
  EXPECT_FALSE(bed.at(ClientId(1)).client().no_majority());  // one lost round is no proof
  bed.run_for(8s);
  auto notice = bed.at(ClientId(1)).client().no_majority();
  ASSERT_TRUE(notice);
  EXPECT_EQ(notice->reached, 2u);
  EXPECT_EQ(notice->needed, 3u);
  bed.operate(ClientId(2), replication::kv::get("a"), true);  // of a site in the minority
  ASSERT_TRUE(bed.run_while(1s, [&] { return !bed.at(ClientId(2)).client().idle(); }));
  EXPECT_FALSE(bed.at(ClientId(2)).client().take_completions().at(0).fell_back);
  EXPECT_FALSE(bed.at(ClientId(3)).client().no_majority());
  ASSERT_TRUE(bed.run_while(60s, [&] { return !bed.at(ClientId(3)).client().idle(); }));  // three sites of five go on
  EXPECT_FALSE(bed.at(ClientId(1)).client().idle());
  bed.drop = nullptr;
  ASSERT_TRUE(bed.run_while(120s, [&] { return !bed.at(ClientId(1)).client().idle(); }));
  bed.expect_agreement();
}

TEST(StewardMajority, ASiteOfWhichOneServerAnswersIsReached) {
  Bed bed(3, 1, 1);
  bed.start();
  for (unsigned site : {1u, 2u}) bed.kill(server(site, 0));  // f of each, the representatives
  bed.put(ClientId(1), "a", "1");
  bool told = false;
  bed.run_while(30s, [&] {
    told = told || bed.at(ClientId(1)).client().no_majority();
    return !bed.at(ClientId(1)).client().idle();
  });
  EXPECT_FALSE(told);
  EXPECT_TRUE(bed.at(ClientId(1)).client().idle());
}

TEST(StewardQueries, WaitForMinSeqOnePerClient) {
  Lone lone(server(1, 2));
  auto query = [&](std::uint64_t timestamp, std::uint64_t min_seq) {
    return lone.bed.seal(Principal::of(ClientId(3)), replication::Query{Timestamp(timestamp), Seq(min_seq), {}});
  };
  lone.deliver(query(1, 1));
  lone.deliver(query(2, 1));
  EXPECT_EQ(lone.deliver(query(1, 1), Reject::Duplicate), 1u);
  EXPECT_EQ(lone.sent<replication::Answer>(), 0u);
  lone.order(1, lone.one(1));
  ASSERT_EQ(lone.sent<replication::Answer>(), 1u);
}

TEST(StewardQueries, OfOtherSitesClientsAreRefused) {
  Lone lone(server(1, 2));
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(ClientId(1)), replication::Query{}), Reject::WrongSite), 1u);
}

// [Steward 7.9]
TEST(StewardReconciliation, AnswersAreRateLimitedAndBounded) {
  Lone lone(server(1, 2));
  const std::size_t most = Settings{}.reconcile_entries;
  for (std::uint64_t seq = 1; seq <= most + 4; ++seq) lone.order(seq, lone.one(1, seq));
  auto ask = lone.bed.seal(Principal::of(server(2, 0)), ReconcileRequest{Seq(0)}, AuthKind::Bare);
  std::size_t before = lone.sent<OrderedEntry>();
  lone.deliver(ask);
  EXPECT_EQ(lone.sent<OrderedEntry>() - before, most);
  EXPECT_EQ(lone.deliver(ask, Reject::Overloaded), 1u);
}

// [Steward 7.9]
TEST(StewardReconciliation, NobodyUsesUpANeighboursAnswersInItsName) {
  Lone lone(server(1, 2));
  lone.order(1, lone.one(1, 1));
  std::size_t before = lone.sent<OrderedEntry>();
  Principal neighbour = Principal::of(server(1, 3));
  EXPECT_EQ(lone.deliver(lone.bed.seal(neighbour, ReconcileRequest{Seq(0)}, AuthKind::Bare), Reject::BadSignature),
            1u);
  EXPECT_EQ(lone.sent<OrderedEntry>(), before);
  lone.deliver(lone.bed.seal(neighbour, ReconcileRequest{Seq(0)}, AuthKind::Mac, lone.me()));
  EXPECT_EQ(lone.sent<OrderedEntry>(), before + 1);
}

}  // namespace
}  // namespace seneschal::steward::testing
