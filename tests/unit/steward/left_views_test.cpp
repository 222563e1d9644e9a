// What a view change leaves behind: unfinished jobs, updates in two places,
// proofs that nobody needs any more. [Steward 4] [Steward 5] [Steward 7]
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

SharedBytes asks_for(Bed& bed, unsigned from, std::uint64_t lv, unsigned site = 0) {
  return bed.seal(Principal::of(server(site, from)), NewRep{LocalView(lv), 0});
}
void enter_local_view(Lone& lone, std::uint64_t lv) {
  for (std::uint16_t i = 0; i < 4; ++i)
    if (i != lone.self.index.value) lone.deliver(asks_for(lone.bed, i, lv, lone.self.site.value));
}
SharedBytes wants_view(Bed& bed, unsigned site, std::uint64_t gv) {
  return bed.seal(Principal::of(SiteId(static_cast<std::uint16_t>(site))), GlobalViewChange{GlobalView(gv)});
}
std::string status_of(StewardCore& core, const std::string& key) {
  StatusList list;
  core.status(list);
  for (const auto& [name, value] : list)
    if (name == key) return value;
  return "";
}

TEST(StewardLeftViews, AShareThatFinishesAfterItsInstanceWasDroppedMeetsNoOther) {
  Lone lone(server(0, 2));
  lone.bed.job_delay = 50ms;
  Batch b = lone.one();
  lone.deliver(lone.pre_prepare(1, b));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 1)));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 3)));  // its share is being made
  ASSERT_TRUE(lone.shared(1));
  enter_local_view(lone, 1);
  // Another's share of the same content begins an instance that has agreed to nothing.
  Bytes content = site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), digest_of(b)});
  SigShare share{Seq(1), content_of(content), {lone.bed.at(server(0, 1)).keys->share(content)}, {}};
  lone.deliver(lone.bed.seal(Principal::of(server(0, 1)), share));
  lone.bed.run_for(1s);
  EXPECT_EQ(lone.bed.count_sent(
                [](const Bed::Datagram& m) { return m.is<SigShare>() && m.body<SigShare>().seq == Seq(1); }),
            0u);
}

/// Hands the representative of (0, 1), which is `lone`, the states of two others.
void answer_states(Lone& lone, const std::vector<StateItem>& items) {
  StateKey key{StateContext::Pending, GlobalView(0), LocalView(1), Seq(0)};
  for (unsigned i : {2u, 3u}) lone.deliver(lone.bed.seal(Principal::of(server(0, i)), ServerState{key, {items}}));
}

TEST(StewardLeftViews, AReplayedBatchLeavesThePool) {
  Settings settings;
  settings.batch_max = 1;
  Lone lone(server(0, 1), settings);
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));  // signed by our site before the view changed
  lone.deliver(lone.bed.seal(Principal::of(server(1, 0)), ForwardedUpdate{Leg::ToLeaderSite, b.updates.items[0]},
                             AuthKind::Bare));
  enter_local_view(lone, 1);
  lone.bed.run_for(100ms);  // as representative it has the update in its pool
  answer_states(lone, {{Seq(1), EntryKind::Proposed, GlobalView(0), {}, digest_of(b)}});
  lone.bed.run_for(500ms);
  ASSERT_TRUE(lone.core().views().constrained());
  EXPECT_GT(lone.sent<PrePrepare>(), 0u);
  EXPECT_EQ(lone.bed.count_sent(
                [](const Bed::Datagram& m) { return m.is<PrePrepare>() && m.body<PrePrepare>().seq != Seq(1); }),
            0u);
}

TEST(StewardLeftViews, WhoOnlyWatchesAnUpdatePassesItOnInTheEnd) {
  Lone lone(server(0, 2));
  lone.deliver(lone.bed.seal(Principal::of(server(0, 3)),
                             ForwardedUpdate{Leg::InsideLeaderSite, lone.bed.update(ClientId(3), 1)}, AuthKind::Mac,
                             lone.me()));
  lone.bed.run_for(90ms);
  EXPECT_EQ(lone.sent<ForwardedUpdate>(), 0u);  // the representative was shown it, too: it may propose it first
  lone.bed.run_for(60ms);
  EXPECT_GT(lone.sent<ForwardedUpdate>(), 0u);
  EXPECT_EQ(lone.core().views().local(), LocalView(0));
}

// [Steward 6.2]
TEST(StewardLeftViews, AfterARestartTimersKnowInWhichViewTheLastEntryWasOrdered) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  OrderedEntry entry{lone.proposal(1, b, 6), {}, {b}};
  entry.accepts.items.push_back(lone.bed.sign(Principal::of(SiteId(1)), Accept{GlobalView(6), Seq(1), digest_of(b)}));
  const auto t1 = [&](const std::vector<Record>& log) {
    Bed bed(3, 1, 2);  // the same keys
    bed.drop = [](const Bed::Datagram&) { return true; };
    bed.at(lone.self).replica->start(bed.now, log);
    bed.deliver(lone.self, share(bed.update(ClientId(3), 7).sealed));  // something to do
    bed.run_for(100ms);
    return status_of(bed.steward(lone.self), "t1_us");
  };
  const Record promise = encode(LogRecord{LogRecord::kVersion, PromiseRecord{GlobalView(6)}});
  const Record ordered = encode(LogRecord{LogRecord::kVersion, OrderedRecord{{entry}}});
  EXPECT_EQ(t1({promise}), "2000000");          // two rounds of three sites without order
  EXPECT_EQ(t1({promise, ordered}), "500000");  // that view orders
}

TEST(StewardLeftViews, AWindowOfProofsIsAnsweredAtOnce) {
  Lone lone(server(0, 2));
  std::vector<StateItem> items;
  for (std::uint64_t seq = 1; seq <= 32; ++seq) {
    Batch b = lone.one(1, seq, "v" + std::to_string(seq));
    lone.deliver(lone.carrier(lone.proposal(seq, b), b));
    items.push_back({Seq(seq), EntryKind::Proposed, GlobalView(0), {}, digest_of(b)});
  }
  for (std::size_t first = 0; first < items.size(); first += EntryRequest::kMaxItems) {
    EntryRequest request;
    for (std::size_t i = first; i < std::min(items.size(), first + EntryRequest::kMaxItems); ++i)
      request.items.items.push_back(items[i]);
    lone.bed.deliver(lone.self, lone.bed.seal(Principal::of(server(0, 1)), request, AuthKind::Mac, lone.me()));
  }
  EXPECT_EQ(lone.sent<EntryEvidence>(), 32u);
}

// A faulty site key, or representatives of several views, may prove more than one content for a seq.
TEST(StewardLeftViews, OneProofPerSeqOutlivesItsView) {
  Lone lone(server(0, 1));
  enter_local_view(lone, 1);
  lone.bed.run_for(100ms);
  StateKey key{StateContext::Pending, GlobalView(0), LocalView(1), Seq(0)};
  std::vector<StateItem> items;
  for (unsigned i : {2u, 3u}) {
    Batch b = lone.one(1, 1, "of server " + std::to_string(i));
    items.push_back({Seq(1), EntryKind::Proposed, GlobalView(0), {}, digest_of(b)});
    lone.deliver(lone.bed.seal(Principal::of(server(0, i)), ServerState{key, {{items.back()}}}));
    lone.deliver(lone.bed.seal(Principal::of(server(0, i)), EntryEvidence{items.back(), lone.proposal(1, b), {}, {b}},
                               AuthKind::Bare));
  }
  ASSERT_EQ(status_of(lone.core(), "evidence"), "2");
  enter_local_view(lone, 2);
  EXPECT_EQ(status_of(lone.core(), "evidence"), "1");
}

// [Steward 5.3]
TEST(StewardLeftViews, AHigherAruEndsTheSharingOfALowerOne) {
  Lone lone(server(1, 1));
  for (std::uint64_t seq = 1; seq <= 2; ++seq) lone.order(seq, lone.one(1, seq));
  lone.deliver(wants_view(lone.bed, 0, 1));
  lone.deliver(wants_view(lone.bed, 2, 1));
  ASSERT_EQ(lone.core().views().global(), GlobalView(1));
  const auto claim = [&](std::uint64_t aru) {
    AruClaims claims;
    for (unsigned from : {0u, 2u, 3u})
      claims.claims.items.push_back(lone.bed.sign(Principal::of(server(1, from)), AruClaim{GlobalView(1), Seq(aru)}));
    lone.deliver(lone.bed.seal(Principal::of(server(1, 0)), claims, AuthKind::Bare));
    lone.bed.run_for(200ms);
  };
  const auto shares_of = [&](std::uint64_t aru) {
    const AruMessage message{GlobalView(1), Seq(aru)};
    const Digest content = content_of(site_message(lone.bed.membership, SiteId(1), message));
    return lone.bed.count_sent(
        [&](const Bed::Datagram& m) { return m.is<SigShare>() && m.body<SigShare>().content == content; });
  };
  claim(1);
  ASSERT_GT(shares_of(1), 0u);
  claim(2);
  ASSERT_GT(shares_of(2), 0u);
  // Nobody is watched, replaced or asked again for a message that no longer counts.
  lone.bed.sent.clear();
  lone.bed.run_for(5s);
  EXPECT_EQ(shares_of(1), 0u);
  EXPECT_GT(shares_of(2), 0u);
}

TEST(StewardLeftViews, AnEmptyQuestionAboutViewsIsNotAnswered) {
  Lone lone(server(2, 1));
  lone.deliver(wants_view(lone.bed, 0, 1));
  lone.deliver(wants_view(lone.bed, 1, 1));
  GlobalViewNews question;
  question.relay = true;
  lone.bed.sent.clear();
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(server(0, 0)), question, AuthKind::Bare), Reject::Malformed),
            1u);
  EXPECT_EQ(lone.sent<GlobalViewNews>(), 0u);
}

TEST(StewardLeftViews, TheProofOfAViewCarriesTheAruMessageThatShowedIt) {
  Lone lone(server(2, 1));
  lone.deliver(lone.bed.seal(Principal::of(SiteId(1)), AruMessage{GlobalView(1), Seq(0)}));
  ASSERT_EQ(lone.core().views().global(), GlobalView(1));
  lone.bed.sent.clear();
  lone.deliver(lone.bed.seal(Principal::of(server(2, 2)), GlobalViewAttempt{GlobalView(1), 0}));
  ASSERT_EQ(lone.sent<GlobalViewNews>(), 1u);
  for (const auto& m : lone.bed.sent)
    if (m.is<GlobalViewNews>()) {
      ASSERT_TRUE(m.body<GlobalViewNews>().aru);
      EXPECT_EQ(m.body<GlobalViewNews>().aru->body.gv, GlobalView(1));
    }
}

TEST(StewardLeftViews, AnAruIsClaimedOnlyWhenItsLastOrderIsDurable) {
  Lone lone(server(1, 1));
  lone.bed.persist_delay = 1s;
  lone.order(1, lone.one());
  lone.deliver(wants_view(lone.bed, 0, 1));
  lone.deliver(wants_view(lone.bed, 2, 1));
  lone.bed.run_for(800ms);
  EXPECT_EQ(lone.sent<AruClaim>(), 0u);
  lone.bed.run_for(2s);
  EXPECT_GT(lone.sent<AruClaim>(), 0u);
}

TEST(StewardLeftViews, WhoeverAsksForTheBundleAgainAndAgainDrawsFromItsAccount) {
  Settings settings;
  Lone lone(server(0, 1), settings);
  enter_local_view(lone, 1);
  lone.bed.run_for(100ms);
  answer_states(lone, {});
  ASSERT_GT(lone.sent<CollectedState>(), 0u);
  lone.bed.run_for(200ms);
  lone.bed.sent.clear();
  for (int i = 0; i < 2000; ++i) {
    lone.bed.deliver(lone.self, asks_for(lone.bed, 3, 1));
    lone.bed.run_for(60ms);
  }
  std::size_t bytes = 0;
  for (const auto& m : lone.bed.sent)
    if (m.is<CollectedState>() && m.to == Principal::of(server(0, 3))) bytes += m.bytes->size();
  EXPECT_GT(bytes, 0u);
}

TEST(StewardLeftViews, ASiteThatIsTooFarAheadToAnswerHasNothingOutstanding) {
  Settings settings;
  settings.window = 4;
  Lone lone(server(2, 1), settings);
  for (std::uint64_t seq = 1; seq <= 8; ++seq) lone.order(seq, lone.one(1, seq));
  ASSERT_EQ(lone.core().execution().executed(), Seq(8));
  lone.deliver(lone.bed.seal(Principal::of(SiteId(1)), AruMessage{GlobalView(1), Seq(0)}));
  lone.bed.run_for(30s);
  EXPECT_EQ(lone.core().views().local(), LocalView(0));
}

// [Steward 6.3]
TEST(StewardLeftViews, AnotherSiteLooksOnEverMoreRarelyWhenFPlusOneTriedInVain) {
  Bed bed(3, 1, 1);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(1, 10s));
  for (unsigned site : {0u, 2u})
    for (unsigned i = 0; i < 4; ++i) bed.kill(server(site, i));  // nobody can order
  bed.put(ClientId(2), "k", "v");
  bed.run_for(60s);
  const std::uint64_t tried = bed.steward(server(1, 0)).views().local().value;
  EXPECT_GE(tried, 3u);
  EXPECT_LE(tried, 24u);  // a view a T1 would be more than a hundred
}

}  // namespace
}  // namespace seneschal::steward::testing
