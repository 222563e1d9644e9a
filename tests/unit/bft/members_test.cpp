// Clients that join and leave. [Membership]
#include "group.hpp"

#include <gtest/gtest.h>

namespace seneschal::testing {
namespace {

using namespace std::chrono_literals;
using replication::Administered;
using replication::Administration;
using replication::Enroll;
using replication::Revoke;
using replication::Verdict;

constexpr std::uint32_t kAdministrator = 4;
constexpr std::uint32_t kNewcomer = 5;

/// A group with an administrator that gives orders, and a newcomer that works from the start on, whoever knows it.
struct Members {
  explicit Members(bft::Settings settings = {}) : group(1, kAdministrator, settings, 1, ClientId(kAdministrator)) {}
  Group group;

  Enroll joins(std::uint32_t id) {
    return {ClientId(id), SiteId(0), NodeId(1), group.bed.registry().joining_keys(ClientId(id))};
  }
  replication::WorkloadCore& add(std::uint32_t id, replication::WorkloadSettings load) {
    group.clients[id] =
        std::make_unique<replication::WorkloadCore>(group.bed.membership(), group.client_settings(id), load);
    group.bed.add(client_id(id), *group.clients[id], replication::ClientCore::message_table());
    return *group.clients[id];
  }
  replication::WorkloadCore& orders(std::vector<Administration> all, Duration think = 100ms) {
    replication::WorkloadSettings load;
    load.think = think;
    for (const auto& order : all) load.script.push_back(encode(order));
    return add(kAdministrator, load);
  }
  static std::vector<Verdict> verdicts(replication::WorkloadCore& administrator) {
    std::vector<Verdict> all;
    for (const auto& done : administrator.take_completions())
      all.push_back(decode<Administered>(done.result)->verdict);
    return all;
  }
};

TEST(BftMembers, AClientIsServedFromItsEnrolmentOnUnderMacsItAgreedUpon) {
  Members m;
  auto& administrator = m.orders({{m.joins(kNewcomer)}, {m.joins(kNewcomer)}, {Revoke{ClientId(1)}}});
  replication::WorkloadSettings load;
  load.operations = 20;
  load.update_percent = 70;
  auto& newcomer = m.add(kNewcomer, load);
  ASSERT_TRUE(m.group.run(60s));
  EXPECT_EQ(Members::verdicts(administrator), (std::vector{Verdict::Done, Verdict::IdUsed, Verdict::Done}));
  EXPECT_EQ(newcomer.completed(), 20u);
  m.group.bed.run_for(3s);
  EXPECT_TRUE(m.group.equal());
  EXPECT_TRUE(m.group.agreed());
}

TEST(BftMembers, WhoLeftIsServedNoMoreAndIsWatchedByNobody) {
  Members m;
  m.orders({{m.joins(kNewcomer)}, {Revoke{ClientId(kNewcomer)}}}, 2s);
  auto& newcomer = m.add(kNewcomer, {});  // goes on for ever
  m.group.bed.start();
  m.group.bed.run_for(10s);
  const std::uint64_t served = newcomer.completed();
  EXPECT_GT(served, 0u);
  m.group.bed.run_for(20s);
  EXPECT_EQ(newcomer.completed(), served);
  for (std::uint16_t i = 0; i < 4; ++i) {
    StatusList status;
    m.group.servers[i]->status(status);
    for (const auto& [name, value] : status) {
      if (name != "watched" && name != "waiting") continue;
      EXPECT_EQ(value, "0") << name << " at " << i;
    }
  }
  EXPECT_TRUE(m.group.equal());
}

TEST(BftMembers, ARestartedServerKnowsThemFromItsShortenedLog) {
  bft::Settings settings;
  settings.checkpoint_interval = 4;
  settings.log_span = 8;
  settings.window = 8;
  settings.log_growth = 1;
  Members m(settings);
  m.orders({{m.joins(kNewcomer)}, {m.joins(6)}, {Revoke{ClientId(6)}}, {Revoke{ClientId(1)}}}, 10ms);
  replication::WorkloadSettings load;
  load.operations = 60;
  m.add(kNewcomer, load);
  ASSERT_TRUE(m.group.run(60s));
  m.group.bed.run_for(3s);
  const Digest before = m.group.servers[2]->execution().digest();
  m.group.bed.server(2).down = true;
  m.group.restart_server(2);
  EXPECT_EQ(m.group.servers[2]->execution().digest(), before);
  EXPECT_NE(m.group.servers[2]->execution().roster().member(ClientId(kNewcomer)), nullptr);
  EXPECT_EQ(m.group.servers[2]->execution().roster().member(ClientId(1)), nullptr);
  m.group.bed.run_for(3s);
  EXPECT_TRUE(m.group.equal());
}

// Client 1 leaves with entry 1; L = 8 is the reach.
TEST(BftMembers, AnEntryWithinReachMayHoldItsUpdateAndOneBeyondMayNot) {
  bft::Settings settings = without_log();
  settings.checkpoint_interval = 4;
  settings.log_span = 8;
  settings.window = 8;
  Members m(settings);
  m.orders({{Revoke{ClientId(1)}}});
  ASSERT_TRUE(m.group.run(10s));
  m.group.bed.run_for(1s);
  replication::WorkloadSettings load;
  load.operations = 4;  // entries 2 to 5: the Checkpoint of 4 moves the log
  auto& other = m.add(2, load);
  m.group.bed.client(2).replica->start(m.group.bed.now(), {});
  ASSERT_TRUE(m.group.bed.run_until([&] { return other.finished(); }, 10s));
  m.group.bed.run_for(1s);
  ASSERT_EQ(m.group.executed(3), Seq(5));
  Replica& backup = *m.group.bed.server(3).replica;
  const auto offer = [&](std::uint64_t seq) {
    const std::uint64_t before = backup.rejected(Reject::UnknownClient);
    m.group.inject(3, 0, m.group.proposal(seq, {m.group.update(1, seq, "late")}));
    return backup.rejected(Reject::UnknownClient) - before;
  };
  EXPECT_EQ(offer(10), 1u);
  EXPECT_EQ(offer(9), 0u);
}

}  // namespace
}  // namespace seneschal::testing
