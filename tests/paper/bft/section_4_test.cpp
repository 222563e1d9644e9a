// Castro and Liskov's protocol, section by section; 4.4 (view changes) is not built yet. [PBFT 4]
#include "tests/paper/stored.hpp"
#include "tests/unit/bft/group.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace seneschal::bft {
namespace {

using seneschal::testing::Bed;
using seneschal::testing::client_id;
using seneschal::testing::expect_stored;
using seneschal::testing::Group;
using seneschal::testing::server_id;
using namespace std::chrono_literals;

template <class M>
bool is(const Bed::Datagram& d) {
  auto parts = parse_sealed(*d.bytes);
  return parts && parts->header.protocol == M::kProtocol && parts->header.type == M::kType;
}

Settings as_in_the_paper() {  // signatures, one request each
  Settings settings;
  settings.auth = Auth::Signatures;
  settings.batch_max = 1;
  settings.checkpoint_interval = 2;
  settings.log_span = 4;
  settings.window = 4;
  return settings;
}

/// All that is said, one line per message and group of receivers, in the order of sending.
std::string transcript(const Bed& bed) {
  MessageTable names = MessageTable::of<PrePrepare, Prepare, Commit, Checkpoint, Status, Entry, Doubt,
                                        replication::Update, replication::Query, replication::Reply>();
  std::ostringstream out;
  for (std::size_t i = 0; i < bed.sent.size();) {
    const Bed::Datagram& first = bed.sent[i];
    std::string to;
    for (; i < bed.sent.size() && bed.sent[i].bytes == first.bytes && bed.sent[i].from == first.from; ++i)
      to += (to.empty() ? "" : ", ") + to_string(bed.sent[i].to);
    auto parts = parse_sealed(*first.bytes);
    const MessageType* type = names.find(parts->header.protocol, parts->header.type);
    out << to_string(first.from) << " -> " << to << ": " << (type != nullptr ? type->name : "?") << "\n";
  }
  return out.str();
}

TEST(Section4_1_Client, SendsToThePrimaryAndTakesFPlusOneEqualReplies) {
  Group group(1, 1, as_in_the_paper());
  group.bed.record = true;
  std::size_t replies = 0;
  group.bed.filter = [&](Bed::Datagram& d) { return !is<replication::Reply>(d) || ++replies <= 1; };
  group.add_clients(1, 1);
  group.bed.start();
  group.bed.run_for(100ms);
  EXPECT_EQ(group.bed.sent.front().to, server_id(0));
  EXPECT_FALSE(group.all_done()) << "one reply is not f+1";
  group.bed.filter = nullptr;
  EXPECT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 5s));
}

TEST(Section4_1_Client, WithoutAReplyInTimeItSendsToAllReplicasWhichRelayToThePrimaryOrSendTheReplyAgain) {
  Group group(1, 1, as_in_the_paper());
  group.bed.record = true;
  bool lost = false;
  group.bed.filter = [&](Bed::Datagram& d) {  // the primary never hears the client itself
    lost = lost || d.from == client_id(1);
    return d.from != client_id(1) || d.to != server_id(0);
  };
  group.add_clients(1, 1);
  ASSERT_TRUE(group.run(5s));
  std::set<Principal> asked;
  for (const auto& d : group.bed.sent)
    if (d.from == client_id(1)) asked.insert(d.to);
  EXPECT_EQ(asked.size(), 4u);
  EXPECT_TRUE(std::ranges::any_of(group.bed.sent, [](const auto& d) {
    return d.from == server_id(1) && d.to == server_id(0) && is<replication::Update>(d);
  }));
}

TEST(Section4_2_NormalCase, ThreePhasesAndAReplyFromEachReplica) {
  Group group(1, 1, as_in_the_paper());
  group.bed.record = true;
  group.add_clients(1, 1);
  ASSERT_TRUE(group.run(1s));
  group.bed.run_for(20ms);
  expect_stored("bft/one_request", transcript(group.bed));
}

/// Replica 1, a backup, fed by hand.
class Section4_2_Backup : public ::testing::Test {
 protected:
  Section4_2_Backup() : group(1, 2, as_in_the_paper()) {
    group.bed.record = true;
    group.bed.filter = [](auto&) { return false; };
    group.bed.start();
    proposal = group.proposal(1, {group.update(1, 1, "a", AuthKind::Signature)});
    digest = replication::digest_of(proposal.batch);
  }
  template <class M>
  void hear(std::uint16_t from, const M& message) {
    group.inject(1, from, message, AuthKind::Signature);
    group.bed.run_for(1ms);  // its own messages come back signed
  }
  template <class M>
  std::size_t sent() {
    return static_cast<std::size_t>(std::ranges::count_if(
        group.bed.sent, [](const auto& d) { return d.from == server_id(1) && d.to == server_id(2) && is<M>(d); }));
  }
  Group group;
  PrePrepare proposal;
  Digest digest;
};

TEST_F(Section4_2_Backup, AcceptsAPrePrepareOfItsViewBetweenTheWaterMarksAndNoSecondOne) {
  hear(0, group.proposal(1, {group.update(1, 1, "a", AuthKind::Signature)}, 1));
  hear(0, group.proposal(5, {group.update(1, 1, "a", AuthKind::Signature)}));  // above H = 4
  hear(2, proposal);                                                           // not the primary
  EXPECT_EQ(sent<Prepare>(), 0u);
  hear(0, proposal);
  EXPECT_EQ(sent<Prepare>(), 1u);
  hear(0, group.proposal(1, {group.update(2, 1, "b", AuthKind::Signature)}));
  EXPECT_EQ(sent<Prepare>(), 1u);
}

TEST_F(Section4_2_Backup, IsPreparedWithThePrePrepareAndTwoFPreparesOfBackupsAndThenCommits) {
  hear(0, proposal);
  EXPECT_EQ(sent<Commit>(), 0u) << "its own is one of 2f";
  hear(0, Prepare{View(0), Seq(1), digest});
  EXPECT_EQ(sent<Commit>(), 0u) << "the primary's PrePrepare is its vote";
  hear(2, Prepare{View(0), Seq(1), Digest{}});
  EXPECT_EQ(sent<Commit>(), 0u);
  hear(3, Prepare{View(0), Seq(1), digest});
  EXPECT_EQ(sent<Commit>(), 1u);
}

TEST_F(Section4_2_Backup, ExecutesWithTwoFPlusOneCommitsInSequence) {
  PrePrepare second = group.proposal(2, {group.update(2, 1, "b", AuthKind::Signature)});
  Digest second_digest = replication::digest_of(second.batch);
  for (const auto& [p, d] : {std::pair(second, second_digest), std::pair(proposal, digest)}) {
    hear(0, p);
    for (std::uint16_t from : {2, 3}) hear(from, Prepare{View(0), p.seq, d});
    hear(0, Commit{View(0), p.seq, d});
    EXPECT_EQ(group.executed(1), Seq(0)) << "2f commits";
    hear(2, Commit{View(0), p.seq, d});
    EXPECT_EQ(group.executed(1), p.seq == Seq(2) ? Seq(0) : Seq(2)) << "seq 2 waits for seq 1";
  }
}

TEST(Section4_3_GarbageCollection, TwoFPlusOneCheckpointsMakeOneStableAndMoveTheWaterMarks) {
  Group group(1, 1, as_in_the_paper());
  group.bed.record = true;
  group.add_clients(1, 4);
  ASSERT_TRUE(group.run(5s));
  group.bed.run_for(50ms);
  for (const auto& server : group.servers) {
    StatusList status;
    server->status(status);
    EXPECT_TRUE(std::ranges::count(status, std::pair<std::string, std::string>("stable", "4")) == 1);
    EXPECT_TRUE(std::ranges::count(status, std::pair<std::string, std::string>("log_base", "4")) == 1);
  }
  expect_stored("bft/two_checkpoints", transcript(group.bed));
}

}  // namespace
}  // namespace seneschal::bft
