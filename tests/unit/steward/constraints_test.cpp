// What a seq must be in a new view: the rules that safety hangs on, without any network. [Steward 4] [Steward 5]
#include "steward/constraints.hpp"

#include "crypto/digest.hpp"

#include <gtest/gtest.h>

namespace seneschal::steward {
namespace {

Digest digest(const char* text) {
  return crypto::sha256(as_span(std::string(text)));
}
StateItem item(std::uint64_t seq, EntryKind kind, std::uint64_t gv, std::uint64_t lv, const char* what) {
  return {Seq(seq), kind, GlobalView(gv), LocalView(lv), digest(what)};
}
StateItem certificate(std::uint64_t seq, std::uint64_t gv, std::uint64_t lv, const char* what) {
  return item(seq, EntryKind::Certificate, gv, lv, what);
}
StateItem proposal(std::uint64_t seq, std::uint64_t gv, const char* what) {
  return item(seq, EntryKind::Proposed, gv, 0, what);
}
StateItem ordered(std::uint64_t seq, std::uint64_t gv, const char* what) {
  return item(seq, EntryKind::Ordered, gv, 0, what);
}

// [Steward 4.8]
TEST(StewardUnion, AnOrderCertificateOutranksEverything) {
  EXPECT_TRUE(outranks(ordered(1, 0, "a"), proposal(1, 9, "b")));
  EXPECT_TRUE(outranks(ordered(1, 0, "a"), certificate(1, 9, 9, "b")));
}

// [Steward 4.8]
TEST(StewardUnion, ThenTheHighestGlobalViewWhateverTheKind) {
  EXPECT_TRUE(outranks(certificate(1, 4, 0, "a"), proposal(1, 3, "b")));
  EXPECT_FALSE(outranks(proposal(1, 3, "b"), certificate(1, 4, 0, "a")));
}

// [Steward 4.8]
TEST(StewardUnion, WithinOneGlobalViewAProposalBeforeACertificate) {
  EXPECT_TRUE(outranks(proposal(1, 3, "a"), certificate(1, 3, 7, "b")));
}

// [Steward 4.8]
TEST(StewardUnion, AmongCertificatesTheHighestLocalView) {
  EXPECT_TRUE(outranks(certificate(1, 3, 2, "new"), certificate(1, 3, 1, "old")));
  StateUnion all;
  all.add(certificate(1, 3, 2, "new"));
  all.add(certificate(1, 3, 1, "old"));
  EXPECT_EQ(all.items.at(Seq(1)).digest, digest("new"));
}

TEST(StewardUnion, EntriesAtOrBelowTheBaseAreIgnored) {
  StateUnion all{Seq(5), {}};
  all.add(ordered(5, 0, "a"));
  all.add(ordered(6, 0, "b"));
  EXPECT_EQ(all.items.size(), 1u);
}

TEST(StewardUnion, DoesNotDependOnTheOrderOfArrival) {
  std::vector<StateItem> items{certificate(1, 2, 1, "a"), proposal(1, 2, "b"), certificate(1, 3, 0, "c"),
                               certificate(1, 3, 0, "d"), proposal(2, 1, "e"), ordered(2, 0, "f")};
  std::ranges::sort(items);
  std::optional<std::map<Seq, StateItem>> first;
  do {
    StateUnion all;
    for (const StateItem& i : items) all.add(i);
    if (!first) first = all.items;
    ASSERT_EQ(all.items, *first);
  } while (std::ranges::next_permutation(items).found);
}

// [Steward 4.9]
TEST(StewardConstraint, TheLocalUnionComesBeforeTheGlobalConstraint) {
  StateUnion local{Seq(0), {}};
  StateUnion global{Seq(0), {}};
  local.add(certificate(1, 3, 1, "mine"));
  global.add(proposal(1, 2, "theirs"));
  EXPECT_EQ(required({&local, &global}).at(Seq(1)), (FixedEntry{digest("mine"), false}));
}

// [Steward 4.9]
TEST(StewardConstraint, AnOrderCertificateOfEitherComesFirst) {
  StateUnion local{Seq(0), {}};
  StateUnion global{Seq(0), {}};
  local.add(certificate(1, 3, 1, "mine"));
  global.add(ordered(1, 2, "theirs"));
  EXPECT_EQ(required({&local, &global}).at(Seq(1)), (FixedEntry{digest("theirs"), true}));
}

// [Steward 4.9]
TEST(StewardConstraint, GapsBelowTheHighestSeqAreNoOpsAndTheRestIsFree) {
  StateUnion local{Seq(2), {}};
  local.add(certificate(5, 0, 1, "a"));
  auto fixed = required({&local, nullptr});
  ASSERT_EQ(fixed.size(), 3u);
  EXPECT_EQ(fixed.at(Seq(3)).digest, no_op());
  EXPECT_EQ(fixed.at(Seq(4)).digest, no_op());
  EXPECT_EQ(fixed.at(Seq(5)).digest, digest("a"));
}

TEST(StewardConstraint, NothingIsFixedAtOrBelowTheHighestBase) {
  StateUnion local{Seq(2), {}};
  StateUnion global{Seq(6), {}};
  local.add(certificate(4, 3, 1, "old"));
  local.add(certificate(7, 3, 1, "a"));
  global.add(proposal(8, 2, "b"));
  EXPECT_EQ((Bounds{&local, &global}.base()), Seq(6));
  auto fixed = required({&local, &global});
  EXPECT_EQ(fixed.size(), 2u);
  EXPECT_FALSE(fixed.contains(Seq(4)));
}

TEST(StewardConstraint, WithoutAnythingEverythingIsFree) {
  StateUnion local{Seq(9), {}};
  EXPECT_TRUE(required({&local, nullptr}).empty());
  EXPECT_TRUE(required({nullptr, nullptr}).empty());
}

}  // namespace
}  // namespace seneschal::steward
