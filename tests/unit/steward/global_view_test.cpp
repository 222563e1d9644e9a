// Replacing a leader site. [Steward 5]
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

SharedBytes change(Bed& bed, unsigned site, std::uint64_t gv) {
  return bed.seal(Principal::of(SiteId(static_cast<std::uint16_t>(site))), GlobalViewChange{GlobalView(gv)});
}
SharedBytes attempt(Bed& bed, ServerId from, std::uint64_t gv) {
  return bed.seal(Principal::of(from), GlobalViewAttempt{GlobalView(gv), 0});
}

TEST(StewardGlobalView, ACrashedLeaderSiteIsReplaced) {
  Bed bed(3, 1, 1);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 10s));
  for (unsigned i = 0; i < 4; ++i) bed.kill(server(0, i));
  ClientId client(2);  // of site 1
  bed.put(client, "k", "v");
  ASSERT_TRUE(bed.run_while(60s, [&] { return !bed.at(client).client().idle(); }));
  bed.at(client).client().take_completions();
  EXPECT_EQ(bed.steward(server(1, 0)).views().global(), GlobalView(1));
  bed.run_for(3s);
  bed.expect_agreement(Seq(1));
}

TEST(StewardGlobalView, ALeaderSiteThatIsCutOffComesBackAndFollows) {
  Bed bed(3, 1, 1);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 10s));
  auto inside = [](const Principal& who) {
    return who.is_server() ? who.server().site == SiteId(0) : who == Principal::of(ClientId(1));
  };
  bed.drop = [&](const Bed::Datagram& m) { return inside(m.from) != inside(m.to); };
  ClientId client(2);
  bed.put(client, "k", "v");
  ASSERT_TRUE(bed.run_while(60s, [&] { return !bed.at(client).client().idle(); }));
  bed.at(client).client().take_completions();
  bed.drop = nullptr;
  ASSERT_TRUE(bed.all_clients_put(2, 60s));
  EXPECT_EQ(bed.steward(server(0, 1)).views().global(), bed.steward(server(1, 1)).views().global());
  bed.run_for(5s);
  bed.expect_agreement(Seq(1));
}

// [Steward 5.1]
TEST(StewardGlobalView, IsolatedSitesDoNotClimb) {
  Bed bed(3, 1, 1);
  bed.start();
  bed.drop = [](const Bed::Datagram& m) {
    return m.from.is_server() && m.to.is_server() && m.from.server().site != m.to.server().site;
  };
  bed.put(ClientId(2), "k", "v");
  bed.run_for(120s);
  for (unsigned site = 0; site < 3; ++site) EXPECT_EQ(bed.steward(server(site, 0)).views().global(), GlobalView(0));
}

// [Steward 5.2]
TEST(StewardGlobalView, AMajorityOfSitesPreinstallsAView) {
  Lone lone(server(2, 1));
  lone.deliver(change(lone.bed, 0, 5));
  EXPECT_EQ(lone.core().views().global(), GlobalView(0));  // one site's word never does
  lone.deliver(change(lone.bed, 1, 3));
  EXPECT_EQ(lone.core().views().global(), GlobalView(3));
}

// [Steward 5.2] [Steward 8.1]
TEST(StewardGlobalView, ThePromiseIsDurableAndNothingLowerIsAccepted) {
  Lone lone(server(2, 1));
  lone.deliver(change(lone.bed, 0, 1));
  lone.deliver(change(lone.bed, 1, 1));
  bool promised = std::ranges::any_of(lone.node().log, [](const Record& record) {
    auto r = decode_record(record);
    return r && std::holds_alternative<PromiseRecord>(r->what) &&
           std::get<PromiseRecord>(r->what).gv == GlobalView(1);
  });
  EXPECT_TRUE(promised);
  Batch b = lone.one();
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(1, b), b), Reject::WrongView), 1u);
  lone.bed.run_for(2s);
  EXPECT_FALSE(lone.shared(1));
}

// [Steward 5.1]
TEST(StewardGlobalView, AnAttemptIsNoPromise) {
  Lone lone(server(2, 1));
  lone.deliver(attempt(lone.bed, server(2, 2), 1));
  lone.deliver(attempt(lone.bed, server(2, 3), 1));
  EXPECT_GT(lone.sent<GlobalViewAttempt>(), 0u);  // it joins f+1
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  lone.bed.run_for(2s);
  EXPECT_TRUE(lone.shared(1));
}

// Servers hear of the same update up to a client's T0 apart: without this they would ask for the next view as far
// apart.
// [Steward 6.10]
TEST(StewardGlobalView, WhoIsSecondedAttemptsHalfAT2Sooner) {
  const auto attempts_after = [](bool seconded) {
    Lone lone(server(2, 1));
    lone.deliver(share(lone.bed.update(ClientId(5), 1).sealed));
    if (seconded) lone.deliver(lone.bed.seal(Principal::of(server(2, 2)), GlobalViewAttempt{GlobalView(1), 0}));
    Timers timers(Settings{}, lone.bed.membership, SiteId(2));
    Duration sooner = timers.leader_site_timeout() - timers.leader_representative_timeout() / 2;
    lone.bed.run_for(sooner - 100ms);
    EXPECT_EQ(lone.sent<GlobalViewAttempt>(), 0u) << "never before";
    lone.bed.run_for(200ms);
    return lone.sent<GlobalViewAttempt>();
  };
  EXPECT_EQ(attempts_after(false), 0u);
  EXPECT_GT(attempts_after(true), 0u);
}

// [Steward 5.1]
TEST(StewardGlobalView, OneAttemptMovesNobody) {
  Lone lone(server(2, 1));
  lone.deliver(attempt(lone.bed, server(2, 2), 9));
  lone.bed.run_for(2s);
  EXPECT_EQ(lone.sent<GlobalViewAttempt>(), 0u);
}

// [Steward 5.2]
TEST(StewardGlobalView, AnAruMessageOfTheLeaderSiteProvesItsView) {
  Lone lone(server(2, 1));
  auto by = [&](unsigned site) {
    return lone.bed.seal(Principal::of(SiteId(static_cast<std::uint16_t>(site))), AruMessage{GlobalView(1), Seq(0)});
  };
  EXPECT_EQ(lone.deliver(by(0), Reject::NotLeaderSite), 1u);
  EXPECT_EQ(lone.core().views().global(), GlobalView(0));
  lone.deliver(by(1));
  EXPECT_EQ(lone.core().views().global(), GlobalView(1));
}

// [Steward 5.3]
TEST(StewardGlobalView, TheAruIsTheFPlusFirstHighestClaim) {
  Lone lone(server(1, 1));
  lone.deliver(change(lone.bed, 0, 1));
  lone.deliver(change(lone.bed, 2, 1));
  ASSERT_EQ(lone.core().views().global(), GlobalView(1));
  AruClaims claims;
  for (auto [from, aru] : {std::pair{0u, 1000u}, {2u, 0u}, {3u, 0u}})
    claims.claims.items.push_back(lone.bed.sign(Principal::of(server(1, from)), AruClaim{GlobalView(1), Seq(aru)}));
  lone.deliver(lone.bed.seal(Principal::of(server(1, 0)), claims, AuthKind::Bare));
  lone.bed.run_for(100ms);
  AruMessage expected{GlobalView(1), Seq(0)};
  Digest content = content_of(site_message(lone.bed.membership, SiteId(1), expected));
  EXPECT_TRUE(std::ranges::any_of(
      lone.node().events, [&](const Event& e) { return e.kind == EventKind::Shared && e.digest == content; }));
}

/// Delivers the pieces of a set of (1, 0) made of these constraints, to a server of site 1.
void deliver_set(Lone& lone, const std::vector<std::pair<unsigned, GlobalConstraint>>& constraints) {
  std::vector<Signed<GlobalConstraint>> sealed;
  std::set<Digest> chosen;
  for (const auto& [site, constraint] : constraints) {
    sealed.push_back(lone.bed.sign(Principal::of(SiteId(static_cast<std::uint16_t>(site))), constraint));
    chosen.insert(crypto::sha256(sealed.back().sealed));
  }
  for (const auto& constraint : sealed)
    lone.deliver(lone.bed.seal(Principal::of(server(1, 0)),
                               CollectedConstraint{{}, {{chosen.begin(), chosen.end()}}, constraint}));
}
void deliver_empty_bundle(Lone& lone, StateContext context = StateContext::Pending, std::uint64_t gv = 1) {
  const auto by = [&](unsigned i) { return Principal::of(server(lone.self.site.value, i)); };
  StateKey key{context, GlobalView(gv), LocalView(0), Seq(0)};
  std::vector<Signed<ServerState>> sealed;
  std::set<Digest> chosen;
  for (unsigned i : {0u, 2u, 3u}) {
    sealed.push_back(lone.bed.sign(by(i), ServerState{key, {}}));
    chosen.insert(crypto::sha256(sealed.back().sealed));
  }
  for (const auto& state : sealed)
    lone.deliver(lone.bed.seal(by(0), CollectedState{{{chosen.begin(), chosen.end()}}, state}));
}

// The view and its ARU come in one message; what this site collected in the view before must not answer it. Without a
// log nothing waits for the disk in between. **(!)**
// [Steward 5.4]
TEST(StewardGlobalView, AUnionOfTheViewBeforeIsNoAnswerToTheNextOne) {
  Settings settings;
  settings.durability = Durability::None;
  Lone lone(server(2, 1), settings);
  lone.deliver(change(lone.bed, 0, 1));
  lone.deliver(change(lone.bed, 1, 1));
  ASSERT_EQ(lone.core().views().global(), GlobalView(1));
  deliver_empty_bundle(lone, StateContext::Constraint);  // complete, and nobody has asked for it yet
  const auto shared = [&](std::uint64_t gv) {
    const GlobalConstraint answer{GlobalView(gv), Seq(0), {}};
    const Digest content = content_of(site_message(lone.bed.membership, SiteId(2), answer));
    return std::ranges::any_of(lone.node().events,
                               [&](const Event& e) { return e.kind == EventKind::Shared && e.digest == content; });
  };
  lone.deliver(lone.bed.seal(Principal::of(SiteId(0)), AruMessage{GlobalView(3), Seq(0)}));
  ASSERT_EQ(lone.core().views().global(), GlobalView(3));
  lone.bed.run_for(50ms);
  EXPECT_FALSE(shared(3));
  deliver_empty_bundle(lone, StateContext::Constraint, 3);
  lone.bed.run_for(50ms);
  EXPECT_TRUE(shared(3)) << "with states of that view it answers";
}

struct NewLeader : Lone {
  NewLeader() : Lone(server(1, 1)) {
    deliver(change(bed, 0, 1));
    deliver(change(bed, 2, 1));
  }
};

TEST(StewardGlobalView, ANewLeaderSiteNeedsTheSetAndTheBundle) {
  NewLeader lone;
  EXPECT_FALSE(lone.core().views().constrained());
  deliver_empty_bundle(lone);
  EXPECT_FALSE(lone.core().views().constrained());
  deliver_set(lone, {{1, {GlobalView(1), Seq(0), {}}}, {2, {GlobalView(1), Seq(0), {}}}});
  EXPECT_TRUE(lone.core().views().constrained());
}

// [Steward 5.5]
TEST(StewardGlobalView, TheSetContainsTheLeaderSitesOwnConstraint) {
  NewLeader lone;
  deliver_empty_bundle(lone);
  deliver_set(lone, {{0, {GlobalView(1), Seq(0), {}}}, {2, {GlobalView(1), Seq(0), {}}}});
  EXPECT_FALSE(lone.core().views().constrained());
}

// [Steward 5.5]
TEST(StewardGlobalView, ASetMayMixBasesAndTheHighestCounts) {
  NewLeader lone;
  deliver_empty_bundle(lone);
  StateItem low{Seq(1), EntryKind::Proposed, GlobalView(0), {}, digest_of(lone.one(1))};
  StateItem high{Seq(2), EntryKind::Proposed, GlobalView(0), {}, digest_of(lone.one(2))};
  deliver_set(lone, {{1, {GlobalView(1), Seq(0), {{low, high}}}}, {2, {GlobalView(1), Seq(1), {{high}}}}});
  EXPECT_FALSE(lone.core().views().constrained());  // it has not executed up to the base
  Batch b = lone.one(1);
  OrderedEntry entry{lone.proposal(1, b), {}, {b}};
  entry.accepts.items.push_back(lone.bed.sign(Principal::of(SiteId(1)), Accept{GlobalView(0), Seq(1), digest_of(b)}));
  lone.deliver(lone.bed.seal(Principal::of(server(1, 0)), entry, AuthKind::Bare));
  ASSERT_TRUE(lone.core().views().constrained());
  EXPECT_EQ(lone.core().views().fixed(Seq(1)), nullptr);
  ASSERT_NE(lone.core().views().fixed(Seq(2)), nullptr);
  EXPECT_EQ(lone.core().views().fixed(Seq(2))->digest, high.digest);
}

// [Steward 5.4]
TEST(StewardGlobalView, CertificatesOfAViewCountOnlyFromTheSiteThatLedIt) {
  NewLeader lone;
  StateItem forged{Seq(1), EntryKind::Certificate, GlobalView(0), LocalView(3), digest_of(lone.one(1))};
  SharedBytes piece = lone.bed.seal(Principal::of(SiteId(2)), GlobalConstraint{GlobalView(1), Seq(0), {{forged}}});
  EXPECT_EQ(lone.deliver(piece, Reject::Malformed), 1u);
}

// [Steward 5.5]
TEST(StewardGlobalView, TheFirstValidSetOfAViewStays) {
  NewLeader lone;
  deliver_empty_bundle(lone);
  deliver_set(lone, {{1, {GlobalView(1), Seq(0), {}}}, {2, {GlobalView(1), Seq(0), {}}}});
  ASSERT_TRUE(lone.core().views().constrained());
  StateItem other{Seq(1), EntryKind::Proposed, GlobalView(0), {}, digest_of(lone.one(1))};
  deliver_set(lone, {{1, {GlobalView(1), Seq(0), {{other}}}}, {2, {GlobalView(1), Seq(0), {}}}});
  EXPECT_EQ(lone.core().views().fixed(Seq(1)), nullptr);
}

TEST(StewardGlobalView, AnEntryOfTheOldViewIsReplayedUnderAnyLoss) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    Settings settings;
    settings.window = 4;
    settings.batch_max = 1;
    Bed bed(3, 1, 3, settings, seed);
    bed.jitter = 20ms;
    bed.loss_per_mille = 20;
    bed.start();
    bed.all_clients_put(2, 150ms + seed * 37ms);
    auto inside = [](const Principal& who) { return who.is_server() && who.server().site == SiteId(0); };
    bed.drop = [&](const Bed::Datagram& m) { return inside(m.from) != inside(m.to); };
    bed.run_for(40s);
    EXPECT_GE(bed.steward(server(1, 0)).views().global(), GlobalView(1)) << seed;
    bed.drop = nullptr;
    bed.loss_per_mille = 0;
    bed.run_for(20s);
    bed.expect_agreement(Seq(1));
  }
}

}  // namespace
}  // namespace seneschal::steward::testing
