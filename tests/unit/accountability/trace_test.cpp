// Blast radius, shortest chains, risks and redundancy, against plain marking.
#include "accountability/trace.hpp"
#include "accountability/random_graph.hpp"
#include "base/prng.hpp"

#include <gtest/gtest.h>

namespace seneschal::accountability {
namespace {

struct Built {
  std::vector<Bytes> bytes;
  Graph graph;
};

/// Two thirds conjunctions, one third ORs; one update in `everything` depends on everything before it (0: none).
Built random_built(std::uint64_t seed, std::uint64_t updates, std::uint64_t everything = 0) {
  Built built;
  Builder builder([&](UpdateId, std::uint32_t, Bytes block) { built.bytes.push_back(std::move(block)); });
  Prng random(seed);
  for (std::uint64_t id = 1; id <= updates; ++id) {
    std::vector<UpdateId> names;
    for (std::uint64_t i = random.below(3); id > 1 && i > 0; --i)
      names.emplace_back(random.between(id > 100 ? id - 100 : 1, id - 1));
    Formula formula = random.chance(1, 3) ? Formula::any(names) : Formula::all(names);
    if (everything != 0 && random.chance(1, everything)) formula = Formula::everything();
    EXPECT_TRUE(
        builder.add(ClientId(static_cast<std::uint32_t>(1 + random.below(200))), Seq(id), formula).has_value());
  }
  if (Bytes open = builder.open_block(); !open.empty()) built.bytes.push_back(std::move(open));
  std::vector<Block> blocks;
  for (const Bytes& bytes : built.bytes) blocks.push_back(*Block::parse(bytes));
  built.graph = *Graph::of(std::move(blocks));
  return built;
}

/// What `mark` would make suspect if only `id` were bad: its client's other updates do not count.
std::vector<UpdateId> reached_alone(const Graph& graph, UpdateId id) {
  std::set<UpdateId> bad = {id};
  std::vector<UpdateId> reached;
  graph.each(id.next(), [&](UpdateId at, ClientId, const Formula& formula) {
    if (formula.fails([&](UpdateId name) { return bad.contains(name); }, !bad.empty())) {
      bad.insert(at);
      reached.push_back(at);
    }
    return true;
  });
  return reached;
}

TEST(GraphTrace, BlastIsWhatOneBadUpdateReaches) {
  const Built built = random_built(1, 9000);
  ReverseIndex index(built.graph);
  for (std::uint64_t id = 1; id <= 9000; id += 173)
    EXPECT_EQ(blast(built.graph, index, UpdateId(id), 100000), reached_alone(built.graph, UpdateId(id))) << id;
  EXPECT_LE(blast(built.graph, index, UpdateId(1), 3).size(), 3u);
}

TEST(GraphTrace, BlastReachesWhatDependsOnEverything) {
  const Built built = random_built(11, 9000, 2500);
  ReverseIndex index(built.graph);
  ASSERT_FALSE(index.of_everything().empty());
  for (std::uint64_t id = 1; id <= 9000; id += 373)
    EXPECT_EQ(blast(built.graph, index, UpdateId(id), 100000), reached_alone(built.graph, UpdateId(id))) << id;
}

void expect_exact_risks(const Built& built);

TEST(GraphTrace, RisksAreExact) {
  expect_exact_risks(random_built(2, 5000));
  expect_exact_risks(random_built(12, 5000, 1500));
}

void expect_exact_risks(const Built& built) {
  std::vector<Risk> candidates;
  for (std::uint64_t id = 1; id <= 5000; id += 41)
    candidates.push_back({built.graph.client(UpdateId(id)), UpdateId(id), 0});
  for (std::uint32_t client = 1; client <= 100; ++client) candidates.push_back({ClientId(client), UpdateId(0), 0});
  for (const Risk& risk : risks(built.graph, candidates)) {
    if (risk.update.value != 0)
      EXPECT_EQ(risk.suspects, reached_alone(built.graph, risk.update).size()) << risk.update.value;
    else
      EXPECT_EQ(risk.suspects, mark(built.graph, {{{risk.client, UpdateId(1)}}, {}}).suspect()) << risk.client.value;
  }
  const auto worst = riskiest_clients(built.graph, 5);
  ASSERT_EQ(worst.size(), 5u);
  EXPECT_GE(worst[0].suspects, worst[1].suspects);
  const auto updates = riskiest_updates(built.graph, 3, 10000);
  EXPECT_EQ(updates[0].suspects, reached_alone(built.graph, updates[0].update).size());
}

void expect_shortest_chains(const Built& built);

TEST(GraphTrace, WhyIsAShortestChainFromACorruptUpdate) {
  expect_shortest_chains(random_built(3, 3000));
  expect_shortest_chains(random_built(13, 3000, 200));
}

void expect_shortest_chains(const Built& built) {
  const Findings findings{{{built.graph.client(UpdateId(700)), UpdateId(700)}}, {}};
  const Colours colours = mark(built.graph, findings);
  // Steps from the nearest corrupt update, by walking forward over bad names.
  std::map<UpdateId, std::size_t> steps;
  std::size_t suspects = 0;
  built.graph.each(UpdateId(1), [&](UpdateId id, ClientId, const Formula& formula) {
    if (colours.of(id) == Colour::Corrupt) steps[id] = 0;
    if (colours.of(id) != Colour::Suspect) {
      EXPECT_EQ(why(built.graph, colours, id).size(), colours.touched(id) ? 1u : 0u);
      return true;
    }
    ++suspects;
    std::size_t least = ~std::size_t{0};
    for (const UpdateId name : formula.leaves())
      if (colours.touched(name)) least = std::min(least, steps.at(name) + 1);
    if (formula.is_everything()) least = 1;  // something before it is corrupt
    steps[id] = least;
    const auto chain = why(built.graph, colours, id);
    EXPECT_EQ(chain.size(), least + 1) << id.value;
    EXPECT_EQ(colours.of(chain.front()), Colour::Corrupt);
    EXPECT_EQ(chain.back(), id);
    return true;
  });
  EXPECT_GT(suspects, 0u);
}

TEST(GraphTrace, ARedundantSourceSavesWhatDependsOnOneOfThem) {
  // Sensors 1 and 2 watch the same door; 3 names only sensor 1, and 4 depends on 3. [TR III-C]
  std::vector<Bytes> bytes;
  Builder builder(nullptr);
  ASSERT_TRUE(builder.add(ClientId(1), Seq(1), Formula{}).has_value());
  ASSERT_TRUE(builder.add(ClientId(2), Seq(1), Formula{}).has_value());
  ASSERT_TRUE(builder.add(ClientId(3), Seq(2), *Formula::parse("1")).has_value());
  ASSERT_TRUE(builder.add(ClientId(4), Seq(3), *Formula::parse("3")).has_value());
  const Bytes open = builder.open_block();
  const Graph graph = *Graph::of({*Block::parse(open)});
  const Findings one{{{ClientId(1), UpdateId(1)}}, {}};
  const Findings both{{{ClientId(1), UpdateId(1)}, {ClientId(2), UpdateId(1)}}, {}};
  EXPECT_EQ(mark(graph, one).suspect(), 2u);
  EXPECT_EQ(mark_with_redundancy(graph, one, {}).suspect(), 2u);
  EXPECT_EQ(mark_with_redundancy(graph, one, {ClientId(1), ClientId(2)}).suspect(), 0u);
  EXPECT_EQ(mark_with_redundancy(graph, both, {ClientId(1), ClientId(2)}).suspect(), 2u);
}

TEST(GraphTrace, NobodyStandsInForItself) {
  // Client 1 is suspect once, by naming client 3, and good again; 4 names what was suspect.
  Builder builder(nullptr);
  ASSERT_TRUE(builder.add(ClientId(3), Seq(1), Formula{}).has_value());
  ASSERT_TRUE(builder.add(ClientId(1), Seq(2), *Formula::parse("1")).has_value());
  ASSERT_TRUE(builder.add(ClientId(1), Seq(3), Formula{}).has_value());
  ASSERT_TRUE(builder.add(ClientId(4), Seq(4), *Formula::parse("2")).has_value());
  ASSERT_TRUE(builder.add(ClientId(2), Seq(5), Formula{}).has_value());
  ASSERT_TRUE(builder.add(ClientId(4), Seq(6), *Formula::parse("2")).has_value());
  ASSERT_TRUE(builder.add(ClientId(4), Seq(7), Formula::everything()).has_value());
  const Bytes open = builder.open_block();
  const Graph graph = *Graph::of({*Block::parse(open)});
  const Findings third{{{ClientId(3), UpdateId(1)}}, {}};
  const Colours alone = mark_with_redundancy(graph, third, {ClientId(1)});
  EXPECT_EQ(alone.of(UpdateId(4)), Colour::Suspect);
  const Colours both = mark_with_redundancy(graph, third, {ClientId(1), ClientId(2)});
  EXPECT_EQ(both.of(UpdateId(4)), Colour::Suspect) << "client 2 had said nothing yet";
  EXPECT_EQ(both.of(UpdateId(6)), Colour::NotAffected);
  EXPECT_EQ(both.of(UpdateId(7)), Colour::Suspect) << "client 3 has nobody that stands in";
}

TEST(GraphTrace, WhoDependsOnEverythingIsSavedByRedundancyOnlyWhereAllIs) {
  std::vector<Bytes> bytes;
  Builder builder(nullptr);
  for (std::uint32_t client = 1; client <= 3; ++client)
    ASSERT_TRUE(builder.add(ClientId(client), Seq(client), Formula{}).has_value());
  ASSERT_TRUE(builder.add(ClientId(4), Seq(4), Formula::everything()).has_value());
  const Bytes open = builder.open_block();
  const Graph graph = *Graph::of({*Block::parse(open)});
  const Findings first{{{ClientId(1), UpdateId(1)}}, {}}, third{{{ClientId(3), UpdateId(1)}}, {}};
  const Redundant pair = {ClientId(1), ClientId(2)};
  EXPECT_EQ(mark_with_redundancy(graph, first, {}).suspect(), 1u);
  EXPECT_EQ(mark_with_redundancy(graph, first, pair).suspect(), 0u);
  EXPECT_EQ(mark_with_redundancy(graph, third, pair).suspect(), 1u);
}

TEST(GraphTrace, RedundancyOfNobodyIsPlainMarking) {
  const Built built = random_built(5, 5000, 2000);
  Findings findings{{{ClientId(3), UpdateId(50)}, {ClientId(9), UpdateId(1000)}}, {UpdateId(1200), UpdateId(1300)}};
  const Colours plain = mark(built.graph, findings), other = mark_with_redundancy(built.graph, findings, {});
  for (UpdateId id(1); id < built.graph.end(); ++id) ASSERT_EQ(plain.of(id), other.of(id)) << id.value;
}

}  // namespace
}  // namespace seneschal::accountability
