// ASSIGN-A-GLOBAL-ORDER, line by line, and whole runs of figures 5 to 7. [TR Fig. 7]
#include "board.hpp"

namespace seneschal::steward::testing {
namespace {

std::size_t to_site(Lone& lone, SiteId site, const std::function<bool(const Bed::Datagram&)>& matches) {
  return lone.bed.count_sent(
      [&](const Bed::Datagram& m) { return m.to.is_server() && m.to.server().site == site && matches(m); });
}
bool is_proposal(const Bed::Datagram& m) {
  return m.is<ProposalCarrier>();
}
bool is_accept(const Bed::Datagram& m) {
  return m.is<Accept>() || m.is<RelayedAccept>();
}

/// A server that gets the shares of its neighbours for whatever it signs, so that its site can speak.
void complete(Lone& lone, const Bytes& message, std::uint64_t seq = 1) {
  for (std::uint16_t i = 0; i < 4; ++i) {
    ServerId neighbour{lone.self.site, ServerIndex(i)};
    if (neighbour == lone.self) continue;
    Bytes share = lone.bed.at(neighbour).keys->share(message);
    lone.deliver(lone.bed.seal(Principal::of(neighbour), SigShare{Seq(seq), content_of(message), {share}, {}}));
  }
}

TEST(Figure7, A1_A3_TheLeadingSitesRepresentativeSendsTheProposalToAllSites) {
  for (unsigned index : {0u, 1u}) {
    Lone lone(server(0, index), as_in_the_report());
    Batch b = lone.one();
    if (index == 0)
      lone.deliver(share(lone.bed.update(ClientId(1), 1).sealed));
    else
      lone.deliver(lone.pre_prepare(1, b));
    for (unsigned i : {1u, 2u, 3u})
      if (i != index) lone.deliver(lone.prepare(1, digest_of(b), server(0, i)));
    complete(lone, site_message(lone.bed.membership, SiteId(0), Proposal{{}, {}, Seq(1), digest_of(b)}));
    for (unsigned site : {1u, 2u})
      EXPECT_EQ(to_site(lone, SiteId(static_cast<std::uint16_t>(site)), is_proposal), index == 0 ? 1u : 0u);
  }
}

// DEVIATION(TR Fig. 7): the leading site sends no Accept; its Proposal counts as one.
TEST(Figure7, B2_TheLeadingSiteDoesNotAnswerItsOwnProposal) {
  Lone lone(server(0, 1), as_in_the_report());
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  lone.bed.run_for(2s);
  EXPECT_FALSE(lone.shared(1));
}

TEST(Figure7, B3_B4_ARepresentativePassesTheProposalToItsSite) {
  Lone lone(server(1, 0), as_in_the_report());
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b), b, true));
  EXPECT_EQ(to_site(lone, SiteId(1), is_proposal), 3u);
}

TEST(Figure7, B5_B6_AHigherGlobalViewIsTakenOverAndALowerOneNotAccepted) {
  Lone lone(server(1, 1), as_in_the_report());
  Batch b = lone.one();
  lone.deliver(lone.carrier(lone.proposal(1, b, 3), b));
  EXPECT_EQ(lone.core().views().global(), GlobalView(3));
  EXPECT_TRUE(lone.shared(1));
  Batch other = lone.one(2);
  EXPECT_EQ(lone.deliver(lone.carrier(lone.proposal(2, other, 0), other), Reject::WrongView), 1u);
  EXPECT_FALSE(lone.shared(2));
}

TEST(Figure7, B7_B12_RepresentativeOrNotItSignsAnAccept) {
  for (unsigned index : {0u, 2u}) {
    Lone lone(server(1, index), as_in_the_report());
    Batch b = lone.one();
    lone.deliver(lone.carrier(lone.proposal(1, b), b));
    EXPECT_TRUE(lone.shared(1)) << index;
  }
}

TEST(Figure7, B8_TheRepresentativeSendsTheAcceptToAllSites) {
  for (unsigned index : {0u, 2u}) {
    Lone lone(server(1, index), as_in_the_report());
    Batch b = lone.one();
    lone.deliver(lone.carrier(lone.proposal(1, b), b));
    complete(lone, site_message(lone.bed.membership, SiteId(1), Accept{{}, Seq(1), digest_of(b)}));
    for (unsigned site : {0u, 2u})
      EXPECT_EQ(to_site(lone, SiteId(static_cast<std::uint16_t>(site)), is_accept), index == 0 ? 1u : 0u);
  }
}

TEST(Figure7, C1_C3_AnAcceptIsPassedToAllLocalServers) {
  Lone lone(server(1, 0), as_in_the_report());
  Batch b = lone.one();
  auto accept = parse_sealed(*lone.accept(2, 1, b));
  ASSERT_TRUE(accept);
  RelayedAccept relayed{lone.bed.sign(Principal::of(SiteId(2)), Accept{{}, Seq(1), digest_of(b)})};
  lone.deliver(lone.bed.seal(Principal::of(server(2, 0)), relayed, AuthKind::Bare));
  EXPECT_EQ(to_site(lone, SiteId(1), is_accept), 3u);
}

TEST(Figure7, D1_AMajorityOfSitesOrdersTheUpdate) {
  Lone lone(server(1, 2), as_in_the_report(), 5);
  Batch b = lone.one();
  auto ordered = [&] {
    return std::ranges::any_of(lone.node().events, [](const Event& e) { return e.kind == EventKind::Ordered; });
  };
  lone.deliver(lone.carrier(lone.proposal(1, b), b));
  lone.deliver(lone.accept(2, 1, b));
  lone.deliver(lone.accept(2, 1, b));            // again
  lone.deliver(lone.accept(3, 1, lone.one(2)));  // something else
  EXPECT_FALSE(ordered());
  lone.deliver(lone.accept(4, 1, b));
  EXPECT_TRUE(ordered());
}

TEST(Figures5To7, OneUpdateFromItsClientToItsOrder) {
  Bed bed(3, 1, 1, as_in_the_report());
  bed.record = true;
  bed.start();
  bed.put(ClientId(2), "key", "value");
  bed.run_for(500ms);
  bed.expect_agreement(Seq(1));
  expect_stored("steward/one_update", transcript(bed));
}

TEST(Figures5To7, OneUpdateWhileAServerOfTheLeadingSiteSendsBadShares) {
  Bed bed(3, 1, 1, as_in_the_report());
  bed.tamper = [](const Principal& who, JobResult& result) {
    auto* made = std::get_if<ShareResult>(&result);
    if (who != Principal::of(server(0, 1)) || made == nullptr) return;
    made->share[0] ^= 0x55;
    if (!made->proof.empty()) made->proof[0] ^= 0x55;
  };
  bed.record = true;
  bed.start();
  bed.put(ClientId(2), "key", "value");
  bed.run_for(500ms);
  EXPECT_TRUE(bed.at(ClientId(2)).client().idle());
  expect_stored("steward/bad_share", transcript(bed));
}

}  // namespace
}  // namespace seneschal::steward::testing
