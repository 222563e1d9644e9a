// The checkers of stable Checkpoints must catch what they are for. [Steward 7]
#include "lab/sim/checkers/stable_checkers.hpp"
#include "crypto/digest.hpp"
#include "steward/records.hpp"

#include <gtest/gtest.h>

namespace seneschal::lab::sim {
namespace {

using steward::Checkpoint;
using steward::LogRecord;
using steward::OrderedRecord;
using steward::SnapshotRecord;
using steward::StableProof;
using steward::StableRecord;

/// Three sites of four servers, so two sites are a majority.
class StableCheckers : public testing::Test {
 protected:
  static ServerId server(std::uint16_t site, std::uint16_t index) { return {SiteId(site), ServerIndex(index)}; }
  static Digest digest(std::string_view text) { return crypto::sha256(as_span(text)); }
  StableCheckers() {
    Facts facts;
    facts.membership.deployment = DeploymentId(1);
    facts.membership.sites.assign(3, SiteInfo{4, 1});
    facts.logs = true;
    facts.byzantine = {server(0, 3)};
    set = std::make_unique<CheckerSet>(facts);
  }
  template <class M>
  Bytes unsealed_message(std::uint16_t site, const M& body) {
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.deployment = DeploymentId(1);
    header.sender = Principal::of(SiteId(site));
    return unsealed(header, encode(body));
  }
  template <class M>
  Signed<M> embed(std::uint16_t site, const M& body) {
    const Bytes sealed = unsealed_message(site, body);
    return {sealed, parse_sealed(sealed)->header, body};
  }
  void sign(std::uint16_t site, std::uint64_t seq, const Digest& what = digest("state")) {
    const Bytes message = unsealed_message(site, Checkpoint{Seq(seq), what});
    for (std::uint16_t i = 0; i < 3; ++i) set->on_share(server(site, i), message);
    set->on_site_signed(SiteId(site), message);
  }
  void happens(EventKind kind, ServerId id, std::uint64_t seq, const Digest& what, const Digest& state = {}) {
    set->on_event({}, Principal::of(id), {kind, Seq(seq), 0, 0, what, state, {}, {}});
  }
  void stable(ServerId id, std::uint64_t seq, const Digest& what = digest("state")) {
    happens(EventKind::Checkpointed, id, seq, what);
  }
  StableProof proof(std::uint64_t seq) {
    const Checkpoint body{Seq(seq), digest("state")};
    return {{{embed(0, body), embed(1, body)}}};
  }
  void writes(ServerId id, decltype(LogRecord::what) what) {
    set->on_durable({}, Principal::of(id), encode(LogRecord{LogRecord::kVersion, std::move(what)}));
  }
  void orders(ServerId id, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t seq = first; seq <= last; ++seq) {
      OrderedRecord record;
      record.entry.value.proposal = embed(0, steward::Proposal{GlobalView(0), LocalView(0), Seq(seq), {}});
      writes(id, record);
    }
  }
  SnapshotRecord piece(std::uint64_t seq, std::uint32_t first, std::uint32_t total) {
    SnapshotRecord record{Seq(seq), {}, first, total, {}};
    if (first == 0) record.proof = proof(seq);
    record.chunks.items.push_back({to_bytes("chunk")});
    return record;
  }
  std::string broken() const { return set->violation() ? set->violation()->property : ""; }

  std::unique_ptr<CheckerSet> set;
};

TEST_F(StableCheckers, TwoOfThreeSitesMakeACheckpointStable) {
  orders(server(0, 0), 1, 8);
  orders(server(1, 0), 1, 8);
  sign(0, 8);
  sign(1, 8);
  stable(server(2, 0), 8);
  EXPECT_EQ(broken(), "");
}

TEST_F(StableCheckers, OneSitesCheckpointIsNotStable) {
  sign(0, 8);
  stable(server(1, 0), 8);
  EXPECT_EQ(broken(), "settled");
}

TEST_F(StableCheckers, TwoSitesWithTwoDigestsMakeNothingStable) {
  sign(0, 8);
  sign(1, 8, digest("other"));
  stable(server(1, 0), 8);
  EXPECT_EQ(broken(), "settled");
}

TEST_F(StableCheckers, TheStateOfAnUnstableCheckpointIsInstalled) {
  sign(0, 8);
  happens(EventKind::Checkpointed, server(1, 0), 8, digest("state"), digest("application"));
  EXPECT_EQ(broken(), "settled");
}

TEST_F(StableCheckers, AComputedStateNeedsNoSignature) {
  sign(0, 8);  // of one site
  Verdict verdict;
  Facts facts = set->facts();
  auto checker = std::make_unique<Settled>(facts, verdict);
  for (std::uint64_t seq = 1; seq <= 8; ++seq)
    checker->on_event({}, Principal::of(server(1, 0)),
                      {EventKind::Executed, Seq(seq), 0, 0, digest("batch"), digest("application"), {}, {}});
  checker->on_event({}, Principal::of(server(1, 0)),
                    {EventKind::Checkpointed, Seq(8), 0, 0, digest("state"), digest("application"), {}, {}});
  EXPECT_FALSE(verdict.first());
  checker->on_event({}, Principal::of(server(1, 1)),
                    {EventKind::Checkpointed, Seq(8), 0, 0, digest("state"), digest("application"), {}, {}});
  EXPECT_TRUE(verdict.first()) << "this one executed nothing: it installed that state";
}

TEST_F(StableCheckers, AVoteBelowTheStableCheckpoint) {
  orders(server(0, 0), 1, 8);
  orders(server(1, 0), 1, 8);
  sign(0, 8);
  sign(1, 8);
  stable(server(0, 1), 8);
  happens(EventKind::Prepared, server(0, 2), 8, digest("batch"));
  EXPECT_EQ(broken(), "") << "it does not know";
  happens(EventKind::Prepared, server(0, 1), 8, digest("batch"));
  EXPECT_EQ(broken(), "settled");
}

TEST_F(StableCheckers, ItHoldsAfterARestartOnlyWhatItsDiskHas) {
  orders(server(0, 0), 1, 8);
  orders(server(1, 0), 1, 8);
  sign(0, 8);
  sign(1, 8);
  stable(server(0, 1), 8);
  set->on_restarted(server(0, 1), false);
  happens(EventKind::Prepared, server(0, 1), 8, digest("batch"));
  EXPECT_EQ(broken(), "");
  set->on_restarted(server(0, 1), false);
  writes(server(0, 1), StableRecord{proof(8)});
  happens(EventKind::Prepared, server(0, 1), 8, digest("batch"));
  EXPECT_EQ(broken(), "settled");
}

// ---- Recoverable ----

TEST_F(StableCheckers, StableWhileTheEntriesAreAtOneSiteOnly) {
  orders(server(0, 0), 1, 8);
  orders(server(1, 0), 1, 7);  // the last is not on its disk
  sign(0, 8);
  sign(1, 8);
  stable(server(0, 0), 8);
  EXPECT_EQ(broken(), "recoverable") << "sites 1 and 2 are a majority without entry 8";
}

TEST_F(StableCheckers, AByzantineServersDiskDoesNotCount) {
  orders(server(0, 3), 1, 8);
  orders(server(1, 0), 1, 8);
  sign(0, 8);
  sign(1, 8);
  stable(server(1, 0), 8);
  EXPECT_EQ(broken(), "recoverable");
}

TEST_F(StableCheckers, EntriesMayGoWhenAWholeStateWithItsProofIsThere) {
  for (std::uint16_t site : {0, 1}) {
    orders(server(site, 0), 1, 8);
    writes(server(site, 0), piece(8, 0, 2));
    writes(server(site, 0), piece(8, 1, 2));
  }
  sign(0, 8);
  sign(1, 8);
  stable(server(0, 0), 8);
  set->on_forgotten({}, Principal::of(server(0, 0)), 8);
  EXPECT_EQ(broken(), "");
  set->on_forgotten({}, Principal::of(server(1, 0)), 9);  // half of the state goes, too
  EXPECT_EQ(broken(), "recoverable");
}

TEST_F(StableCheckers, AStateWithoutItsProofIsNone) {
  for (std::uint16_t site : {0, 1}) {
    orders(server(site, 0), 1, 8);
    SnapshotRecord bare = piece(8, 0, 1);
    bare.proof.reset();
    writes(server(site, 0), bare);
  }
  sign(0, 8);
  sign(1, 8);
  stable(server(0, 0), 8);
  set->on_forgotten({}, Principal::of(server(0, 0)), 8);
  EXPECT_EQ(broken(), "recoverable");
}

TEST_F(StableCheckers, ARestartWithoutTheEntriesCounts) {
  orders(server(0, 0), 1, 8);
  orders(server(1, 0), 1, 8);
  sign(0, 8);
  sign(1, 8);
  stable(server(0, 0), 8);
  set->on_restarted(server(1, 0), false);
  orders(server(1, 0), 1, 8);
  happens(EventKind::Prepared, server(2, 0), 9, digest("batch"));
  EXPECT_EQ(broken(), "");
  set->on_restarted(server(1, 0), false);
  orders(server(1, 0), 1, 5);
  happens(EventKind::Prepared, server(2, 0), 9, digest("batch"));
  EXPECT_EQ(broken(), "recoverable");
}

TEST_F(StableCheckers, DisksLostBeyondFAreExcused) {
  for (std::uint16_t site : {0, 1}) orders(server(site, 0), 1, 8);
  sign(0, 8);
  sign(1, 8);
  stable(server(0, 0), 8);
  set->on_restarted(server(1, 1), true);
  set->on_restarted(server(1, 0), true);
  happens(EventKind::Prepared, server(2, 0), 9, digest("batch"));
  EXPECT_EQ(broken(), "");
}

}  // namespace
}  // namespace seneschal::lab::sim
