// What clients are owed: the checkers of queries, timestamps, service and office must catch what they are for.
#include "lab/sim/checkers/client_checkers.hpp"

#include "crypto/digest.hpp"
#include "replication/kv.hpp"
#include "replication/messages.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

namespace kv = replication::kv;

class ClientHistory : public testing::Test {
 protected:
  ClientHistory() { use(Protocol::Steward); }
  // Without the others, who would want to see all that stands behind an order.
  void use(Protocol protocol) {
    facts = known(protocol);
    checkers.clear();
    checkers.push_back(std::make_unique<Queries>(facts, verdict));
    checkers.push_back(std::make_unique<OwnTimestamps>(facts, verdict));
  }
  template <class C>
  void use_only() {
    checkers.clear();
    checkers.push_back(std::make_unique<C>(facts, verdict));
  }
  static Facts known(Protocol protocol) {
    Facts facts;
    facts.protocol = protocol;
    facts.membership.deployment = DeploymentId(1);
    facts.membership.sites.assign(protocol == Protocol::Steward ? 3 : 1, SiteInfo{4, 1});
    for (std::uint32_t i = 1; i <= 3; ++i) facts.membership.clients.push_back({ClientId(i), SiteId(0)});
    facts.application = "kv";
    facts.served_within = 3s;
    facts.office_within = 2s;
    facts.byzantine = {server(0)};
    return facts;
  }
  static ServerId server(std::uint16_t index) { return {SiteId(0), ServerIndex(index)}; }
  static Instant at(std::int64_t ms) { return Instant{} + std::chrono::milliseconds(ms); }

  template <class M>
  Bytes message(const Principal& from, const M& body) {
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.deployment = DeploymentId(1);
    header.sender = from;
    header.auth = from.is_server() ? AuthKind::Mac : AuthKind::Signature;
    return unsealed(header, encode(body));
  }
  template <class M>
  void sends(const Principal& from, const M& body, std::int64_t ms = 0) {
    const Bytes sealed = message(from, body);
    for (auto& checker : checkers) checker->on_sent(at(ms), from, *parse_sealed(sealed));
  }
  void writes(std::uint32_t client, std::uint64_t timestamp, const Bytes& operation, std::int64_t ms = 0) {
    sends(Principal::of(ClientId(client)), replication::Update{Timestamp(timestamp), {operation}}, ms);
  }
  void asks(std::uint32_t client, std::uint64_t timestamp, std::uint64_t min_seq) {
    sends(Principal::of(ClientId(client)), replication::Query{Timestamp(timestamp), Seq(min_seq), {kv::get("k")}});
  }
  /// A server executes a batch with that one update.
  void executes(std::uint16_t index, std::uint64_t seq, std::uint32_t client, std::uint64_t timestamp,
                const Bytes& operation, std::int64_t ms = 0) {
    for (auto& checker : checkers) checker->on_applied(at(ms), server(index), ClientId(client), operation, {});
    const Principal self = Principal::of(server(index));
    happens(ms, self,
            {EventKind::UpdateDone, Seq(seq), 0, 0, {}, {}, Principal::of(ClientId(client)), Timestamp(timestamp)});
    happens(ms, self, {EventKind::Executed, Seq(seq), 0, 0, {}, {}, {}, {}});
  }
  void happens(std::int64_t ms, const Principal& self, const Event& event) {
    for (auto& checker : checkers) checker->on_event(at(ms), self, event);
  }
  void enters(std::uint16_t index, std::uint64_t lv, std::int64_t ms) {
    happens(ms, Principal::of(server(index)), {EventKind::ViewEntered, {}, 0, lv, {}, {}, {}, {}});
  }
  void takes(std::uint32_t client, std::uint64_t timestamp, std::uint64_t seq, const Bytes& result) {
    const Principal self = Principal::of(ClientId(client));
    happens(0, self, {EventKind::Accepted, Seq(seq), 0, 0, crypto::sha256(result), {}, self, Timestamp(timestamp)});
  }
  void answers(std::uint16_t index, std::uint32_t client, std::uint64_t timestamp, std::uint64_t seq,
               const Bytes& result) {
    const Principal from = Principal::of(server(index));
    const Bytes sealed = message(from, replication::Answer{Timestamp(timestamp), Seq(seq), {result}});
    for (auto& checker : checkers) checker->on_told({}, server(index), ClientId(client), *parse_sealed(sealed));
  }
  /// Client 1 writes a, then b: seq 1 and 2.
  void two_writes() {
    writes(1, 1, a);
    writes(1, 2, b);
    executes(1, 1, 1, 1, a);
    executes(1, 2, 1, 2, b);
  }
  static Bytes found(std::string_view value) { return encode(kv::Outcome(kv::Found{kv::Value{to_bytes(value)}})); }
  std::string broken() const { return verdict.first() ? verdict.first()->property : "nothing"; }
  std::string how() const { return verdict.first() ? verdict.first()->what : ""; }

  Facts facts;
  Verdict verdict;
  std::vector<std::unique_ptr<Checker>> checkers;
  const Bytes a = kv::put("k", to_bytes("a"));
  const Bytes b = kv::put("k", to_bytes("b"));
};

TEST_F(ClientHistory, AnswersOfExecutedStatesAreGood) {
  two_writes();
  asks(2, 1, 0);
  answers(1, 2, 1, 2, found("b"));
  answers(2, 2, 1, 1, found("a"));
  answers(3, 2, 1, 2, found("b"));
  takes(2, 1, 2, found("b"));
  asks(2, 2, 2);
  takes(2, 2, 2, found("b"));
  EXPECT_EQ(broken(), "nothing") << how();
}

TEST_F(ClientHistory, AnAnswerOfAStateThatWasNotSoIsNoticed) {
  two_writes();
  asks(2, 1, 0);
  answers(1, 2, 1, 2, found("a"));
  EXPECT_EQ(broken(), "query-results");
}

TEST_F(ClientHistory, AFaultyServerMayAnswerAnything) {
  two_writes();
  asks(2, 1, 0);
  answers(0, 2, 1, 2, found("a"));
  EXPECT_EQ(broken(), "nothing") << how();
  takes(2, 1, 2, found("a"));  // but nobody may take it
  EXPECT_EQ(broken(), "query-results");
}

TEST_F(ClientHistory, AnAnswerOlderThanWhatWasAskedForIsNoticed) {
  two_writes();
  asks(2, 1, 2);
  answers(1, 2, 1, 1, found("a"));
  EXPECT_EQ(broken(), "query-results");
}

TEST_F(ClientHistory, AnAnswerOfAStateThatNobodyReachedIsNoticed) {
  two_writes();
  asks(2, 1, 0);
  answers(1, 2, 1, 3, found("b"));
  EXPECT_EQ(broken(), "query-results");
}

TEST_F(ClientHistory, AClientThatDoesNotReadItsOwnWriteIsNoticed) {
  two_writes();
  takes(1, 2, 2, {});
  asks(1, 3, 2);
  takes(1, 3, 1, found("a"));
  EXPECT_EQ(broken(), "query-results");
}

TEST_F(ClientHistory, AClientThatReadsBackwardsIsNoticed) {
  two_writes();
  asks(2, 1, 0);
  takes(2, 1, 2, found("b"));
  asks(2, 2, 1);  // it knows more than it asks for
  EXPECT_EQ(broken(), "query-results");
}

TEST_F(ClientHistory, AClientThatStartsAgainKnowsNothing) {
  two_writes();
  asks(2, 1, 0);
  takes(2, 1, 2, found("b"));
  for (auto& checker : checkers) checker->on_client_restarted(ClientId(2));
  asks(2, 1025, 0);
  takes(2, 1025, 1, found("a"));
  EXPECT_EQ(broken(), "nothing") << how();
}

TEST_F(ClientHistory, FlatAnswersMayBeOfALaterStateThanTheySay) {
  use(Protocol::Bft);
  two_writes();
  asks(2, 1, 0);
  takes(2, 1, 1, found("b"));
  EXPECT_EQ(broken(), "nothing") << how();
  asks(3, 1, 0);
  takes(3, 1, 2, found("a"));
  EXPECT_EQ(broken(), "query-results");
}

TEST_F(ClientHistory, TwoThingsUnderOneTimestampAreNoticedOverRestarts) {
  writes(1, 1, a);
  writes(1, 1, a);
  writes(2, 1, b);
  for (auto& checker : checkers) checker->on_client_restarted(ClientId(1));
  EXPECT_EQ(broken(), "nothing") << how();
  writes(1, 1, b);
  EXPECT_EQ(broken(), "own-timestamps");
}

TEST_F(ClientHistory, WhoIsServedInTurnIsNotStarved) {
  use_only<Served>();
  writes(1, 1, a, 0);
  writes(2, 1, b, 2900);
  executes(1, 1, 2, 1, b, 9000);  // late, but not issued long after
  EXPECT_EQ(broken(), "nothing") << how();
}

TEST_F(ClientHistory, WhoWaitsWhileOthersGoOnIsStarved) {
  use_only<Served>();
  writes(1, 1, a, 0);
  writes(2, 1, b, 3100);
  EXPECT_EQ(broken(), "nothing") << how();
  executes(1, 1, 2, 1, b, 3200);
  EXPECT_EQ(broken(), "served");
}

TEST_F(ClientHistory, WhoAsksForSomethingNewWaitsAnew) {
  use_only<Served>();
  writes(1, 1, a, 0);
  executes(1, 1, 1, 1, a, 50);
  writes(1, 2, b, 3000);
  writes(2, 1, b, 5000);
  executes(1, 2, 2, 1, b, 5100);
  EXPECT_EQ(broken(), "nothing") << how();
}

TEST_F(ClientHistory, AFaultyRepresentativeInOfficeForLongIsNoticed) {
  use_only<Office>();
  writes(1, 1, a, 0);
  writes(1, 1, a, 1900);
  EXPECT_EQ(broken(), "nothing") << how();
  writes(1, 1, a, 2100);
  EXPECT_EQ(broken(), "office");
}

TEST_F(ClientHistory, OneOfTwoOtherSitesMayBeSlow) {
  facts.byzantine = {{SiteId(1), ServerIndex(0)}};
  use_only<Office>();
  writes(1, 1, a, 0);
  writes(1, 1, a, 9000);
  EXPECT_EQ(broken(), "nothing") << how();
  facts.byzantine.insert({SiteId(2), ServerIndex(0)});
  writes(1, 1, a, 9500);
  writes(1, 1, a, 12000);
  EXPECT_EQ(broken(), "office");
}

TEST_F(ClientHistory, OfficeCountsWhileClientsWaitAndUntilFPlusOneHaveLeft) {
  use_only<Office>();
  writes(2, 1, b, 0);
  takes(2, 1, 1, {});
  writes(1, 1, a, 5000);  // nobody waited
  enters(1, 1, 6000);
  enters(2, 1, 6500);
  writes(1, 1, a, 9000);
  EXPECT_EQ(broken(), "nothing") << how();
}

}  // namespace
}  // namespace seneschal::lab::sim
