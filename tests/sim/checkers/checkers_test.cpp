// Each checker must catch what it is for: here by hand-made histories, in tests/mutations by bugs in the product.
#include "bft/records.hpp"
#include "crypto/digest.hpp"
#include "lab/sim/checkers/checker.hpp"
#include "lab/sim/checkers/status_checker.hpp"
#include "lab/sim/checkers/view_checkers.hpp"
#include "steward/messages.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

Digest digest(std::string_view text) {
  return crypto::sha256(as_span(text));
}
ServerId server(std::uint16_t site, std::uint16_t index) {
  return {SiteId(site), ServerIndex(index)};
}

class History : public testing::Test {
 protected:
  static Facts facts(Protocol protocol, std::set<ServerId> byzantine = {}) {
    Facts facts;
    facts.protocol = protocol;
    facts.byzantine = std::move(byzantine);
    facts.membership.deployment = DeploymentId(1);
    facts.membership.sites.assign(protocol == Protocol::Steward ? 3 : 1, SiteInfo{4, 1});
    facts.membership.clients.push_back({ClientId(1), SiteId(0)});
    return facts;
  }
  void use(Protocol protocol, std::set<ServerId> byzantine = {}) {
    set = std::make_unique<CheckerSet>(facts(protocol, std::move(byzantine)));
  }

  template <class M>
  Bytes message(const Principal& from, const M& body) {
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.deployment = DeploymentId(1);
    header.sender = from;
    return unsealed(header, encode(body));
  }
  template <class M>
  void sends(const Principal& from, const M& body) {
    set->on_sent({}, from, {}, message(from, body));
  }
  void happens(EventKind kind, ServerId id, std::uint64_t seq, const Digest& what, const Digest& state = {}) {
    set->on_event({}, Principal::of(id), {kind, Seq(seq), 0, 0, what, state, {}, {}});
  }
  void done(EventKind kind, const Principal& self, std::uint64_t seq, std::uint64_t timestamp,
            std::string_view result) {
    set->on_event({}, self,
                  {kind, Seq(seq), 0, 0, digest(result), {}, Principal::of(ClientId(1)), Timestamp(timestamp)});
  }
  void client_sends(std::uint64_t timestamp, std::string_view operation) {
    sends(Principal::of(ClientId(1)), replication::Update{Timestamp(timestamp), {to_bytes(operation)}});
  }
  /// The leader site's servers 0..count-1 vote for `batch` at `seq`.
  void prepare(std::uint64_t seq, const Digest& batch, std::uint16_t count) {
    for (std::uint16_t i = 0; i < count; ++i)
      sends(Principal::of(server(0, i)), steward::Prepare{GlobalView(0), LocalView(0), Seq(seq), batch});
  }
  template <class M>
  void sign(std::uint16_t site, const M& body, std::uint16_t sharers = 3) {
    const Bytes bytes = message(Principal::of(SiteId(site)), body);
    for (std::uint16_t i = 0; i < sharers; ++i) set->on_share(server(site, i), bytes);
    set->on_site_signed(SiteId(site), bytes);
  }
  static steward::Proposal proposal(std::uint64_t seq, const Digest& batch) {
    return {GlobalView(0), LocalView(0), Seq(seq), batch};
  }
  static steward::Accept accept(std::uint64_t seq, const Digest& batch) { return {GlobalView(0), Seq(seq), batch}; }
  /// Everything that ordering `batch` at `seq` needs.
  void order(std::uint64_t seq, const Digest& batch) {
    prepare(seq, batch, 3);
    sign(0, proposal(seq, batch));
    sign(1, accept(seq, batch));
  }
  std::string broken() const { return set->violation() ? set->violation()->property : "nothing"; }

  std::unique_ptr<CheckerSet> set;
  const Digest a = digest("a");
  const Digest b = digest("b");
};

TEST_F(History, OfARegularRunBreaksNothing) {
  use(Protocol::Steward);
  client_sends(1, "put");
  order(1, a);
  for (std::uint16_t i = 0; i < 4; ++i) {
    happens(EventKind::Ordered, server(0, i), 1, a);
    set->on_applied(server(0, i), ClientId(1), as_span("put"), as_span("ok"));
    done(EventKind::UpdateDone, Principal::of(server(0, i)), 1, 1, "ok");
    happens(EventKind::Executed, server(0, i), 1, a, b);
  }
  done(EventKind::Accepted, Principal::of(ClientId(1)), 1, 1, "ok");
  EXPECT_EQ(broken(), "nothing") << set->violation()->what;
}

TEST_F(History, TwoDigestsAtOneSeqBreakAgreement) {
  use(Protocol::Steward);
  order(1, a);
  order(2, b);
  happens(EventKind::Ordered, server(0, 0), 1, a);
  EXPECT_EQ(broken(), "nothing");
  happens(EventKind::Ordered, server(2, 1), 1, b);
  EXPECT_EQ(broken(), "agreement");
}

TEST_F(History, ADifferentVoteAfterARestartBreaksTheWord) {
  use(Protocol::Steward);
  sends(Principal::of(server(0, 1)), steward::Prepare{GlobalView(0), LocalView(0), Seq(1), a});
  set->on_restarted(server(0, 1), false);
  sends(Principal::of(server(0, 1)), steward::Prepare{GlobalView(0), LocalView(0), Seq(1), a});
  sends(Principal::of(server(0, 1)), steward::Prepare{GlobalView(0), LocalView(0), Seq(2), b});  // another seq
  EXPECT_EQ(broken(), "nothing");
  sends(Principal::of(server(0, 1)), steward::Prepare{GlobalView(0), LocalView(0), Seq(1), b});
  EXPECT_EQ(broken(), "kept-word");
}

TEST_F(History, AVoteWithoutALogBreaksTheWord) {
  use(Protocol::Bft);
  set->on_restarted(server(0, 1), true);
  sends(Principal::of(server(0, 2)), bft::Prepare{View(0), Seq(1), a});
  EXPECT_EQ(broken(), "nothing");
  sends(Principal::of(server(0, 1)), bft::Prepare{View(0), Seq(1), a});
  EXPECT_EQ(broken(), "kept-word");
}

TEST_F(History, AVoteBeforeItsRecordBreaksTheWord) {
  Facts with_logs = facts(Protocol::Bft);
  with_logs.logs = true;
  set = std::make_unique<CheckerSet>(with_logs);
  bft::LogRecord record{bft::LogRecord::kVersion, bft::AdoptedRecord{{{View(0), Seq(1), {}}}}};
  const Digest batch = replication::digest_of(replication::Batch{});
  set->on_durable({}, Principal::of(server(0, 1)), encode(record));
  sends(Principal::of(server(0, 1)), bft::Prepare{View(0), Seq(1), batch});
  EXPECT_EQ(broken(), "nothing");
  sends(Principal::of(server(0, 2)), bft::Prepare{View(0), Seq(1), batch});
  EXPECT_EQ(broken(), "kept-word");
}

TEST_F(History, AGapBreaksPrefix) {
  use(Protocol::Steward);
  order(1, a);
  order(2, b);
  happens(EventKind::Ordered, server(0, 0), 2, b);
  happens(EventKind::Executed, server(0, 0), 2, b);
  EXPECT_EQ(broken(), "prefix");
}

TEST_F(History, AnInstalledStateStandsForWhatOthersExecuted) {
  use(Protocol::Steward);
  order(1, a);
  order(2, b);
  for (std::uint64_t seq : {1, 2}) {
    happens(EventKind::Ordered, server(0, 0), seq, seq == 1 ? a : b);
    happens(EventKind::Executed, server(0, 0), seq, seq == 1 ? a : b, a);
  }
  happens(EventKind::Checkpointed, server(0, 0), 2, b, a);
  sign(0, steward::Checkpoint{Seq(2), b});
  sign(1, steward::Checkpoint{Seq(2), b});
  happens(EventKind::Checkpointed, server(0, 1), 2, b, a);
  EXPECT_EQ(broken(), "nothing") << set->violation()->what;
  sign(0, steward::Checkpoint{Seq(2), a});
  sign(1, steward::Checkpoint{Seq(2), a});
  happens(EventKind::Checkpointed, server(0, 2), 2, a, a);
  EXPECT_EQ(broken(), "equal-states");
}

TEST_F(History, AnInstalledStateThatNobodyReachedBreaksValidity) {
  use(Protocol::Steward);
  set->on_thawed(server(0, 1), 7);
  EXPECT_EQ(broken(), "validity");
}

TEST_F(History, ExecutingBeforeOrderingBreaksPrefix) {
  use(Protocol::Steward);
  order(1, a);
  happens(EventKind::Executed, server(0, 0), 1, a);
  EXPECT_EQ(broken(), "prefix");
}

TEST_F(History, DifferentStatesAreNoticed) {
  use(Protocol::Steward);
  order(1, a);
  for (std::uint16_t i = 0; i < 2; ++i) {
    happens(EventKind::Ordered, server(0, i), 1, a);
    happens(EventKind::Executed, server(0, i), 1, a, i == 0 ? a : b);
  }
  EXPECT_EQ(broken(), "equal-states");
}

TEST_F(History, OperationsNobodySentBreakValidity) {
  use(Protocol::Steward);
  client_sends(1, "put");
  set->on_applied(server(0, 0), ClientId(1), as_span("put"), as_span("ok"));
  EXPECT_EQ(broken(), "nothing");
  set->on_applied(server(0, 0), ClientId(1), as_span("steal"), as_span("ok"));
  EXPECT_EQ(broken(), "validity");
}

TEST_F(History, DifferentHistoriesBreakValidity) {
  use(Protocol::Steward);
  client_sends(1, "put");
  client_sends(2, "get");
  set->on_applied(server(0, 0), ClientId(1), as_span("put"), as_span("ok"));
  set->on_applied(server(0, 1), ClientId(1), as_span("get"), as_span("ok"));
  EXPECT_EQ(broken(), "validity");
}

TEST_F(History, ExecutingTwiceIsNoticed) {
  use(Protocol::Steward);
  done(EventKind::UpdateDone, Principal::of(server(0, 0)), 1, 5, "ok");
  done(EventKind::UpdateDone, Principal::of(server(0, 1)), 1, 5, "ok");
  EXPECT_EQ(broken(), "nothing");
  done(EventKind::UpdateDone, Principal::of(server(0, 0)), 1, 5, "ok");
  EXPECT_EQ(broken(), "exactly-once");
}

TEST_F(History, AResultNobodyExecutedIsNoticed) {
  use(Protocol::Steward);
  client_sends(1, "put");
  done(EventKind::Accepted, Principal::of(ClientId(1)), 1, 1, "ok");
  EXPECT_EQ(broken(), "client-results");
}

TEST_F(History, AResultFromThePastIsNoticed) {
  use(Protocol::Steward);
  client_sends(1, "put");
  done(EventKind::UpdateDone, Principal::of(server(0, 0)), 4, 1, "ok");
  done(EventKind::Accepted, Principal::of(ClientId(1)), 4, 1, "ok");
  client_sends(2, "put");
  done(EventKind::UpdateDone, Principal::of(server(0, 0)), 4, 2, "ok");
  EXPECT_EQ(broken(), "nothing");
  done(EventKind::Accepted, Principal::of(ClientId(1)), 4, 2, "ok");
  EXPECT_EQ(broken(), "client-results");
}

TEST_F(History, SharingWithoutEnoughPreparesIsNoticed) {
  use(Protocol::Steward);
  prepare(1, a, 2);
  set->on_share(server(0, 0), message(Principal::of(SiteId(0)), proposal(1, a)));
  EXPECT_EQ(broken(), "certificates");
}

TEST_F(History, ATraitorsPrepareMayBeMissing) {
  use(Protocol::Steward, {server(0, 3)});
  prepare(1, a, 2);
  set->on_share(server(0, 0), message(Principal::of(SiteId(0)), proposal(1, a)));
  EXPECT_EQ(broken(), "nothing");
}

TEST_F(History, ASiteSignatureOfTooFewIsNoticed) {
  use(Protocol::Steward);
  prepare(1, a, 3);
  sign(0, proposal(1, a), 2);
  EXPECT_EQ(broken(), "certificates");
}

TEST_F(History, TwoContentsSignedByASiteAreNoticed) {
  // More than f of them lie: no correct server breaks its word.
  use(Protocol::Steward, {server(0, 0), server(0, 1), server(0, 2)});
  prepare(1, a, 3);
  prepare(1, b, 3);
  sign(0, proposal(1, a));
  EXPECT_EQ(broken(), "nothing");
  sign(0, proposal(1, b));
  EXPECT_EQ(broken(), "certificates");
}

TEST_F(History, PreparingInALaterViewWhatContradictsAMajorityIsNoticed) {
  // Alone: no bundle would ever have allowed that vote, as `Unions` notices at once.
  const Facts known = facts(Protocol::Steward);
  Verdict verdict;
  Bound bound(known, verdict);
  bound.on_site_signed({}, SiteId(0), message(Principal::of(SiteId(0)), proposal(1, a)));
  const Principal voter = Principal::of(server(1, 0));
  const Bytes vote = message(voter, steward::Prepare{GlobalView(1), LocalView(0), Seq(1), b});
  bound.on_sent({}, voter, *parse_sealed(vote));
  EXPECT_FALSE(verdict.first().has_value());
  // with the Proposal two sites of three
  bound.on_site_signed({}, SiteId(1), message(Principal::of(SiteId(1)), accept(1, a)));
  ASSERT_TRUE(verdict.first().has_value());
  EXPECT_EQ(verdict.first()->property, "bound");
}

TEST_F(History, ALaterViewThatContradictsAMajorityIsNoticed) {
  // More than f of site 1 lie: no correct server breaks its word.
  use(Protocol::Steward, {server(1, 0), server(1, 1), server(1, 2)});
  prepare(1, a, 3);
  sign(0, proposal(1, a));
  for (std::uint16_t i = 0; i < 3; ++i)
    sends(Principal::of(server(1, i)), steward::Prepare{GlobalView(1), LocalView(0), Seq(1), b});
  sign(1, accept(1, a));
  sign(2, accept(1, a));
  EXPECT_EQ(broken(), "nothing");
  sign(1, steward::Proposal{GlobalView(1), LocalView(0), Seq(1), b});
  EXPECT_EQ(broken(), "certificates");
}

TEST_F(History, OrderingWithoutAMajorityOfSitesIsNoticed) {
  use(Protocol::Steward);
  prepare(1, a, 3);
  sign(0, proposal(1, a));
  happens(EventKind::Ordered, server(1, 0), 1, a);
  EXPECT_EQ(broken(), "certificates");
}

TEST_F(History, AcceptingWhatWasNotProposedIsNoticed) {
  use(Protocol::Steward);
  set->on_share(server(1, 0), message(Principal::of(SiteId(1)), accept(1, a)));
  EXPECT_EQ(broken(), "certificates");
}

TEST_F(History, BlamingACorrectServerIsNoticed) {
  use(Protocol::Steward, {server(0, 3)});
  set->on_accused({}, Principal::of(server(0, 0)), {Principal::of(server(0, 3)), "bad share", {}});
  EXPECT_EQ(broken(), "nothing");
  set->on_accused({}, Principal::of(server(0, 0)), {Principal::of(server(0, 1)), "bad share", {}});
  EXPECT_EQ(broken(), "no-false-blame");
}

TEST_F(History, FlatCommitsNeedPrepares) {
  use(Protocol::Bft);
  for (std::uint16_t i = 0; i < 2; ++i) sends(Principal::of(server(0, i)), bft::Prepare{View(0), Seq(1), a});
  sends(Principal::of(server(0, 0)), bft::Commit{View(0), Seq(1), a});
  EXPECT_EQ(broken(), "certificates");
}

TEST_F(History, FlatOrderNeedsCommits) {
  use(Protocol::Bft);
  for (std::uint16_t i = 0; i < 3; ++i) sends(Principal::of(server(0, i)), bft::Prepare{View(0), Seq(1), a});
  for (std::uint16_t i = 0; i < 2; ++i) sends(Principal::of(server(0, i)), bft::Commit{View(0), Seq(1), a});
  EXPECT_EQ(broken(), "nothing");
  happens(EventKind::Ordered, server(0, 0), 1, a);
  EXPECT_EQ(broken(), "certificates");
}

TEST(StatusChecker, CountersAboveTheirBoundsAreNoticed) {
  ProtocolOptions options;
  options.window = 4;
  const StatusChecker checker(Protocol::Steward, options, 3);
  EXPECT_FALSE(checker.check({{"waiting_updates", "3"}, {"alarms", "0"}}).has_value());
  EXPECT_TRUE(checker.check({{"waiting_updates", "4"}}).has_value());
  EXPECT_TRUE(checker.check({{"alarms", "1"}}).has_value());
  EXPECT_TRUE(StatusChecker(Protocol::Bft, options, 3).check({{"diverged", "yes"}}).has_value());
}

}  // namespace
}  // namespace seneschal::lab::sim
