// What `Remembers` and `ViewSteps` let pass and what they notice, each alone with a history made by hand. [Steward 4]
// [Steward 5]
#include "lab/sim/checkers/view_checkers.hpp"
#include "crypto/digest.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using steward::AruClaim;
using steward::AruMessage;
using steward::EntryKind;
using steward::GlobalViewAttempt;
using steward::GlobalViewChange;
using steward::NewRep;
using steward::ServerState;
using steward::StateContext;
using steward::StateItem;
using steward::StateKey;

/// Three sites of four servers; server 3 of each may say anything.
template <class Checked>
class OneChecker : public testing::Test {
 protected:
  OneChecker() {
    facts.membership.deployment = DeploymentId(1);
    facts.membership.sites.assign(3, SiteInfo{4, 1});
    for (std::uint16_t site = 0; site < 3; ++site) facts.byzantine.insert(at(site, 3));
  }
  static ServerId at(std::uint16_t site, std::uint16_t index) { return {SiteId(site), ServerIndex(index)}; }
  static Digest content(std::string_view text) { return crypto::sha256(as_span(text)); }
  template <class M>
  static Bytes worded(const Principal& from, const M& body) {
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.deployment = DeploymentId(1);
    header.sender = from;
    return unsealed(header, encode(body));
  }
  template <class M>
  void says(ServerId id, const M& body) {
    const Bytes bytes = worded(Principal::of(id), body);
    checker.on_sent({}, Principal::of(id), *parse_sealed(bytes));
  }
  template <class M>
  void shares(ServerId id, const M& body) {
    checker.on_share({}, id, worded(Principal::of(id.site), body));
  }
  template <class M>
  void signs(std::uint16_t site, const M& body) {
    checker.on_site_signed({}, SiteId(site), worded(Principal::of(SiteId(site)), body));
  }
  void happens(ServerId id, EventKind kind, std::uint64_t seq, std::uint64_t view = 0) {
    checker.on_event({}, Principal::of(id), {kind, Seq(seq), view, 0, {}, {}, {}, {}});
  }
  bool broken() const { return verdict.first().has_value(); }

  Facts facts;
  Verdict verdict;
  Checked checker{facts, verdict};
};

// ---- Remembers ----

class RemembersHistory : public OneChecker<Remembers> {
 protected:
  static steward::Proposal proposal(std::uint64_t lv, std::string_view text) {
    return {GlobalView(0), LocalView(lv), Seq(1), content(text)};
  }
  static StateItem certificate(std::uint64_t lv, std::string_view text) {
    return {Seq(1), EntryKind::Certificate, GlobalView(0), LocalView(lv), content(text)};
  }
  void gives(ServerId id, const StateKey& key, std::vector<StateItem> items) {
    ServerState state{key, {}};
    state.items.items = std::move(items);
    says(id, state);
  }
  const StateKey later{StateContext::Pending, GlobalView(0), LocalView(2), {}};
};

TEST_F(RemembersHistory, AStateThatNamesWhatWasSharedOrOutranksItPasses) {
  shares(at(0, 0), proposal(0, "a"));
  gives(at(0, 0), {StateContext::Pending, GlobalView(0), LocalView(1), {}}, {certificate(0, "a")});
  gives(at(0, 0), later, {certificate(1, "b")});
  EXPECT_FALSE(broken()) << verdict.first()->what;
}

TEST_F(RemembersHistory, AStateWithoutWhatWasSharedIsNoticed) {
  shares(at(0, 0), proposal(1, "a"));
  gives(at(0, 0), later, {});
  EXPECT_TRUE(broken());
}

TEST_F(RemembersHistory, AStateWithALowerCertificateThanTheOneSharedForIsNoticed) {
  shares(at(0, 0), proposal(1, "a"));
  gives(at(0, 0), later, {certificate(0, "b")});
  EXPECT_TRUE(broken());
}

TEST_F(RemembersHistory, WhatLiesAtOrBelowTheBaseNeedsNotBeNamed) {
  shares(at(0, 0), proposal(1, "a"));
  gives(at(0, 0), {StateContext::Pending, GlobalView(0), LocalView(2), Seq(1)}, {});
  EXPECT_FALSE(broken()) << verdict.first()->what;
}

TEST_F(RemembersHistory, AnAcceptLeftOutOfTheAnswerToANewLeaderSiteIsNoticed) {
  shares(at(1, 0), steward::Accept{GlobalView(0), Seq(1), content("a")});
  gives(at(1, 0), {StateContext::Constraint, GlobalView(1), LocalView(0), {}}, {});
  EXPECT_TRUE(broken());
}

TEST_F(RemembersHistory, AShareForALowerViewAfterTheStateOfAHigherOneIsNoticed) {
  gives(at(1, 0), {StateContext::Constraint, GlobalView(1), LocalView(0), {}}, {});
  EXPECT_FALSE(broken()) << verdict.first()->what;
  shares(at(1, 0), steward::Accept{GlobalView(0), Seq(1), content("a")});
  EXPECT_TRUE(broken());
}

TEST_F(RemembersHistory, OfAByzantineServerNothingIsExpected) {
  shares(at(0, 3), proposal(1, "a"));
  gives(at(0, 3), later, {});
  EXPECT_FALSE(broken()) << verdict.first()->what;
}

// ---- ViewSteps ----

class ViewStepsHistory : public OneChecker<ViewSteps> {
 protected:
  void asks(std::uint16_t site, std::uint16_t index, std::uint64_t lv) {
    says(at(site, index), NewRep{LocalView(lv), 0});
  }
  void attempts(std::uint16_t site, std::uint16_t index, std::uint64_t gv) {
    says(at(site, index), GlobalViewAttempt{GlobalView(gv)});
  }
};

TEST_F(ViewStepsHistory, ALocalViewMayBeAskedForAfterQuorumsForTheOneBefore) {
  for (std::uint16_t i = 0; i < 3; ++i) asks(0, i, 1);
  asks(0, 0, 2);
  EXPECT_FALSE(broken()) << verdict.first()->what;
}

TEST_F(ViewStepsHistory, ALocalViewAskedForTooEarlyIsNoticed) {
  for (std::uint16_t i = 0; i < 2; ++i) asks(0, i, 1);
  EXPECT_FALSE(broken()) << verdict.first()->what;
  asks(0, 0, 2);
  EXPECT_TRUE(broken());
}

TEST_F(ViewStepsHistory, JoiningIsForThoseWhoHeardMoreThanFOthers) {
  for (std::uint16_t i = 0; i < 3; ++i) asks(0, i, 1);
  asks(0, 3, 3);  // Byzantine
  asks(0, 0, 2);
  EXPECT_FALSE(broken()) << verdict.first()->what;
  asks(0, 1, 3);
  EXPECT_TRUE(broken()) << "one server alone has said 3";
}

TEST_F(ViewStepsHistory, NewRepsOfAnotherSiteProveNothing) {
  for (std::uint16_t i = 0; i < 3; ++i) asks(1, i, 1);
  asks(0, 0, 2);
  EXPECT_TRUE(broken());
}

TEST_F(ViewStepsHistory, AGlobalViewMayBeAttemptedAfterAMajorityOfSitesForTheOneBefore) {
  attempts(0, 0, 1);
  signs(0, GlobalViewChange{GlobalView(1)});
  signs(2, GlobalViewChange{GlobalView(1)});
  attempts(0, 0, 2);
  EXPECT_FALSE(broken()) << verdict.first()->what;
}

TEST_F(ViewStepsHistory, OneSitesViewChangePreinstallsNothing) {
  attempts(0, 0, 1);
  signs(0, GlobalViewChange{GlobalView(1)});
  EXPECT_FALSE(broken()) << verdict.first()->what;
  attempts(0, 0, 2);
  EXPECT_TRUE(broken());
}

TEST_F(ViewStepsHistory, AGlobalViewEnteredWithoutAMajorityIsNoticed) {
  signs(1, GlobalViewChange{GlobalView(1)});
  happens(at(2, 0), EventKind::ViewEntered, 0, 1);
  EXPECT_TRUE(broken());
}

TEST_F(ViewStepsHistory, WhatTheLeaderSiteSignedProvesItsView) {
  signs(1, AruMessage{GlobalView(1), {}});
  happens(at(2, 0), EventKind::ViewEntered, 0, 1);
  EXPECT_FALSE(broken()) << verdict.first()->what;
}

TEST_F(ViewStepsHistory, AnAruThatEnoughClaimAndItsSharerReachedPasses) {
  for (std::uint16_t i = 0; i < 2; ++i) says(at(1, i), AruClaim{GlobalView(1), Seq(5)});
  happens(at(1, 0), EventKind::Executed, 5);
  shares(at(1, 0), AruMessage{GlobalView(1), Seq(5)});
  EXPECT_FALSE(broken()) << verdict.first()->what;
}

TEST_F(ViewStepsHistory, AnAruThatOnlyFServersClaimIsNoticed) {
  says(at(1, 3), AruClaim{GlobalView(1), Seq(5)});
  says(at(1, 0), AruClaim{GlobalView(1), Seq(4)});
  happens(at(1, 0), EventKind::Executed, 5);
  shares(at(1, 0), AruMessage{GlobalView(1), Seq(5)});
  EXPECT_TRUE(broken());
}

TEST_F(ViewStepsHistory, ClaimsOfAnotherViewDoNotCount) {
  for (std::uint16_t i = 0; i < 3; ++i) says(at(1, i), AruClaim{GlobalView(4), Seq(5)});
  happens(at(1, 0), EventKind::Executed, 5);
  shares(at(1, 0), AruMessage{GlobalView(1), Seq(5)});
  EXPECT_TRUE(broken());
}

TEST_F(ViewStepsHistory, SharingAnAruBeyondWhatOneExecutedIsNoticed) {
  for (std::uint16_t i = 0; i < 3; ++i) says(at(1, i), AruClaim{GlobalView(1), Seq(5)});
  happens(at(1, 0), EventKind::Executed, 4);
  shares(at(1, 0), AruMessage{GlobalView(1), Seq(5)});
  EXPECT_TRUE(broken());
}

}  // namespace
}  // namespace seneschal::lab::sim
