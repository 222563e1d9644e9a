// What a new view is bound by, worked out twice: by the protocol, and here by trying every entry against every other.
// Random states, of few views and contents, so that entries collide: most of such histories no simulated run ever
// comes to. [Steward 4] [Steward 5]
#include "base/prng.hpp"
#include "crypto/digest.hpp"
#include "steward/constraints.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace seneschal::steward {
namespace {

constexpr std::uint64_t kSeqs = 6;

StateItem random_item(Prng& random) {
  StateItem item;
  item.seq = Seq(1 + random.below(kSeqs));
  item.kind = static_cast<EntryKind>(random.below(3));
  item.gv = GlobalView(random.below(3));
  if (item.kind == EntryKind::Certificate) item.lv = LocalView(random.below(3));
  // One proof proves one thing: the content follows from what is proven. Order certificates of one seq agree.
  const std::uint64_t lv = item.kind == EntryKind::Certificate ? item.lv.value : 7;
  const std::uint64_t proven = item.kind == EntryKind::Ordered ? 1000 : item.gv.value * 8 + lv;
  item.digest = crypto::sha256(as_span("content " + std::to_string(item.seq.value * 10'000 + proven)));
  return item;
}

/// The page's order, sentence by sentence.
bool decides(const StateItem& a, const StateItem& b) {
  const auto is = [](const StateItem& item, EntryKind kind) { return item.kind == kind; };
  if (is(a, EntryKind::Ordered) || is(b, EntryKind::Ordered)) return is(a, EntryKind::Ordered);
  if (a.gv != b.gv) return a.gv > b.gv;
  if (is(a, EntryKind::Proposed) || is(b, EntryKind::Proposed)) return is(a, EntryKind::Proposed);
  return a.lv >= b.lv;
}

/// Of all that was reported of `seq` above `base`, what nothing else decides against.
std::optional<StateItem> winner(const std::vector<StateItem>& reported, Seq base, Seq seq) {
  for (const StateItem& item : reported) {
    if (item.seq != seq || seq <= base) continue;
    const auto beaten = [&](const StateItem& other) { return other.seq == seq && !decides(item, other); };
    if (std::ranges::none_of(reported, beaten)) return item;
  }
  return std::nullopt;
}

struct Report {
  Seq base;
  std::vector<StateItem> items;
  StateUnion united;

  explicit Report(Prng& random) : base(random.below(3)) {
    united.base = base;
    const std::uint64_t count = random.below(12);
    for (std::uint64_t i = 0; i < count; ++i) {
      items.push_back(random_item(random));
      united.add(items.back());
    }
  }
};

TEST(StewardUnionProperty, IsWhatNothingElseDecidesAgainst) {
  Prng random(1);
  for (int round = 0; round < 5000; ++round) {
    const Report report(random);
    for (Seq seq(1); seq.value <= kSeqs; ++seq) {
      const auto expected = winner(report.items, report.base, seq);
      const auto found = report.united.items.find(seq);
      ASSERT_EQ(found != report.united.items.end(), expected.has_value())
          << "seq " << seq.value << ", round " << round;
      if (expected) {
        ASSERT_EQ(found->second.digest, expected->digest) << "seq " << seq.value << ", round " << round;
      }
    }
  }
}

TEST(StewardUnionProperty, WhatASeqMustBeFollowsThePagesOrder) {
  Prng random(2);
  for (int round = 0; round < 5000; ++round) {
    const Report local(random);
    const Report global(random);
    const auto fixed = required(Bounds{&local.united, &global.united});
    const Seq base = std::max(local.base, global.base);
    Seq highest = base;
    for (Seq seq(1); seq.value <= kSeqs; ++seq)
      if (winner(local.items, local.base, seq) || winner(global.items, global.base, seq))
        highest = std::max(highest, seq);
    for (Seq seq(1); seq.value <= kSeqs; ++seq) {
      const auto here = winner(local.items, local.base, seq);
      const auto there = winner(global.items, global.base, seq);
      const auto ordered = [](const auto& item) { return item && item->kind == EntryKind::Ordered; };
      std::optional<Digest> expected;
      if (seq > base && seq <= highest) {
        if (ordered(here))
          expected = here->digest;
        else if (ordered(there))
          expected = there->digest;
        else if (here)
          expected = here->digest;
        else
          expected = there ? there->digest : no_op();
      }
      const auto found = fixed.find(seq);
      ASSERT_EQ(found != fixed.end(), expected.has_value()) << "seq " << seq.value << ", round " << round;
      if (expected) {
        ASSERT_EQ(found->second.digest, *expected) << "seq " << seq.value << ", round " << round;
      }
    }
  }
}

}  // namespace
}  // namespace seneschal::steward
