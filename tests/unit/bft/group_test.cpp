// Whole groups with real gates over a network with faults.
#include "tests/unit/bft/group.hpp"

#include <gtest/gtest.h>

namespace seneschal::bft {
namespace {

using seneschal::testing::Bed;
using seneschal::testing::client_id;
using seneschal::testing::Group;
using seneschal::testing::server_id;
using namespace std::chrono_literals;

void expect_same_everywhere(Group& group, const std::set<std::size_t>& left_out = {}) {
  EXPECT_TRUE(group.agreed());
  group.bed.run_until([&] { return group.equal(left_out); }, 60s);
  EXPECT_TRUE(group.equal(left_out));
}

TEST(BftGroup, OrdersUpdatesOfSeveralClients) {
  Group group;
  group.add_clients(4, 50);
  ASSERT_TRUE(group.run(20s));
  expect_same_everywhere(group);
  EXPECT_EQ(group.count(0, EventKind::UpdateDone), 200u);
}

TEST(BftGroup, OneRequestTakesFiveMessageDelays) {
  Group group;
  group.add_clients(1, 1);
  ASSERT_TRUE(group.run(5s));
  auto done = group.clients[1]->take_completions();
  ASSERT_EQ(done.size(), 1u);
  // Request, PrePrepare, Prepare, Commit, Reply. [PBFT 4.2]
  EXPECT_EQ(done[0].finished - done[0].started, 5ms);
}

TEST(BftGroup, WorksWithSignatures) {
  Settings settings;
  settings.auth = Auth::Signatures;
  Group group(1, 4, settings);
  group.add_clients(4, 30);
  ASSERT_TRUE(group.run(20s));
  expect_same_everywhere(group);
}

TEST(BftGroup, WorksWithUnicastAndOneUpdatePerBatch) {
  Settings settings;
  settings.delivery = Delivery::Unicast;
  settings.batch_max = 1;
  Group group(1, 4, settings);
  group.add_clients(4, 30);
  ASSERT_TRUE(group.run(20s));
  EXPECT_EQ(group.count(0, EventKind::Executed), 120u);  // one update each
  expect_same_everywhere(group);
}

TEST(BftGroup, SixteenServers) {
  Group group(5, 4);
  group.add_clients(4, 10);
  ASSERT_TRUE(group.run(20s));
  expect_same_everywhere(group);
}

TEST(BftGroup, BatchesWhenRequestsWait) {
  Group group(1, 30);
  group.bed.jitter = 2ms;
  group.add_clients(30, 20);
  ASSERT_TRUE(group.run(20s));
  EXPECT_LT(group.count(0, EventKind::Executed), 500u);  // 600 updates
  expect_same_everywhere(group);
}

TEST(BftGroup, LossDuplicationAndReorderingChangeLatencyOnly) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Settings settings;
    settings.checkpoint_interval = 8;
    settings.log_span = 16;
    settings.window = 8;
    settings.auth = seed % 3 == 0 ? Auth::Signatures : Auth::Mac;
    settings.delivery = seed % 2 == 0 ? Delivery::Unicast : Delivery::Multicast;
    Group group(1, 4, settings, seed);
    group.bed.loss_per_mille = 100;
    group.bed.duplicate_per_mille = 100;
    group.bed.jitter = 5ms;
    group.add_clients(4, 50);
    ASSERT_TRUE(group.run()) << seed;
    expect_same_everywhere(group);
    EXPECT_EQ(group.count(0, EventKind::UpdateDone), 200u) << seed;  // exactly once
  }
}

TEST(BftGroup, FDeadBackupsChangeNothing) {
  for (std::uint16_t dead = 1; dead < 4; ++dead) {
    Group group;
    group.bed.server(dead).down = true;
    group.add_clients(4, 30);
    ASSERT_TRUE(group.run(20s));
    expect_same_everywhere(group, {dead});
  }
}

TEST(BftGroup, DeadBackupAndLoss) {
  Settings settings;
  settings.checkpoint_interval = 8;
  settings.log_span = 16;
  settings.window = 8;
  Group group(1, 4, settings);
  group.bed.server(2).down = true;
  group.bed.loss_per_mille = 50;
  group.add_clients(4, 100);
  ASSERT_TRUE(group.run());
  expect_same_everywhere(group, {2});
}

// Without Karn's rule the time that a loss costs feeds the patience that the next loss costs.
TEST(BftGroup, LossesDoNotMakeServersMorePatient) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    Settings settings;
    settings.checkpoint_interval = 8;
    settings.log_span = 16;
    settings.window = 8;
    Group group(1, 4, settings, seed);
    group.bed.server(2).down = true;
    group.bed.loss_per_mille = 50;
    group.add_clients(4, 100);
    EXPECT_TRUE(group.run(60s)) << seed;
    expect_same_everywhere(group, {2});
  }
}

TEST(BftGroup, APartitionedServerCatchesUp) {
  Settings settings;
  settings.checkpoint_interval = 8;
  settings.log_span = 16;
  settings.window = 8;
  Group group(1, 4, settings);
  bool cut = true;
  group.bed.filter = [&](Bed::Datagram& d) { return !cut || (d.from != server_id(3) && d.to != server_id(3)); };
  group.add_clients(4, 100);
  ASSERT_TRUE(group.run());
  EXPECT_EQ(group.executed(3), Seq(0));
  cut = false;
  ASSERT_TRUE(group.bed.run_until([&] { return group.equal(); }, 30s));
  EXPECT_GT(group.servers[3]->stable(), Seq(0));
}

TEST(BftGroup, AllServersCutOffForAWhileGoOn) {
  Group group;
  bool cut = false;
  group.bed.filter = [&](Bed::Datagram& d) { return !cut || d.from.is_client() || d.to.is_client(); };
  group.add_clients(4, 100);
  group.bed.start();
  group.bed.run_for(100ms);
  cut = true;
  group.bed.run_for(20s);
  EXPECT_FALSE(group.all_done());
  cut = false;
  ASSERT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 30s));
  expect_same_everywhere(group);
}

TEST(BftGroup, AnEquivocatingPrimaryNeverGetsTwoDigestsOrdered) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Group group(1, 4, {}, seed);
    Prng prng(seed);
    // The primary tells each backup something else, and votes for everything.
    for (std::uint64_t seq = 1; seq <= 5; ++seq) {
      auto a = group.proposal(seq, {group.update(1, seq, "a")});
      auto b = group.proposal(seq, {group.update(1, seq, "b")});
      for (std::uint16_t to = 1; to < 4; ++to) {
        group.inject(to, 0, prng.chance(1, 2) ? a : b);
        group.inject(to, 0, Commit{View(0), Seq(seq), replication::digest_of(prng.chance(1, 2) ? a.batch : b.batch)});
      }
    }
    group.bed.server(0).down = true;
    group.bed.start();
    group.bed.run_for(5s);
    EXPECT_TRUE(group.agreed());
  }
}

TEST(BftGroup, AClientWhoseMacOneServerCannotCheckDoesNotStopIt) {
  Group group;
  std::uint16_t blind = 3;
  // Client 1's authenticator is wrong in the slot of server 3, wherever it goes.
  group.bed.filter = [&](Bed::Datagram& d) {
    if (d.from != client_id(1)) return true;
    Bytes bytes = *d.bytes;
    bytes[bytes.size() - (4 - blind) * 16] ^= 1;
    d.bytes = share(std::move(bytes));
    return true;
  };
  group.add_clients(4, 20);
  ASSERT_TRUE(group.run(60s));
  expect_same_everywhere(group);
}

TEST(BftGroup, SuchAClientStopsNobodyWhenAnotherServerIsDead) {
  Group group;
  group.bed.server(1).down = true;
  group.bed.filter = [&](Bed::Datagram& d) {
    if (d.from != client_id(1)) return true;
    Bytes bytes = *d.bytes;
    bytes[bytes.size() - 16] ^= 1;  // server 3
    d.bytes = share(std::move(bytes));
    return true;
  };
  group.add_clients(2, 10);
  ASSERT_TRUE(group.run(120s));
  expect_same_everywhere(group, {1});
}

TEST(BftGroup, LyingStatusesAndClaimsDoNoHarm) {
  Group group;
  group.add_clients(4, 50);
  group.bed.start();
  for (int i = 0; i < 200 && !group.all_done(); ++i) {
    Status status;
    status.executed = Seq(~std::uint64_t{0});
    status.stable = Seq(~std::uint64_t{0});
    status.turn = ~std::uint32_t{0};
    status.slots.items.push_back({Seq(~std::uint64_t{0}), true, 0, 0});
    Entry claim{View(0), group.executed(1).next(), true, {}, Vouched<Batch>{}};
    claim.digest = replication::digest_of(Batch{});
    for (std::uint16_t to = 0; to < 3; ++to) {
      group.inject(to, 3, status);
      group.inject(to, 3, claim, AuthKind::Mac);
      status.executed = Seq(0);
      status.slots.items.clear();
      group.inject(to, 3, status);
    }
    group.bed.run_for(1ms);
  }
  ASSERT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 60s));
  expect_same_everywhere(group);
}

TEST(BftGroup, QueriesAreAnsweredWithoutOrdering) {
  Group group;
  replication::WorkloadSettings workload;
  workload.update_percent = 0;
  group.add_clients(2, 20, workload);
  ASSERT_TRUE(group.run(20s));
  EXPECT_EQ(group.executed(0), Seq(0));
  auto done = group.clients[1]->take_completions();
  EXPECT_EQ(done[0].finished - done[0].started, 2ms);
  EXPECT_FALSE(done[0].fell_back);
}

// [BFT 3.8]
TEST(BftGroup, AQueryWaitsForItsMinSeq) {
  Group group;
  group.bed.record = true;
  group.bed.start();
  replication::Query query;
  query.timestamp = Timestamp(1);
  query.min_seq = Seq(1);
  query.operation.value = replication::kv::get("k");
  auto answers = [&] {
    return std::ranges::count_if(group.bed.sent, [](const auto& d) {
      auto parts = parse_sealed(*d.bytes);
      return d.to == client_id(2) && parts && parts->header.type == replication::Answer::kType;
    });
  };
  group.bed.inject(server_id(1), group.bed.seal(client_id(2), query, AuthKind::Authenticator, server_id(1)));
  EXPECT_EQ(answers(), 0);
  group.bed.inject(server_id(0), share(group.update(1, 1, "x").sealed));
  group.bed.run_for(50ms);
  EXPECT_EQ(answers(), 1);
}

// [BFT 3.7]
TEST(BftGroup, AnExecutedTimestampGetsTheStoredReplyAgain) {
  Group group;
  group.add_clients(1, 3);
  ASSERT_TRUE(group.run(5s));
  group.bed.record = true;
  std::size_t executed = group.count(0, EventKind::Executed);
  group.bed.inject(server_id(0), share(group.update(1, 3, "other").sealed));  // same timestamp, other operation
  group.bed.run_for(100ms);
  EXPECT_EQ(group.count(0, EventKind::Executed), executed);
  EXPECT_TRUE(std::ranges::any_of(group.bed.sent,
                                  [](const auto& d) { return d.from == server_id(0) && d.to == client_id(1); }));
}

TEST(BftGroup, CheckpointsBoundTheLog) {
  Settings settings;
  settings.checkpoint_interval = 4;
  settings.log_span = 8;
  settings.window = 4;
  settings.history_span = 10;
  settings.batch_max = 1;
  Group group(1, 4, settings);
  group.add_clients(4, 50);
  ASSERT_TRUE(group.run(60s));
  group.bed.run_for(1s);
  for (const auto& server : group.servers) EXPECT_GE(server->stable(), Seq(196));
}

TEST(BftGroup, NothingIsOrderedBeyondTheWindowWithoutACheckpoint) {
  Settings settings;
  settings.checkpoint_interval = 4;
  settings.log_span = 8;
  settings.window = 4;
  settings.batch_max = 1;
  Group group(1, 4, settings);
  group.bed.filter = [](Bed::Datagram& d) {
    auto parts = parse_sealed(*d.bytes);
    return parts->header.protocol != ProtocolId::Bft || parts->header.type != Checkpoint::kType;
  };
  group.add_clients(4, 50);
  EXPECT_FALSE(group.run(10s));
  EXPECT_EQ(group.executed(0), Seq(8));
  group.bed.filter = nullptr;  // and goes on when checkpoints come through
  EXPECT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 60s));
}

// [BFT 3.7]
TEST(BftGroup, ForwardsAClientsRequestToThePrimary) {
  Group group;
  group.bed.start();
  group.bed.inject(server_id(2), share(group.update(1, 1, "x").sealed));
  group.bed.run_for(50ms);
  EXPECT_EQ(group.executed(0), Seq(1));
  EXPECT_EQ(group.executed(2), Seq(1));
}

// Under overload all clients repeat themselves to all servers; the backups do not pass all of that on at once.
// [BFT 3.7]
TEST(BftGroup, BackupsPassOnAFewUpdatesAtATimeAndInTheEndAll) {
  constexpr std::uint32_t kClients = 200;
  Group group(1, kClients);
  std::size_t passed_on = 0;
  bool cut = true;
  group.bed.filter = [&](Bed::Datagram& d) {
    auto parts = parse_sealed(*d.bytes);
    const bool relay = d.from == server_id(2) && d.to == server_id(0) &&
                       parts->header.protocol == ProtocolId::Replication && parts->header.type == 1;
    if (relay) ++passed_on;
    return !relay || !cut;
  };
  group.bed.start();
  for (std::uint32_t round = 0; round < 3; ++round)
    for (std::uint32_t id = 1; id <= kClients; ++id)
      group.bed.inject(server_id(2), share(group.update(id, 1, "x").sealed));
  group.bed.run_for(100ms);
  EXPECT_GE(passed_on, 16u);
  EXPECT_LE(passed_on, 3 * 16u);
  cut = false;
  // What was lost on the way holds nobody up for long, once a client insists.
  group.bed.run_for(1s);
  for (std::uint32_t round = 0; round < 2; ++round)
    for (std::uint32_t id = 1; id <= kClients; ++id)
      group.bed.inject(server_id(2), share(group.update(id, 1, "x").sealed));
  EXPECT_TRUE(
      group.bed.run_until([&] { return group.servers[0]->execution().clients().entries().size() == kClients; }, 10s));
}

// Forty clients whose updates the primary never takes insist on them; they must not keep a backup busy for ever.
TEST(BftGroup, ClientsThatInsistInVainKeepNobodyFromBeingPassedOn) {
  constexpr std::uint32_t kInVain = 40;
  Group group(1, kInVain + 1);
  bool taken = false;
  group.bed.filter = [&](Bed::Datagram& d) {
    auto parts = parse_sealed(*d.bytes);
    const bool relay = d.from == server_id(2) && d.to == server_id(0) &&
                       parts->header.protocol == ProtocolId::Replication && parts->header.type == 1;
    if (!relay) return true;
    const bool last = parts->header.sender == Principal::of(ClientId(kInVain + 1));
    taken = taken || last;
    return last;
  };
  group.bed.start();
  for (int round = 0; round < 200 && !taken; ++round) {
    for (std::uint32_t id = 1; id <= kInVain; ++id)
      group.bed.inject(server_id(2), share(group.update(id, 1, "x").sealed));
    if (round == 0) group.bed.inject(server_id(2), share(group.update(kInVain + 1, 1, "x").sealed));
    group.bed.run_for(50ms);
  }
  EXPECT_TRUE(taken);
}

TEST(BftGroup, AnIdleServerLearnsWhatItMissed) {
  Group group;
  bool cut = true;
  group.bed.filter = [&](Bed::Datagram& d) { return !cut || d.to != server_id(2); };
  group.add_clients(1, 1);
  ASSERT_TRUE(group.run(5s));
  cut = false;
  EXPECT_TRUE(group.bed.run_until([&] { return group.executed(2) == Seq(1); }, 5s));
}

TEST(BftSettings, AreChecked) {
  EXPECT_TRUE(Settings{}.validate().has_value());
  Settings s;
  s.log_span = 100;
  EXPECT_FALSE(s.validate().has_value());
  s = {};
  s.batch_max = 0;
  EXPECT_FALSE(s.validate().has_value());
  s = {};
  s.window = 1000;
  EXPECT_FALSE(s.validate().has_value());
  s = {};
  s.batch_max_bytes = kMaxBatchBytes;  // view and seq would not fit any more: backups refuse such a proposal
  EXPECT_FALSE(s.validate().has_value());
  EXPECT_TRUE(validate(seneschal::testing::make_membership(1, 5, 0)).has_value());
  EXPECT_FALSE(validate(seneschal::testing::make_membership(2, 1, 0)).has_value());
}

}  // namespace
}  // namespace seneschal::bft
