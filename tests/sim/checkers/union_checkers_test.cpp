// The second account of unions: what it lets pass and what it notices. [Steward 4] [Steward 5]
#include "lab/sim/checkers/union_checkers.hpp"

#include "crypto/digest.hpp"
#include "steward/records.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using steward::CollectedConstraint;
using steward::CollectedState;
using steward::EntryKind;
using steward::GlobalConstraint;
using steward::ServerState;
using steward::StateContext;
using steward::StateItem;
using steward::StateKey;

Digest content(std::string_view text) {
  return crypto::sha256(as_span(text));
}
Principal member(std::uint16_t site, std::uint16_t index) {
  return Principal::of(ServerId{SiteId(site), ServerIndex(index)});
}
StateItem item(std::uint64_t seq, EntryKind kind, std::uint64_t gv, std::uint64_t lv, std::string_view text) {
  return {Seq(seq), kind, GlobalView(gv), LocalView(lv), content(text)};
}

/// Three sites of four servers; site 0 leads view 0, site 1 view 1.
class UnionHistory : public testing::Test {
 protected:
  UnionHistory() { use(false); }
  void use(bool logs) {
    Facts facts;
    facts.membership.deployment = DeploymentId(1);
    facts.membership.sites.assign(3, SiteInfo{4, 1});
    facts.logs = logs;
    set = std::make_unique<CheckerSet>(facts);
  }

  template <class M>
  static Bytes sealed(const Principal& from, const M& body) {
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.deployment = DeploymentId(1);
    header.sender = from;
    return unsealed(header, encode(body));
  }
  template <class M>
  static Signed<M> embedded(const Principal& from, const M& body) {
    Bytes bytes = sealed(from, body);
    return {bytes, parse_sealed(bytes)->header, body};
  }
  template <class M>
  void sends(const Principal& from, const M& body) {
    set->on_sent({}, from, {}, sealed(from, body));
  }

  /// The representative `lv` mod 4 of `site` sends round the states of servers 0, 1 and 2.
  void bundle(std::uint16_t site, const StateKey& key, std::vector<std::vector<StateItem>> states) {
    std::vector<Signed<ServerState>> pieces;
    std::set<Digest> chosen;
    for (std::uint16_t i = 0; i < states.size(); ++i) {
      ServerState state{key, {}};
      state.items.items = states[i];
      pieces.push_back(embedded(member(site, i), state));
      chosen.insert(crypto::sha256(pieces.back().sealed));
    }
    for (const auto& state : pieces) {
      CollectedState piece;
      piece.chosen.items.assign(chosen.begin(), chosen.end());
      piece.state = state;
      sends(member(site, static_cast<std::uint16_t>(key.lv.value % 4)), piece);
    }
  }
  /// Sites 1 and 2 answer the leader site 1.
  void constraint_set(LocalView lv, std::vector<StateItem> own, std::vector<StateItem> other,
                      std::uint64_t own_base = 0) {
    std::vector<Signed<GlobalConstraint>> pieces;
    std::set<Digest> chosen;
    for (std::uint16_t site = 1; site <= 2; ++site) {
      GlobalConstraint constraint{GlobalView(1), Seq(site == 1 ? own_base : 0), {}};
      constraint.items.items = site == 1 ? own : other;
      pieces.push_back(embedded(Principal::of(SiteId(site)), constraint));
      chosen.insert(crypto::sha256(pieces.back().sealed));
    }
    for (const auto& constraint : pieces) {
      CollectedConstraint piece;
      piece.lv = lv;
      piece.chosen.items.assign(chosen.begin(), chosen.end());
      piece.constraint = constraint;
      sends(member(1, static_cast<std::uint16_t>(lv.value % 4)), piece);
    }
  }
  void votes(std::uint16_t site, GlobalView gv, LocalView lv, std::uint64_t seq, const Digest& digest) {
    sends(member(site, 3), steward::Prepare{gv, lv, Seq(seq), digest});
  }
  void shares_constraint(std::uint16_t site, std::vector<StateItem> items) {
    GlobalConstraint constraint{GlobalView(1), {}, {}};
    constraint.items.items = std::move(items);
    set->on_share({SiteId(site), ServerIndex(3)}, sealed(Principal::of(SiteId(site)), constraint));
  }
  std::string broken() const { return set->violation() ? set->violation()->property : "nothing"; }

  const StateKey pending{StateContext::Pending, GlobalView(0), LocalView(2), {}};
  /// Two of three sites sign the state after `seq`.
  void stable(std::uint64_t seq) {
    for (std::uint16_t site : {0, 1}) {
      const Bytes message = sealed(Principal::of(SiteId(site)), steward::Checkpoint{Seq(seq), content("c")});
      for (std::uint16_t i = 0; i < 3; ++i) set->on_share({SiteId(site), ServerIndex(i)}, message);
      set->on_site_signed(SiteId(site), message);
    }
  }

  std::unique_ptr<CheckerSet> set;
};

TEST(Rank, IsThePagesOrder) {
  const StateItem ordered = item(1, EntryKind::Ordered, 0, 0, "a");
  const StateItem proposed = item(1, EntryKind::Proposed, 1, 0, "b");
  const StateItem prepared = item(1, EntryKind::Certificate, 1, 3, "c");
  const StateItem earlier = item(1, EntryKind::Certificate, 1, 2, "d");
  const StateItem lower = item(1, EntryKind::Proposed, 0, 0, "e");
  const std::vector<StateItem> falling{ordered, proposed, prepared, earlier, lower};
  for (std::size_t i = 0; i < falling.size(); ++i)
    for (std::size_t j = 0; j < falling.size(); ++j) EXPECT_EQ(ranks_above(falling[i], falling[j]), i < j);
  EXPECT_FALSE(ranks_above(item(1, EntryKind::Ordered, 5, 0, "a"), ordered)) << "one is as good as the other";
}

TEST_F(UnionHistory, WhatTheUnionNamesMayBePrepared) {
  bundle(0, pending,
         {{item(1, EntryKind::Certificate, 0, 0, "old")},
          {item(1, EntryKind::Certificate, 0, 1, "new")},
          {item(3, EntryKind::Proposed, 0, 0, "x")}});
  votes(0, {}, LocalView(2), 1, content("new"));
  votes(0, {}, LocalView(2), 2, replication::digest_of(replication::Batch{}));
  votes(0, {}, LocalView(2), 3, content("x"));
  votes(0, {}, LocalView(2), 4, content("whatever"));
  EXPECT_EQ(broken(), "nothing") << set->violation()->what;
}

TEST_F(UnionHistory, TheCertificateOfAnOlderLocalViewIsNoticed) {
  bundle(0, pending,
         {{item(1, EntryKind::Certificate, 0, 0, "old")}, {item(1, EntryKind::Certificate, 0, 1, "new")}, {}});
  votes(0, {}, LocalView(2), 1, content("old"));
  EXPECT_EQ(broken(), "unions");
}

TEST_F(UnionHistory, AnUpdateInAGapIsNoticed) {
  bundle(0, pending, {{item(2, EntryKind::Proposed, 0, 0, "x")}, {}, {}});
  votes(0, {}, LocalView(2), 1, content("whatever"));
  EXPECT_EQ(broken(), "unions");
}

TEST_F(UnionHistory, AVoteBeforeTheBundleIsCompleteIsNoticed) {
  votes(0, {}, LocalView(2), 1, content("whatever"));
  EXPECT_EQ(broken(), "unions");
}

TEST_F(UnionHistory, TheLocalUnionComesBeforeTheConstraintAndAnOrderCertificateBeforeBoth) {
  const StateKey key{StateContext::Pending, GlobalView(1), LocalView(1), {}};
  bundle(1, key,
         {{item(1, EntryKind::Certificate, 1, 0, "here"), item(2, EntryKind::Proposed, 1, 0, "here")}, {}, {}});
  constraint_set(LocalView(1), {item(1, EntryKind::Proposed, 0, 0, "there")},
                 {item(2, EntryKind::Ordered, 0, 0, "there")});
  votes(1, GlobalView(1), LocalView(1), 1, content("here"));
  votes(1, GlobalView(1), LocalView(1), 2, content("there"));
  EXPECT_EQ(broken(), "nothing") << set->violation()->what;
  votes(1, GlobalView(1), LocalView(1), 1, content("there"));
  EXPECT_NE(broken(), "nothing");
}

TEST_F(UnionHistory, AnEmptyBatchWhereAnythingIsFreeIsNoticed) {
  bundle(0, pending, {{item(2, EntryKind::Proposed, 0, 0, "x")}, {}, {}});
  votes(0, {}, LocalView(2), 3, replication::digest_of(replication::Batch{}));
  EXPECT_EQ(broken(), "unions");
}

TEST_F(UnionHistory, OfTwoBasesInASetTheHigherCounts) {
  const StateKey key{StateContext::Pending, GlobalView(1), LocalView(0), {}};
  bundle(1, key, {{}, {}, {}});
  constraint_set(LocalView(0), {}, {item(4, EntryKind::Proposed, 0, 0, "x")}, 2);
  stable(2);
  set->on_event({}, member(1, 2), {EventKind::Checkpointed, Seq(2), 0, 0, content("c"), content("s"), {}, {}});
  votes(1, GlobalView(1), LocalView(0), 3, replication::digest_of(replication::Batch{}));
  EXPECT_EQ(broken(), "unions") << "who has executed nothing is below the higher base";
}

TEST_F(UnionHistory, WhoHasReachedTheHigherBaseMayVoteAboveIt) {
  const StateKey key{StateContext::Pending, GlobalView(1), LocalView(0), {}};
  bundle(1, key, {{}, {}, {}});
  constraint_set(LocalView(0), {}, {item(4, EntryKind::Proposed, 0, 0, "x")}, 2);
  stable(2);
  set->on_event({}, member(1, 3), {EventKind::Checkpointed, Seq(2), 0, 0, content("c"), content("s"), {}, {}});
  votes(1, GlobalView(1), LocalView(0), 3, replication::digest_of(replication::Batch{}));
  votes(1, GlobalView(1), LocalView(0), 4, content("x"));
  EXPECT_EQ(broken(), "nothing") << set->violation()->what;
}

TEST_F(UnionHistory, AConstraintThatIsNoUnionIsNoticed) {
  const StateKey key{StateContext::Constraint, GlobalView(1), LocalView(0), {}};
  const StateItem older = item(1, EntryKind::Certificate, 0, 0, "same");
  const StateItem newer = item(1, EntryKind::Certificate, 0, 1, "same");
  bundle(0, key, {{older}, {newer}, {}});
  shares_constraint(0, {newer});
  EXPECT_EQ(broken(), "nothing") << set->violation()->what;
  shares_constraint(0, {older});
  EXPECT_EQ(broken(), "unions");
}

TEST_F(UnionHistory, AViewRevealedBeforeItsRecordBreaksTheWord) {
  use(true);
  const auto record = [](auto what) { return encode(steward::LogRecord{steward::LogRecord::kVersion, what}); };
  set->on_durable({}, member(0, 3), record(steward::LocalViewRecord{LocalView(1)}));
  sends(member(0, 3), steward::NewRep{LocalView(1), 0});
  EXPECT_EQ(broken(), "nothing") << set->violation()->what;
  const StateKey key{StateContext::Constraint, GlobalView(1), LocalView(1), {}};
  sends(member(0, 3), ServerState{key, {}});
  EXPECT_EQ(broken(), "kept-word");
}

TEST_F(UnionHistory, AnythingTakenForSignedThatNoSiteSignedIsNoticed) {
  set->on_event({}, member(0, 3), {EventKind::SiteSigned, Seq(4), 0, 0, content("forged"), {}, member(0, 1), {}});
  EXPECT_EQ(broken(), "certificates");
}

}  // namespace
}  // namespace seneschal::lab::sim
