// Real daemons: whoever leads is killed, others lead, and the one that led comes back and follows.
#include "daemons.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

namespace seneschal::lab {
namespace {

class ViewChange : public Daemons {
 protected:
  std::uint64_t view_of(std::size_t node) {
    const std::string value = value_of(node, "global_view");
    return value.empty() || !std::isdigit(static_cast<unsigned char>(value[0])) ? 0 : std::stoull(value);
  }
  /// What a node says of its plugins may be as old as their last report.
  bool reaches(std::size_t node, std::uint64_t view) {
    for (int i = 0; i < 100 && view_of(node) < view; ++i) ::usleep(50'000);
    return view_of(node) >= view;
  }
};

// Node 1 holds the whole leader site.
TEST_P(ViewChange, AKilledLeaderIsReplacedAndFollowsWhenItIsBack) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "a", "1"}).code, 0);
  ASSERT_EQ(view_of(1), 0u);
  kill_node(0);
  const Outcome moved = client(2, {"put", "a", "2"});
  ASSERT_EQ(moved.code, 0) << moved.text;
  EXPECT_EQ(client(3, {"get", "a"}).text, "2\n");
  EXPECT_TRUE(reaches(1, 1));
  EXPECT_TRUE(reaches(2, 1));
  ASSERT_TRUE(start_node(0));
  EXPECT_EQ(client(1, {"get", "a"}).text, "2\n") << "the former leader learns what it missed";
  EXPECT_EQ(client(1, {"put", "a", "3"}).code, 0);
  EXPECT_EQ(client(2, {"get", "a"}).text, "3\n");
  EXPECT_TRUE(reaches(0, 1));
  EXPECT_EQ(value_of(0, "participating"), "yes");
}

// The next leader is killed as well: views go on from where they are, also for daemons that have started again.
TEST_P(ViewChange, LeadersAreKilledOneAfterTheOther) {
  ASSERT_EQ(up().code, 0);
  ASSERT_EQ(client(1, {"put", "n", "0"}).code, 0);
  for (const std::size_t victim : {0u, 1u}) {
    kill_node(victim);
    const std::string value = std::to_string(victim + 1);
    const Outcome moved = client(3, {"put", "n", value});
    ASSERT_EQ(moved.code, 0) << moved.text;
    ASSERT_TRUE(start_node(victim));
    EXPECT_EQ(client(static_cast<int>(victim) + 1, {"get", "n"}).text, value + "\n");
  }
  EXPECT_TRUE(reaches(2, 2));
}

// The baseline has no view changes: without its primary it waits.
INSTANTIATE_TEST_SUITE_P(Protocols, ViewChange, testing::Values("steward"),
                         [](const auto& protocol) { return protocol.param; });

}  // namespace
}  // namespace seneschal::lab
