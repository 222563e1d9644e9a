// A server that starts with its log contradicts nothing it said before; one without it says nothing. [BFT 10]
#include "tests/unit/bft/group.hpp"

#include <gtest/gtest.h>

namespace seneschal::bft {
namespace {

using seneschal::testing::Group;
using seneschal::testing::server_id;
using namespace std::chrono_literals;

/// Every test with a log that is shortened all the time, and with one that never is.
class BftRestart : public ::testing::TestWithParam<std::tuple<Auth, std::uint64_t>> {
 protected:
  static Settings settings() {
    Settings s;
    s.auth = std::get<Auth>(GetParam());
    s.log_growth = std::get<std::uint64_t>(GetParam());
    s.checkpoint_interval = 8;
    s.log_span = 32;
    s.window = 8;
    return s;
  }
  /// What servers say about (view, seq), from their datagrams: two different things are a contradiction.
  template <class M>
  static void note(std::map<std::tuple<Principal, std::uint8_t, Seq>, Digest>& said,
                   const seneschal::testing::Bed::Datagram& d) {
    const auto parts = parse_sealed(*d.bytes);
    if (!parts || parts->header.protocol != M::kProtocol || parts->header.type != M::kType) return;
    std::vector<Span> nested;
    const auto body = decode<M>(parts->body, &nested);
    ASSERT_TRUE(body.has_value());
    Digest digest;
    if constexpr (requires { body->batch; })
      digest = replication::digest_of(body->batch);
    else
      digest = body->digest;
    const auto [found, fresh] = said.emplace(std::tuple(parts->header.sender, M::kType, body->seq), digest);
    EXPECT_TRUE(fresh || found->second == digest)
        << to_string(d.from) << " contradicts itself at " << body->seq.value;
  }
  static void expect_no_contradiction(const Group& group) {
    std::map<std::tuple<Principal, std::uint8_t, Seq>, Digest> said;
    for (const auto& d : group.bed.sent) {
      note<PrePrepare>(said, d);
      note<Prepare>(said, d);
      note<Commit>(said, d);
      note<Checkpoint>(said, d);
    }
  }
  static bool says_anything(const Group& group, std::size_t from_datagram, std::uint16_t server) {
    return std::ranges::any_of(group.bed.sent.begin() + static_cast<std::ptrdiff_t>(from_datagram),
                               group.bed.sent.end(), [&](const auto& d) {
                                 const auto parts = parse_sealed(*d.bytes);
                                 return d.from == server_id(server) && parts->header.protocol == ProtocolId::Bft &&
                                        parts->header.type <= Checkpoint::kType;
                               });
  }
};

TEST_P(BftRestart, AnyServerEndsInTheMiddleOfLoadAndGoesOnFromItsLog) {
  for (std::uint16_t victim = 0; victim < 4; ++victim) {
    Group group(1, 4, settings());
    group.bed.record = true;
    group.add_clients(4, 60);
    group.bed.start();
    for (int crash = 0; crash < 3; ++crash) {
      group.bed.run_for(37ms);
      group.bed.server(victim).down = true;
      group.bed.run_for(53ms);
      group.restart_server(victim);
    }
    ASSERT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 60s)) << victim;
    group.bed.run_until([&] { return group.equal(); }, 30s);
    EXPECT_TRUE(group.equal()) << victim;
    EXPECT_TRUE(group.agreed());
    expect_no_contradiction(group);
  }
}

TEST_P(BftRestart, AllServersEndAtOnceAndNothingAcknowledgedIsLost) {
  for (int when = 0; when < 12; ++when) {
    Group group(1, 4, settings());
    group.bed.record = true;
    group.add_clients(4, 40);
    group.bed.start();
    group.bed.run_for(20ms + when * 700us);
    Seq acknowledged;
    for (const auto& [id, client] : group.clients)
      for (const auto& done : client->take_completions()) acknowledged = std::max(acknowledged, done.seq);
    for (std::uint16_t i = 0; i < 4; ++i) group.bed.server(i).down = true;
    group.bed.run_for(5ms);
    for (std::uint16_t i = 0; i < 4; ++i) group.restart_server(i);
    ASSERT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 60s)) << when;
    EXPECT_TRUE(group.agreed()) << when;
    for (std::uint16_t i = 0; i < 4; ++i) EXPECT_GE(group.executed(i), acknowledged);
    expect_no_contradiction(group);
  }
}

TEST_P(BftRestart, ItExecutesItsLogAgain) {
  Group group(1, 4, settings());
  group.add_clients(4, 30);
  ASSERT_TRUE(group.run(20s));
  group.bed.run_for(1s);
  for (std::uint16_t i = 0; i < 4; ++i) group.bed.server(i).down = true;
  std::vector<Digest> before;
  for (const auto& server : group.servers) before.push_back(server->execution().digest());
  for (std::uint16_t i = 0; i < 4; ++i) {
    const Seq stable = group.servers[i]->stable();
    group.restart_server(i);
    EXPECT_EQ(group.servers[i]->execution().digest(), before[i]);
    EXPECT_EQ(group.servers[i]->stable(), stable);
    EXPECT_TRUE(group.servers[i]->participating());
  }
}

TEST_P(BftRestart, WithoutItsLogItLearnsAndExecutesAndSaysNothing) {
  Group group(1, 4, settings());
  group.bed.record = true;
  group.add_clients(4, 80);
  group.bed.start();
  group.bed.run_for(60ms);
  group.bed.server(2).down = true;
  group.bed.run_for(20ms);
  const std::size_t then = group.bed.sent.size();
  group.restart_server(2, true);
  ASSERT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 60s));
  group.bed.run_until([&] { return group.equal(); }, 30s);
  EXPECT_TRUE(group.equal());
  EXPECT_FALSE(group.servers[2]->participating());
  EXPECT_FALSE(says_anything(group, then, 2));
}

TEST_P(BftRestart, ADiskThatFailsSilencesItsServerOnly) {
  Group group(1, 4, settings());
  group.bed.record = true;
  group.add_clients(4, 80);
  group.bed.start();
  group.bed.run_for(60ms);
  group.bed.server(1).replica->lose_log(group.bed.now());
  const std::size_t then = group.bed.sent.size();
  ASSERT_TRUE(group.bed.run_until([&] { return group.all_done(); }, 60s));
  group.bed.run_until([&] { return group.equal(); }, 30s);
  EXPECT_TRUE(group.equal());
  EXPECT_FALSE(says_anything(group, then, 1));
}

TEST_P(BftRestart, ARecordThatMakesNoSenseMakesItAListener) {
  Group group(1, 4, settings());
  group.add_clients(4, 20);
  ASSERT_TRUE(group.run(20s));
  auto& node = group.bed.server(3);
  node.down = true;
  ASSERT_GT(node.log.size(), 4u);
  node.log[node.log.size() / 2].resize(3);
  group.restart_server(3);
  EXPECT_FALSE(group.servers[3]->participating());
}

TEST_P(BftRestart, NoVoteLeavesBeforeItsRecordIsDurable) {
  Group group(1, 4, settings());
  group.bed.record = true;
  group.add_clients(1, 5);
  std::size_t checked = 0;
  group.bed.filter = [&](seneschal::testing::Bed::Datagram& d) {
    const auto parts = parse_sealed(*d.bytes);
    if (parts->header.protocol != ProtocolId::Bft || parts->header.type > Commit::kType) return true;
    std::vector<Span> nested;
    bool found = false;
    for (const Record& bytes : group.bed.node(d.from).log) {
      const auto record = decode_record(bytes);
      if (parts->header.type == Commit::kType) {
        const auto* p = std::get_if<PreparedRecord>(&record->what);
        found = found || (p != nullptr && p->seq == decode<Commit>(parts->body)->seq);
      } else if (const auto* a = std::get_if<AdoptedRecord>(&record->what)) {
        const Seq seq = parts->header.type == Prepare::kType ? decode<Prepare>(parts->body)->seq
                                                             : decode<PrePrepare>(parts->body, &nested)->seq;
        found = found || a->proposal.value.seq == seq;
      }
    }
    EXPECT_TRUE(found);
    ++checked;
    return true;
  };
  ASSERT_TRUE(group.run(20s));
  EXPECT_GT(checked, 20u);
}

std::string value_of(const BftCore& core, const std::string& name) {
  StatusList status;
  core.status(status);
  for (const auto& [key, value] : status)
    if (key == name) return value;
  return "-";
}

TEST_P(BftRestart, TheLogStaysBoundedHoweverMuchIsOrdered) {
  const bool shortened = std::get<std::uint64_t>(GetParam()) == 1;
  Group group(1, 4, settings());
  group.add_clients(1, 400);
  group.bed.start();
  std::size_t most = 0;
  while (!group.all_done()) {
    group.bed.run_for(20ms);
    for (std::uint16_t i = 0; i < 4; ++i) most = std::max(most, group.bed.server(i).log.size());
    ASSERT_LT(group.bed.now(), Instant{} + 300s);
  }
  group.bed.run_for(1s);
  for (std::uint16_t i = 0; i < 4; ++i) {
    std::size_t bytes = 0;
    for (const Record& record : group.bed.server(i).log) bytes += record.size();
    EXPECT_EQ(value_of(*group.servers[i], "log_bytes"), std::to_string(bytes));
    EXPECT_EQ(value_of(*group.servers[i], "log_renewals") != "0", shortened);
    const Digest before = group.servers[i]->execution().digest();
    const Seq stable = group.servers[i]->stable();
    group.bed.server(i).down = true;
    group.restart_server(i);
    EXPECT_TRUE(group.servers[i]->participating());
    EXPECT_EQ(group.servers[i]->execution().digest(), before);
    EXPECT_EQ(group.servers[i]->stable(), stable);
  }
  if (shortened)
    EXPECT_LT(most, 400u);
  else
    EXPECT_GT(most, 1000u) << "otherwise the other half of this test shows nothing";
}

TEST_P(BftRestart, ALogWithoutTheBeginningThatItsEntriesFollowFromMakesItAListener) {
  Group group(1, 4, settings());
  group.add_clients(1, 30);
  ASSERT_TRUE(group.run(60s));
  auto& node = group.bed.server(3);
  node.down = true;
  std::erase_if(node.log, [](const Record& bytes) {
    return std::holds_alternative<SnapshotRecord>(decode_record(bytes)->what);
  });
  node.log.erase(node.log.begin(), node.log.begin() + 3);
  group.restart_server(3);
  EXPECT_FALSE(group.servers[3]->participating());
}

INSTANTIATE_TEST_SUITE_P(Modes, BftRestart,
                         ::testing::Combine(::testing::Values(Auth::Mac, Auth::Signatures),
                                            ::testing::Values(std::uint64_t{1}, std::uint64_t{1} << 40)),
                         [](const auto& mode) {
                           return std::string(std::get<0>(mode.param) == Auth::Mac ? "mac" : "signatures") +
                                  (std::get<1>(mode.param) == 1 ? "_shortened" : "_whole");
                         });

}  // namespace
}  // namespace seneschal::bft
