// What may be voted for at all: the checker must let pass what the page allows, and catch the rest. [Steward 3.4]
#include "lab/sim/checkers/ballot_checker.hpp"

#include "crypto/digest.hpp"
#include "steward/messages.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using replication::Batch;

const Principal kVoter = Principal::of(ServerId{SiteId(0), ServerIndex(1)});
const Principal kRepresentative = Principal::of(ServerId{SiteId(0), ServerIndex(0)});

class BallotHistory : public testing::Test {
 protected:
  BallotHistory() {
    facts.membership.sites.assign(3, SiteInfo{4, 1});
    facts.window = 4;
    facts.batch_max = 2;
    members = std::make_unique<Members>(facts, verdict);
    checker = std::make_unique<Ballots>(facts, verdict, *members);
  }
  static Signed<replication::Update> update(std::uint32_t client, std::uint64_t timestamp) {
    Header header;
    header.protocol = replication::Update::kProtocol;
    header.type = replication::Update::kType;
    header.sender = Principal::of(ClientId(client));
    header.auth = AuthKind::Signature;
    const replication::Update body{Timestamp(timestamp), {to_bytes("x")}};
    return {unsealed(header, encode(body)), header, body};
  }
  static Batch batch(std::vector<Signed<replication::Update>> updates) {
    Batch batch;
    batch.updates.items = std::move(updates);
    return batch;
  }
  void votes(std::uint64_t seq, const Batch& content, std::uint64_t lv = 0) {
    const steward::PrePrepare m{GlobalView(0), LocalView(lv), Seq(seq), content};
    Header header;
    header.protocol = steward::PrePrepare::kProtocol;
    header.type = steward::PrePrepare::kType;
    header.sender = kRepresentative;
    const Bytes sealed = unsealed(header, encode(m));
    checker->on_sent({}, kRepresentative, *parse_sealed(sealed));
    checker->on_event({}, kVoter,
                      {EventKind::Prepared, Seq(seq), 0, lv, replication::digest_of(content), {}, {}, {}});
  }
  void executes(std::uint64_t seq) {
    checker->on_event({}, kVoter, {EventKind::Executed, Seq(seq), 0, 0, {}, {}, {}, {}});
  }
  std::string broken() const { return verdict.first() ? verdict.first()->property : "nothing"; }

  Facts facts;
  Verdict verdict;
  std::unique_ptr<Members> members;
  std::unique_ptr<Ballots> checker;
};

TEST_F(BallotHistory, GoodBatchesInTheWindowAreGood) {
  votes(1, batch({update(1, 1), update(2, 1)}));
  votes(4, batch({update(1, 2)}));
  executes(1);
  votes(5, batch({update(1, 3)}));
  EXPECT_EQ(broken(), "nothing") << verdict.first()->what;
}

TEST_F(BallotHistory, BeyondTheWindow) {
  votes(5, batch({update(1, 1)}));
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, BelowWhatItHasExecuted) {
  executes(1);
  votes(1, batch({update(1, 1)}));
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, AnEmptyBatch) {
  votes(1, batch({}));
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, AnEmptyBatchThatAnEarlierViewProposedMayBeWhatBinds) {
  steward::PrePrepare filled{GlobalView(0), LocalView(1), Seq(1), {}};
  Header header;
  header.protocol = steward::PrePrepare::kProtocol;
  header.type = steward::PrePrepare::kType;
  header.sender = kRepresentative;
  const Bytes sealed = unsealed(header, encode(filled));
  checker->on_sent({}, kRepresentative, *parse_sealed(sealed));
  votes(1, batch({}), 2);
  EXPECT_EQ(broken(), "nothing") << verdict.first()->what;
}

TEST_F(BallotHistory, TooManyUpdates) {
  votes(1, batch({update(1, 1), update(2, 1), update(3, 1)}));
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, OneUpdateTwice) {
  votes(1, batch({update(1, 1), update(1, 1)}));
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, AQuestion) {
  votes(1, batch({update(1, 0)}));
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, OneUpdateInTwoBatchesOfAView) {
  votes(1, batch({update(1, 1)}));
  votes(2, batch({update(1, 1), update(2, 1)}), 1);
  EXPECT_EQ(broken(), "nothing") << "in another view";
  votes(3, batch({update(1, 1)}), 1);
  EXPECT_EQ(broken(), "nothing") << "what the view before proposed";
  votes(4, batch({update(2, 1), update(3, 1)}), 1);
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, WhatWasExecutedLongAgo) {
  checker->on_event({}, kVoter,
                    {EventKind::UpdateDone, Seq(1), 0, 0, {}, {}, Principal::of(ClientId(1)), Timestamp(7)});
  executes(4);
  votes(5, batch({update(1, 7)}));
  EXPECT_EQ(broken(), "ballots");
}

TEST_F(BallotHistory, WhatWasExecutedJustNowItsRepresentativeMayNotKnow) {
  checker->on_event({}, kVoter,
                    {EventKind::UpdateDone, Seq(2), 0, 0, {}, {}, Principal::of(ClientId(1)), Timestamp(7)});
  executes(4);
  votes(5, batch({update(1, 7)}));
  EXPECT_EQ(broken(), "nothing") << verdict.first()->what;
}

}  // namespace
}  // namespace seneschal::lab::sim
