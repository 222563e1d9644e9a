// THRESHOLD-SIGN with faulty servers. [Steward 3.6]
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

void spoil(JobResult& result, bool share_too, bool proof_too) {
  auto* made = std::get_if<ShareResult>(&result);
  if (made == nullptr) return;
  if (share_too) made->share[0] ^= 0x55;
  if (proof_too && !made->proof.empty()) made->proof[0] ^= 0x55;
}

bool accuses(Bed& bed, ServerId by, ServerId whom) {
  return std::ranges::any_of(bed.at(by).accusations, [&](const auto& a) { return a.who == Principal::of(whom); });
}

class StewardBadShare : public ::testing::TestWithParam<FanOut> {};
INSTANTIATE_TEST_SUITE_P(FanOuts, StewardBadShare, ::testing::Values(FanOut::All, FanOut::Collector),
                         [](const auto& p) { return p.param == FanOut::All ? "All" : "Collector"; });

TEST_P(StewardBadShare, IsBlamedByItsProofAndLaterSharesAreIgnored) {
  Settings settings;
  settings.fan_out = GetParam();
  Bed bed(3, 1, 1, settings);
  ServerId liar = server(0, 1);
  bed.tamper = [&](const Principal& who, JobResult& r) {
    if (who == Principal::of(liar)) spoil(r, true, true);
  };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(4, 60s));
  bed.run_for(2s);
  for (unsigned i : {0u, 2u, 3u}) {
    EXPECT_TRUE(accuses(bed, server(0, i), liar)) << i;
    EXPECT_TRUE(bed.steward(server(0, i)).signing().blamed(liar.index)) << i;
    for (const auto& a : bed.at(server(0, i)).accusations) EXPECT_EQ(a.who, Principal::of(liar)) << a.reason;
  }
  bed.completions.clear();
  ASSERT_TRUE(bed.all_clients_put(3, 60s));
  for (const auto& done : bed.completions) EXPECT_LT(done.finished - done.started, 250ms);
}

TEST_P(StewardBadShare, WithoutAProofIsSetAsideNotBlamed) {
  Settings settings;
  settings.fan_out = GetParam();
  Bed bed(3, 1, 1, settings);
  ServerId liar = server(0, 1);
  bed.tamper = [&](const Principal& who, JobResult& r) {
    if (who == Principal::of(liar)) spoil(r, true, false);
  };
  bed.drop = [&](const Bed::Datagram& m) {  // it never answers with a proof
    return m.from == Principal::of(liar) && m.is<SigShare>() && !m.body<SigShare>().proof.value.empty();
  };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(4, 60s));
  for (auto& [who, node] : bed.nodes) EXPECT_TRUE(node->accusations.empty()) << to_string(who);
  bed.expect_agreement(Seq(1));
}

TEST(StewardBadShare, LostProofsAreAskedForAgain) {
  Settings settings;
  settings.fan_out = FanOut::All;
  Bed bed(3, 1, 1, settings);
  ServerId liar = server(0, 1);
  bed.tamper = [&](const Principal& who, JobResult& r) {
    if (who == Principal::of(liar)) spoil(r, true, false);
  };
  bed.drop = [&](const Bed::Datagram& m) {
    if (!m.is<SigShare>() || m.body<SigShare>().proof.value.empty()) return false;
    return m.from == Principal::of(liar) || bed.now < Instant{} + 400ms;
  };
  bed.start();
  bed.put(ClientId(1), "key", "value");
  EXPECT_TRUE(bed.run_while(20s, [&] { return !bed.at(ClientId(1)).client().idle(); }));
}

TEST(StewardBadShare, WithoutAProofCostsItsMakerThePlaceAmongTheSigners) {
  Bed bed(3, 1, 1);
  ServerId liar = server(0, 1);
  bed.tamper = [&](const Principal& who, JobResult& r) {
    if (who == Principal::of(liar)) spoil(r, true, false);
  };
  bed.drop = [&](const Bed::Datagram& m) {
    return m.from == Principal::of(liar) && m.is<SigShare>() && !m.body<SigShare>().proof.value.empty();
  };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 60s));
  EXPECT_FALSE(bed.steward(server(0, 0)).signing().signers().contains(liar.index));
}

// ---- shares that come before this server agrees ----

SharedBytes early_share(Bed& bed, unsigned from, std::uint64_t seq, const Bytes& message) {
  const Principal who = Principal::of(server(0, from));
  return bed.seal(who, SigShare{Seq(seq), content_of(message), {bed.nodes.at(who)->keys->share(message)}, {}});
}

/// Server 3 speaks of eight more messages about views, as many as a server may.
void fill_quota(Lone& lone) {
  for (Byte i = 1; i <= 8; ++i) lone.deliver(early_share(lone.bed, 3, 0, Bytes{1, 2, 3, i}));
}

// A server must not decide how long others' shares of an entry are kept by saying first that they are about a view.
TEST(StewardEarlyShares, OfAnEntryStayWhateverSeqAnotherServerClaimsForItsContent) {
  for (std::uint64_t claimed : {0u, 2u}) {
    Lone lone(server(0, 0));
    const Batch b = lone.one();
    const Bytes message =
        site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), replication::digest_of(b)});
    lone.deliver(early_share(lone.bed, 3, claimed, message));
    lone.deliver(early_share(lone.bed, 1, 1, message));
    lone.deliver(early_share(lone.bed, 2, 1, message));
    fill_quota(lone);
    lone.deliver(share(lone.bed.update(ClientId(1), 1).sealed));
    for (unsigned i : {1u, 2u}) lone.deliver(lone.prepare(1, digest_of(b), server(0, i)));
    EXPECT_EQ(lone.sent<ShareRequest>(), 0u);
    EXPECT_GT(lone.sent<ProposalCarrier>(), 0u) << "q shares were here; server 3 claimed seq " << claimed;
  }
}

TEST(StewardEarlyShares, OfAViewStayWhoeverSpokeOfItFirst) {
  Lone lone(server(0, 0));
  const Bytes message = site_message(lone.bed.membership, SiteId(0), GlobalViewChange{GlobalView(1)});
  for (unsigned i : {3u, 1u, 2u}) lone.deliver(early_share(lone.bed, i, 0, message));
  fill_quota(lone);
  for (unsigned i : {1u, 2u}) {
    const Principal who = Principal::of(server(0, i));
    lone.deliver(lone.bed.seal(who, GlobalViewAttempt{GlobalView(1), 0}));
  }
  lone.bed.run_for(10ms);
  EXPECT_GT(lone.bed.count_sent<GlobalViewChange>(lone.self), 0u) << "its own share and two others make q";
}

TEST(StewardEarlyShares, AreBoundedBySender) {
  Lone lone(server(0, 0));
  const std::size_t before = lone.core().signing().size();
  for (unsigned i = 0; i < 100; ++i) lone.deliver(early_share(lone.bed, 3, 0, Bytes{1, 2, static_cast<Byte>(i)}));
  EXPECT_EQ(lone.core().signing().size() - before, 8u);
}

TEST(StewardBadShare, SpoilsOneCombinationAtEachServer) {
  Settings settings;
  settings.fan_out = FanOut::All;
  Bed bed(3, 1, 1, settings);
  ServerId liar = server(0, 1);
  bed.tamper = [&](const Principal& who, JobResult& r) {
    if (who == Principal::of(liar)) spoil(r, true, false);
  };
  bed.drop = [&](const Bed::Datagram& m) {
    return m.from == Principal::of(liar) && m.is<SigShare>() && !m.body<SigShare>().proof.value.empty();
  };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(4, 60s));
  for (unsigned i : {0u, 2u, 3u}) EXPECT_FALSE(bed.steward(server(0, i)).signing().trusts(liar.index)) << i;
  bed.record = true;
  ASSERT_TRUE(bed.all_clients_put(4, 60s));
  EXPECT_EQ(
      bed.count_sent([](const Bed::Datagram& m) { return m.is<ShareRequest>() && m.body<ShareRequest>().prove; }), 0u)
      << "nobody needs a proof any more";
}

/// The representative of site 0, with a batch on its way and the content that its site will sign.
struct Collector {
  Lone lone{server(0, 0)};
  Batch batch = lone.one();
  Bytes message = site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), digest_of(batch)});

  Collector() {
    lone.bed.deliver(lone.self, lone.bed.seal(Principal::of(ClientId(1)), lone.bed.update(ClientId(1), 1).body));
    lone.bed.run_for(5ms);
  }
  void prepares() {
    lone.deliver(lone.prepare(1, digest_of(batch), server(0, 1)));
    lone.deliver(lone.prepare(1, digest_of(batch), server(0, 2)));
  }
  void share(unsigned from, bool good, bool proof = false) {
    auto made = lone.bed.at(server(0, from)).keys->prove(message);
    if (!good) made.share[0] ^= 0x55;
    lone.deliver(lone.bed.seal(Principal::of(server(0, from)),
                               SigShare{Seq(1), content_of(message), {made.share}, {proof ? made.proof : Bytes{}}}));
  }
  bool is_signed() { return lone.sent<ProposalCarrier>() > 0; }
};

TEST(StewardShares, ThatNobodyAskedForCountOnlyWithTheirProof) {
  Collector c;
  c.share(3, false);  // not among the signers, and early
  c.share(1, true);
  c.prepares();
  EXPECT_EQ(c.lone.sent<ShareRequest>(), 0u) << "no combination was tried, so none failed";
  c.share(2, true);
  EXPECT_TRUE(c.is_signed());
  EXPECT_EQ(c.lone.sent<ShareRequest>(), 0u);
}

TEST(StewardShares, ThatNobodyAskedForHelpOnceTheyAreProven) {
  Collector c;
  c.share(3, true);
  c.share(1, true);
  c.prepares();
  EXPECT_FALSE(c.is_signed());
  c.lone.bed.run_for(100ms);  // server 2 is late: all are asked, who has shared already for the proof
  const auto asked = [&](bool prove) {
    return c.lone.bed.count_sent([&](const Bed::Datagram& m) {
      return m.is<ShareRequest>() && m.to == Principal::of(server(0, prove ? 3 : 2)) &&
             m.body<ShareRequest>().prove == prove;
    });
  };
  EXPECT_GE(asked(true), 1u);
  EXPECT_GE(asked(false), 1u);
  c.share(3, true, true);
  EXPECT_TRUE(c.is_signed());
}

TEST(StewardBadShare, AProofThatIsOnlyLateEndsProbation) {
  Collector c;
  c.share(1, false);
  c.share(2, true);
  c.prepares();  // fails: proofs are asked for
  EXPECT_GE(c.lone.sent<ShareRequest>(), 3u);
  // A neighbour was faster.
  const Proposal proposal{{}, {}, Seq(1), digest_of(c.batch)};
  c.lone.deliver(c.lone.bed.seal(Principal::of(SiteId(0)), proposal));
  EXPECT_FALSE(c.lone.core().signing().trusts(ServerIndex(1)));
  EXPECT_FALSE(c.lone.core().signing().trusts(ServerIndex(2)));
  c.share(2, true, true);
  EXPECT_TRUE(c.lone.core().signing().trusts(ServerIndex(2)));
  EXPECT_FALSE(c.lone.core().signing().trusts(ServerIndex(1)));
}

TEST(StewardBadShare, AndThenAGoodOneOfTheSameMessageConvictsItsMaker) {
  Collector c;
  c.share(1, false);
  c.share(2, true);
  c.prepares();
  c.share(1, true, true);
  EXPECT_TRUE(c.lone.core().signing().blamed(ServerIndex(1)));
  ASSERT_EQ(c.lone.node().accusations.size(), 1u);
  EXPECT_EQ(c.lone.node().accusations[0].who, Principal::of(server(0, 1)));
  EXPECT_EQ(c.lone.node().accusations[0].evidence.size(), 2u);
  c.share(2, true, true);
  c.share(3, true, true);
  EXPECT_TRUE(c.is_signed());
}

TEST(StewardShareTrust, EachProbationIsTwiceAsLong) {
  ShareTrust trust;
  const ServerIndex server(3);
  EXPECT_TRUE(trust.trusts(server));
  EXPECT_FALSE(trust.proved(server));
  for (int needed : {8, 16, 32}) {
    trust.spoiled(server);
    for (int i = 1; i < needed; ++i) EXPECT_FALSE(trust.proved(server));
    EXPECT_FALSE(trust.trusts(server));
    EXPECT_TRUE(trust.proved(server));
    EXPECT_TRUE(trust.trusts(server));
  }
  trust.spoiled(server);
  trust.acquit(server);
  EXPECT_TRUE(trust.trusts(server));
  EXPECT_FALSE(trust.doubts_anybody());
}

TEST(StewardBlame, ACorrectServerIsNotBlamedAndItsAccuserIsDistrusted) {
  Lone lone(server(0, 2));
  // A genuine share with its genuine proof, called corrupt.
  Bytes message = site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), {}});
  auto made = lone.bed.at(server(0, 1)).keys->prove(message);
  SigShare share{Seq(1), content_of(message), {made.share}, {made.proof}};
  CorruptedServer lie{lone.bed.sign(Principal::of(server(0, 1)), share), {message}};
  lone.deliver(lone.bed.seal(Principal::of(server(0, 3)), lie));
  EXPECT_FALSE(lone.core().signing().blamed(ServerIndex(1)));
  ASSERT_EQ(lone.node().accusations.size(), 1u);
  EXPECT_EQ(lone.node().accusations[0].who, Principal::of(server(0, 3)));
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(server(0, 3)), lie), Reject::BadShare), 1u);
}

TEST(StewardBlame, NeedsAProofThatFails) {
  Lone lone(server(0, 2));
  Bytes message = site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), {}});
  auto made = lone.bed.at(server(0, 1)).keys->prove(message);
  made.share[0] ^= 1;
  SigShare without{Seq(1), content_of(message), {made.share}, {}};
  CorruptedServer early{lone.bed.sign(Principal::of(server(0, 1)), without), {message}};
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(server(0, 3)), early), Reject::BadShare), 1u);
  SigShare bad{Seq(1), content_of(message), {made.share}, {made.proof}};
  CorruptedServer other{lone.bed.sign(Principal::of(server(0, 1)), bad), {Bytes{1, 2, 3}}};
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(server(0, 3)), other), Reject::Malformed), 1u);
  EXPECT_FALSE(lone.core().signing().blamed(ServerIndex(1)));
  CorruptedServer just{lone.bed.sign(Principal::of(server(0, 1)), bad), {message}};
  lone.deliver(lone.bed.seal(Principal::of(server(0, 3)), just));
  EXPECT_TRUE(lone.core().signing().blamed(ServerIndex(1)));
}

TEST(StewardShares, OnesThatComeBeforeTheCertificateAreKept) {
  Lone lone(server(0, 0));
  lone.bed.deliver(lone.self, lone.bed.seal(Principal::of(ClientId(1)), lone.bed.update(ClientId(1), 1).body));
  lone.bed.run_for(5ms);
  Batch b = lone.one();
  Bytes message = site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), digest_of(b)});
  for (unsigned i : {1u, 2u}) {
    SigShare share{Seq(1), content_of(message), {lone.bed.at(server(0, i)).keys->share(message)}, {}};
    lone.deliver(lone.bed.seal(Principal::of(server(0, i)), share));
  }
  EXPECT_EQ(lone.sent<ProposalCarrier>(), 0u);
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 1)));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)));
  EXPECT_EQ(lone.sent<ProposalCarrier>(), 11u);
}

TEST(StewardShares, OfOneServerFillOnlyItsOwnQuota) {
  Settings settings;
  settings.window = 4;
  Lone lone(server(0, 0), settings);
  auto stray = [&](unsigned from, std::uint8_t n) {
    Digest content;
    content.bytes[0] = n;
    content.bytes[1] = static_cast<Byte>(from);
    return lone.bed.seal(Principal::of(server(0, from)), SigShare{Seq(1), content, {Bytes{1}}, {}});
  };
  for (int n = 0; n < 100; ++n) lone.deliver(stray(1, static_cast<std::uint8_t>(n)));
  EXPECT_EQ(lone.core().signing().size(), 16u);
  EXPECT_EQ(lone.deliver(stray(2, 1), Reject::Overloaded), 0u);
  EXPECT_EQ(lone.core().signing().size(), 17u);
  Digest far;
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(server(0, 3)), SigShare{Seq(1000), far, {Bytes{1}}, {}}),
                         Reject::Overloaded),
            1u);
}

TEST(StewardShares, OfOtherSitesAreRefused) {
  Lone lone(server(0, 0));
  std::uint64_t before = lone.node().replica->rejected_total();
  lone.deliver(lone.bed.seal(Principal::of(server(1, 1)), SigShare{Seq(1), {}, {Bytes{1}}, {}}));
  EXPECT_EQ(lone.node().replica->rejected_total(), before + 1);
  EXPECT_EQ(lone.core().signing().size(), 0u);
}

TEST(StewardShares, AreNotMadeForWhatTheServerHasNoCertificateFor) {
  Lone lone(server(0, 1));
  Bytes message = site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), {}});
  auto request = lone.bed.seal(Principal::of(server(0, 0)), ShareRequest{Seq(1), content_of(message), true},
                               AuthKind::Mac, lone.me());
  lone.deliver(request);
  lone.bed.run_for(2s);
  EXPECT_EQ(lone.sent<SigShare>(), 0u);
  EXPECT_EQ(lone.node().jobs[1] + lone.node().jobs[2], 0u);
}

// [Steward 7.3]
TEST(StewardShares, HeldOnesAreSentOnRequestAndToAllAfterATimeout) {
  Settings patient;
  patient.representative_timeout = 60s;
  Lone lone(server(1, 3), patient);  // not among the chosen signers
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_EQ(lone.sent<SigShare>(), 0u);
  Bytes message = site_message(lone.bed.membership, SiteId(1), Accept{{}, Seq(1), digest_of(b)});
  lone.deliver(lone.bed.seal(Principal::of(server(1, 0)), ShareRequest{Seq(1), content_of(message), false},
                             AuthKind::Mac, lone.me()));
  EXPECT_EQ(lone.sent<SigShare>(), 1u);
  lone.bed.run_for(600ms);
  EXPECT_EQ(lone.sent<SigShare>(), 4u);
}

TEST(StewardShares, AreNotSignedAgainForEveryRequest) {
  Lone lone(server(1, 3));
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  Bytes message = site_message(lone.bed.membership, SiteId(1), Accept{{}, Seq(1), digest_of(b)});
  for (bool prove : {false, true}) {
    auto request = lone.bed.seal(Principal::of(server(1, 0)), ShareRequest{Seq(1), content_of(message), prove},
                                 AuthKind::Mac, lone.me());
    lone.deliver(request);
    std::size_t signatures = lone.node().jobs[0];
    for (int i = 0; i < 50; ++i) lone.bed.deliver(lone.self, request);
    EXPECT_EQ(lone.node().jobs[0], signatures);
    lone.bed.run_for(60ms);
    lone.deliver(request);  // an honest collector tries again after a while, and is answered
    EXPECT_EQ(lone.node().jobs[0], signatures + 1);
  }
}

TEST(StewardShares, ASlowRepresentativeIsBypassedByTheFallback) {
  // The collector never combines: the others send their shares to all and combine by themselves.
  Bed bed(3, 1, 1);
  bed.drop = [](const Bed::Datagram& m) {
    return m.from == Principal::of(server(1, 0)) && (m.is<Accept>() || m.is<RelayedAccept>());
  };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 60s));
}

TEST(StewardShares, AreNotMadeForAnAcceptThatTheSiteHasSignedAlready) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  lone.deliver(lone.accept(1, 1, b));  // a neighbour combined it; the Proposal is still on its way
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  lone.bed.run_for(5s);
  EXPECT_FALSE(lone.shared(1));
  EXPECT_FALSE(lone.core().signing().busy()) << "no instance stays open for what is signed";
  EXPECT_EQ(lone.sent<SigShare>(), 0u);
}

TEST(StewardSignerSet, ComesFromTheRepresentativeOnlyAndHasQMembers) {
  Lone lone(server(1, 3));
  auto set = [&](unsigned from, std::vector<ServerIndex> members, std::uint64_t epoch = 1, std::uint64_t lv = 0) {
    return lone.bed.seal(Principal::of(server(1, from)), SignerSet{LocalView(lv), epoch, {std::move(members)}});
  };
  std::vector<ServerIndex> good{ServerIndex(0), ServerIndex(2), ServerIndex(3)};
  EXPECT_EQ(lone.deliver(set(2, good), Reject::NotRepresentative), 1u);
  EXPECT_EQ(lone.deliver(set(0, {ServerIndex(0), ServerIndex(3)}), Reject::Malformed), 1u);
  EXPECT_EQ(lone.deliver(set(0, {ServerIndex(0), ServerIndex(3), ServerIndex(9)}), Reject::Malformed), 1u);
  EXPECT_EQ(lone.deliver(set(0, good, 1, 4), Reject::WrongView), 1u);
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_EQ(lone.sent<SigShare>(), 0u);
  lone.deliver(set(0, good));
  EXPECT_EQ(lone.sent<SigShare>(), 1u) << "chosen: it shares what it holds";
  EXPECT_EQ(lone.deliver(set(0, good), Reject::Superseded), 1u);
}

}  // namespace
}  // namespace seneschal::steward::testing
