#include "overlay/routing.hpp"
#include "overlay/link_state_db.hpp"

#include <gmock/gmock.h>

namespace seneschal::overlay {
namespace {
using testing::ElementsAre;
using testing::Eq;
using testing::Optional;

NodeId n(int id) {
  return NodeId(static_cast<std::uint16_t>(id));
}

std::vector<Edge> both_ways(std::vector<std::tuple<int, int, std::uint32_t>> links) {
  std::vector<Edge> edges;
  for (auto [a, b, cost] : links) {
    edges.push_back({n(a), n(b), cost});
    edges.push_back({n(b), n(a), cost});
  }
  return edges;
}

TEST(OverlayRoutes, TakesTheCheapestPath) {
  Routes routes(n(1));
  routes.rebuild(both_ways({{1, 2, 10}, {2, 3, 10}, {1, 3, 50}}));
  EXPECT_THAT(routes.next_hop(n(3)), Optional(n(2)));
  EXPECT_THAT(routes.distance(n(3)), Optional(std::uint64_t{20}));
  EXPECT_FALSE(routes.next_hop(n(1)).has_value());
  EXPECT_FALSE(routes.next_hop(n(9)).has_value());
}

TEST(OverlayRoutes, TiesGoToFewerHopsThenTheLowerNode) {
  Routes routes(n(1));
  routes.rebuild(both_ways({{1, 2, 10}, {2, 3, 10}, {1, 3, 20}}));
  EXPECT_THAT(routes.next_hop(n(3)), Optional(n(3)));
  routes.rebuild(both_ways({{1, 5, 10}, {1, 4, 10}, {4, 9, 10}, {5, 9, 10}}));
  EXPECT_THAT(routes.next_hop(n(9)), Optional(n(4)));
}

TEST(OverlayRoutes, AllNodesAgreeOnTheTreeOfASource) {
  // A grid of equal costs has many shortest paths.
  std::vector<std::tuple<int, int, std::uint32_t>> links;
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) {
      if (x < 3) links.emplace_back(y * 4 + x, y * 4 + x + 1, 5);
      if (y < 3) links.emplace_back(y * 4 + x, y * 4 + x + 4, 5);
    }
  std::vector<NodeId> members;
  for (int i = 0; i < 16; i += 3) members.push_back(n(i));
  for (int source = 0; source < 16; ++source) {
    std::map<int, int> received;
    std::vector<int> front = {source};
    while (!front.empty()) {
      const int at = front.back();
      front.pop_back();
      Routes routes(n(at));
      routes.rebuild(both_ways(links));
      routes.set_members({{GroupId(1), members}});
      for (NodeId child : routes.branches(n(source), GroupId(1)).children) {
        Routes below(child);
        below.rebuild(both_ways(links));
        below.set_members({{GroupId(1), members}});
        EXPECT_EQ(below.branches(n(source), GroupId(1)).parent, n(at));
        ++received[child.value];
        front.push_back(child.value);
      }
    }
    for (auto [node, count] : received) EXPECT_EQ(count, 1) << node;
    for (NodeId member : members) EXPECT_EQ(received.contains(member.value), member.value != source) << source;
  }
}

TEST(OverlayRoutes, BranchesLeadToMembersOnly) {
  Routes routes(n(1));
  routes.rebuild(both_ways({{1, 2, 1}, {1, 3, 1}, {1, 4, 1}, {4, 5, 1}}));
  routes.set_members({{GroupId(7), {n(3), n(5)}}});
  EXPECT_THAT(routes.branches(n(1), GroupId(7)).children, ElementsAre(n(3), n(4)));
  EXPECT_THAT(routes.branches(n(3), GroupId(7)).children, ElementsAre(n(4)));
  EXPECT_THAT(routes.branches(n(3), GroupId(7)).parent, Optional(n(3)));
  EXPECT_TRUE(routes.branches(n(1), GroupId(8)).children.empty());
  routes.set_members({});
  EXPECT_TRUE(routes.branches(n(1), GroupId(7)).children.empty());
}

LinkState state_of(int origin, std::vector<Neighbour> neighbours, std::uint32_t seq = 1, std::uint64_t boot = 1) {
  LinkState state;
  state.id = {n(origin), boot, seq};
  state.neighbours.items = std::move(neighbours);
  return state;
}

TEST(OverlayLinkStates, AnEdgeNeedsBothEnds) {
  LinkStateDb db(8, 60s);
  ASSERT_TRUE(db.offer({}, state_of(1, {{n(2), 5}})));
  EXPECT_TRUE(db.edges().empty());
  ASSERT_TRUE(db.offer({}, state_of(2, {{n(1), 6}})));
  EXPECT_THAT(db.edges(), ElementsAre(Edge{n(1), n(2), 5}, Edge{n(2), n(1), 6}));
}

TEST(OverlayLinkStates, LaterVersionsReplaceEarlierOnes) {
  using enum LinkStateDb::Outcome;
  LinkStateDb db(8, 60s);
  EXPECT_THAT(db.offer({}, state_of(1, {}, 5)).value(), Eq(Newer));
  EXPECT_THAT(db.offer({}, state_of(1, {}, 5)).value(), Eq(Same));
  EXPECT_THAT(db.offer({}, state_of(1, {}, 4)).value(), Eq(Older));
  EXPECT_THAT(db.offer({}, state_of(1, {}, 1, 2)).value(), Eq(Newer));  // after a restart
  EXPECT_THAT(db.offer({}, state_of(1, {}, 6, 1)).value(), Eq(Older));
}

TEST(OverlayLinkStates, RefusesNonsenseAndTooMany) {
  LinkStateDb db(2, 60s);
  EXPECT_EQ(db.offer({}, state_of(1, {{n(1), 5}})).error(), Reject::Malformed);
  EXPECT_EQ(db.offer({}, state_of(1, {{n(2), 0}})).error(), Reject::Malformed);
  EXPECT_EQ(db.offer({}, state_of(1, {{n(2), 5}, {n(2), 6}})).error(), Reject::Malformed);
  LinkState old = state_of(1, {});
  old.age_s = 60;
  EXPECT_EQ(db.offer({}, old).error(), Reject::Expired);
  ASSERT_TRUE(db.offer({}, state_of(1, {})));
  ASSERT_TRUE(db.offer({}, state_of(2, {})));
  EXPECT_EQ(db.offer({}, state_of(3, {})).error(), Reject::Overloaded);
}

TEST(OverlayLinkStates, ForgetsWhatIsNotRenewedAndPassesAgesOn) {
  LinkStateDb db(8, 60s);
  LinkState state = state_of(1, {});
  state.age_s = 10;
  ASSERT_TRUE(db.offer({}, state));
  ASSERT_TRUE(db.offer({}, state_of(9, {})));
  EXPECT_EQ(db.aged(Instant{} + 30s, *db.find(n(1))).age_s, 40);
  EXPECT_EQ(db.deadline(n(9)), Instant{} + 50s);
  EXPECT_FALSE(db.expire(Instant{} + 49s, n(9)));
  EXPECT_TRUE(db.expire(Instant{} + 50s, n(9)));
  EXPECT_EQ(db.find(n(1)), nullptr);
  EXPECT_FALSE(db.expire(Instant{} + 500s, n(9)));
}

}  // namespace
}  // namespace seneschal::overlay
