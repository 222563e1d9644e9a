// The checker of clients that join and leave must catch what it is for.
#include "crypto/digest.hpp"
#include "lab/sim/checkers/checker.hpp"
#include "replication/administration.hpp"
#include "replication/messages.hpp"
#include "steward/messages.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using replication::Administered;
using replication::Administration;

class MemberHistory : public testing::Test {
 protected:
  MemberHistory() {
    Facts facts;
    facts.membership.sites.assign(3, SiteInfo{4, 1});
    facts.membership.clients = {{ClientId(1), SiteId(0)}, {ClientId(2), SiteId(0)}};
    facts.membership.administrator = ClientId(2);
    facts.reach = 8;
    set = std::make_unique<CheckerSet>(std::move(facts));
  }
  void executes(ClientId client, std::uint64_t seq, std::uint64_t timestamp, const Bytes& result = {}) {
    set->on_event({}, Principal::of(ServerId{}),
                  {EventKind::UpdateDone,
                   Seq(seq),
                   0,
                   0,
                   crypto::sha256(result),
                   {},
                   Principal::of(client),
                   Timestamp(timestamp)});
  }
  void orders(std::uint64_t seq, const Administration& what, replication::Verdict verdict, std::uint32_t next) {
    const Timestamp timestamp(++orders_);
    const replication::Update update{timestamp, {encode(what)}};
    Header header;
    header.protocol = replication::Update::kProtocol;
    header.type = replication::Update::kType;
    header.sender = Principal::of(ClientId(2));
    set->on_sent({}, header.sender, {}, unsealed(header, encode(update)));
    executes(ClientId(2), seq, timestamp.value, encode(Administered{verdict, ClientId(next)}));
  }
  /// Server 0/0 votes for a batch with an update of `client`, in whose name it was proposed.
  void votes(ClientId client, std::uint64_t seq) {
    Header header;
    header.protocol = replication::Update::kProtocol;
    header.type = replication::Update::kType;
    header.sender = Principal::of(client);
    const replication::Update update{Timestamp(seq), {to_bytes("x")}};
    steward::PrePrepare proposal{GlobalView(0), LocalView(0), Seq(seq), {}};
    proposal.batch.updates.items.push_back({unsealed(header, encode(update)), header, update});
    header.protocol = steward::PrePrepare::kProtocol;
    header.type = steward::PrePrepare::kType;
    header.sender = Principal::of(ServerId{});
    set->on_sent({}, header.sender, {}, unsealed(header, encode(proposal)));
    set->on_event({}, header.sender,
                  {EventKind::Prepared, Seq(seq), 0, 0, replication::digest_of(proposal.batch), {}, {}, {}});
  }
  std::string violation() const { return set->violation() ? set->violation()->property : ""; }

  std::unique_ptr<CheckerSet> set;
  std::uint64_t orders_ = 0;
};

const Administration kJoins{replication::Enroll{ClientId(3), {}, {}, {}}};
const Administration kLeaves{replication::Revoke{ClientId(3)}};

TEST_F(MemberHistory, AMemberIsExecutedFromTheEntryThatEnrollsItToTheOneThatRevokesIt) {
  orders(4, kJoins, replication::Verdict::Done, 4);
  executes(ClientId(3), 4, 1);
  orders(9, kLeaves, replication::Verdict::Done, 4);
  executes(ClientId(3), 8, 2);  // at a slower server, say
  EXPECT_EQ(violation(), "");
}

TEST_F(MemberHistory, AStrangerIsNotExecuted) {
  executes(ClientId(3), 4, 1);
  EXPECT_EQ(violation(), "membership");
}

TEST_F(MemberHistory, NobodyIsExecutedBeforeTheEntryThatEnrollsIt) {
  orders(4, kJoins, replication::Verdict::Done, 4);
  executes(ClientId(3), 3, 1);
  EXPECT_EQ(violation(), "membership");
}

TEST_F(MemberHistory, AnOrderThatWasRefusedEnrollsNobody) {
  orders(4, kJoins, replication::Verdict::Full, 3);
  executes(ClientId(3), 5, 1);
  EXPECT_EQ(violation(), "membership");
}

TEST_F(MemberHistory, NobodyIsExecutedAfterTheEntryThatRevokesIt) {
  orders(4, kJoins, replication::Verdict::Done, 4);
  orders(9, kLeaves, replication::Verdict::Done, 4);
  executes(ClientId(3), 10, 1);
  EXPECT_EQ(violation(), "membership");
}

TEST_F(MemberHistory, WhoLeftMayBeInEntriesUnderWayButInNoneBeyondTheReach) {
  orders(4, kJoins, replication::Verdict::Done, 4);
  orders(9, kLeaves, replication::Verdict::Done, 4);
  votes(ClientId(3), 17);
  votes(ClientId(1), 19);
  EXPECT_EQ(violation(), "");
  votes(ClientId(3), 18);
  EXPECT_EQ(violation(), "membership");
}

}  // namespace
}  // namespace seneschal::lab::sim
