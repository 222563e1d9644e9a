// Sentences 4, 5, 8 and 9 of section 3, one by one, at a single server.
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

// ---- ASSIGN-SEQUENCE [Steward 3.4] ----

TEST(StewardOrdering, AnswersAPrePrepareWithOnePrepareToItsSite) {
  Lone lone(server(0, 1));
  lone.deliver(lone.pre_prepare(1, lone.one()));
  EXPECT_EQ(lone.sent<Prepare>(), 3u);
  for (const auto& m : lone.bed.sent) EXPECT_EQ(m.to.server().site, SiteId(0));
}

TEST(StewardOrdering, RefusesPrePrepareOfAnotherView) {
  Lone lone(server(0, 1));
  // Admission or the handler: either way nothing is sent.
  lone.deliver(lone.pre_prepare(1, lone.one(), 3, 0));
  lone.deliver(lone.pre_prepare(1, lone.one(), 0, 4));
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
  EXPECT_EQ(lone.bed.rejects(lone.self, Reject::NotAdmitted) + lone.bed.rejects(lone.self, Reject::WrongView), 2u);
}

TEST(StewardOrdering, RefusesPrePrepareOfSomebodyElse) {
  Lone lone(server(0, 1));
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.one(), 0, 0, 2), Reject::NotRepresentative), 1u);
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
}

TEST(StewardOrdering, RefusesPrePrepareOutsideTheLeaderSite) {
  Lone lone(server(1, 1));
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.one()), Reject::NotLeaderSite), 1u);
}

TEST(StewardOrdering, RefusesPrePrepareOutsideWindow) {
  Settings settings;
  settings.window = 4;
  Lone lone(server(0, 1), settings);
  EXPECT_EQ(lone.deliver(lone.pre_prepare(5, lone.one()), Reject::OutsideWindow), 1u);
  EXPECT_EQ(lone.deliver(lone.pre_prepare(9, lone.one()), Reject::NotAdmitted), 1u);
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
  lone.deliver(lone.pre_prepare(4, lone.one(2)));
  EXPECT_EQ(lone.sent<Prepare>(), 3u);
}

TEST(StewardOrdering, PreparesAnEarlyPrePrepareWhenItsWindowFollows) {
  Settings settings;
  settings.window = 4;
  Lone lone(server(0, 1), settings);
  lone.deliver(lone.pre_prepare(5, lone.one(2)));
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
  lone.order(1, lone.one(1));
  EXPECT_EQ(lone.sent<Prepare>(), 3u);
}

TEST(StewardOrdering, PreparesOncePerSeqAndAccusesAnEquivocatingRepresentative) {
  Lone lone(server(0, 1));
  lone.deliver(lone.pre_prepare(1, lone.one(1)));
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.one(2)), Reject::Equivocation), 1u);
  EXPECT_EQ(lone.sent<Prepare>(), 3u);
  ASSERT_EQ(lone.node().accusations.size(), 1u);
  EXPECT_EQ(lone.node().accusations[0].who, Principal::of(server(0, 0)));
  EXPECT_EQ(lone.node().accusations[0].evidence.size(), 2u);
}

TEST(StewardOrdering, RefusesPrePrepareThatConflictsWithAProposal) {
  Lone lone(server(0, 1));
  Batch b = lone.one(1);
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.one(2)), Reject::Conflict), 1u);
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
}

TEST(StewardOrdering, RefusesEmptyBatchOnAFreeSeq) {
  Lone lone(server(0, 1));
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, {}), Reject::EmptyBatch), 1u);
}

TEST(StewardOrdering, RefusesOversizedBatch) {
  Settings settings;
  settings.batch_max = 1;
  Lone lone(server(0, 1), settings);
  Batch two = lone.batch({lone.bed.update(ClientId(1), 1), lone.bed.update(ClientId(2), 1)});
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, two), Reject::TooLong), 1u);
}

TEST(StewardOrdering, RefusesUpdateNotSignedByItsClient) {
  Lone lone(server(0, 1));
  Signed<Update> forged = lone.bed.update(ClientId(1), 1);
  forged.sealed.back() ^= 1;
  forged.sealed[forged.sealed.size() - 64] ^= 1;
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.batch({forged})), Reject::BadInnerSignature), 1u);
}

TEST(StewardOrdering, RefusesRepeatedUpdateInABatchAndAcrossBatches) {
  Lone lone(server(0, 1));
  Signed<Update> u = lone.bed.update(ClientId(1), 1);
  EXPECT_EQ(lone.deliver(lone.pre_prepare(1, lone.batch({u, lone.bed.update(ClientId(1), 1, "other")})),
                         Reject::RepeatedUpdate),
            1u);
  lone.deliver(lone.pre_prepare(1, lone.batch({u})));
  EXPECT_EQ(lone.deliver(lone.pre_prepare(2, lone.batch({u})), Reject::RepeatedUpdate), 1u);
  EXPECT_EQ(lone.sent<Prepare>(), 3u);
}

TEST(StewardOrdering, RefusesUpdateExecutedAWindowAgo) {
  Settings settings;
  settings.window = 2;
  // Within a window the representative may not know that it was executed: execution will skip it.
  Lone within(server(0, 1), settings);
  within.order(1, within.one(1, 5));
  EXPECT_EQ(within.deliver(within.pre_prepare(2, within.one(1, 5)), Reject::AlreadyExecuted), 0u);
  EXPECT_EQ(within.sent<Prepare>(), 3u);
  // A window later it must: what it proposes at seq has been executed up to seq - W.
  for (std::uint64_t timestamp : {5u, 4u}) {
    Lone after(server(0, 1), settings);
    after.order(1, after.one(1, 5));
    after.order(2, after.one(2, 1));
    EXPECT_EQ(after.deliver(after.pre_prepare(3, after.one(1, timestamp)), Reject::AlreadyExecuted), 1u);
    EXPECT_EQ(after.sent<Prepare>(), 0u);
  }
}

TEST(StewardOrdering, ExecutesATimestampOnceAndSkipsItLater) {
  Lone lone(server(0, 1));
  lone.order(1, lone.one(1, 5, "first"));
  lone.order(2, lone.one(1, 5, "second"));
  lone.order(3, lone.one(1, 4, "third"));
  EXPECT_EQ(lone.core().execution().executed(), Seq(3));
  EXPECT_EQ(std::ranges::count(lone.node().events, EventKind::UpdateDone, &Event::kind), 1);
}

// [Steward 8.1]
TEST(StewardOrdering, PersistsThePrepareWithItsBatchBeforeItLeaves) {
  Lone lone(server(0, 1));
  lone.bed.persist_delay = 3s;
  lone.deliver(lone.pre_prepare(1, lone.one()));
  lone.bed.run_for(1s);
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
  ASSERT_FALSE(lone.node().log.empty());
  auto record = decode_record(lone.node().log.back());
  ASSERT_TRUE(record && std::holds_alternative<PreparedRecord>(record->what));
  EXPECT_EQ(std::get<PreparedRecord>(record->what).pre_prepare.value.body.batch.updates.size(), 1u);
  lone.bed.run_for(3s);
  EXPECT_GE(lone.sent<Prepare>(), 3u);
}

// ---- certificates [Steward 2] [Steward 3.5] ----

TEST(StewardCertificate, NeedsTwoFPreparesOfDistinctServersOfTheSite) {
  Lone lone(server(0, 1));
  Batch b = lone.one();
  lone.deliver(lone.pre_prepare(1, b));  // its own Prepare is one of the two
  EXPECT_EQ(lone.deliver(lone.prepare(1, digest_of(b), server(0, 1)), Reject::Replay), 1u);
  EXPECT_EQ(lone.deliver(lone.prepare(1, digest_of(b), server(0, 0)), Reject::WrongSenderKind), 1u)
      << "the representative's";
  EXPECT_EQ(lone.deliver(lone.prepare(1, digest_of(b), server(1, 2)), Reject::WrongSite), 1u) << "another site's";
  EXPECT_FALSE(lone.shared(1));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)));
  EXPECT_TRUE(lone.shared(1));
}

TEST(StewardCertificate, CountsADuplicateOnce) {
  Lone lone(server(0, 0));  // the representative: needs two Prepares of others
  lone.bed.deliver(lone.self, lone.bed.seal(Principal::of(ClientId(1)), lone.bed.update(ClientId(1), 1).body));
  lone.bed.run_for(5ms);
  Batch b = lone.one();
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)));
  EXPECT_EQ(lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)), Reject::Duplicate), 1u);
  EXPECT_FALSE(lone.shared(1));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 3)));
  EXPECT_TRUE(lone.shared(1));
}

TEST(StewardCertificate, KeepsPreparesThatComeBeforeTheirPrePrepare) {
  Lone lone(server(0, 1));
  Batch b = lone.one();
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)));
  EXPECT_FALSE(lone.shared(1));
  lone.deliver(lone.pre_prepare(1, b));
  EXPECT_TRUE(lone.shared(1));
}

TEST(StewardCertificate, DoesNotMixDigestsAndAccusesAServerThatPreparesTwo) {
  Lone lone(server(0, 1));
  Batch b = lone.one();
  lone.deliver(lone.pre_prepare(1, b));
  lone.deliver(lone.prepare(1, digest_of(lone.one(2)), server(0, 2)));
  EXPECT_FALSE(lone.shared(1));
  EXPECT_EQ(lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)), Reject::Equivocation), 1u);
  ASSERT_EQ(lone.node().accusations.size(), 1u);
  EXPECT_EQ(lone.node().accusations[0].who, Principal::of(server(0, 2)));
}

// [Steward 8.1]
TEST(StewardCertificate, IsDurableBeforeTheShareJobStarts) {
  Lone lone(server(0, 1));
  Batch b = lone.one();
  lone.deliver(lone.pre_prepare(1, b));
  lone.bed.persist_delay = 400ms;  // longer, and it would give its representative up
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)));
  EXPECT_FALSE(lone.shared(1));
  lone.bed.run_for(400ms);
  EXPECT_TRUE(lone.shared(1));
}

// ---- Accepts [Steward 3.8] ----

TEST(StewardAccept, IsSharedForAProposalOfTheLeaderSite) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_TRUE(lone.shared(1));
}

TEST(StewardAccept, IsRefusedForAProposalOfAnotherSite) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(1, b, 0, 0, 2), b), Reject::NotLeaderSite), 1u);
  EXPECT_FALSE(lone.shared(1));
}

TEST(StewardAccept, IsRefusedWithoutTheRightBatch) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(1, b), lone.one(2)), Reject::Malformed), 1u);
  SharedBytes bare = share(lone.proposal(1, b).sealed);
  EXPECT_EQ(lone.deliver(bare, Reject::MissingBatch), 1u);
  EXPECT_FALSE(lone.shared(1));
}

TEST(StewardAccept, IsRefusedBelowThePromiseAndAHigherViewMovesIt) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(2, b, 2), b));
  EXPECT_EQ(lone.core().views().global(), GlobalView(2));
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(1, b, 0), b), Reject::WrongView), 1u);
  EXPECT_FALSE(lone.shared(1));
  EXPECT_TRUE(lone.shared(2));
  bool promised = std::ranges::any_of(
      lone.node().log, [](const Record& r) { return std::holds_alternative<PromiseRecord>(decode_record(r)->what); });
  EXPECT_TRUE(promised);
}

TEST(StewardAccept, IsRefusedBeyondTwoWindows) {
  Settings settings;
  settings.window = 4;
  Lone lone(server(1, 1), settings);
  Batch b = lone.one();
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(9, b), b), Reject::OutsideWindow), 1u);
  lone.deliver(lone.carrier(lone.proposal(8, b), b));
  EXPECT_TRUE(lone.shared(8));
}

TEST(StewardAccept, IsRefusedForASecondDigestInOneView) {
  Lone lone(server(1, 1));
  Batch b = lone.one(1);
  Batch c = lone.one(2);
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(1, c, 0, 1), c), Reject::Conflict), 1u);
}

TEST(StewardAccept, TakesAProposalOfAnotherLocalViewWithTheSameDigestForTheSame) {
  Lone lone(server(1, 1));
  Batch b = lone.one(1);
  lone.deliver(lone.carrier(lone.proposal(1, b, 0, 0), b));
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(1, b, 0, 1), b), Reject::Duplicate), 1u);
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(1, b, 0, 1), b), Reject::Conflict), 0u);
}

// [Steward 8.1]
TEST(StewardAccept, PersistsProposalAndBatchBeforeTheShareJobStarts) {
  Lone lone(server(1, 1));
  lone.bed.persist_delay = 1s;
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_FALSE(lone.shared(1));
  auto record = decode_record(lone.node().log.back());
  ASSERT_TRUE(record && std::holds_alternative<AcceptedRecord>(record->what));
  EXPECT_EQ(std::get<AcceptedRecord>(record->what).batch.value, b);
  lone.bed.run_for(1s);
  EXPECT_TRUE(lone.shared(1));
}

TEST(StewardAccept, LeaderSiteSendsNone) {
  Lone lone(server(0, 1));
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_FALSE(lone.shared(1));
  EXPECT_EQ(lone.deliver(lone.accept(0, 1, b), Reject::WrongSite), 1u);
}

// [Steward 7.7]
TEST(StewardAccept, OfAWholeSiteIsPassedOnInsideOnce) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  SharedBytes relay = lone.carrier(lone.proposal(1, b), b, true);
  lone.deliver(relay);
  lone.deliver(relay);
  EXPECT_EQ(lone.sent<ProposalCarrier>(), 3u);
}

// ---- ordering [Steward 3.9] ----

TEST(StewardOrder, NeedsAcceptsOfMMinusOneDistinctOtherSites) {
  Lone lone(server(1, 1), {}, 5);
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  lone.deliver(lone.accept(2, 1, b));
  EXPECT_EQ(lone.deliver(lone.accept(2, 1, b), Reject::Duplicate), 1u);
  EXPECT_EQ(lone.deliver(lone.accept(0, 1, b), Reject::WrongSite), 1u) << "the proposing site's";
  EXPECT_EQ(lone.core().execution().executed(), Seq(0));
  lone.deliver(lone.accept(3, 1, b));
  EXPECT_EQ(lone.core().execution().executed(), Seq(1));
}

TEST(StewardOrder, KeepsEarlyAccepts) {
  Lone lone(server(1, 1));
  Batch b = lone.one();
  lone.deliver(lone.accept(2, 1, b));
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  EXPECT_EQ(lone.core().execution().executed(), Seq(1));
}

TEST(StewardOrder, IgnoresAcceptsOfAnotherDigestOrView) {
  Lone lone(server(1, 1), {}, 5);
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  lone.deliver(lone.accept(2, 1, lone.one(2)));
  lone.deliver(lone.accept(3, 1, b, 1));
  lone.deliver(lone.accept(4, 1, b));
  EXPECT_EQ(lone.core().execution().executed(), Seq(0));
}

TEST(StewardOrder, ExecutesInSeqOrderWithoutGaps) {
  Lone lone(server(1, 1));
  lone.order(2, lone.one(2));
  EXPECT_EQ(lone.core().execution().executed(), Seq(0));
  lone.order(1, lone.one(1));
  EXPECT_EQ(lone.core().execution().executed(), Seq(2));
}

TEST(StewardOrder, AnswersAPrePrepareOfAnOrderedSeqWithItsCertificate) {
  Lone lone(server(0, 1));
  Batch b = lone.one();
  lone.order(1, b);
  lone.deliver(lone.pre_prepare(1, lone.one(2)));
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
  EXPECT_EQ(lone.sent<OrderedEntry>(), 1u);
}

// The first one may have been lost on its way here. [Steward 3.9]
TEST(StewardOrder, AnswersARepeatedAcceptThatItNeverHadWithItsCertificate) {
  for (const Delivery delivery : {Delivery::Multicast, Delivery::Representative}) {
    Settings settings;
    settings.delivery = delivery;
    Lone lone(server(0, 1), settings);
    Batch b = lone.one();
    lone.order(1, b);
    RelayedAccept relayed{lone.bed.sign(Principal::of(SiteId(2)), Accept{{}, Seq(1), digest_of(b)})};
    const SharedBytes bytes = lone.bed.seal(Principal::of(server(2, 0)), relayed, AuthKind::Bare);
    lone.deliver(bytes);
    const bool repeated = delivery == Delivery::Multicast;  // else this is how the first one comes, only late
    EXPECT_EQ(lone.sent<OrderedEntry>() > 0, repeated);
    lone.deliver(bytes);
    EXPECT_GT(lone.sent<OrderedEntry>(), 0u);
  }
}

TEST(StewardOrder, TakesAnOrderCertificateOfAnyViewAndRefusesABadOne) {
  Lone lone(server(1, 1), {}, 5);
  Batch b = lone.one();
  auto entry = [&](std::vector<unsigned> sites, std::uint64_t gv) {
    OrderedEntry m{lone.proposal(1, b, gv), {}, {b}};
    for (unsigned s : sites)
      m.accepts.items.push_back(lone.bed.sign(Principal::of(SiteId(static_cast<std::uint16_t>(s))),
                                              Accept{GlobalView(gv), Seq(1), digest_of(b)}));
    return lone.bed.seal(Principal::of(server(3, 0)), m, AuthKind::Bare);
  };
  EXPECT_EQ(lone.deliver(entry({2}, 0), Reject::Malformed), 1u) << "one accept too few";
  EXPECT_EQ(lone.deliver(entry({2, 2}, 0), Reject::Malformed), 1u) << "a duplicate";
  EXPECT_EQ(lone.deliver(entry({0, 2}, 0), Reject::Malformed), 1u) << "the proposing site's own";
  EXPECT_EQ(lone.core().execution().executed(), Seq(0));
  lone.deliver(entry({2, 3}, 4));
  EXPECT_EQ(lone.core().execution().executed(), Seq(1));
  EXPECT_EQ(lone.core().views().global(), GlobalView(0));
}

TEST(StewardOrdering, WhatIsTooMuchForTheLinksWaitsUntilLessIsUnderWay) {
  Lone lone(server(0, 1));
  std::vector<Batch> batches;
  const auto large = [&](std::uint64_t timestamp) {
    return lone.batch({lone.bed.update(ClientId(1), timestamp, std::string(15'000, 'v')),
                       lone.bed.update(ClientId(2), timestamp, std::string(15'000, 'v'))});
  };
  for (std::uint64_t seq = 1; seq <= 10; ++seq) {
    batches.push_back(large(seq));
    lone.deliver(lone.pre_prepare(seq, batches.back()));
  }
  const auto prepared = [&] {
    return std::ranges::count_if(lone.node().events, [](const Event& e) { return e.kind == EventKind::Prepared; });
  };
  EXPECT_EQ(prepared(), 5) << "twice two full batches are below the next one";
  EXPECT_TRUE(lone.core().sequencing().holds_back());
  lone.order(1, batches[0]);
  EXPECT_EQ(prepared(), 6);
  for (std::uint64_t seq = 2; seq <= 10; ++seq) lone.order(seq, batches[seq - 1]);
  EXPECT_FALSE(lone.core().sequencing().holds_back());
}

}  // namespace
}  // namespace seneschal::steward::testing
