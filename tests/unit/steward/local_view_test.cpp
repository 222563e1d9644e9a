// Replacing a representative. [Steward 4]
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

SharedBytes new_rep(Bed& bed, unsigned from, std::uint64_t lv, unsigned site = 0) {
  return bed.seal(Principal::of(server(site, from)), NewRep{LocalView(lv), 0});
}

TEST(StewardLocalView, ACrashedRepresentativeOfTheLeaderSiteIsReplaced) {
  Bed bed(3, 1, 2);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 10s));
  bed.kill(server(0, 0));
  ASSERT_TRUE(bed.all_clients_put(3, 30s));
  EXPECT_EQ(bed.steward(server(0, 1)).views().local(), LocalView(1));
  EXPECT_EQ(bed.steward(server(0, 1)).views().global(), GlobalView(0));
  bed.run_for(3s);
  bed.expect_agreement(Seq(1));
}

TEST(StewardLocalView, ACrashedRepresentativeOfAnotherSiteIsReplaced) {
  Bed bed(3, 1, 2);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 10s));
  bed.kill(server(1, 0));
  bed.kill(server(2, 0));
  ASSERT_TRUE(bed.all_clients_put(3, 30s));
  EXPECT_EQ(bed.steward(server(0, 1)).views().global(), GlobalView(0));
  bed.run_for(3s);
  bed.expect_agreement(Seq(1));
}

TEST(StewardLocalView, RepresentativesMayCrashOneAfterTheOther) {
  Bed bed(3, 2, 1);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(1, 10s));
  bed.kill(server(0, 0));
  ASSERT_TRUE(bed.all_clients_put(1, 30s));
  bed.kill(server(0, 1));
  ASSERT_TRUE(bed.all_clients_put(1, 30s));
  EXPECT_EQ(bed.steward(server(0, 2)).views().local(), LocalView(2));
  bed.run_for(3s);
  bed.expect_agreement(Seq(1));
}

TEST(StewardLocalView, OtherSitesLearnWhoTheRepresentativeIs) {
  Bed bed(3, 1, 1);
  bed.start();
  bed.kill(server(1, 0));
  ASSERT_TRUE(bed.all_clients_put(2, 30s));
  bed.run_for(2s);
  EXPECT_EQ(bed.steward(server(0, 2)).views().representative(SiteId(1)), server(1, 1));
}

// [Steward 4.1]
TEST(StewardLocalView, AnIdleSystemChangesNoView) {
  Bed bed(3, 1, 1);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(1, 10s));
  bed.run_for(60s);
  for (unsigned site = 0; site < 3; ++site) EXPECT_EQ(bed.steward(server(site, 1)).views().local(), LocalView(0));
}

// [Steward 4.1]
TEST(StewardLocalView, SuspectsOnlyWhenItsOldestWorkIsOlderThanLocalT) {
  Lone lone(server(1, 1));
  lone.deliver(share(lone.bed.update(ClientId(3), 1).sealed));  // a client of site 1
  lone.bed.run_for(Settings{}.representative_timeout - 50ms);
  EXPECT_EQ(lone.sent<NewRep>(), 0u);
  lone.bed.run_for(100ms);
  EXPECT_GT(lone.sent<NewRep>(), 0u);
}

// The other sites wait for the Accept of this one: a new representative must not inherit how rarely the old one
// tried.
// [Steward 6.29]
TEST(StewardLocalView, ANewRepresentativeSendsWhatWaitsAgainFromTheFirstInterval) {
  Settings settings;
  settings.representative_timeout = 60s;  // nobody is suspected here
  settings.pace_floor = 60s;
  Lone lone(server(1, 1), settings, 5);
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  lone.deliver(lone.accept(1, 1, b));  // of its own site; two are needed
  lone.bed.run_for(9500ms);            // the interval is at its most: 9 s, then 14 s after the Proposal
  std::size_t before = lone.sent<RelayedAccept>();
  EXPECT_GT(before, 0u);
  lone.deliver(new_rep(lone.bed, 2, 1, 1));
  lone.deliver(new_rep(lone.bed, 3, 1, 1));
  ASSERT_EQ(lone.core().views().local(), LocalView(1));
  lone.bed.run_for(settings.retransmit_wide + 100ms);
  EXPECT_GT(lone.sent<RelayedAccept>(), before);
}

// [Steward 4.3]
TEST(StewardLocalView, MovesOnOnlyFromAPreinstalledView) {
  Lone lone(server(1, 3));
  lone.deliver(share(lone.bed.update(ClientId(3), 1).sealed));
  lone.bed.run_for(30s);
  EXPECT_EQ(lone.core().views().local(), LocalView(1));
  lone.deliver(new_rep(lone.bed, 2, 1, 1));
  lone.deliver(new_rep(lone.bed, 0, 1, 1));  // with its own: q
  lone.bed.run_for(30s);
  EXPECT_EQ(lone.core().views().local(), LocalView(2));
}

// The others could not follow: it would collect no more shares, and they would go on sending them to it.
// [Steward 6.9]
TEST(StewardLocalView, ARepresentativeDoesNotSuspectItself) {
  Lone lone(server(1, 0));
  lone.deliver(share(lone.bed.update(ClientId(3), 1).sealed));
  lone.bed.run_for(20s);
  EXPECT_EQ(lone.core().views().local(), LocalView(0));
  lone.deliver(new_rep(lone.bed, 1, 1, 1));
  lone.deliver(new_rep(lone.bed, 2, 1, 1));
  EXPECT_EQ(lone.core().views().local(), LocalView(1)) << "but it joins f+1 who do";
}

// [Steward 4.3]
TEST(StewardLocalView, JoinsTheSmallestOfFPlusOneHigherViews) {
  Lone lone(server(1, 1));
  lone.deliver(new_rep(lone.bed, 2, 7, 1));
  EXPECT_EQ(lone.core().views().local(), LocalView(0));
  lone.deliver(new_rep(lone.bed, 3, 4, 1));
  EXPECT_EQ(lone.core().views().local(), LocalView(4));
}

TEST(StewardLocalView, ASeenGapIsAskedAbout) {
  Lone lone(server(1, 1));
  lone.deliver(new_rep(lone.bed, 2, 7, 1));
  EXPECT_EQ(lone.sent<NewRep>(), 1u);
}

// [Steward 4.3]
TEST(StewardLocalView, AProofOfTheViewIsShownToWhoAsksFromBelow) {
  Lone lone(server(1, 1));
  for (unsigned i : {0u, 2u, 3u}) lone.deliver(new_rep(lone.bed, i, 2, 1));
  ASSERT_EQ(lone.core().views().local(), LocalView(2));
  lone.bed.run_for(100ms);
  lone.deliver(new_rep(lone.bed, 0, 0, 1));
  EXPECT_GT(lone.sent<PreinstallProof>(), 0u);
}

// [Steward 5.7]
TEST(StewardLocalView, NewRepsOfAnotherSiteAreRefused) {
  Lone lone(server(1, 1));
  EXPECT_EQ(lone.deliver(new_rep(lone.bed, 2, 7, 2), Reject::WrongSite), 1u);
  EXPECT_EQ(lone.sent<NewRep>(), 0u);
}

TEST(StewardLocalView, AServerThatMissedTheChangeCatchesUp) {
  Bed bed(3, 1, 1);
  bed.start();
  Principal away = Principal::of(server(0, 3));
  bed.drop = [&](const Bed::Datagram& m) { return m.from == away || m.to == away; };
  ASSERT_TRUE(bed.all_clients_put(1, 10s));
  bed.kill(server(0, 0));
  bed.run_for(100ms);
  bed.drop = nullptr;  // it is needed for a quorum now
  ASSERT_TRUE(bed.all_clients_put(2, 30s));
  EXPECT_EQ(bed.steward(server(0, 3)).views().local(), bed.steward(server(0, 1)).views().local());
}

// [Steward 4.10]
TEST(StewardLocalView, PreparesNothingBeforeItIsConstrained) {
  Lone lone(server(0, 2));
  for (unsigned i : {0u, 1u, 3u}) lone.deliver(new_rep(lone.bed, i, 1));
  ASSERT_EQ(lone.core().views().local(), LocalView(1));
  EXPECT_FALSE(lone.core().views().constrained());
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.one(), 0, 1, 1), Reject::NotConstrained), 1u);
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
}

/// The q states of a bundle of (0, 1), each with these items, handed over by server 1.
void deliver_bundle(Lone& lone, Seq base, const std::vector<std::vector<StateItem>>& states) {
  StateKey key{StateContext::Pending, GlobalView(0), LocalView(1), base};
  std::vector<Signed<ServerState>> sealed;
  std::set<Digest> chosen;
  for (unsigned i = 0; i < states.size(); ++i) {
    sealed.push_back(lone.bed.sign(Principal::of(server(0, i + 1)), ServerState{key, {states[i]}}));
    chosen.insert(crypto::sha256(sealed.back().sealed));
  }
  for (const auto& state : sealed)
    lone.deliver(lone.bed.seal(Principal::of(server(0, 1)), CollectedState{{{chosen.begin(), chosen.end()}}, state}));
}

TEST(StewardLocalView, AnEmptyUnionLeavesEverythingFree) {
  Lone lone(server(0, 2));
  for (unsigned i : {0u, 1u, 3u}) lone.deliver(new_rep(lone.bed, i, 1));
  deliver_bundle(lone, Seq(0), {{}, {}, {}});
  EXPECT_TRUE(lone.core().views().constrained());
  lone.deliver(lone.pre_prepare(1, lone.one(), 0, 1, 1));
  EXPECT_GT(lone.sent<Prepare>(), 0u);
}

// [Steward 4.9]
TEST(StewardLocalView, AFixedSeqTakesItsEntryAndNothingElse) {
  Lone lone(server(0, 2));
  Batch fixed = lone.one(1, 1, "fixed");
  lone.deliver(lone.carrier(lone.proposal(2, fixed), fixed));  // of this gv, signed by our own site
  for (unsigned i : {0u, 1u, 3u}) lone.deliver(new_rep(lone.bed, i, 1));
  StateItem item{Seq(2), EntryKind::Proposed, GlobalView(0), {}, digest_of(fixed)};
  deliver_bundle(lone, Seq(0), {{item}, {}, {}});
  ASSERT_TRUE(lone.core().views().constrained());
  EXPECT_GE(lone.deliver(lone.pre_prepare(2, lone.one(2), 0, 1, 1), Reject::Conflict), 1u);
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.one(2), 0, 1, 1), Reject::Constrained),
            1u);  // a gap: only the no-op
  lone.deliver(lone.pre_prepare(1, Batch{}, 0, 1, 1));
  lone.deliver(lone.pre_prepare(2, fixed, 0, 1, 1));
  EXPECT_EQ(lone.bed.count_sent([](const Bed::Datagram& m) { return m.is<Prepare>(); }), 6u);  // to 3 servers each
}

// [Steward 4.4]
TEST(StewardLocalView, AnEntryWithoutProofBindsNobody) {
  Lone lone(server(0, 2));
  for (unsigned i : {0u, 1u, 3u}) lone.deliver(new_rep(lone.bed, i, 1));
  StateItem made_up{Seq(1), EntryKind::Certificate, GlobalView(0), LocalView(0), digest_of(lone.one(1))};
  deliver_bundle(lone, Seq(0), {{made_up}, {}, {}});
  EXPECT_FALSE(lone.core().views().constrained());
  EXPECT_GT(lone.sent<EntryRequest>(), 0u);
}

TEST(StewardLocalView, StatesOfOneServerCountOnce) {
  Lone lone(server(0, 2));
  for (unsigned i : {0u, 1u, 3u}) lone.deliver(new_rep(lone.bed, i, 1));
  StateKey key{StateContext::Pending, GlobalView(0), LocalView(1), Seq(0)};
  std::vector<Signed<ServerState>> sealed;
  std::set<Digest> chosen;
  for (unsigned i : {1u, 1u, 3u}) {
    StateItem item{Seq(1 + sealed.size()), EntryKind::Ordered, GlobalView(0), {}, {}};
    sealed.push_back(lone.bed.sign(Principal::of(server(0, i)), ServerState{key, {{item}}}));
    chosen.insert(crypto::sha256(sealed.back().sealed));
  }
  for (const auto& state : sealed)
    lone.deliver(lone.bed.seal(Principal::of(server(0, 1)), CollectedState{{{chosen.begin(), chosen.end()}}, state}));
  EXPECT_FALSE(lone.core().views().constrained());
  EXPECT_EQ(lone.sent<EntryRequest>(), 0u);
}

// [Steward 4.10]
TEST(StewardLocalView, IsNotConstrainedWhileItsAruIsBelowTheBase) {
  Lone lone(server(0, 2));
  for (unsigned i : {0u, 1u, 3u}) lone.deliver(new_rep(lone.bed, i, 1));
  deliver_bundle(lone, Seq(1), {{}, {}, {}});
  EXPECT_FALSE(lone.core().views().constrained());
  lone.order(1, lone.one());
  EXPECT_TRUE(lone.core().views().constrained());
}

// [Steward 4.3]
TEST(StewardLocalView, SharesNothingOfALeftView) {
  Lone lone(server(0, 2));
  Batch b = lone.one();
  lone.deliver(lone.pre_prepare(1, b));
  for (unsigned i : {0u, 1u, 3u}) lone.deliver(new_rep(lone.bed, i, 1));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 1)));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 3)));
  lone.bed.run_for(5s);
  EXPECT_FALSE(lone.shared(1));
}

TEST(StewardLocalView, AFullWindowInFlightSurvivesTheChange) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Settings settings;
    settings.batch_max = 1;
    settings.window = 4;
    Bed bed(3, 1, 6, settings, seed);
    bed.jitter = 20ms;
    bed.loss_per_mille = 20;
    bed.start();
    for (int i = 0; i < 2; ++i) bed.all_clients_put(1, 60ms + seed * 13ms);
    bed.kill(server(0, 0));
    ASSERT_TRUE(bed.all_clients_put(2, 60s)) << seed;
    bed.loss_per_mille = 0;
    bed.run_for(8s);
    bed.expect_agreement(Seq(1));
  }
}

}  // namespace
}  // namespace seneschal::steward::testing
