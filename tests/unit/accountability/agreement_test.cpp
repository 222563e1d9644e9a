// Whose graph to believe.
#include "accountability/agreement.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

class GraphAgreement : public testing::Test {
 protected:
  GraphAgreement() {
    std::string name = (fs::temp_directory_path() / "agreement-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    parent_ = name;
  }
  ~GraphAgreement() override { fs::remove_all(parent_); }

  /// A server's graph of `honest` updates that all servers have, and `own` ones that only it has.
  void server(std::uint64_t honest, std::uint64_t own = 0, std::uint64_t from = 1) {
    SignedGraph graph;
    graph.server = "0." + std::to_string(all.size());
    graph.folder = parent_ + "/" + graph.server;
    auto writer = *StoreWriter::open(graph.folder, {}, {});
    if (from > 1) {
      Snapshot state;
      state.last = UpdateId(from - 1);
      writer = *writer->begin_anew(state, 1);
    }
    for (std::uint64_t id = from; id <= honest + own; ++id) {
      NewUpdate update;
      update.client = ClientId(id <= honest ? 1 : 66);
      update.seq = Seq(id);
      EXPECT_EQ(writer->add(update), UpdateId(id));
    }
    EXPECT_TRUE(writer->seal().has_value());
    graph.begin = from;
    graph.sealed = honest + own;
    graph.digest = to_hex(writer->digest().bytes);
    all.push_back(graph);
  }
  std::string agreed() {
    Comparison comparison;
    return most_agreed(all, comparison).server;
  }
  std::vector<SignedGraph> all;

 private:
  std::string parent_;
};

TEST_F(GraphAgreement, TheFarthestThatMostHaveSigned) {
  server(5000);
  server(4000);
  server(6000);
  server(4500);
  EXPECT_EQ(agreed(), "0.3") << "what 0.0 and 0.2 have beyond it only two have signed";
  Comparison comparison;
  for (const SignedGraph& a : all)
    for (const SignedGraph& b : all) EXPECT_EQ(comparison.of(a, b), Comparison::Verdict::Same);
}

TEST_F(GraphAgreement, AFaultyServerThatAgreesAndAddsSomethingIsNotBelieved) {
  server(5000);
  server(5000, 700);  // goes farthest, and nobody can contradict it
  server(5000);
  server(4990);
  EXPECT_EQ(agreed(), "0.0");
  Comparison comparison;
  EXPECT_EQ(comparison.of(all[0], all[1]), Comparison::Verdict::Same) << "as far as both go";
}

TEST_F(GraphAgreement, AFaultyServerThatHasOtherUpdatesIsNamed) {
  server(100, 9000);
  server(5000);
  server(5000);
  server(5000);
  EXPECT_EQ(agreed(), "0.1");
  Comparison comparison;
  EXPECT_EQ(comparison.of(all[0], all[1]), Comparison::Verdict::Other);
  all[0].digest = all[1].digest;  // and says what others say, of other files
  EXPECT_EQ(comparison.of(all[0], all[1]), Comparison::Verdict::Other);
}

TEST_F(GraphAgreement, OneThatBeganLaterIsComparedFromThereOn) {
  server(5000);
  server(5000, 0, 3001);
  server(5200, 0, 4097);
  server(5000);
  server(5000);
  Comparison comparison;
  for (const SignedGraph& a : all)
    for (const SignedGraph& b : all)
      EXPECT_EQ(comparison.of(a, b), Comparison::Verdict::Same) << a.server << b.server;
  EXPECT_EQ(agreed(), "0.0");
  all[1].folder += "-gone";
  Comparison again;
  EXPECT_EQ(again.of(all[1], all[2]), Comparison::Verdict::Unknown);
}

TEST_F(GraphAgreement, OneThatCouldNotGoOnIsTakenOnlyIfThereIsNoOther) {
  server(5000);
  all[0].whole = false;
  EXPECT_EQ(agreed(), "0.0");
  server(5000);
  EXPECT_EQ(agreed(), "0.1");
}

}  // namespace
}  // namespace seneschal::accountability
