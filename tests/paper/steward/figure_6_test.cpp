// ASSIGN-SEQUENCE, line by line. [TR Fig. 6]
#include "board.hpp"

namespace seneschal::steward::testing {
namespace {

TEST(Figure6, A1_A3_TheRepresentativeNumbersUpdatesWithoutGapsForAllLocalServers) {
  Bed bed(3, 1, 3, as_in_the_report());
  bed.record = true;
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(3, 60s));
  std::map<std::uint64_t, std::set<Principal>> told;
  for (const auto& m : bed.sent)
    if (m.is<PrePrepare>()) {
      EXPECT_EQ(m.from, Principal::of(server(0, 0)));
      EXPECT_EQ(m.body<PrePrepare>().batch.updates.size(), 1u);
      told[m.body<PrePrepare>().seq.value].insert(m.to);
    }
  ASSERT_EQ(told.size(), 27u);
  EXPECT_EQ(told.begin()->first, 1u);
  EXPECT_EQ(told.rbegin()->first, 27u);
  for (const auto& [seq, receivers] : told) EXPECT_EQ(receivers.size(), 3u) << seq;
}

TEST(Figure6, A1_OnlyTheRepresentativeOfTheLeadingSiteDoes) {
  for (ServerId other : {server(0, 1), server(1, 0)}) {
    Lone lone(other, as_in_the_report());
    const ServerId neighbour{other.site, ServerIndex(3)};
    lone.deliver(lone.bed.seal(Principal::of(neighbour),
                               ForwardedUpdate{Leg::InsideLeaderSite, lone.bed.update(ClientId(5), 1)}, AuthKind::Mac,
                               lone.me()));
    lone.bed.run_for(2s);
    EXPECT_EQ(lone.sent<PrePrepare>(), 0u);
  }
}

TEST(Figure6, B1_B3_APrePrepareWithoutConflictIsAnsweredToAllLocalServers) {
  Lone lone(server(0, 1), as_in_the_report());
  lone.deliver(lone.pre_prepare(1, lone.one()));
  ASSERT_EQ(lone.sent<Prepare>(), 3u);
  for (const auto& m : lone.bed.sent) {
    EXPECT_EQ(m.to.server().site, SiteId(0));
    EXPECT_EQ(m.body<Prepare>().digest, digest_of(lone.one()));
  }
}

// The cases of Conflict in [TR Fig. 15] that the normal case can meet.
TEST(Figure6, B2_AConflictingPrePrepareIsNot) {
  Lone lone(server(0, 1), as_in_the_report());
  lone.deliver(lone.pre_prepare(1, lone.one(), 0, 0, 2));  // server_id is not the representative
  lone.deliver(lone.pre_prepare(1, lone.one(), 0, 1));     // another local view
  lone.deliver(lone.pre_prepare(1, lone.one(), 1, 0));     // another global view
  EXPECT_EQ(lone.sent<Prepare>(), 0u);
  lone.deliver(lone.pre_prepare(1, lone.one(1)));
  lone.deliver(lone.pre_prepare(1, lone.one(2)));  // another update under the number
  EXPECT_EQ(lone.sent<Prepare>(), 3u);
}

TEST(Figure6, C9_TwoFPreparesOfOthersThanTheRepresentativeInvokeThresholdSign) {
  Lone lone(server(0, 1), as_in_the_report());
  Batch b = lone.one();
  lone.deliver(lone.pre_prepare(1, b));                                 // its own Prepare is the first
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 0)));            // the representative's does not count
  lone.deliver(lone.prepare(1, digest_of(lone.one(2)), server(0, 3)));  // conflicts
  EXPECT_FALSE(lone.shared(1));
  lone.deliver(lone.prepare(1, digest_of(b), server(0, 2)));
  EXPECT_TRUE(lone.shared(1));
  EXPECT_EQ(lone.sent<SigShare>(), 3u);
}

}  // namespace
}  // namespace seneschal::steward::testing
