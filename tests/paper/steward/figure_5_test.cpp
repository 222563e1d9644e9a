// THRESHOLD-SIGN, line by line. [TR Fig. 5]
#include "board.hpp"

namespace seneschal::steward::testing {
namespace {

constexpr std::size_t kCombineJob = 3;

/// Server 3 of site 1 signs the Accept of a Proposal together with its neighbours.
class Figure5 : public ::testing::Test {
 protected:
  Figure5() {
    lone.deliver(lone.carrier(lone.proposal(1, batch), batch));
    message = site_message(lone.bed.membership, SiteId(1), Accept{{}, Seq(1), digest_of(batch)});
  }
  SharedBytes share_of(unsigned index, bool bad = false, bool proven = false) {
    auto made = lone.bed.at(server(1, index)).keys->prove(message);
    if (bad) made.share[0] ^= 0x55;
    return lone.bed.seal(Principal::of(server(1, index)),
                         SigShare{Seq(1), content_of(message), {made.share}, {proven ? made.proof : Bytes{}}});
  }
  std::size_t combinations() { return lone.node().jobs[kCombineJob]; }
  bool is_signed() {
    return std::ranges::any_of(lone.node().events, [](const Event& e) {
      return e.kind == EventKind::SiteSigned && e.who == Principal::of(SiteId(1));
    });
  }

  Lone lone{server(1, 3), as_in_the_report()};
  Batch batch = lone.one();
  Bytes message;
};

TEST_F(Figure5, A1_A2_TheServerMakesItsShareAndSendsItToAllLocalServers) {
  EXPECT_TRUE(lone.shared(1));
  ASSERT_EQ(lone.sent<SigShare>(), 3u);
  for (const auto& m : lone.bed.sent) EXPECT_EQ(m.to.server().site, SiteId(1));
}

TEST_F(Figure5, B1_ASetOfTwoFPlusOneSharesIsOfDistinctServers) {
  lone.deliver(share_of(0));
  lone.deliver(share_of(0));
  lone.deliver(share_of(0, true));
  EXPECT_EQ(combinations(), 0u) << "its own and server 0's";
  lone.deliver(share_of(1));
  EXPECT_EQ(combinations(), 1u);
}

TEST_F(Figure5, B2_B4_SharesCombineToASignatureThatVerifies) {
  lone.deliver(share_of(0));
  lone.deliver(share_of(1));
  EXPECT_TRUE(is_signed());
  auto& keys = *lone.node().keys;
  Bytes signature = lone.bed.site_signature(SiteId(1), message);
  EXPECT_TRUE(keys.verify(Principal::of(SiteId(1)), message, signature));
}

// DEVIATION(TR Fig. 5): shares carry no proof; it is asked for when a combination fails. A share without one is set
// aside, not blamed.
TEST_F(Figure5, B5_B10_ABadShareIsFoundByItsProofRemovedAndReportedToAllLocalServers) {
  lone.deliver(share_of(0));
  lone.deliver(share_of(1, true));
  EXPECT_FALSE(is_signed());
  EXPECT_GE(lone.sent<ShareRequest>(), 2u) << "proofs are asked for";
  EXPECT_EQ(lone.sent<CorruptedServer>(), 0u);
  lone.deliver(share_of(1, true, true));
  EXPECT_EQ(lone.sent<CorruptedServer>(), 3u);
  EXPECT_TRUE(lone.core().signing().blamed(ServerIndex(1)));
  EXPECT_FALSE(lone.core().signing().blamed(ServerIndex(0)));
}

TEST_F(Figure5, B11_ItGoesOnWaitingForMoreShares) {
  lone.deliver(share_of(0));
  lone.deliver(share_of(1, true));
  lone.deliver(share_of(1, true, true));
  EXPECT_FALSE(is_signed());
  lone.deliver(share_of(0, false, true));
  lone.deliver(share_of(2, false, true));
  EXPECT_TRUE(is_signed());
}

TEST_F(Figure5, FurtherMessagesFromACorruptedServerAreIgnored) {
  lone.deliver(share_of(0));
  lone.deliver(share_of(1, true));
  lone.deliver(share_of(1, true, true));
  EXPECT_EQ(lone.deliver(share_of(1, false, true), Reject::BadShare), 1u);
}

}  // namespace
}  // namespace seneschal::steward::testing
