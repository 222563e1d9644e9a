#include "accountability/distribution.hpp"

#include "accountability/marking.hpp"
#include "accountability/random_graph.hpp"
#include "accountability/store.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

TEST(GraphDistribution, SharesCountTheBoundsAsTheirNamesSay) {
  const Distribution d({5, 0, 0, 20, 100});
  EXPECT_EQ(d.size(), 5u);
  EXPECT_EQ(d.largest(), 100u);
  EXPECT_DOUBLE_EQ(d.less_than(0), 0);
  EXPECT_DOUBLE_EQ(d.at_most(0), 40);
  EXPECT_DOUBLE_EQ(d.less_than(20), 60);
  EXPECT_DOUBLE_EQ(d.at_most(20), 80);
  EXPECT_DOUBLE_EQ(d.more_than(20), 20);
  EXPECT_DOUBLE_EQ(d.more_than(100), 0);
  EXPECT_DOUBLE_EQ(d.at_most(~std::uint64_t{0}), 100);
}

TEST(GraphDistribution, PointsRiseToTheWhole) {
  const auto points = Distribution({5, 0, 0, 20, 100}).points();
  const std::vector<std::pair<std::uint64_t, double>> expected = {{0, 40}, {5, 60}, {20, 80}, {100, 100}};
  EXPECT_EQ(points, expected);
}

TEST(GraphDistribution, NothingHasNoShares) {
  const Distribution d({});
  EXPECT_DOUBLE_EQ(d.at_most(10), 0);
  EXPECT_DOUBLE_EQ(d.more_than(0), 0);
  EXPECT_EQ(d.largest(), 0u);
  EXPECT_TRUE(d.points().empty());
}

TEST(GraphDistribution, DependantsOfAnUpdateAreWhatMarkingItAloneTouches) {
  std::string folder = (fs::temp_directory_path() / "distribution-test-XXXXXX").string();
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  {
    auto writer = *StoreWriter::open(folder, {}, {});
    generate(RandomGraph{300, 10, 1, 5, 7}, [&](ClientId client, Seq seq, std::span<const UpdateId> names) {
      ASSERT_TRUE(writer->add(client, seq, names).has_value());
    });
    ASSERT_TRUE(writer->seal().has_value());
  }
  const Store store = *Store::open(folder);
  const Graph& graph = store.graph();
  std::vector<std::uint64_t> expected;
  for (UpdateId id = graph.base(); id < graph.end(); ++id) {
    // Bad alone: everything else of its client that is not reached stays good, so count by its dependencies only.
    std::vector<bool> bad(graph.end().value);
    bad[id.value] = true;
    std::uint64_t reached = 0;
    for (UpdateId later = id.next(); later < graph.end(); ++later)
      for (const UpdateId name : graph.formula(later).leaves())
        if (bad[name.value] && !bad[later.value]) bad[later.value] = true, ++reached;
    expected.push_back(reached);
  }
  EXPECT_EQ(dependants_of_updates(graph, 1000, 1).points(), Distribution(expected).points());
  EXPECT_EQ(dependants_of_updates(graph, 50, 1).size(), 50u) << "a sample where all would be too many";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace seneschal::accountability
