// Clients whose authenticators are good at some servers only, and servers that doubt without a reason. [BFT 9]
#include "tests/unit/bft/group.hpp"

#include <gtest/gtest.h>

namespace seneschal::bft {
namespace {

using seneschal::testing::Bed;
using seneschal::testing::client_id;
using seneschal::testing::Group;
using seneschal::testing::server_id;
using namespace std::chrono_literals;

/// Spoils the MACs for the servers in `blind` of an authenticator at the end of `sealed`.
void spoil(Bytes& sealed, std::uint16_t servers, const std::set<std::uint16_t>& blind) {
  for (std::uint16_t i : blind) sealed[sealed.size() - (servers - i) * 16u] ^= 1;
}

/// All that client 1 says is good at the other servers only.
void blind_to_client_1(Group& group, const std::set<std::uint16_t>& blind) {
  auto n = static_cast<std::uint16_t>(group.servers.size());
  group.bed.filter = [n, blind](Bed::Datagram& d) {
    if (d.from != client_id(1)) return true;
    Bytes bytes = *d.bytes;
    spoil(bytes, n, blind);
    d.bytes = share(std::move(bytes));
    return true;
  };
}

bool others_done(const Group& group) {
  return std::ranges::all_of(group.clients, [](const auto& c) { return c.first == 1 || c.second->finished(); });
}

std::size_t updates_of_client_1(Group& group, std::uint16_t at) {
  return static_cast<std::size_t>(std::ranges::count_if(group.bed.server(at).events, [](const Event& e) {
    return e.kind == EventKind::UpdateDone && e.who == client_id(1);
  }));
}

TEST(BftDoubts, AnAuthenticatorThatOnlyThePrimaryCanCheckBlocksNoSeq) {
  Group group;
  blind_to_client_1(group, {1, 2, 3});
  group.add_clients(4, 30);
  group.bed.start();
  ASSERT_TRUE(group.bed.run_until([&] { return others_done(group); }, 20s));
  EXPECT_TRUE(group.agreed());
  for (std::uint16_t i = 0; i < 4; ++i) EXPECT_EQ(updates_of_client_1(group, i), 0u);
}

TEST(BftDoubts, APromiseIsKeptOverRestarts) {
  std::size_t promises = 0;
  for (int when = 2; when < 12; ++when) {
    Group group(1, 4, Settings{});  // with logs
    group.bed.record = true;
    blind_to_client_1(group, {1, 2, 3});
    group.add_clients(4, 10);
    group.bed.start();
    group.bed.run_for(when * 1ms);
    for (std::uint16_t i = 1; i < 4; ++i) group.bed.server(i).down = true;
    group.bed.run_for(1ms);
    for (std::uint16_t i = 1; i < 4; ++i) group.restart_server(i);
    ASSERT_TRUE(group.bed.run_until([&] { return others_done(group); }, 60s));
    EXPECT_TRUE(group.agreed());
    std::set<std::tuple<Principal, Seq, Digest>> promised;
    for (const auto& d : group.bed.sent) {
      const auto parts = parse_sealed(*d.bytes);
      if (parts->header.protocol != ProtocolId::Bft) continue;
      if (parts->header.type == Doubt::kType) {
        const auto doubt = decode<Doubt>(parts->body);
        if (doubt->final) promised.emplace(d.from, doubt->seq, doubt->digest);
      } else if (parts->header.type == Prepare::kType) {
        const auto prepare = decode<Prepare>(parts->body);
        EXPECT_FALSE(promised.contains({d.from, prepare->seq, prepare->digest})) << to_string(d.from);
      }
    }
    promises += promised.size();
  }
  EXPECT_GE(promises, 30u);
}

TEST(BftDoubts, WithSevenServersAnyNumberOfBlindOnesBlocksNoSeq) {
  for (std::uint16_t blind = 1; blind <= 6; ++blind) {
    Group group(2, 4);
    std::set<std::uint16_t> which;
    for (std::uint16_t i = 7 - blind; i < 7; ++i) which.insert(i);
    blind_to_client_1(group, which);
    group.add_clients(4, 10);
    group.bed.start();
    ASSERT_TRUE(group.bed.run_until([&] { return others_done(group); }, 20s)) << blind;
    EXPECT_TRUE(group.agreed()) << blind;
    // f backups and the primary are enough to vouch for it.
    if (blind <= 4) {
      EXPECT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 20s)) << blind;
    } else {
      EXPECT_EQ(updates_of_client_1(group, 0), 0u) << blind;
    }
  }
}

TEST(BftDoubts, LossAndReorderingChangeLatencyOnly) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Group group(1, 4, {}, seed);
    blind_to_client_1(group, {1, 2, 3});
    group.bed.loss_per_mille = 50;
    group.bed.duplicate_per_mille = 50;
    group.bed.jitter = 5ms;
    group.add_clients(4, 10);
    group.bed.start();
    ASSERT_TRUE(group.bed.run_until([&] { return others_done(group); }, 300s)) << seed;
    EXPECT_TRUE(group.agreed()) << seed;
  }
}

TEST(BftDoubts, CostAClientWithoutThemTwoRoundsAtMost) {
  // The honest update shares a batch with the doubted one: it is ordered in the second attempt.
  Group group;
  blind_to_client_1(group, {1, 2, 3});
  group.add_clients(2, 1);
  group.bed.start();
  ASSERT_TRUE(group.bed.run_until([&] { return others_done(group); }, 5s));
  auto done = group.clients[2]->take_completions();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_LE(done[0].finished - done[0].started, 10ms);  // 5 delays of 1 ms without a doubt
}

TEST(BftDoubts, OfFServersWithoutAReasonChangeNothing) {
  Group group(1, 4);
  group.add_clients(4, 20);
  std::vector<Doubt> lies;
  group.bed.filter = [&](Bed::Datagram& d) {  // server 3 doubts whatever is proposed, for good
    if (d.from != server_id(0) || d.to != server_id(3)) return true;
    auto parts = parse_sealed(*d.bytes);
    if (parts->header.protocol != ProtocolId::Bft || parts->header.type != PrePrepare::kType) return true;
    auto proposal = *decode<PrePrepare>(parts->body, nullptr);
    lies.push_back({View(0), proposal.seq, replication::digest_of(proposal.batch), true, {{0}}});
    return true;
  };
  group.bed.start();
  for (int i = 0; i < 5000 && !group.all_done(); ++i) {
    group.bed.run_for(1ms);
    for (const Doubt& lie : std::exchange(lies, {}))
      for (std::uint16_t to = 0; to < 3; ++to) group.inject(to, 3, lie);
  }
  ASSERT_TRUE(group.all_done());
  EXPECT_TRUE(group.agreed());
  EXPECT_EQ(group.count(0, EventKind::UpdateDone), 80u);
}

TEST(BftDoubts, WhatNoCorrectServerCouldCheckIsNeverExecuted) {
  // A faulty primary makes an update up; f-1 backups are with it and vote for it.
  for (std::uint16_t faults : {std::uint16_t{1}, std::uint16_t{2}}) {
    Group group(faults, 4);
    auto n = static_cast<std::uint16_t>(group.servers.size());
    group.bed.start();
    auto forged = group.update(1, 1, "forged");
    std::set<std::uint16_t> all;
    for (std::uint16_t i = 0; i < n; ++i) all.insert(i);
    spoil(forged.sealed, n, all);
    PrePrepare proposal = group.proposal(1, {forged});
    Digest digest = replication::digest_of(proposal.batch);
    for (std::uint16_t to = 1; to < n; ++to) {
      group.inject(to, 0, proposal);
      group.inject(to, 0, Commit{View(0), Seq(1), digest});
      for (std::uint16_t liar = 1; liar < faults; ++liar) {
        group.inject(to, liar, Prepare{View(0), Seq(1), digest});
        group.inject(to, liar, Commit{View(0), Seq(1), digest});
        group.inject(to, liar, Entry{View(0), Seq(1), true, digest, Vouched<Batch>{proposal.batch}}, AuthKind::Mac);
      }
    }
    group.bed.run_for(20s);
    for (std::uint16_t i = 0; i < n; ++i) EXPECT_EQ(updates_of_client_1(group, i), 0u) << i;
  }
}

/// Backup 1 of four, fed by hand; client 1's MAC for it is bad.
class BftDoubtful : public ::testing::Test {
 protected:
  BftDoubtful() : group(1, 4) {
    group.bed.record = true;
    group.bed.filter = [](auto&) { return false; };
    group.bed.start();
    auto update = group.update(1, 1, "a");
    spoil(update.sealed, 4, {1});
    doubted = group.proposal(1, {update});
    digest = replication::digest_of(doubted.batch);
    other = group.proposal(1, {group.update(2, 1, "b")});
  }
  template <class M>
  std::vector<M> sent() {
    std::vector<M> all;
    for (const auto& d : group.bed.sent) {
      auto parts = parse_sealed(*d.bytes);
      if (d.from == server_id(1) && d.to == server_id(0) && parts->header.protocol == M::kProtocol &&
          parts->header.type == M::kType)
        all.push_back(*decode<M>(parts->body, nullptr));
    }
    return all;
  }
  void hear_doubt(std::uint16_t from, bool final) {
    group.inject(1, from, Doubt{View(0), Seq(1), digest, final, {{0}}});
  }
  std::uint64_t rejected(Reject reason) { return group.bed.server(1).replica->rejected(reason); }

  Group group;
  PrePrepare doubted;
  PrePrepare other;
  Digest digest;
};

// [BFT 9.1]
TEST_F(BftDoubtful, ABackupSaysWhatItCannotCheckAndDoesNotVote) {
  group.inject(1, 0, doubted);
  ASSERT_EQ(sent<Doubt>().size(), 1u);
  EXPECT_EQ(sent<Doubt>()[0], (Doubt{View(0), Seq(1), digest, false, {{0}}}));
  EXPECT_TRUE(sent<Prepare>().empty());
  group.inject(1, 0, doubted);
  EXPECT_EQ(rejected(Reject::Duplicate), 1u);
}

// [BFT 9.2]
TEST_F(BftDoubtful, ItVotesWhenFPlusOneServersStandForIt) {
  group.inject(1, 0, doubted);
  group.inject(1, 2, Prepare{View(0), Seq(1), Digest{}});
  EXPECT_TRUE(sent<Prepare>().empty()) << "a vote for something else";
  group.inject(1, 3, Prepare{View(0), Seq(1), digest});
  ASSERT_EQ(sent<Prepare>().size(), 1u);
  EXPECT_EQ(sent<Prepare>()[0].digest, digest);
}

TEST_F(BftDoubtful, ItVotesAtOnceWhenTheVotesCameFirst) {
  group.inject(1, 3, Prepare{View(0), Seq(1), digest});
  group.inject(1, 0, doubted);
  EXPECT_EQ(sent<Prepare>().size(), 1u);
  EXPECT_TRUE(sent<Doubt>().empty());
}

// [BFT 9.3]
TEST_F(BftDoubtful, ItGivesTheProposalUpWhenTwoFPlusOneBackupsDoubtAndKeepsThatPromise) {
  group.inject(1, 0, doubted);
  hear_doubt(2, false);
  EXPECT_EQ(sent<Doubt>().size(), 1u);
  hear_doubt(3, false);
  ASSERT_EQ(sent<Doubt>().size(), 2u);
  EXPECT_TRUE(sent<Doubt>()[1].final);
  for (std::uint16_t from : {2, 3}) group.inject(1, from, Prepare{View(0), Seq(1), digest});
  group.inject(1, 2, Entry{View(0), Seq(1), false, digest, Vouched<Batch>{doubted.batch}}, AuthKind::Mac);
  group.inject(1, 0, doubted);
  EXPECT_TRUE(sent<Prepare>().empty());
}

// [BFT 9.4]
TEST_F(BftDoubtful, ItTakesAnotherProposalOnlyAfterTwoFPlusOnePromises) {
  group.inject(1, 0, doubted);
  group.inject(1, 0, other);
  EXPECT_EQ(rejected(Reject::Equivocation), 1u);
  hear_doubt(2, true);
  EXPECT_TRUE(sent<Prepare>().empty());
  hear_doubt(3, true);  // the third is its own
  ASSERT_EQ(sent<Prepare>().size(), 1u) << "the one that was set aside";
  EXPECT_EQ(sent<Prepare>()[0].digest, replication::digest_of(other.batch));
}

TEST_F(BftDoubtful, WhoVotedForWhatIsGivenUpVotesAnew) {
  PrePrepare good = group.proposal(1, {group.update(1, 1, "a")});  // this server can check it, the others cannot
  digest = replication::digest_of(good.batch);
  group.inject(1, 0, good);
  ASSERT_EQ(sent<Prepare>().size(), 1u);
  hear_doubt(2, true);
  hear_doubt(3, true);
  group.inject(1, 0, other);
  EXPECT_EQ(rejected(Reject::Equivocation), 1u) << "two promises are not 2f+1: it may still be prepared";
  EXPECT_EQ(sent<Prepare>().size(), 1u);
}

TEST_F(BftDoubtful, AnEmptyProposalIsGoodOnlyWhereSomethingWasGivenUp) {
  group.inject(1, 0, group.proposal(2, {}));
  EXPECT_EQ(rejected(Reject::EmptyBatch), 1u);
  group.inject(1, 0, doubted);
  hear_doubt(2, true);
  hear_doubt(3, true);
  group.inject(1, 0, group.proposal(1, {}));
  EXPECT_EQ(sent<Prepare>().size(), 1u);
}

TEST_F(BftDoubtful, ThePrimaryCannotDoubtAndRepetitionsDoNotCount) {
  group.inject(1, 0, doubted);
  group.inject(1, 0, Doubt{View(0), Seq(1), digest, true, {}});
  EXPECT_EQ(rejected(Reject::Conflict), 1u);
  hear_doubt(2, false);
  hear_doubt(2, false);
  EXPECT_EQ(rejected(Reject::Duplicate), 1u);
  EXPECT_EQ(sent<Doubt>().size(), 1u);
}

// [BFT 3.8]
TEST(BftQueries, AnOlderRecordedOneDoesNotTakeTheNewerOnesPlace) {
  Group group;
  group.bed.record = true;
  group.bed.start();
  auto ask = [&](std::uint64_t timestamp, std::uint64_t min_seq) {
    replication::Query query;
    query.timestamp = Timestamp(timestamp);
    query.min_seq = Seq(min_seq);
    query.operation.value = replication::kv::get("k");
    group.bed.inject(server_id(1), group.bed.seal(client_id(2), query, AuthKind::Authenticator, server_id(1)));
  };
  ask(5, 1);
  ask(4, 1);
  ask(5, 1);
  EXPECT_EQ(group.bed.server(1).replica->rejected(Reject::Duplicate), 2u);
  group.bed.inject(server_id(0), share(group.update(1, 1, "x").sealed));
  group.bed.run_for(50ms);
  std::vector<Timestamp> answered;
  for (const auto& d : group.bed.sent) {
    auto parts = parse_sealed(*d.bytes);
    if (d.to == client_id(2) && parts->header.type == replication::Answer::kType)
      answered.push_back(decode<replication::Answer>(parts->body, nullptr)->timestamp);
  }
  EXPECT_EQ(answered, std::vector{Timestamp(5)});
  ask(4, 100);  // answered already, so it waits for nothing
  EXPECT_EQ(group.bed.server(1).replica->rejected(Reject::Duplicate), 3u);
}

}  // namespace
}  // namespace seneschal::bft
