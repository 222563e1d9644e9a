// Replies and answers: given again within a budget, new ones always; queries that wait for their seq.
#include "replication/client_service.hpp"

#include "replication/kv.hpp"
#include "tests/unit/replication/bed.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication {
namespace {

constexpr ClientId kSomebody(1);
constexpr std::size_t kValue = 1000;

class ClientServiceTest : public ::testing::Test {
 protected:
  seneschal::testing::Bed bed{seneschal::testing::make_membership(1, 1, 3)};
  Execution execution{std::make_unique<kv::KvApplication>(), bed.membership()};
  // Three results of a thousand bytes, and then one a second.
  ClientService service{execution, {kValue, 3 * kValue}};
  std::uint64_t ticket = 1;
  Effects fx{ticket};
  Instant now{1'000'000'000};
  Seq seq;

  void execute(ClientId client, std::uint64_t timestamp, const Bytes& operation) {
    Update u;
    u.timestamp = Timestamp(timestamp);
    u.operation.value = operation;
    Batch batch;
    batch.updates.items.push_back(bed.embed(Principal::of(client), u, AuthKind::Signature));
    seq = seq.next();
    execution.execute(seq, batch, digest_of(batch), fx);
  }
  std::optional<Reject> ask(std::uint64_t timestamp, Seq min_seq = {}, ClientId client = kSomebody) {
    Query query;
    query.timestamp = Timestamp(timestamp);
    query.min_seq = min_seq;
    query.operation.value = kv::get("a");
    return service.on_query(now, client, query, fx);
  }
  /// What was sent since the last call, by kind of message.
  std::size_t sent() {
    std::size_t n = 0;
    for (const auto& effect : fx.list()) n += std::holds_alternative<Effects::Send>(effect) ? 1 : 0;
    return n - std::exchange(counted_, n);
  }

 private:
  std::size_t counted_ = 0;
};

TEST_F(ClientServiceTest, AStoredReplyIsGivenAgainWithinTheBudget) {
  execute(kSomebody, 5, kv::put("a", as_span(std::string(kValue, 'x'))));
  execute(kSomebody, 6, kv::get("a"));
  service.reply(kSomebody, fx);
  EXPECT_EQ(sent(), 1u);
  int given = 0;
  for (int i = 0; i < 10; ++i) given += service.reply_again(now, kSomebody, Timestamp(6), fx) ? 0 : 1;
  EXPECT_EQ(given, 3) << "an account with anything left pays once more";
  EXPECT_EQ(sent(), 3u);
  EXPECT_EQ(service.reply_again(now, kSomebody, Timestamp(6), fx), Reject::Overloaded);
  now = now + 1500ms;
  EXPECT_EQ(service.reply_again(now, kSomebody, Timestamp(6), fx), std::nullopt);
  EXPECT_EQ(service.reply_again(now, ClientId(2), Timestamp(1), fx), std::nullopt) << "nothing to give";
  EXPECT_EQ(sent(), 1u);
}

TEST_F(ClientServiceTest, OneClientsRepetitionsCostNoOther) {
  execute(kSomebody, 1, kv::put("a", as_span("1")));
  execute(ClientId(2), 1, kv::put("a", as_span("2")));
  while (!service.reply_again(now, kSomebody, Timestamp(1), fx)) continue;
  EXPECT_EQ(service.reply_again(now, ClientId(2), Timestamp(1), fx), std::nullopt);
}

TEST_F(ClientServiceTest, NewQueriesAreAnsweredAlwaysAndRepeatedOnesWithinTheBudget) {
  execute(kSomebody, 1, kv::put("a", as_span(std::string(kValue, 'x'))));
  for (std::uint64_t t = 1; t <= 20; ++t) EXPECT_EQ(ask(t), std::nullopt) << t;
  EXPECT_EQ(sent(), 20u);
  int again = 0;
  for (int i = 0; i < 20; ++i) again += ask(20) ? 0 : 1;
  EXPECT_EQ(again, 3);
  EXPECT_EQ(ask(7), Reject::Overloaded) << "an older one counts as repeated";
  EXPECT_EQ(ask(21), std::nullopt);
}

TEST_F(ClientServiceTest, AQueryWaitsForItsSeq) {
  EXPECT_EQ(ask(1, Seq(2)), std::nullopt);
  EXPECT_EQ(sent(), 0u);
  EXPECT_EQ(ask(1, Seq(2)), Reject::Duplicate);
  execute(kSomebody, 1, kv::put("a", as_span("1")));
  service.answer_waiting(fx);
  EXPECT_EQ(sent(), 0u);
  execute(kSomebody, 2, kv::put("a", as_span("2")));
  service.answer_waiting(fx);
  EXPECT_EQ(sent(), 1u);
  service.answer_waiting(fx);
  EXPECT_EQ(sent(), 0u) << "once";
  EXPECT_EQ(ask(1, Seq(9)), Reject::Duplicate) << "an answered one does not wait again";
}

TEST_F(ClientServiceTest, OnlyANewerQueryTakesThePlaceOfOneThatWaits) {
  EXPECT_EQ(ask(5, Seq(1)), std::nullopt);
  EXPECT_EQ(ask(4, Seq(1)), Reject::Duplicate);
  EXPECT_EQ(ask(6, Seq(1)), std::nullopt);
  execute(kSomebody, 1, kv::put("a", as_span("1")));
  service.answer_waiting(fx);
  EXPECT_EQ(sent(), 1u);
}

TEST_F(ClientServiceTest, StrangersAreNotAnswered) {
  EXPECT_EQ(ask(1, {}, ClientId(9)), Reject::UnknownClient);
}

}  // namespace
}  // namespace seneschal::replication
