// Checkpoints, what they forbid and what they let go, and fetching a state. [Steward 7]
#include "again.hpp"
#include "lagging.hpp"
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

// [Steward 7.12]
TEST(StewardCheckpoints, EverySiteSignsTheSameStateEveryKEntries) {
  Bed bed(3, 1, 1, often());
  bed.record = true;
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 20));
  bed.run_for(3s);
  std::set<Principal> signers;
  for (const auto& m : bed.sent)
    if (m.is<Checkpoint>()) signers.insert(parse_sealed(*m.bytes)->header.sender);
  EXPECT_EQ(signers.size(), 3u);
  std::set<Digest> digests;
  for (auto& [who, node] : bed.nodes) {
    if (!who.is_server()) continue;
    ASSERT_TRUE(node->steward().stable()) << to_string(who);
    EXPECT_EQ(node->steward().stable().seq, Seq(16)) << to_string(who);
    EXPECT_EQ(node->steward().stable().proof->checkpoints.size(), 2u) << "M of three sites";
    digests.insert(node->steward().stable().digest);
    EXPECT_FALSE(node->steward().checkpoints().diverged());
  }
  EXPECT_EQ(digests.size(), 1u);
  bed.expect_agreement(Seq(20));
}

TEST(StewardCheckpoints, WorkInBothFanOutsAndWithKilledServers) {
  for (FanOut fan_out : {FanOut::All, FanOut::Collector}) {
    Settings settings = often();
    settings.fan_out = fan_out;
    Bed bed(3, 1, 1, settings);
    for (unsigned s = 0; s < 3; ++s) bed.kill(server(s, 1 + s));
    bed.start();
    ASSERT_TRUE(put_many(bed, ClientId(1), 40));
    bed.run_for(5s);
    bed.expect_agreement(Seq(40));
    for (unsigned s = 0; s < 3; ++s) EXPECT_EQ(bed.steward(server(s, 0)).history().stable(), Seq(40));
  }
}

// [Steward 7.11]
TEST(StewardCheckpoints, AServerThatMissedThemAsksForTheNewest) {
  Bed bed(3, 1, 1, often());
  bed.drop = [](const Bed::Datagram& m) { return m.is<Checkpoint>() && m.to == Principal::of(server(1, 2)); };
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 20));
  EXPECT_EQ(bed.steward(server(1, 2)).history().stable(), Seq(0));
  bed.drop = nullptr;
  bed.run_for(10s);
  EXPECT_EQ(bed.steward(server(1, 2)).history().stable(), Seq(16));
}

TEST(StewardCheckpoints, MemoryIsBoundedWhateverIsOrdered) {
  Settings settings = often();
  Bed bed(3, 1, 1, settings);
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 150));
  bed.run_for(3s);
  for (auto& [who, node] : bed.nodes) {
    if (!who.is_server()) continue;
    EXPECT_LE(node->steward().history().size(), settings.history_kept + 2 * settings.window) << to_string(who);
    EXPECT_LE(node->steward().checkpoints().snapshots(), 4u) << to_string(who);
    EXPECT_LE(node->steward().signing().size(), 4u * settings.window) << to_string(who);
  }
}

// [Steward 7.17]
TEST(StewardCheckpoints, WithoutACheckpointNobodyGoesFurtherThanL) {
  Settings settings = often();
  Bed bed(3, 1, 1, settings);
  bed.drop = [&](const Bed::Datagram& m) {
    if (m.is<Checkpoint>() || m.is<CheckpointNews>() || m.is<StableCheckpoint>()) return true;
    if (!m.is<SigShare>()) return false;
    SigShare shared = m.body<SigShare>();
    for (const Event& e : bed.at(m.from.server()).events)
      if (e.kind == EventKind::Checkpointed &&
          shared.content ==
              content_of(site_message(bed.membership, m.from.server().site, Checkpoint{e.seq, e.digest})))
        return true;
    return false;
  };
  bed.start();
  EXPECT_FALSE(put_many(bed, ClientId(1), 40, 20s));
  for (auto& [who, node] : bed.nodes)
    if (who.is_server()) {
      EXPECT_EQ(node->steward().history().aru(), Seq(settings.history_span)) << to_string(who);
      EXPECT_EQ(node->steward().history().base(), Seq(0)) << "nothing above the Checkpoint is dropped";
    }
  bed.drop = nullptr;
  bed.run_for(20s);
  bed.expect_agreement(Seq(25));
  EXPECT_GE(bed.steward(server(0, 0)).history().stable(), Seq(24));
}

// ---- one server, handed messages ----

// [Steward 7.13]
TEST(StewardCheckpoints, OneSitesWordSettlesNothingAndTwoOfThreeDo) {
  Lone lone(server(1, 2), often());
  SharedBytes forged = lone.bed.seal(Principal::of(server(1, 1)), Checkpoint{Seq(8), {}});
  lone.deliver(forged);
  SharedBytes bare = lone.bed.seal(Principal::of(server(1, 1)), Checkpoint{Seq(8), {}}, AuthKind::Bare);
  lone.deliver(bare);
  Bytes bad = lone.checkpoint(0, 8).sealed;
  bad.back() ^= 1;
  lone.deliver(share(bad));
  lone.deliver(share(lone.checkpoint(0, 8).sealed));
  lone.deliver(share(lone.checkpoint(0, 8).sealed));
  EXPECT_FALSE(lone.core().stable()) << "the same site twice";
  EXPECT_EQ(lone.core().stability().held(), 1u);
  Digest other;
  other.bytes[0] = 1;
  lone.deliver(share(lone.checkpoint(2, 8, other).sealed));
  EXPECT_FALSE(lone.core().stable()) << "another digest";
  lone.deliver(share(lone.checkpoint(1, 8).sealed));
  ASSERT_TRUE(lone.core().stable());
  EXPECT_EQ(lone.core().history().stable(), Seq(8));
  EXPECT_EQ(lone.core().stability().held(), 0u);
}

// [Steward 7.13]
TEST(StewardCheckpoints, AProofNeedsAMajorityOfDistinctSitesOneSeqAndOneDigest) {
  Lone lone(server(1, 2), often());
  Digest other;
  other.bytes[0] = 1;
  std::vector<StableProof> bad;
  bad.push_back(lone.stable_proof(8, {}, {0}));
  bad.push_back(lone.stable_proof(8, {}, {0, 0}));
  bad.push_back(lone.stable_proof(8, {}, {1, 0}));     // not ascending: one proof, one form
  bad.push_back(lone.stable_proof(8, {}, {0, 1, 2}));  // one too many, likewise
  bad.push_back(lone.stable_proof(9));                 // not due
  bad.push_back({});
  bad.push_back(lone.stable_proof(8));
  bad.back().checkpoints.items[1] = lone.checkpoint(1, 8, other);
  bad.push_back(lone.stable_proof(8));
  bad.back().checkpoints.items[1] = lone.checkpoint(1, 16);
  for (const StableProof& proof : bad) {
    const auto message = lone.bed.seal(Principal::of(server(2, 0)), StableCheckpoint{true, proof}, AuthKind::Bare);
    EXPECT_EQ(lone.deliver(message, Reject::Malformed), 1u);
  }
  EXPECT_FALSE(lone.core().stable());
  lone.deliver(lone.stable(8));
  EXPECT_TRUE(lone.core().stable());
  EXPECT_EQ(lone.deliver(lone.stable(8), Reject::Superseded), 1u);
}

TEST(StewardCheckpoints, HoldsOnePerSiteAndIntervalUpToLAboveTheStableOne) {
  const Settings settings = often();
  Lone lone(server(1, 2), settings);
  for (unsigned round = 0; round < 2; ++round)
    for (std::uint64_t seq = 8; seq <= 80; seq += 8) lone.deliver(share(lone.checkpoint(0, seq).sealed));
  EXPECT_EQ(lone.core().stability().held(), settings.history_span / settings.checkpoint_interval);
  // A proof counts however far ahead it is: it says where the others are.
  lone.deliver(lone.stable(80));
  EXPECT_EQ(lone.core().history().stable(), Seq(80));
  EXPECT_EQ(lone.core().stability().held(), 0u);
}

// [Steward 7.23]
TEST(StewardCheckpoints, ASiteThatSignedWhatIsLongStableIsShownTheStableOne) {
  Lone lone(server(1, 2), often());
  lone.deliver(lone.stable(16));
  const auto news = [&](std::uint64_t seq, bool relay) {
    return lone.bed.seal(Principal::of(server(2, 1)), CheckpointNews{relay, {{lone.checkpoint(2, seq)}}},
                         AuthKind::Bare);
  };
  const auto shown = [&] {
    return lone.bed.count_sent(
        [](const Bed::Datagram& m) { return m.is<StableCheckpoint>() && m.to == Principal::of(server(2, 1)); });
  };
  lone.deliver(news(8, false));
  EXPECT_EQ(shown(), 0u) << "an answer is not answered";
  for (unsigned i = 0; i < 10; ++i) lone.deliver(news(8, true));
  EXPECT_EQ(shown(), 1u) << "rarely, since the name is only claimed";
  lone.deliver(news(24, true));
  EXPECT_GT(lone.bed.count_sent(
                [](const Bed::Datagram& m) { return m.is<CheckpointNews>() && m.to == Principal::of(server(1, 0)); }),
            0u)
      << "news is passed on inside";
}

// [Steward 7.16]
TEST(StewardCheckpoints, PreparesNothingAtOrBelowTheNewestAndAnswersWithIt) {
  Lone lone(server(0, 2), often());
  lone.deliver(lone.stable(8));
  for (std::uint64_t seq : {1, 7, 8}) lone.deliver(lone.pre_prepare(seq, lone.one(1, seq)));
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
  EXPECT_EQ(lone.bed.count_sent([](const Bed::Datagram& m) {
    return m.is<StableCheckpoint>() && m.to == Principal::of(server(0, 0));
  }),
            1u)
      << "once in a while, to the representative";
}

// [Steward 7.16]
TEST(StewardCheckpoints, AcceptsNothingAtOrBelowTheNewest) {
  Lone lone(server(1, 2), often());
  lone.deliver(share(lone.checkpoint(2, 8).sealed));
  Batch early = lone.one(1, 1, "early");
  lone.deliver(lone.carrier(lone.proposal(2, early), early));
  lone.bed.run_for(2s);
  EXPECT_TRUE(lone.shared(2)) << "one site's Checkpoint forbids nothing";
  lone.deliver(lone.stable(8));
  Batch b = lone.one();
  for (std::uint64_t seq : {1, 8}) {
    lone.deliver(lone.carrier(lone.proposal(seq, b), b));
    lone.bed.run_for(2s);  // longer than the fallback: a server that agreed shares with all
    EXPECT_FALSE(lone.shared(seq)) << seq;
  }
  lone.deliver(lone.carrier(lone.proposal(9, b), b));
  lone.bed.run_for(2s);
  EXPECT_TRUE(lone.shared(9));
}

// [Steward 7.17]
TEST(StewardCheckpoints, PreparesNothingFurtherThanLAboveTheNewest) {
  Settings settings = often();
  Lone lone(server(0, 2), settings);
  for (std::uint64_t seq = 1; seq <= settings.history_span; ++seq) lone.order(seq, lone.one(1, seq));
  ASSERT_EQ(lone.core().history().aru(), Seq(settings.history_span));
  std::size_t before = lone.sent<Prepare>();
  lone.deliver(lone.pre_prepare(settings.history_span + 1, lone.one(1, 100)));
  EXPECT_EQ(lone.sent<Prepare>(), before);
  // One site's Checkpoint changes nothing; a stable one does: then the same PrePrepare is answered.
  lone.deliver(share(lone.checkpoint(1, 8).sealed));
  lone.deliver(lone.pre_prepare(settings.history_span + 1, lone.one(1, 100)));
  EXPECT_EQ(lone.sent<Prepare>(), before);
  lone.deliver(lone.stable(8));
  lone.deliver(lone.pre_prepare(settings.history_span + 1, lone.one(1, 100)));
  EXPECT_EQ(lone.sent<Prepare>(), before + 3);
}

// [Steward 7.22]
TEST(StewardCheckpoints, AStateThatDiffersFromWhatAMajoritySignedIsAnAlarm) {
  Lone lone(server(1, 2), often());
  for (std::uint64_t seq = 1; seq <= 8; ++seq) lone.order(seq, lone.one(1, seq));
  Digest other;
  other.bytes[0] = 1;
  lone.deliver(share(lone.checkpoint(0, 8, other).sealed));
  EXPECT_FALSE(lone.core().checkpoints().diverged()) << "one site may be wrong";
  lone.deliver(lone.stable(8, other));
  EXPECT_TRUE(lone.core().checkpoints().diverged());
}

TEST(StewardCheckpoints, ACheckpointThatIsNotDueIsRefused) {
  Lone lone(server(1, 2), often());
  EXPECT_EQ(lone.deliver(share(lone.checkpoint(0, 9).sealed), Reject::OutsideWindow), 1u);
  EXPECT_EQ(lone.deliver(share(lone.checkpoint(0, 0).sealed), Reject::OutsideWindow), 1u);
  EXPECT_FALSE(lone.core().stable());
}

TEST(StewardCheckpoints, AnOldProposalIsAnsweredWithTheCheckpointThatCoversIt) {
  Settings settings = often();
  Lone lone(server(1, 2), settings);
  std::vector<Batch> batches;
  for (std::uint64_t seq = 1; seq <= 40; ++seq) {
    batches.push_back(lone.one(1, seq));
    lone.order(seq, batches.back());
    if (seq % 8 == 0) lone.deliver(lone.stable(seq));
  }
  ASSERT_GT(lone.core().history().base(), Seq(1));
  lone.deliver(lone.carrier(lone.proposal(1, batches[0]), batches[0], true));
  EXPECT_EQ(lone.bed.count_sent([](const Bed::Datagram& m) {
    return m.is<StableCheckpoint>() && m.to == Principal::of(server(0, 0));
  }),
            1u);
}

// ---- fetching a state ----

// [Steward 7.26]
TEST(StewardStateTransfer, AServerFurtherBehindThanHistoryFetchesTheState) {
  Bed bed(3, 1, 1, often());
  ServerId lagging = server(1, 3);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 100));
  EXPECT_EQ(bed.steward(lagging).execution().executed(), Seq(0));
  bed.drop = nullptr;
  ASSERT_TRUE(put_many(bed, ClientId(1), 10));
  bed.run_for(20s);
  EXPECT_EQ(bed.steward(lagging).execution().executed(), Seq(110));
  EXPECT_EQ(bed.steward(lagging).execution().digest(), bed.steward(server(1, 0)).execution().digest());
  EXPECT_FALSE(bed.steward(lagging).transfer().busy());
}

TEST(StewardStateTransfer, AWholeSiteThatWasAwayCatchesUpWhileOrderingGoesOn) {
  Bed bed(3, 1, 1, often());
  bed.drop = cut_off(site_is(2));
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 120));
  bed.drop = nullptr;
  ASSERT_TRUE(put_many(bed, ClientId(1), 60));
  bed.run_for(30s);
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(bed.steward(server(2, i)).execution().executed(), Seq(180)) << i;
    EXPECT_EQ(bed.steward(server(2, i)).execution().digest(), bed.steward(server(0, 0)).execution().digest()) << i;
  }
  // And it serves its client again.
  ASSERT_TRUE(put_many(bed, ClientId(3), 3));
}

// [Steward 7.27]
TEST(StewardStateTransfer, APoisonedChunkIsNotTakenAndItsSenderIsSetAside) {
  Bed bed(3, 1, 1, often());
  ServerId lagging = server(1, 3);
  ServerId liar = server(1, 0);  // the first to be asked
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 100));
  std::size_t poisoned = 0;
  bed.drop = [&](const Bed::Datagram& m) {
    if (m.from != Principal::of(liar) || m.to != Principal::of(lagging)) return false;
    if (m.is<replication::SnapshotChunk>()) {
      auto chunk = m.body<replication::SnapshotChunk>();
      chunk.bytes.value.back() ^= 1;
      ++poisoned;
      bed.deliver(lagging, bed.seal(m.from, chunk, AuthKind::Mac, m.to));
      return true;
    }
    return false;
  };
  ASSERT_TRUE(put_many(bed, ClientId(1), 10));
  bed.run_for(30s);
  EXPECT_GT(poisoned, 0u) << "or the test does not test anything";
  EXPECT_GT(bed.steward(lagging).transfer().forged(), 0u);
  EXPECT_TRUE(bed.steward(lagging).transfer().set_aside(liar)) << "in later transfers, too";
  EXPECT_EQ(bed.steward(lagging).execution().executed(), Seq(110));
  EXPECT_EQ(bed.steward(lagging).execution().digest(), bed.steward(server(1, 1)).execution().digest());
}

// [Steward 7.30] [Steward 8.6]
TEST(StewardStateTransfer, AServerThatLostItsMemoryLearnsAndAnswersButDoesNotVote) {
  Bed bed(3, 1, 1, often());
  ServerId lost = server(1, 3);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lost); });
  bed.at(lost).down = true;
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 60));
  bed.drop = nullptr;
  bed.record = true;
  bed.at(lost).down = false;
  std::vector<Record> unreadable{Bytes{0xff}};
  bed.at(lost).replica->start(bed.now, unreadable);
  ASSERT_TRUE(put_many(bed, ClientId(1), 60));
  bed.run_for(20s);
  EXPECT_EQ(bed.steward(lost).execution().digest(), bed.steward(server(1, 0)).execution().digest());
  EXPECT_TRUE(bed.at(lost).log.empty()) << "nothing is written behind what makes no sense";
  EXPECT_EQ(bed.count_sent<SigShare>(lost), 0u);
  EXPECT_EQ(bed.count_sent<Prepare>(lost), 0u);
  // Client 2 lives at its site.
  bed.operate(ClientId(2), replication::kv::get("k1"), true);
  bed.run_for(2s);
  EXPECT_GT(bed.count_sent(
                [&](const Bed::Datagram& m) { return m.from == Principal::of(lost) && m.is<replication::Answer>(); }),
            0u);
}

// [Steward 7.31]
TEST(StewardStateTransfer, LendingToAnotherSiteIsLimitedByTimeWhateverNamesAreClaimed) {
  Settings settings = often();
  settings.draw_stranger = settings.draw_site = {16 * 1024, 8 * 1024};
  Lone lone(server(1, 2), settings);
  for (std::uint64_t seq = 1; seq <= 8; ++seq) lone.order(seq, lone.one(1, seq, std::string(7000, 'x')));
  Digest digest;
  for (const Event& e : lone.node().events)
    if (e.kind == EventKind::Checkpointed) digest = e.digest;
  lone.deliver(lone.stable(8, digest));
  replication::SnapshotRequest request{Seq(8), std::nullopt, {{0, 1, 2}}};
  for (unsigned i = 0; i < 100; ++i)  // half a second
    lone.deliver(lone.bed.seal(Principal::of(server(2, i % 4)), request, AuthKind::Bare));
  std::size_t bytes = 0;
  for (const auto& m : lone.bed.sent)
    if (m.is<replication::SnapshotChunk>()) bytes += m.bytes->size();
  EXPECT_GT(bytes, 0u);
  EXPECT_LT(bytes, 16u * 1024);
}

TEST(StewardStateTransfer, InsideASiteRequestsAndPiecesNeedAMac) {
  Lone lone(server(1, 2), often());
  replication::SnapshotRequest request{Seq(8), 0, {}};
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(server(1, 0)), request, AuthKind::Bare), Reject::BadSignature),
            1u);
  replication::SnapshotChunk chunk{Seq(8), 0, {}};
  EXPECT_EQ(lone.deliver(lone.bed.seal(Principal::of(server(1, 0)), chunk, AuthKind::Bare), Reject::BadSignature),
            1u);
}

}  // namespace
}  // namespace seneschal::steward::testing
