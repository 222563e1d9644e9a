// The marking pass against the report's algorithm, on random graphs.
#include "base/prng.hpp"
#include "tests/property/accountability/oracle.hpp"

#include <gtest/gtest.h>

namespace seneschal::accountability {
namespace {

// All of this runs in one thread. ThreadSanitizer, under which the tests of folders with threads run as well, has
// nothing to find here but makes it ten times slower: a share of the graphs is enough to show that it compiles and
// runs there.
#if defined(__SANITIZE_THREAD__)
constexpr std::uint64_t kShare = 20;
#else
constexpr std::uint64_t kShare = 1;
#endif

/// Random formula over ids in [lowest, below), and in one of `everything` leaves everything before (0: never).
Formula random_formula(Prng& random, std::uint64_t lowest, std::uint64_t below, int depth,
                       std::uint64_t everything = 0) {
  std::vector<Token> tokens;
  const std::function<void(int)> grow = [&](int levels) {
    if (levels == 0 || random.chance(1, 2)) {
      if (everything != 0 && random.chance(1, everything)) return tokens.push_back({Token::Kind::Everything, 0});
      tokens.push_back({Token::Kind::Leaf, random.between(lowest, below - 1)});
      return;
    }
    const std::uint64_t operands = random.between(2, 3);
    for (std::uint64_t i = 0; i < operands; ++i) grow(levels - 1);
    tokens.push_back({random.chance(1, 2) ? Token::Kind::And : Token::Kind::Or, operands});
  };
  grow(depth);
  return *Formula::from_tokens(tokens);
}

constexpr std::array<std::uint64_t, 4> kShapes = {0, 1, 2, 4};

struct World {
  oracle::ADag oracle;
  std::vector<Bytes> blocks;
  Bytes open;
  Graph graph;
};

/// `shape`: 0 conjunctions of equal size, 1 of any size, 2 formulas, 3 conjunctions of equal size and a rare OR, 4
/// formulas of which some depend on everything.
World random_world(Prng& random, std::uint64_t shape, std::uint64_t updates, std::uint64_t window,
                   std::uint64_t base) {
  World world;
  Builder builder([&](UpdateId, std::uint32_t, Bytes block) { world.blocks.push_back(std::move(block)); },
                  UpdateId(base));
  static constexpr std::array<std::uint32_t, 4> kStep = {1, 1, 300, 70000};
  const std::uint32_t stretch = kStep[random.below(4)];
  const std::uint64_t clients = random.between(1, 8), degree = random.below(10);
  for (std::uint64_t id = 1; id <= updates; ++id) {
    const auto client = static_cast<std::uint32_t>(1 + random.below(clients)) * stretch;
    const std::uint64_t lowest = id > window ? id - window : 1;
    Formula formula;
    if (id > 1 && (shape == 2 || shape == 4) && random.chance(3, 4)) {
      formula = random_formula(random, lowest, id, 3, shape == 4 ? 2 + updates / 3 : 0);
    } else if (id > 1 && shape == 3) {
      const std::array<UpdateId, 3> names = {UpdateId(random.between(lowest, id - 1)),
                                             UpdateId(random.between(lowest, id - 1)),
                                             UpdateId(random.between(lowest, id - 1))};
      formula = random.chance(1, 700) ? Formula::any(names) : Formula::all(names);
    } else if (id > 1) {
      std::vector<UpdateId> names;
      const std::uint64_t count = shape == 0 ? degree : random.below(degree + 1);
      for (std::uint64_t i = 0; i < count; ++i) names.emplace_back(random.between(lowest, id - 1));
      formula = Formula::all(names);
    } else if (shape == 0) {
      formula = {};
    }
    EXPECT_EQ(world.oracle.SubmitUpdate(client), id);
    world.oracle.AddDependencies(id, formula);
    EXPECT_TRUE(builder.add(ClientId(client), Seq(id / 3), formula).has_value());
  }
  world.open = builder.open_block();
  std::vector<Block> blocks;
  for (const Bytes& bytes : world.blocks) blocks.push_back(*Block::parse(bytes));
  if (!world.open.empty()) blocks.push_back(*Block::parse(world.open));
  world.graph = *Graph::of(std::move(blocks), UpdateId(base));
  return world;
}

Findings random_findings(Prng& random, World& world) {
  Findings findings;
  const std::uint64_t n = world.oracle.next_id;
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    const std::uint64_t id = random.between(world.graph.base().value, n);
    findings.marks.insert({ClientId(world.oracle.nodes[id].client_id), UpdateId(id)});
  }
  for (std::uint64_t i = random.below(6); i > 0; --i) findings.cleared.insert(UpdateId(1 + random.below(n)));
  return findings;
}

void expect_equal(World& world, const Findings& findings, const std::string& what) {
  const Colours colours = mark(world.graph, findings);
  world.oracle.GetSuspectedUpdates(findings);
  std::uint64_t corrupt = 0, suspect = 0;
  for (UpdateId id = world.graph.base(); id < world.graph.end(); ++id) {
    const auto expected = world.oracle.classification(id.value);
    corrupt += expected == oracle::CORRUPT ? 1 : 0;
    suspect += expected == oracle::SUSPECT ? 1 : 0;
    const Colour colour = expected == oracle::CORRUPT   ? Colour::Corrupt
                          : expected == oracle::SUSPECT ? Colour::Suspect
                                                        : Colour::NotAffected;
    ASSERT_EQ(to_string(colours.of(id)), to_string(colour)) << what << ", update " << id.value;
  }
  EXPECT_EQ(colours.corrupt(), corrupt) << what;
  EXPECT_EQ(colours.suspect(), suspect) << what;
}

TEST(MarkingProperty, SameColoursAsAlgorithm1OnSmallGraphs) {
  for (std::uint64_t seed = 1; seed <= 4000 / kShare; ++seed) {
    Prng random(seed);
    World world = random_world(random, kShapes[seed % 4], random.between(1, 120), random.between(1, 60), 1);
    Findings findings;
    for (int round = 0; round < 4; ++round) {  // marks and clears come and go
      expect_equal(world, findings, "seed " + std::to_string(seed) + " round " + std::to_string(round));
      if (HasFatalFailure()) return;
      findings = random_findings(random, world);
    }
  }
}

TEST(MarkingProperty, SameColoursAsAlgorithm1OverSeveralBlocks) {
  for (std::uint64_t seed = 1; seed <= (24 + kShare - 1) / kShare; ++seed) {
    Prng random(seed + 100000);
    static constexpr std::array<std::uint64_t, 4> kWindows = {20, 300, 5000, 100000};
    World world = random_world(random, kShapes[seed / 4 % 4], random.between(4000, 13000), kWindows[seed % 4], 1);
    for (int round = 0; round < 3; ++round) {
      expect_equal(world, random_findings(random, world), "seed " + std::to_string(seed));
      if (HasFatalFailure()) return;
    }
  }
}

/// Long stretches in which everything within reach is bad, with gaps where an OR holds or an operator cleared
/// something.
TEST(MarkingProperty, SameColoursWhereNearlyEverythingIsBad) {
  for (std::uint64_t seed = 1; seed <= 40 / kShare; ++seed) {
    Prng random(seed + 400000);
    World world = random_world(random, seed % 2 == 0 ? 3 : 0, 3 * kBlockUpdates + random.below(500), 4 + seed % 7, 1);
    Findings findings;
    findings.marks.insert({ClientId(world.oracle.nodes[5].client_id), UpdateId(5)});
    expect_equal(world, findings, "seed " + std::to_string(seed));
    for (int i = 0; i < 30; ++i) findings.cleared.insert(UpdateId(1 + random.below(world.oracle.next_id)));
    expect_equal(world, findings, "seed " + std::to_string(seed) + " with clears");
    if (HasFatalFailure()) return;
  }
}

TEST(MarkingProperty, UpdatesBeforeTheOldestSnapshotCountAsGoodUnlessAMarkGoesBackToThem) {
  std::uint64_t hidden = 0;
  for (std::uint64_t seed = 1; seed <= 500 / kShare; ++seed) {
    Prng random(seed + 200000);
    const std::uint64_t updates = random.between(50, 200), base = random.between(2, 49);
    World world = random_world(random, kShapes[seed % 4], updates, 60, base);
    Findings findings = random_findings(random, world);
    expect_equal(world, findings, "seed " + std::to_string(seed));
    // A client that is malicious since before the graph begins: a certain answer is one of the whole graph.
    const ClientId early(world.oracle.nodes[base].client_id);
    findings.marks.insert({early, UpdateId(1 + random.below(base - 1)), {}});
    const Colours colours = mark(world.graph, findings);
    world.oracle.GetSuspectedUpdates(findings);
    EXPECT_EQ(colours.unknown_before(), world.graph.base());
    for (UpdateId id = world.graph.base(); id < world.graph.end(); ++id) {
      const auto truth = world.oracle.classification(id.value);
      const Colour colour = colours.of(id);
      ASSERT_NE(colour, Colour::NotAffected) << "seed " << seed << ", update " << id.value;
      ASSERT_EQ(colour == Colour::Corrupt, truth == oracle::CORRUPT) << "seed " << seed << ", update " << id.value;
      ASSERT_TRUE(colour != Colour::Suspect || truth == oracle::SUSPECT)
          << "seed " << seed << ", update " << id.value;
      hidden += colour == Colour::Unknown && truth == oracle::SUSPECT ? 1 : 0;
    }
  }
  EXPECT_GT(hidden, 0u) << "suspect by what left the graph: to call that clean would be false";
}

TEST(MarkingProperty, StoredFormulasReadBackInShortestForm) {
  for (std::uint64_t seed = 1; seed <= 300 / kShare; ++seed) {
    Prng random(seed + 300000);
    std::vector<Formula> given(1);
    Bytes bytes;
    Builder builder({});
    for (std::uint64_t id = 1; id <= 60; ++id) {
      given.push_back(id == 1 ? Formula{} : random_formula(random, 1, id, 3, 5));
      ASSERT_TRUE(builder.add(ClientId(3), Seq(id), given.back()).has_value());
    }
    bytes = builder.open_block();
    const Graph graph = *Graph::of({*Block::parse(bytes)});
    std::uint64_t seen = 0;
    graph.each(UpdateId(1), [&](UpdateId id, ClientId client, const Formula& formula) {
      EXPECT_EQ(client, ClientId(3));
      EXPECT_EQ(graph.seq(id), Seq(id.value));
      EXPECT_EQ(formula, given[id.value].simplified(UpdateId(1)));
      EXPECT_EQ(formula, graph.formula(id));
      EXPECT_EQ(Formula::parse(formula.text()), formula) << formula.text();
      for (int round = 0; round < 20; ++round) {  // the short form means the same
        std::uint64_t bad = random.next();
        for (std::uint64_t thin = random.below(4); thin > 0; --thin) bad &= random.next();
        const auto touched = [bad](UpdateId leaf) { return (bad >> leaf.value & 1) != 0; };
        const bool any_before = (bad & ((std::uint64_t{1} << id.value) - 2)) != 0;
        EXPECT_EQ(formula.fails(touched, any_before), given[id.value].fails(touched, any_before));
      }
      ++seen;
      return true;
    });
    EXPECT_EQ(seen, 60u);
  }
}

}  // namespace
}  // namespace seneschal::accountability
