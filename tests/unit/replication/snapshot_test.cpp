// Frozen states, their digests, and putting a snapshot together from pieces of unknown origin. [Steward 7]
#include "base/prng.hpp"
#include "replication/execution.hpp"
#include "replication/kv.hpp"
#include "replication/snapshot_assembly.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication {
namespace {

const ClientId kClient(1);

Bytes value_of(std::uint64_t n, std::size_t size = 100) {
  Bytes value(size, static_cast<Byte>(n));
  for (std::size_t i = 0; i < 8 && i < size; ++i) value[i] = static_cast<Byte>(n >> (8 * i));
  return value;
}
void put(Application& app, std::uint64_t key, std::uint64_t value, std::size_t size = 100) {
  app.apply(kClient, kv::put("key" + std::to_string(key), value_of(value, size)));
}
std::shared_ptr<Snapshot> snapshot_of(const Application& app, std::uint64_t seq = 1) {
  SnapshotHead head{Seq(seq), app.digest(), 0};
  auto snapshot = std::make_shared<Snapshot>(Seq(seq), std::vector{share(encode(head))}, app.freeze());
  while (!snapshot->hash(64 * 1024)) {
  }
  return snapshot;
}
std::vector<SharedBytes> chunks_of(const Frozen& frozen) {
  std::vector<SharedBytes> chunks;
  for (std::size_t i = 0; i < frozen.chunks(); ++i) chunks.push_back(frozen.chunk(i));
  return chunks;
}
SnapshotChunk chunk_message(const Snapshot& snapshot, std::uint32_t index) {
  return {snapshot.seq(), index, {*snapshot.chunk(index)}};
}
/// Everything missing is fetched from `source`; returns the number of chunks that came.
std::size_t fetch(SnapshotAssembly& assembly, const Snapshot& source) {
  while (auto block = assembly.missing_block({}))
    EXPECT_EQ(assembly.add(block_message(source, *block)), SnapshotAssembly::Piece::Useful);
  std::size_t count = 0;
  for (;;) {
    auto missing = assembly.missing_chunks({}, 7);
    if (missing.empty()) return count;
    for (std::uint32_t index : missing) {
      EXPECT_EQ(assembly.add(chunk_message(source, index)), SnapshotAssembly::Piece::Useful);
      ++count;
    }
  }
}

// [Steward 7.25]
TEST(KvFrozen, EqualHistoriesGiveEqualLeavesWhateverWasTriedAndTakenBackOrFrozenInBetween) {
  kv::KvApplication a;
  kv::KvApplication b;
  Prng prng(7);
  std::vector<std::shared_ptr<const Frozen>> kept;
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 20; ++i) {
      std::uint64_t key = prng.below(2000);
      std::uint64_t value = prng.next();
      std::size_t size = prng.chance(1, 20) ? 7000 : 20 + prng.below(300);
      if (prng.chance(1, 3)) {
        put(b, prng.below(2000), 1, 5000);  // only tried
        b.undo();
      }
      if (prng.chance(2, 5)) {
        for (auto* app : {&a, &b}) app->apply(kClient, kv::remove("key" + std::to_string(key)));
      } else {
        for (auto* app : {&a, &b}) put(*app, key, value, size);
      }
    }
    a.settle();
    b.settle();
    if (round % 10 == 0) kept.push_back(b.freeze());
  }
  EXPECT_EQ(a.snapshot(), b.snapshot());
  EXPECT_GT(a.freeze()->chunks(), 10u);
  EXPECT_EQ(snapshot_of(a)->digest(), snapshot_of(b)->digest());
}

TEST(KvFrozen, AFrozenStateStaysAsItWas) {
  kv::KvApplication app;
  for (std::uint64_t i = 0; i < 1000; ++i) put(app, i, i);
  app.settle();
  auto frozen = app.freeze();
  Bytes before = app.snapshot();
  for (std::uint64_t i = 0; i < 1000; i += 3) put(app, i, i + 1);
  for (std::uint64_t i = 1; i < 1000; i += 3) app.apply(kClient, kv::remove("key" + std::to_string(i)));
  app.settle();
  kv::KvApplication again;
  auto chunks = chunks_of(*frozen);
  ASSERT_TRUE(again.thaw(chunks).has_value());
  EXPECT_EQ(again.snapshot(), before);
  EXPECT_NE(app.snapshot(), before);
}

TEST(KvFrozen, AThawedStateGoesOnWithTheSameLeaves) {
  kv::KvApplication a;
  for (std::uint64_t i = 0; i < 3000; ++i) put(a, i * 7919 % 3000, i);
  a.settle();
  kv::KvApplication b;
  auto chunks = chunks_of(*a.freeze());
  ASSERT_TRUE(b.thaw(chunks).has_value());
  EXPECT_EQ(a.digest(), b.digest());
  for (std::uint64_t i = 0; i < 3000; i += 2)
    for (auto* app : {&a, &b}) app->apply(kClient, kv::remove("key" + std::to_string(i)));
  a.settle();
  b.settle();
  EXPECT_EQ(snapshot_of(a)->digest(), snapshot_of(b)->digest());
}

TEST(KvFrozen, LeavesStayBetweenTheirBounds) {
  kv::KvApplication app;
  for (std::uint64_t i = 0; i < 20000; ++i) put(app, i, i, 50 + i % 700);
  app.settle();
  auto full = app.freeze();
  for (std::size_t i = 0; i < full->chunks(); ++i) EXPECT_LE(full->chunk(i)->size(), kv::Leaves::kMost + 300);
  for (std::uint64_t i = 0; i < 20000; ++i)
    if (i % 50 != 0) {
      app.apply(kClient, kv::remove("key" + std::to_string(i)));
      app.settle();
    }
  EXPECT_LT(app.freeze()->chunks(), full->chunks() / 10) << "small leaves join";
}

TEST(KvFrozen, ADamagedChunkChangesNothing) {
  kv::KvApplication source;
  for (std::uint64_t i = 0; i < 1000; ++i) put(source, i, i);
  source.settle();
  auto chunks = chunks_of(*source.freeze());
  ASSERT_GT(chunks.size(), 3u);
  kv::KvApplication app;
  put(app, 1, 1);
  app.settle();
  Bytes before = app.snapshot();
  auto damaged = chunks;
  Bytes cut = *damaged[1];
  cut.pop_back();
  damaged[1] = share(cut);
  EXPECT_FALSE(app.thaw(damaged).has_value());
  auto swapped = chunks;
  std::swap(swapped[1], swapped[2]);
  EXPECT_FALSE(app.thaw(swapped).has_value());
  EXPECT_EQ(app.snapshot(), before);
}

TEST(SnapshotDigest, BindsEveryChunkTheirNumberAndTheClientTable) {
  Membership members;
  members.deployment = DeploymentId(1);
  members.sites.push_back({4, 1});
  members.clients.push_back({kClient, SiteId(0)});
  kv::KvApplication app;
  for (std::uint64_t i = 0; i < 1000; ++i) put(app, i, i);
  app.settle();
  Digest plain = snapshot_of(app)->digest();
  put(app, 500, 0);
  app.settle();
  EXPECT_NE(snapshot_of(app)->digest(), plain);
  EXPECT_NE(snapshot_of(app, 2)->digest(), snapshot_of(app, 1)->digest());
  // The same application state, but one client's last timestamp differs.
  auto with_table = [&](std::uint64_t timestamp) {
    std::vector<SharedBytes> own = pack_table({{kClient, Timestamp(timestamp), Seq(1), {}}});
    own.insert(own.begin(), share(encode(SnapshotHead{Seq(1), app.digest(), 1})));
    Snapshot snapshot(Seq(1), std::move(own), app.freeze());
    while (!snapshot.hash(1 << 20)) {
    }
    return snapshot.digest();
  };
  EXPECT_NE(with_table(1), with_table(2));
}

TEST(SnapshotDigest, HashingIsDoneInSlicesAndWhatDidNotChangeIsNotHashedAgain) {
  kv::KvApplication app;
  for (std::uint64_t i = 0; i < 5000; ++i) put(app, i, i);
  app.settle();
  auto slices = [&] {
    Snapshot snapshot(Seq(1), {share(Bytes(1))}, app.freeze());
    int count = 1;
    while (!snapshot.hash(32 * 1024)) ++count;
    return count;
  };
  EXPECT_GT(slices(), 10);
  put(app, 17, 0);
  app.settle();
  EXPECT_LE(slices(), 2);
}

class Assembling : public ::testing::Test {
 protected:
  Assembling() {
    for (std::uint64_t i = 0; i < 5000; ++i) put(app, i, i);
    app.settle();
    source = snapshot_of(app);
    assembly.aim(source->seq(), source->digest(), nullptr);
  }
  kv::KvApplication app;
  std::shared_ptr<Snapshot> source;
  SnapshotAssembly assembly{std::size_t{1} << 30};
};

TEST_F(Assembling, PutsTogetherWhatWasSigned) {
  EXPECT_EQ(fetch(assembly, *source), source->chunks());
  ASSERT_TRUE(assembly.complete());
  auto chunks = assembly.chunks();
  kv::KvApplication copy;
  ASSERT_TRUE(copy.thaw(std::span(chunks).subspan(1)).has_value());
  EXPECT_EQ(copy.snapshot(), app.snapshot());
}

TEST_F(Assembling, RefusesAPoisonedChunk) {
  assembly.add(block_message(*source, 0));
  SnapshotChunk poisoned = chunk_message(*source, 3);
  poisoned.bytes.value.back() ^= 1;
  EXPECT_EQ(assembly.add(poisoned), SnapshotAssembly::Piece::Forged);
  SnapshotChunk elsewhere = chunk_message(*source, 3);
  elsewhere.index = 4;
  EXPECT_EQ(assembly.add(elsewhere), SnapshotAssembly::Piece::Forged);
  elsewhere.index = 1u << 30;
  EXPECT_EQ(assembly.add(elsewhere), SnapshotAssembly::Piece::Forged);
  EXPECT_EQ(assembly.add(chunk_message(*source, 3)), SnapshotAssembly::Piece::Useful);
}

TEST_F(Assembling, RefusesAPoisonedBlockOfLeaves) {
  for (int way = 0; way < 5; ++way) {
    SnapshotBlock block = block_message(*source, 0);
    if (way == 0) block.leaves.items[2].bytes[0] ^= 1;
    if (way == 1) block.chunks += 1;
    if (way == 2) block.root.bytes[0] ^= 1;
    if (way == 3) block.leaves.items.pop_back();
    if (way == 4) block.chunks = 0xffffffff;
    EXPECT_EQ(assembly.add(block), SnapshotAssembly::Piece::Forged) << way;
  }
  EXPECT_EQ(assembly.add(block_message(*source, 0)), SnapshotAssembly::Piece::Useful);
}

// [Steward 7.28]
TEST_F(Assembling, ANewerTargetAndTheOwnOlderStateLeaveOnlyTheDifferenceToFetch) {
  fetch(assembly, *source);
  put(app, 2000, 0);
  app.settle();
  auto newer = snapshot_of(app, 2);
  assembly.aim(newer->seq(), newer->digest(), nullptr);
  EXPECT_EQ(fetch(assembly, *newer), 2u);  // the head and one leaf
  EXPECT_TRUE(assembly.complete());
  SnapshotAssembly other(std::size_t{1} << 30);
  other.aim(newer->seq(), newer->digest(), source);
  EXPECT_EQ(fetch(other, *newer), 2u);
  auto chunks = other.chunks();
  kv::KvApplication copy;
  ASSERT_TRUE(copy.thaw(std::span(chunks).subspan(1)).has_value());
  EXPECT_EQ(copy.snapshot(), app.snapshot());
}

TEST_F(Assembling, AChunkOfAnotherSnapshotIsTakenIfThisOneHasItToo) {
  put(app, 2000, 0);
  app.settle();
  auto newer = snapshot_of(app, 2);
  assembly.aim(newer->seq(), newer->digest(), nullptr);
  EXPECT_EQ(assembly.add_shared(*source->chunk(1)), SnapshotAssembly::Piece::Known) << "nothing is known yet";
  while (auto block = assembly.missing_block({})) assembly.add(block_message(*newer, *block));
  std::size_t useful = 0;
  for (std::uint32_t i = 0; i < source->chunks(); ++i)
    useful += assembly.add_shared(*source->chunk(i)) == SnapshotAssembly::Piece::Useful ? 1 : 0;
  EXPECT_EQ(useful, newer->chunks() - 2) << "all but the head and one leaf";
  EXPECT_EQ(assembly.add_shared(*source->chunk(1)), SnapshotAssembly::Piece::Known) << "twice";
  EXPECT_EQ(assembly.add_shared(Bytes(5000, 7)), SnapshotAssembly::Piece::Known) << "it is part of nothing";
  EXPECT_EQ(fetch(assembly, *newer), 2u);
  EXPECT_TRUE(assembly.complete());
}

// [Steward 7.32]
TEST_F(Assembling, SeveralWhoShareBeginAtDifferentPlacesAndMissNothing) {
  assembly.add(block_message(*source, 0));
  const auto all = assembly.missing_chunks({}, 1000);
  ASSERT_GE(all.size(), 8u);
  std::set<std::uint32_t> begun;
  for (std::size_t share = 0; share < 4; ++share) {
    begun.insert(assembly.missing_chunks({}, 1, share, 4).at(0));
    EXPECT_EQ(assembly.missing_chunks({}, 1000, share, 4), all);
  }
  EXPECT_EQ(begun.size(), 4u);
}

TEST_F(Assembling, HoldsNoMoreThanItsBytes) {
  SnapshotAssembly small(40 * 1024);
  small.aim(source->seq(), source->digest(), nullptr);
  small.add(block_message(*source, 0));
  int refused = 0;
  for (std::uint32_t i = 0; i < source->chunks(); ++i)
    refused += small.add(chunk_message(*source, i)) == SnapshotAssembly::Piece::TooLarge ? 1 : 0;
  EXPECT_GT(refused, 0);
  EXPECT_LE(small.held_bytes(), 40u * 1024);
}

TEST_F(Assembling, IgnoresPiecesOfOtherSnapshots) {
  SnapshotBlock block = block_message(*source, 0);
  block.seq = Seq(9);
  EXPECT_EQ(assembly.add(block), SnapshotAssembly::Piece::Known);
  SnapshotChunk chunk = chunk_message(*source, 0);
  EXPECT_EQ(assembly.add(chunk), SnapshotAssembly::Piece::Known) << "its leaf is not known yet";
}

}  // namespace
}  // namespace seneschal::replication
