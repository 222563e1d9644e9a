// Who can decide, from what the nodes said of themselves and of each other.
#include "lab/standing.hpp"

#include "emulator/topology.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seneschal::lab {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kSites = 5;

class Counting : public testing::Test {
 protected:
  Counting() {
    deployment_.faults = 1;
    for (std::size_t s = 0; s < kSites; ++s) deployment_.topology.sites.emplace_back().name = "s" + std::to_string(s);
  }

  /// Every node runs, every server votes, and every link is up.
  void begin(Protocol protocol) {
    deployment_.protocol = protocol;
    deployment_.servers = default_servers(protocol, 1, kSites);
    const Roster roster = deployment_.roster();
    members_ = roster.membership;
    for (std::size_t s = 0; s < kSites; ++s) {
      NodeStanding node;
      node.id = deployment_.node_of_site(s);
      node.site = deployment_.topology.sites[s].name;
      node.state = DaemonState::Running;
      node.links = node.links_up = kSites - 1;
      for (std::size_t other = 0; other < kSites; ++other)
        if (other != s) node.reached.push_back(deployment_.node_of_site(other));
      for (ServerId id : deployment_.servers_on(node.id)) {
        ServerStanding server;
        server.id = id;
        server.votes = true;
        node.servers.push_back(server);
      }
      standing_.nodes.push_back(std::move(node));
    }
  }
  /// As node `from` says.
  void link_down(std::size_t from, std::size_t to) {
    NodeStanding& node = standing_.nodes[from];
    std::erase(node.reached, deployment_.node_of_site(to));
    node.unreached.push_back(deployment_.node_of_site(to));
    --node.links_up;
  }
  void cut(std::initializer_list<std::size_t> these) {
    for (std::size_t a : these)
      for (std::size_t b = 0; b < kSites; ++b)
        if (std::ranges::count(these, b) == 0) link_down(a, b), link_down(b, a);
  }
  void count() { count_votes(standing_, deployment_, members_); }

  Deployment deployment_;
  Membership members_;
  Standing standing_;
};

TEST_F(Counting, AllReachEachOther) {
  begin(Protocol::Steward);
  count();
  EXPECT_EQ(standing_.able_sites, kSites);
  EXPECT_EQ(standing_.islands.size(), 1u);
  EXPECT_TRUE(standing_.whole());
}

TEST_F(Counting, SitesThatNobodyReachesDoNotDecideWithTheOthers) {
  begin(Protocol::Steward);
  cut({0, 1});
  count();
  EXPECT_EQ(standing_.able_sites, 3u);
  EXPECT_THAT(standing_.faults(), Contains("nodes 1 and 2 and nodes 3, 4 and 5 do not reach each other"));
  EXPECT_THAT(standing_.faults(), Not(Contains(HasSubstr("no update is ordered")))) << "three are a majority";
  EXPECT_THAT(to_text(standing_), HasSubstr("3 of 5 sites can decide and reach each other, 3 needed"));
  cut({2});
  count();
  EXPECT_EQ(standing_.able_sites, 2u);
  EXPECT_THAT(standing_.faults(),
              Contains("2 of 5 sites can decide and reach each other, 3 needed: no update is ordered"));
}

TEST_F(Counting, AWayOverOthersIsAWay) {
  begin(Protocol::Steward);
  for (std::size_t a = 0; a < kSites; ++a)
    for (std::size_t b = a + 2; b < kSites; ++b) link_down(a, b), link_down(b, a);  // a chain is left
  count();
  EXPECT_EQ(standing_.able_sites, kSites);
  EXPECT_EQ(standing_.islands.size(), 1u);
}

TEST_F(Counting, ALinkIsUpIfBothOfItsEndsSaySo) {
  begin(Protocol::Steward);
  for (std::size_t other = 1; other < kSites; ++other) link_down(other, 0);
  count();
  EXPECT_EQ(standing_.islands.size(), 2u);
  EXPECT_EQ(standing_.able_sites, 4u);
}

TEST_F(Counting, NodesThatCannotBeAskedMayConnectOthersAndDoNotVote) {
  begin(Protocol::Steward);
  for (std::size_t a : {0UL, 1UL})
    for (std::size_t b : {3UL, 4UL}) link_down(a, b), link_down(b, a);
  standing_.nodes[2].state = DaemonState::Elsewhere;
  standing_.nodes[2].reached.clear();
  for (ServerStanding& server : standing_.nodes[2].servers) server.votes = false;
  count();
  EXPECT_THAT(standing_.islands, ElementsAre(ElementsAre(NodeId(1), NodeId(2), NodeId(4), NodeId(5))));
  EXPECT_EQ(standing_.able_sites, 4u);
  EXPECT_EQ(standing_.groups[2].votes, 0u);
}

TEST_F(Counting, OneGroupDecidesWhereEnoughReachEachOther) {
  begin(Protocol::Bft);
  cut({0, 1});
  count();
  ASSERT_EQ(standing_.groups.size(), 1u);
  EXPECT_EQ(standing_.groups[0].votes, 4u);
  EXPECT_EQ(standing_.groups[0].together, 2u);
  EXPECT_FALSE(standing_.groups[0].able());
  EXPECT_THAT(standing_.faults(), Contains("all sites: 4 of 4 vote, 3 needed; no more than 2 of them reach each "
                                           "other: it can decide nothing"));
}

TEST_F(Counting, AServerThatBuildsNoGraphVotesAndIsTold) {
  begin(Protocol::Steward);
  standing_.nodes[1].servers[0].trouble = "no graph is built: damaged";
  count();
  EXPECT_FALSE(standing_.whole());
  EXPECT_THAT(standing_.faults(), ElementsAre("server 1/0 at node 2 (s1) votes, but: no graph is built: damaged"));
  EXPECT_THAT(to_json(standing_), HasSubstr("no graph is built: damaged"));
}

}  // namespace
}  // namespace seneschal::lab
