#include "replication/execution.hpp"

#include "replication/kv.hpp"
#include "replication/pending_updates.hpp"
#include "tests/unit/replication/bed.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication {
namespace {

class ExecutionTest : public ::testing::Test {
 protected:
  seneschal::testing::Bed bed{seneschal::testing::make_membership(1, 1, 3)};
  Execution execution{std::make_unique<kv::KvApplication>(), bed.membership()};
  std::uint64_t ticket = 1;
  Effects fx{ticket};

  Signed<Update> update(std::uint32_t client, std::uint64_t timestamp, const Bytes& operation) {
    Update u;
    u.timestamp = Timestamp(timestamp);
    u.operation.value = operation;
    return bed.embed(Principal::of(ClientId(client)), u, AuthKind::Signature);
  }
  std::vector<ClientId> run(std::uint64_t seq, std::vector<Signed<Update>> updates) {
    Batch batch;
    batch.updates.items = std::move(updates);
    return execution.execute(Seq(seq), batch, digest_of(batch), fx).clients;
  }
};

// [Steward 3.4] [BFT 3.6]
TEST_F(ExecutionTest, SkipsATimestampThatIsNotHigher) {
  EXPECT_EQ(run(1, {update(1, 5, kv::put("a", as_span("1")))}).size(), 1u);
  Digest before = execution.application().digest();
  EXPECT_TRUE(run(2, {update(1, 5, kv::put("a", as_span("2")))}).empty());
  EXPECT_TRUE(run(3, {update(1, 4, kv::put("a", as_span("3")))}).empty());
  EXPECT_EQ(execution.application().digest(), before);
  EXPECT_EQ(execution.executed(), Seq(3));
}

TEST_F(ExecutionTest, ExecutesOnlyTheFirstOfOneTimestampInABatch) {
  EXPECT_EQ(run(1, {update(1, 1, kv::put("a", as_span("1"))), update(1, 1, kv::put("a", as_span("2")))}).size(), 1u);
  EXPECT_EQ(kv::print_result(execution.application().query(kv::get("a"))), "\"1\"");
}

TEST_F(ExecutionTest, NeverOrdersTimestampZero) {
  EXPECT_TRUE(run(1, {update(1, 0, kv::put("a", as_span("1")))}).empty());
}

TEST_F(ExecutionTest, EmitsAnEventPerUpdateAndPerBatch) {
  run(1, {update(1, 1, kv::put("a", as_span("1"))), update(2, 1, kv::put("b", as_span("1")))});
  std::vector<EventKind> kinds;
  for (const auto& effect : fx.list())
    if (auto* event = std::get_if<Event>(&effect)) kinds.push_back(event->kind);
  EXPECT_EQ(kinds, (std::vector{EventKind::UpdateDone, EventKind::UpdateDone, EventKind::Executed}));
}

TEST_F(ExecutionTest, KeepsTheReplyOfTheLastTimestamp) {
  EXPECT_FALSE(execution.reply_for(ClientId(1), Timestamp(1)).has_value());
  run(1, {update(1, 7, kv::put("a", as_span("1")))});
  auto stored = execution.reply_for(ClientId(1), Timestamp(7));
  ASSERT_TRUE(stored.has_value());
  EXPECT_FALSE(stored->stale);
  EXPECT_EQ(stored->seq, Seq(1));
  auto stale = execution.reply_for(ClientId(1), Timestamp(6));
  ASSERT_TRUE(stale.has_value());
  EXPECT_TRUE(stale->stale);
  EXPECT_EQ(stale->timestamp, Timestamp(7));
  EXPECT_TRUE(stale->result.value.empty());
  EXPECT_FALSE(execution.reply_for(ClientId(1), Timestamp(8)).has_value());
}

TEST_F(ExecutionTest, TellsAClientThatAsksWithTimestampZeroItsLast) {
  auto none = execution.reply_for(ClientId(1), Timestamp(0));
  ASSERT_TRUE(none.has_value());
  EXPECT_TRUE(none->stale);
  EXPECT_EQ(none->timestamp, Timestamp(0));
  run(1, {update(1, 7, kv::put("a", as_span("1")))});
  EXPECT_EQ(execution.reply_for(ClientId(1), Timestamp(0))->timestamp, Timestamp(7));
}

TEST_F(ExecutionTest, DigestCoversTheClientTable) {
  Execution other(std::make_unique<kv::KvApplication>(), bed.membership());
  Batch one, two;
  one.updates.items = {update(1, 1, kv::put("a", as_span("1")))};
  two.updates.items = {update(1, 2, kv::put("a", as_span("1")))};
  execution.execute(Seq(1), one, digest_of(one), fx);
  other.execute(Seq(1), two, digest_of(two), fx);
  EXPECT_EQ(execution.application().digest(), other.application().digest());
  EXPECT_NE(execution.digest(), other.digest());
}

TEST_F(ExecutionTest, AnswersNameTheExecutedSeq) {
  run(1, {update(1, 1, kv::put("a", as_span("1")))});
  Query query;
  query.timestamp = Timestamp(3);
  query.operation.value = kv::get("a");
  Answer answer = execution.answer(query);
  EXPECT_EQ(answer.seq, Seq(1));
  EXPECT_EQ(answer.timestamp, Timestamp(3));
  EXPECT_EQ(kv::print_result(answer.result.value), "\"1\"");
}

TEST_F(ExecutionTest, PoolKeepsOneUpdatePerClient) {
  PendingUpdates pool(2);
  EXPECT_EQ(pool.add(update(1, 3, {})), std::nullopt);
  EXPECT_EQ(pool.add(update(1, 3, {})), Reject::Duplicate);
  EXPECT_EQ(pool.add(update(1, 2, {})), Reject::Duplicate);
  EXPECT_EQ(pool.add(update(2, 1, {})), std::nullopt);
  EXPECT_EQ(pool.add(update(3, 1, {})), Reject::Overloaded);
  EXPECT_EQ(pool.add(update(1, 4, {})), std::nullopt);
  Batch batch = pool.take(10, 1 << 20);
  ASSERT_EQ(batch.updates.size(), 2u);
  EXPECT_EQ(batch.updates.items[0].body.timestamp, Timestamp(4));  // kept its place
  EXPECT_EQ(pool.bytes(), 0u);
  EXPECT_EQ(pool.add(update(1, 4, {})), Reject::Duplicate);  // taken
  pool.forget_taken();
  EXPECT_EQ(pool.add(update(1, 4, {})), std::nullopt);
  pool.discharge(ClientId(1), Timestamp(4));
  EXPECT_TRUE(pool.empty());
}

TEST_F(ExecutionTest, PoolCutsBatchesByCountAndBytes) {
  PendingUpdates pool(10);
  for (std::uint32_t c = 1; c <= 3; ++c) ASSERT_EQ(pool.add(update(c, 1, Bytes(100, 'x'))), std::nullopt);
  EXPECT_EQ(pool.take(2, 1 << 20).updates.size(), 2u);
  EXPECT_EQ(pool.take(2, 10).updates.size(), 1u);  // always at least one
  EXPECT_TRUE(pool.take(2, 10).updates.empty());
}

TEST_F(ExecutionTest, WatchListKeepsTheOldestSince) {
  WatchList list;
  EXPECT_TRUE(list.watch(ClientId(1), Timestamp(1), Instant{10}, nullptr));
  EXPECT_FALSE(list.watch(ClientId(1), Timestamp(1), Instant{11}, nullptr));
  EXPECT_TRUE(list.watch(ClientId(2), Timestamp(1), Instant{20}, nullptr));
  EXPECT_EQ(list.oldest(), Instant{10});
  EXPECT_TRUE(list.watch(ClientId(1), Timestamp(2), Instant{30}, nullptr));
  EXPECT_EQ(list.oldest(), Instant{20});
  list.discharge(ClientId(2), Timestamp(5));
  list.discharge(ClientId(1), Timestamp(1));  // a lower one does not discharge it
  EXPECT_EQ(list.oldest(), Instant{30});
  list.discharge(ClientId(1), Timestamp(2));
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace seneschal::replication
