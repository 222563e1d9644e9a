#include "tests/unit/bft/group.hpp"

#include <gtest/gtest.h>

namespace seneschal::bft {
namespace {

using seneschal::testing::client_id;
using seneschal::testing::Group;
using seneschal::testing::server_id;

Digest digest_of(const PrePrepare& p) {
  return replication::digest_of(p.batch);
}

// One server under test (a backup, index 1) fed by hand; what it sends is kept by the bed.
class BftOrdering : public ::testing::Test {
 protected:
  explicit BftOrdering(Settings s = settings()) : group(1, 4, s) {}
  Group group;
  static Settings settings() {
    Settings s = seneschal::testing::without_log();
    s.checkpoint_interval = 4;
    s.log_span = 8;
    s.window = 8;
    return s;
  }
  void SetUp() override {
    group.bed.record = true;
    group.bed.filter = [](auto&) { return false; };  // nothing arrives that the test does not inject
    group.bed.start();
  }
  template <class M>
  std::size_t sent(std::uint16_t from = 1) {
    std::size_t count = 0;
    for (const auto& d : group.bed.sent)
      if (d.from == server_id(from) && d.to == server_id(from == 0 ? 1 : 0)) {
        auto parts = parse_sealed(*d.bytes);
        if (parts && parts->header.protocol == M::kProtocol && parts->header.type == M::kType) ++count;
      }
    return count;
  }
  std::uint64_t rejected(Reject reason, std::uint16_t at = 1) {
    return group.bed.server(at).replica->rejected(reason);
  }
  PrePrepare first() { return group.proposal(1, {group.update(1, 1, "a")}); }
};

// [BFT 3.2]
TEST_F(BftOrdering, BackupAnswersAProposalWithAPrepare) {
  group.inject(1, 0, first());
  EXPECT_EQ(sent<Prepare>(), 1u);
  EXPECT_EQ(sent<Commit>(), 0u);
}

TEST_F(BftOrdering, OneStatusIsAnsweredWithABoundedNumberOfBytes) {
  const std::string large(8000, 'x');
  for (std::uint64_t seq = 1; seq <= 8; ++seq) {
    std::vector<Signed<replication::Update>> updates;
    for (std::uint32_t c = 1; c <= 4; ++c) updates.push_back(group.update(c, seq, large));
    group.inject(1, 0, group.proposal(seq, std::move(updates)));
  }
  ASSERT_EQ(sent<Prepare>(), 8u);
  group.inject(1, 0, Status{});  // "I have nothing"
  EXPECT_EQ(sent<Prepare>(), 16u) << "votes are small: all of them";
  EXPECT_GE(sent<Entry>(), 1u);
  EXPECT_LE(sent<Entry>(), 4u) << "128 KiB of batches";
}

TEST_F(BftOrdering, RefusesAProposalOfAnotherView) {
  group.inject(1, 0, group.proposal(1, {group.update(1, 1, "a")}, 1));
  EXPECT_EQ(rejected(Reject::NotAdmitted), 1u);
  EXPECT_EQ(sent<Prepare>(), 0u);
}

TEST_F(BftOrdering, RefusesAProposalFromABackup) {
  group.inject(1, 2, first());
  EXPECT_EQ(rejected(Reject::NotRepresentative), 1u);
  EXPECT_EQ(sent<Prepare>(), 0u);
}

// [BFT 3.2]
TEST_F(BftOrdering, RefusesAProposalOutsideTheWindow) {
  group.inject(1, 0, group.proposal(9, {group.update(1, 1, "a")}));
  group.inject(1, 0, group.proposal(0, {group.update(1, 1, "a")}));
  EXPECT_EQ(rejected(Reject::NotAdmitted), 2u);
  EXPECT_EQ(sent<Prepare>(), 0u);
}

TEST_F(BftOrdering, RefusesAnEmptyBatch) {
  group.inject(1, 0, group.proposal(1, {}));
  EXPECT_EQ(rejected(Reject::EmptyBatch), 1u);
}

// [BFT 3.2]
TEST_F(BftOrdering, PreparesOnlyTheFirstProposalOfASeq) {
  group.inject(1, 0, first());
  group.inject(1, 0, group.proposal(1, {group.update(1, 1, "b")}));
  EXPECT_EQ(rejected(Reject::Equivocation), 1u);
  EXPECT_EQ(sent<Prepare>(), 1u);
  EXPECT_TRUE(group.bed.server(1).accusations.empty());  // MACs prove nothing to others
}

TEST_F(BftOrdering, ARepeatedProposalIsARetransmission) {
  group.inject(1, 0, first());
  group.inject(1, 0, first());
  EXPECT_EQ(rejected(Reject::Duplicate), 1u);
  EXPECT_EQ(sent<Prepare>(), 1u);
}

// [BFT 3.3]
TEST_F(BftOrdering, CommitsWithTheProposalAndPreparesOfTwoFBackups) {
  PrePrepare p = first();
  group.inject(1, 0, p);
  EXPECT_EQ(sent<Commit>(), 0u);  // own Prepare only
  group.inject(1, 2, Prepare{View(0), Seq(1), digest_of(p)});
  EXPECT_EQ(sent<Commit>(), 1u);
}

TEST_F(BftOrdering, APrepareOfThePrimaryDoesNotCount) {
  PrePrepare p = first();
  group.inject(1, 0, p);
  group.inject(1, 0, Prepare{View(0), Seq(1), digest_of(p)});
  EXPECT_EQ(rejected(Reject::Conflict), 1u);
  EXPECT_EQ(sent<Commit>(), 0u);
}

TEST_F(BftOrdering, DuplicateAndDifferentPreparesDoNotCount) {
  Group wide(2, 4);
  wide.bed.record = true;
  wide.bed.filter = [](auto&) { return false; };
  wide.bed.start();
  PrePrepare p = wide.proposal(1, {wide.update(1, 1, "a")});
  Prepare good{View(0), Seq(1), digest_of(p)};
  wide.inject(1, 0, p);
  wide.inject(1, 2, good);
  wide.inject(1, 2, good);
  wide.inject(1, 3, Prepare{View(0), Seq(1), Digest{}});
  wide.inject(1, 3, good);  // changed its mind: the first word counts
  auto commits = [&] {
    return std::ranges::count_if(wide.bed.sent, [](const auto& d) {
      auto parts = parse_sealed(*d.bytes);
      return d.from == server_id(1) && parts && parts->header.type == Commit::kType;
    });
  };
  EXPECT_EQ(commits(), 0);
  wide.inject(1, 4, good);
  EXPECT_EQ(commits(), 0);
  wide.inject(1, 5, good);  // own, 2, 4, 5: 2f
  EXPECT_GT(commits(), 0);
}

// [BFT 3.4]
TEST_F(BftOrdering, ExecutesWithCommitsOfTwoFPlusOne) {
  PrePrepare p = first();
  Digest d = digest_of(p);
  group.inject(1, 0, p);
  group.inject(1, 2, Prepare{View(0), Seq(1), d});
  group.inject(1, 2, Commit{View(0), Seq(1), d});
  group.inject(1, 2, Commit{View(0), Seq(1), d});
  EXPECT_EQ(group.executed(1), Seq(0));
  group.inject(1, 3, Commit{View(0), Seq(1), Digest{}});
  EXPECT_EQ(group.executed(1), Seq(0));
  group.inject(1, 0, Commit{View(0), Seq(1), d});
  EXPECT_EQ(group.executed(1), Seq(1));
  EXPECT_EQ(group.count(1, EventKind::Ordered), 1u);
  EXPECT_EQ(group.count(1, EventKind::UpdateDone), 1u);
}

// [BFT 3.5]
TEST_F(BftOrdering, KeepsVotesThatComeBeforeTheProposal) {
  PrePrepare p = first();
  Digest d = digest_of(p);
  group.inject(1, 2, Commit{View(0), Seq(1), d});
  group.inject(1, 3, Commit{View(0), Seq(1), d});
  group.inject(1, 2, Prepare{View(0), Seq(1), d});
  EXPECT_EQ(group.executed(1), Seq(0));
  group.inject(1, 0, p);
  EXPECT_EQ(group.executed(1), Seq(1));
}

// [BFT 3.4]
TEST_F(BftOrdering, ExecutesInOrderOnly) {
  PrePrepare p = group.proposal(2, {group.update(1, 1, "a")});
  Digest d = digest_of(p);
  group.inject(1, 0, p);
  for (std::uint16_t i : {0, 2, 3}) group.inject(1, i, Commit{View(0), Seq(2), d});
  EXPECT_EQ(group.count(1, EventKind::Ordered), 1u);
  EXPECT_EQ(group.executed(1), Seq(0));
  PrePrepare q = group.proposal(1, {group.update(2, 1, "b")});
  group.inject(1, 0, q);
  for (std::uint16_t i : {0, 2, 3}) group.inject(1, i, Commit{View(0), Seq(1), digest_of(q)});
  EXPECT_EQ(group.executed(1), Seq(2));
}

TEST_F(BftOrdering, RefusesWrongMacsAndStrangers) {
  PrePrepare p = first();
  Bytes bad = *group.bed.seal(server_id(0), p, AuthKind::Authenticator, server_id(1));
  bad[bad.size() - 3 * 16] ^= 1;  // the slot of server 1
  group.bed.inject(server_id(1), share(bad));
  EXPECT_EQ(rejected(Reject::BadSignature), 1u);
  // A client cannot speak as a server, nor a server of another deployment.
  Bytes other = *group.bed.seal(server_id(0), p, AuthKind::Authenticator, server_id(1));
  other[11] ^= 1;
  group.bed.inject(server_id(1), share(other));
  EXPECT_EQ(rejected(Reject::WrongDeployment), 1u);
  group.bed.inject(server_id(1), group.bed.seal(client_id(1), p, AuthKind::Authenticator, server_id(1)));
  EXPECT_EQ(rejected(Reject::WrongSenderKind), 1u);
  EXPECT_EQ(sent<Prepare>(), 0u);
}

TEST_F(BftOrdering, AWrongMacForAnotherServerIsNoConcernOfOurs) {
  Bytes bytes = *group.bed.seal(server_id(0), first(), AuthKind::Authenticator, server_id(1));
  bytes[bytes.size() - 1] ^= 1;  // the slot of server 3
  group.bed.inject(server_id(1), share(bytes));
  EXPECT_EQ(sent<Prepare>(), 1u);
  group.bed.inject(server_id(3), share(bytes));
  EXPECT_EQ(rejected(Reject::BadSignature, 3), 1u);
}

TEST_F(BftOrdering, RefusesABatchWithAnUpdateThatItCannotCheck) {
  auto update = group.update(1, 1, "a");
  update.sealed[update.sealed.size() - 3 * 16] ^= 1;  // the client's MAC for server 1
  group.inject(1, 0, group.proposal(1, {update}));
  EXPECT_EQ(rejected(Reject::BadInnerSignature), 1u);
  EXPECT_EQ(sent<Prepare>(), 0u);
}

TEST_F(BftOrdering, AdoptsSuchABatchWhenFPlusOneServersVouchForIt) {
  auto update = group.update(1, 1, "a");
  update.sealed[update.sealed.size() - 3 * 16] ^= 1;
  PrePrepare p = group.proposal(1, {update});
  Entry supply{View(0), Seq(1), false, digest_of(p), Vouched<Batch>{p.batch}};
  group.inject(1, 2, supply, AuthKind::Mac);
  EXPECT_EQ(rejected(Reject::MissingBatch), 1u);  // nobody voted for it yet
  group.inject(1, 2, Prepare{View(0), Seq(1), digest_of(p)});
  group.inject(1, 2, supply, AuthKind::Mac);
  EXPECT_EQ(sent<Prepare>(), 0u);  // one server is not f+1
  group.inject(1, 3, Prepare{View(0), Seq(1), digest_of(p)});
  group.inject(1, 2, supply, AuthKind::Mac);
  EXPECT_EQ(sent<Prepare>(), 1u);
}

TEST_F(BftOrdering, RefusesASuppliedBatchThatDoesNotMatchTheVotes) {
  PrePrepare p = first();
  PrePrepare q = group.proposal(1, {group.update(1, 1, "b")});
  group.inject(1, 2, Prepare{View(0), Seq(1), digest_of(p)});
  group.inject(1, 3, Prepare{View(0), Seq(1), digest_of(p)});
  group.inject(1, 2, Entry{View(0), Seq(1), false, digest_of(p), Vouched<Batch>{q.batch}}, AuthKind::Mac);
  EXPECT_EQ(rejected(Reject::Conflict), 1u);
  EXPECT_EQ(sent<Prepare>(), 0u);
}

TEST_F(BftOrdering, TakesACommittedEntryFromFPlusOneServersOnly) {
  PrePrepare p = first();
  Entry claim{View(0), Seq(1), true, digest_of(p), Vouched<Batch>{p.batch}};
  group.inject(1, 2, claim, AuthKind::Mac);
  group.inject(1, 2, claim, AuthKind::Mac);
  EXPECT_EQ(group.executed(1), Seq(0));
  claim.batch.reset();
  group.inject(1, 3, claim, AuthKind::Mac);
  EXPECT_EQ(group.executed(1), Seq(1));
  group.inject(1, 0, claim, AuthKind::Mac);
  EXPECT_EQ(rejected(Reject::AlreadyExecuted), 1u);
  claim.seq = Seq(1000);
  group.inject(1, 3, claim, AuthKind::Mac);
  EXPECT_EQ(rejected(Reject::OutsideWindow), 1u);
}

// [BFT 3.5]
TEST_F(BftOrdering, VotesForExecutedSeqsCostNothing) {
  PrePrepare p = first();
  Digest d = digest_of(p);
  group.inject(1, 0, p);
  for (std::uint16_t i : {0, 2, 3}) group.inject(1, i, Commit{View(0), Seq(1), d});
  ASSERT_EQ(group.executed(1), Seq(1));
  group.inject(1, 2, Prepare{View(0), Seq(1), d});
  EXPECT_EQ(rejected(Reject::NotAdmitted), 1u);
}

class BftSignatures : public BftOrdering {
 protected:
  BftSignatures() : BftOrdering(with_signatures()) {}
  static Settings with_signatures() {
    Settings s = settings();
    s.auth = Auth::Signatures;
    return s;
  }
};

// [BFT 3.2]
TEST_F(BftSignatures, TwoProposalsForOneSeqAreProofAgainstThePrimary) {
  auto a = group.proposal(1, {group.update(1, 1, "a", AuthKind::Signature)});
  auto b = group.proposal(1, {group.update(1, 1, "b", AuthKind::Signature)});
  group.inject(1, 0, a, AuthKind::Signature);
  group.inject(1, 0, b, AuthKind::Signature);
  ASSERT_EQ(group.bed.server(1).accusations.size(), 1u);
  EXPECT_EQ(group.bed.server(1).accusations[0].who, server_id(0));
  EXPECT_EQ(group.bed.server(1).accusations[0].evidence.size(), 2u);
}

TEST_F(BftSignatures, UpdatesMustBeSigned) {
  group.inject(1, 0, group.proposal(1, {group.update(1, 1, "a")}), AuthKind::Signature);
  EXPECT_EQ(rejected(Reject::BadInnerSignature), 1u);
  group.bed.inject(server_id(0), share(group.update(1, 1, "a").sealed));
  EXPECT_EQ(rejected(Reject::BadSignature, 0), 1u);
}

TEST_F(BftSignatures, OwnVotesCountWhenTheyComeBackSigned) {
  auto p = group.proposal(1, {group.update(1, 1, "a", AuthKind::Signature)});
  group.inject(1, 0, p, AuthKind::Signature);
  group.inject(1, 2, Prepare{View(0), Seq(1), digest_of(p)}, AuthKind::Signature);
  EXPECT_EQ(sent<Commit>(), 0u);
  group.bed.run_for(std::chrono::milliseconds(1));  // signing is a job
  EXPECT_EQ(sent<Commit>(), 1u);
}

}  // namespace
}  // namespace seneschal::bft
