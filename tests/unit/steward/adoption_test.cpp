// A fetched state on its way into the log, and into the place of the old one. [Steward 7] [Steward 8]
#include "again.hpp"
#include "lagging.hpp"

namespace seneschal::steward::testing {
namespace {

// A log has room for so much that waits, and a state may be larger: it is written in pieces, each after the disk has
// those before it, and takes the place of the old one when the log has all of it.
// [Steward 7.29]
TEST(StewardAdoption, AStateGoesIntoTheLogInPiecesBeforeItCounts) {
  Bed bed(3, 1, 1, often());
  const ServerId lagging = server(1, 3);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  bed.start();
  constexpr std::size_t kValue = 8'000;
  constexpr std::size_t kKeys = 300;
  for (std::size_t i = 0; i < kKeys; ++i) {
    bed.put(ClientId(1), "k" + std::to_string(i), std::string(kValue, static_cast<char>('a' + i % 26)));
    ASSERT_TRUE(bed.run_while(60s, [&] { return !bed.at(ClientId(1)).client().idle(); }));
    bed.at(ClientId(1)).client().take_completions();
  }
  bed.drop = nullptr;
  bed.persist_delay = 20ms;
  auto& node = bed.at(lagging);
  const auto pieces = [&] {
    return std::ranges::count_if(node.log, [](const Record& record) {
      const auto read = decode_record(record);
      return read && std::holds_alternative<SnapshotRecord>(read->what);
    });
  };
  ASSERT_TRUE(bed.run_while(60s, [&] { return pieces() < 12; }));
  EXPECT_EQ(node.steward().execution().executed(), Seq(0)) << "half of it is in the log";
  EXPECT_TRUE(node.steward().transfer().busy());
  EXPECT_FALSE(node.steward().deadline() == std::nullopt);
  // The power goes: what is there of the state is passed over, and the server knows what it said.
  Again again(bed, lagging, node.log, often());
  EXPECT_TRUE(again.core.views().participating());
  EXPECT_EQ(again.core.execution().executed(), Seq(0));

  ASSERT_TRUE(bed.run_while(60s, [&] { return node.steward().execution().executed() < Seq(kKeys); }));
  EXPECT_EQ(node.steward().execution().digest(), bed.steward(server(1, 0)).execution().digest());
  EXPECT_LT(node.most_unwritten, kKeys * kValue / 2) << "never much of it at a time";
  Again after(bed, lagging, node.log, often());
  EXPECT_EQ(after.core.execution().digest(), node.steward().execution().digest());
  EXPECT_FALSE(node.steward().transfer().busy());
}

// A disk that fails while a state is being written: the server abstains, and learns all the same.
TEST(StewardAdoption, AStateIsTakenOverWithoutTheLogWhenTheDiskFails) {
  Bed bed(3, 1, 1, often());
  const ServerId lagging = server(1, 3);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 60));
  bed.drop = nullptr;
  bed.persist_delay = 3600s;  // never, in this test
  ASSERT_TRUE(bed.run_while(60s, [&] { return !bed.steward(lagging).transfer().handed_out(); }));
  bed.run_for(5s);
  EXPECT_EQ(bed.steward(lagging).execution().executed(), Seq(0));
  bed.at(lagging).replica->lose_log(bed.now);
  bed.run_for(20s);
  EXPECT_EQ(bed.steward(lagging).execution().executed(), Seq(60));
  EXPECT_EQ(bed.steward(lagging).execution().digest(), bed.steward(server(1, 0)).execution().digest());
}

TEST(StewardAdoption, WhatWasInstalledIsThereAfterARestartAndSoIsWhatWasSaidAboveIt) {
  Bed bed(3, 1, 1, often());
  ServerId lagging = server(1, 3);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 100));
  bed.drop = nullptr;
  ASSERT_TRUE(put_many(bed, ClientId(1), 30));
  bed.run_for(10s);
  ASSERT_EQ(bed.steward(lagging).execution().executed(), Seq(130));
  StewardCore again(lagging, bed.membership, often(), *replication::make_application("kv"));
  std::uint64_t tickets = 1;
  Effects fx(tickets);
  again.start(bed.now, bed.at(lagging).log, fx);
  EXPECT_TRUE(again.views().participating());
  EXPECT_EQ(again.execution().executed(), Seq(130));
  EXPECT_EQ(again.execution().digest(), bed.steward(lagging).execution().digest());
  EXPECT_EQ(again.history().stable(), bed.steward(lagging).history().stable());
}

// Entries that come in the meantime may be faster: then the state is not needed, and nothing waits for it.
TEST(StewardAdoption, AStateThatOrderingHasPassedIsDropped) {
  Bed bed(3, 1, 1, often());
  const ServerId lagging = server(1, 3);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 20));
  auto& node = bed.at(lagging);
  node.persist_delay = 3600s;  // never, in this test
  bed.drop = [&](const Bed::Datagram& m) { return m.is<OrderedEntry>() && m.to == Principal::of(lagging); };
  ASSERT_TRUE(bed.run_while(60s, [&] { return !node.steward().transfer().handed_out(); }));
  EXPECT_EQ(node.steward().execution().executed(), Seq(0));
  bed.drop = nullptr;
  ASSERT_TRUE(bed.run_while(60s, [&] { return node.steward().execution().executed() < Seq(20); }));
  EXPECT_FALSE(node.steward().transfer().handed_out());
  EXPECT_EQ(node.steward().execution().digest(), bed.steward(server(1, 0)).execution().digest());
}

/// Another program: it does not understand the states of others.
class Illiterate final : public replication::Application {
 public:
  Bytes apply(ClientId client, Span operation) override { return kv_->apply(client, operation); }
  void undo() override { kv_->undo(); }
  void settle() override { kv_->settle(); }
  Bytes query(Span operation) const override { return kv_->query(operation); }
  Digest digest() const override { return kv_->digest(); }
  Bytes snapshot() const override { return kv_->snapshot(); }
  Status restore(Span) override { return failure("a state of another version"); }
  std::shared_ptr<const replication::Frozen> freeze() const override { return kv_->freeze(); }
  Status thaw(std::span<const SharedBytes>) override { return failure("a state of another version"); }

 private:
  std::unique_ptr<replication::Application> kv_ = *replication::make_application("kv");
};

// It says so and goes on from what it has, and does the same after a restart: what it said is known.
TEST(StewardAdoption, AStateThatThisProgramCannotReadIsPassedOverAlsoAfterARestart) {
  Bed bed(3, 1, 1, often());
  const ServerId lagging = server(1, 3);
  auto& node = bed.at(lagging);
  node.core = std::make_unique<StewardCore>(lagging, bed.membership, often(), std::make_unique<Illiterate>());
  node.replica = std::make_unique<Replica>(node.self, bed.membership, StewardCore::message_table(), *node.core,
                                           *node.keys, *node.env);
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 5));
  bed.run_for(1s);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  ASSERT_TRUE(put_many(bed, ClientId(1), 100));
  bed.drop = nullptr;
  ASSERT_TRUE(put_many(bed, ClientId(1), 5));
  bed.run_for(20s);
  EXPECT_EQ(node.steward().execution().executed(), Seq(5));
  EXPECT_TRUE(node.steward().views().participating());
  StatusList status;
  node.steward().status(status);
  EXPECT_TRUE(std::ranges::count(status, std::pair<std::string, std::string>("alarms", "1")) == 1);
  EXPECT_EQ(std::ranges::count_if(node.log, [](const Record& r) { return may_be<DiscardedRecord>(r); }), 1);

  const auto read = [&](std::vector<Record> log, std::unique_ptr<replication::Application> application) {
    auto core = std::make_unique<StewardCore>(lagging, bed.membership, often(), std::move(application));
    std::uint64_t tickets = 1;
    Effects fx(tickets);
    core->start(bed.now, log, fx);
    return core;
  };
  const auto again = read(node.log, std::make_unique<Illiterate>());
  EXPECT_TRUE(again->views().participating());
  EXPECT_EQ(again->execution().executed(), Seq(5));
  // Without its word about the state, it would not know where to begin.
  std::vector<Record> shorter = node.log;
  std::erase_if(shorter, [](const Record& r) { return may_be<DiscardedRecord>(r); });
  EXPECT_FALSE(read(shorter, std::make_unique<Illiterate>())->views().participating());
  EXPECT_GT(read(shorter, *replication::make_application("kv"))->execution().executed(), Seq(96));
}

// The power goes after the disk has the last piece and before the server has taken the state over.
TEST(StewardAdoption, AStateThatIsWholeInTheLogCountsAfterACrash) {
  Bed bed(3, 1, 1, often());
  const ServerId lagging = server(1, 3);
  bed.drop = cut_off([&](const Principal& p) { return p == Principal::of(lagging); });
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 60));
  bed.drop = nullptr;
  auto& node = bed.at(lagging);
  node.persist_delay = 3600s;
  ASSERT_TRUE(bed.run_while(60s, [&] { return !node.steward().transfer().handed_out(); }));
  ASSERT_EQ(node.steward().execution().executed(), Seq(0));
  Again again(bed, lagging, node.log, often());
  EXPECT_TRUE(again.core.views().participating());
  EXPECT_EQ(again.core.execution().executed(), again.core.history().stable());
  EXPECT_GE(again.core.execution().executed(), Seq(48));
}

}  // namespace
}  // namespace seneschal::steward::testing
