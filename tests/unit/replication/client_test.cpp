#include "replication/client_core.hpp"

#include "replication/execution.hpp"
#include "replication/kv.hpp"
#include "replication/workload.hpp"
#include "tests/unit/replication/bed.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication {
namespace {

using seneschal::testing::Bed;
using seneschal::testing::make_membership;

// A server without a protocol: executes what it gets, in the order in which it gets it, and answers. With one client
// that is all a client can see.
class LoneServer final : public Core {
 public:
  explicit LoneServer(const Membership& membership) : execution_(std::make_unique<kv::KvApplication>(), membership) {}
  bool lies = false;
  bool deaf = false;
  int updates = 0;
  int queries = 0;

  void start(Instant, std::span<const Record>, Effects&) override {}
  void on_done(Instant, Ticket, const JobResult&, Effects&) override {}
  void on_time(Instant, Effects&) override {}
  std::optional<Instant> deadline() const override { return std::nullopt; }
  Admission admission() const override { return {}; }
  void status(StatusList&) const override {}
  void on_message(Instant, const Inbound& message, Effects& fx) override {
    if (deaf) return;
    ClientId client = message.sender().client();
    if (auto update = message.as<Update>()) {
      ++updates;
      auto reply = execution_.reply_for(client, update->body().timestamp);
      if (!reply) {
        Batch batch;
        batch.updates.items.push_back(update->embed());
        execution_.execute(execution_.executed().next(), batch, digest_of(batch), fx);
        reply = execution_.reply_for(client, update->body().timestamp);
      }
      if (lies) {
        reply->result.value = {1, 2, 3};
        if (reply->stale) reply->timestamp = Timestamp(~std::uint64_t{0});
      }
      fx.send(Destination::to(client), *reply, {.auth = AuthKind::Mac});
    } else if (auto query = message.as<Query>()) {
      ++queries;
      Answer answer = execution_.answer(query->body());
      if (lies) answer.seq = Seq(1'000'000);
      fx.send(Destination::to(client), answer, {.auth = AuthKind::Mac});
    }
  }
  Execution& execution() { return execution_; }

 private:
  Execution execution_;
};

class ClientTest : public ::testing::Test {
 protected:
  Bed bed{make_membership(2, 1, 2)};
  std::vector<std::unique_ptr<LoneServer>> servers;
  std::unique_ptr<ClientCore> client;

  void build(ClientSettings settings) {
    for (std::uint16_t i = 0; i < 4; ++i) {
      servers.push_back(std::make_unique<LoneServer>(bed.membership()));
      bed.add(Principal::of(ServerId{SiteId(0), ServerIndex(i)}), *servers[i], MessageTable::of<Update, Query>());
    }
    client = std::make_unique<ClientCore>(bed.membership(), settings);
    bed.add(Principal::of(settings.self), *client, ClientCore::message_table());
    bed.start();
  }
  static ClientSettings settings() {
    ClientSettings s;
    s.self = ClientId(1);
    s.retry = std::chrono::milliseconds(100);
    s.probe = false;
    return s;
  }
  void submit(Bytes operation, bool query = false) {
    bed.drive(bed.client(1), [&](Effects& fx) {
      EXPECT_TRUE(client->submit(bed.now(), std::move(operation), query, fx).has_value());
    });
  }
  bool finish(Duration limit = std::chrono::seconds(20)) {
    return bed.run_until([&] { return client->idle(); }, limit);
  }
};

TEST_F(ClientTest, SendsToOneServerFirstAndToAllAfterItsTimer) {
  build(settings());
  submit(kv::put("a", as_span("1")));
  bed.run_for(std::chrono::milliseconds(50));
  EXPECT_EQ(servers[0]->updates, 1);
  EXPECT_EQ(servers[1]->updates, 0);
  EXPECT_FALSE(client->idle());  // one reply is not f+1
  ASSERT_TRUE(finish());
  auto done = client->take_completions();
  ASSERT_EQ(done.size(), 1u);
  EXPECT_EQ(done[0].retries, 1u);
  EXPECT_EQ(done[0].seq, Seq(1));
  EXPECT_GE(servers[1]->updates, 1);
}

// Clients that all repeat themselves when servers are slow make them slower.
TEST_F(ClientTest, WaitsTwiceTheUsualTimeBeforeItRepeatsItself) {
  build(settings());
  bed.delay = std::chrono::milliseconds(150);
  std::vector<std::uint32_t> retries;
  for (int i = 0; i < 8; ++i) {
    submit(kv::put("a", as_span("1")));
    ASSERT_TRUE(finish());
    retries.push_back(client->take_completions().at(0).retries);
  }
  EXPECT_EQ(retries.front(), 2u);
  EXPECT_EQ(retries.back(), 1u);  // one server's reply is not f+1: it asks all once
}

TEST_F(ClientTest, TakesOnlyOneOperationAtATime) {
  build(settings());
  submit(kv::put("a", as_span("1")));
  bed.drive(bed.client(1),
            [&](Effects& fx) { EXPECT_FALSE(client->submit(bed.now(), kv::get("a"), false, fx).has_value()); });
  ASSERT_TRUE(finish());
  bed.drive(bed.client(1), [&](Effects& fx) {
    EXPECT_FALSE(client->submit(bed.now(), Bytes(kMaxOperation + 1), false, fx).has_value());
  });
}

TEST_F(ClientTest, NeedsEqualRepliesOfDistinctServers) {
  build(settings());
  for (auto& server : servers) server->deaf = true;
  submit(kv::put("a", as_span("1")));
  Reply reply;
  reply.timestamp = Timestamp(1);
  reply.seq = Seq(1);
  auto from = [&](std::uint16_t i) { return Principal::of(ServerId{SiteId(0), ServerIndex(i)}); };
  auto send = [&](std::uint16_t i) {
    bed.inject(Principal::of(ClientId(1)), bed.seal(from(i), reply, AuthKind::Mac, Principal::of(ClientId(1))));
  };
  send(0);
  send(0);
  reply.result.value = {1};
  send(0);
  EXPECT_FALSE(client->idle());  // one server, whatever it says
  reply.result.value = {2};
  send(1);
  reply.seq = Seq(2);
  send(2);
  EXPECT_FALSE(client->idle());  // equal in part only
  reply.seq = Seq(1);
  send(3);
  EXPECT_TRUE(client->idle());
  EXPECT_EQ(client->take_completions().at(0).result, Bytes{2});
}

TEST_F(ClientTest, LiarsAndLossChangeLatencyOnly) {
  build(settings());
  servers[1]->lies = true;
  bed.loss_per_mille = 200;
  for (int i = 0; i < 20; ++i) {
    submit(kv::put("a", as_span(std::to_string(i))));
    ASSERT_TRUE(finish());
    auto done = client->take_completions();
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].result, encode(kv::Outcome(kv::Written{i > 0})));
  }
}

TEST_F(ClientTest, LeavesAContactThatIsDown) {
  build(settings());
  bed.server(0).down = true;
  submit(kv::put("a", as_span("1")));
  ASSERT_TRUE(finish());
  EXPECT_NE(client->contact(), ServerIndex(0));
}

TEST_F(ClientTest, RestartedClientFindsItsTimestampAgain) {
  ClientSettings probing = settings();
  probing.probe = true;
  build(probing);
  // A former life got to timestamp 50 at every server, and one of the servers lies about it.
  servers[3]->lies = true;
  for (auto& server : servers) {
    Update old;
    old.timestamp = Timestamp(50);
    old.operation.value = kv::put("a", as_span("old"));
    Batch batch;
    batch.updates.items = {bed.embed(Principal::of(ClientId(1)), old, AuthKind::Signature)};
    std::uint64_t ticket = 1;
    Effects fx(ticket);
    server->execution().execute(Seq(1), batch, digest_of(batch), fx);
  }
  submit(kv::put("a", as_span("new")));
  ASSERT_TRUE(finish());
  auto done = client->take_completions();
  EXPECT_GT(done.at(0).timestamp, Timestamp(50));
  EXPECT_LT(done.at(0).timestamp, Timestamp(5000));  // no liar pushed it up
  EXPECT_EQ(done.at(0).result, encode(kv::Outcome(kv::Written{true})));
}

TEST_F(ClientTest, StaleRepliesMoveTheTimestampAlsoWithoutAProbe) {
  build(settings());
  for (auto& server : servers) {
    Update old;
    old.timestamp = Timestamp(50);
    Batch batch;
    batch.updates.items = {bed.embed(Principal::of(ClientId(1)), old, AuthKind::Signature)};
    std::uint64_t ticket = 1;
    Effects fx(ticket);
    server->execution().execute(Seq(1), batch, digest_of(batch), fx);
  }
  submit(kv::put("a", as_span("new")));
  ASSERT_TRUE(finish());
  EXPECT_GT(client->take_completions().at(0).timestamp, Timestamp(50));
}

TEST_F(ClientTest, QueriesGoToAllAndNeedEqualAnswers) {
  build(settings());
  submit(kv::put("a", as_span("1")));
  ASSERT_TRUE(finish());
  bed.run_for(std::chrono::seconds(1));
  client->take_completions();
  servers[2]->lies = true;
  submit(kv::get("a"), true);
  ASSERT_TRUE(finish());
  auto done = client->take_completions();
  EXPECT_TRUE(done.at(0).query);
  EXPECT_FALSE(done.at(0).fell_back);
  EXPECT_EQ(kv::print_result(done.at(0).result), "\"1\"");
  EXPECT_EQ(client->last_seq(), Seq(1));  // the liar's seq counts for nothing
}

TEST_F(ClientTest, QueryWithoutMatchingAnswersIsOrdered) {
  build(settings());
  // Everybody is somewhere else in the history: no two answers are equal.
  for (std::size_t i = 0; i < servers.size(); ++i)
    for (std::size_t n = 1; n <= i; ++n) {
      std::uint64_t ticket = 1;
      Effects fx(ticket);
      servers[i]->execution().execute(Seq(n), Batch{}, digest_of(Batch{}), fx);
    }
  submit(kv::get("a"), true);
  bed.run_for(std::chrono::milliseconds(10));
  EXPECT_EQ(servers[0]->queries, 1);
  EXPECT_EQ(servers[0]->updates, 1);
}

TEST_F(ClientTest, RefusesRepliesFromElsewhereAndOldOnes) {
  build(settings());
  Reply reply;
  reply.timestamp = Timestamp(1);
  Principal self = Principal::of(ClientId(1));
  bed.inject(self, bed.seal(Principal::of(ServerId{SiteId(1), ServerIndex(0)}), reply, AuthKind::Mac, self));
  EXPECT_EQ(bed.client(1).replica->rejected(Reject::WrongSite), 1u);
  bed.inject(self, bed.seal(Principal::of(ServerId{SiteId(0), ServerIndex(0)}), reply, AuthKind::Mac, self));
  EXPECT_EQ(bed.client(1).replica->rejected(Reject::StaleTimestamp), 1u);
}

TEST_F(ClientTest, BelievesThatAMajorityIsMissingWhenFPlusOneServersSaySo) {
  build(settings());
  for (auto& server : servers) server->deaf = true;
  submit(kv::put("a", as_span("1")));
  Principal self = Principal::of(ClientId(1));
  auto says = [&](std::uint16_t i, std::uint64_t timestamp, std::uint16_t reached) {
    bed.inject(self, bed.seal(Principal::of(ServerId{SiteId(0), ServerIndex(i)}),
                              NoMajority{Timestamp(timestamp), reached, 3}, AuthKind::Mac, self));
  };
  says(0, 1, 2);
  says(0, 1, 1);
  EXPECT_FALSE(client->no_majority());  // one server, whatever it says
  says(1, 2, 1);
  EXPECT_FALSE(client->no_majority());  // about another update
  says(1, 1, 2);
  ASSERT_TRUE(client->no_majority());
  EXPECT_EQ(client->no_majority()->reached, 2u);
  EXPECT_FALSE(client->idle());  // no result: it may yet be ordered
  for (auto& server : servers) server->deaf = false;
  ASSERT_TRUE(finish());
  EXPECT_FALSE(client->no_majority());
}

class WorkloadTest : public ::testing::Test {
 protected:
  Bed bed{make_membership(1, 0, 1)};
  LoneServer server{bed.membership()};
  std::unique_ptr<WorkloadCore> load;

  void build(WorkloadSettings workload) {
    ClientSettings settings;
    settings.self = ClientId(1);
    load = std::make_unique<WorkloadCore>(bed.membership(), settings, workload);
    bed.add(Principal::of(ServerId{SiteId(0), ServerIndex(0)}), server, MessageTable::of<Update, Query>());
    bed.add(Principal::of(ClientId(1)), *load, ClientCore::message_table());
    bed.start();
  }
};

TEST_F(WorkloadTest, ClosedLoopStartsTheNextWhenOneIsDone) {
  WorkloadSettings settings;
  settings.operations = 10;
  build(settings);
  ASSERT_TRUE(bed.run_until([&] { return load->finished(); }, std::chrono::seconds(5)));
  auto done = load->take_completions();
  ASSERT_EQ(done.size(), 10u);
  for (std::size_t i = 1; i < done.size(); ++i) EXPECT_EQ(done[i].started, done[i - 1].finished);
}

TEST_F(WorkloadTest, MixesQueriesInTheGivenShare) {
  WorkloadSettings settings;
  settings.operations = 200;
  settings.update_percent = 50;
  build(settings);
  ASSERT_TRUE(bed.run_until([&] { return load->finished(); }, std::chrono::seconds(60)));
  EXPECT_GT(server.queries, 60);
  EXPECT_GT(server.updates, 60);
}

TEST_F(WorkloadTest, OpenLoopCountsLatencyFromTheSchedule) {
  WorkloadSettings settings;
  settings.open_loop = true;
  settings.interval = std::chrono::milliseconds(1);  // twice as fast as a round trip
  settings.operations = 100;
  build(settings);
  ASSERT_TRUE(bed.run_until([&] { return load->finished(); }, std::chrono::seconds(5)));
  auto done = load->take_completions();
  ASSERT_EQ(done.size(), 100u);
  EXPECT_GT(done.back().finished - done.back().started, std::chrono::milliseconds(20));  // queueing shows
}

TEST_F(WorkloadTest, OpenLoopBacklogIsBounded) {
  WorkloadSettings settings;
  settings.open_loop = true;
  settings.interval = std::chrono::milliseconds(1);
  settings.max_backlog = 5;
  build(settings);
  server.deaf = true;
  bed.run_for(std::chrono::seconds(1));
  EXPECT_GT(load->dropped(), 900u);
}

TEST(Workload, ArrivalsHaveTheRightMean) {
  Prng prng(3);
  std::uint64_t sum = 0;
  constexpr std::uint64_t kDraws = 100'000;
  for (std::uint64_t i = 0; i < kDraws; ++i) sum += negative_log(prng.next());
  EXPECT_NEAR(static_cast<double>(sum) / kDraws / 65536.0, 1.0, 0.02);
  EXPECT_NEAR(static_cast<double>(negative_log(std::uint64_t{1} << 63)) / 65536.0, 0.6931, 0.001);
}

}  // namespace
}  // namespace seneschal::replication
