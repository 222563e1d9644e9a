// What the flow of the `kv` application says of who depends on whom, against what dependence means: leave out one
// update and all that depend on it, and every other one does exactly what it did. And an operator who clears an
// update that changed nothing clears nothing else.
#include "accountability/ingest.hpp"
#include "accountability/trace.hpp"
#include "base/prng.hpp"
#include "replication/kv.hpp"

#include <gtest/gtest.h>

namespace seneschal::accountability {
namespace {

namespace kv = replication::kv;

Bytes any_operation(Prng& random) {
  const std::string key = "k" + std::to_string(random.below(4));
  const auto value = [&] { return to_bytes("v" + std::to_string(random.below(3))); };
  switch (random.below(6)) {
    case 0: return kv::put(key, value());
    case 1: return kv::remove(key);
    case 2: return kv::get(key);
    case 3: return kv::scan(key, std::nullopt, static_cast<std::uint32_t>(random.between(1, 3)));
    default: break;
  }
  const auto expected = random.chance(1, 4) ? std::nullopt : std::optional(value());
  return kv::compare_and_set(key, expected, random.chance(1, 4) ? std::nullopt : std::optional(value()));
}

/// What an operation did, without whether a blind write found something.
Bytes effect_of(const Bytes& result) {
  auto outcome = kv::parse_result(result);
  EXPECT_TRUE(outcome.has_value());
  if (auto* written = std::get_if<kv::Written>(&*outcome)) written->existed = false;
  return encode(*outcome);
}

struct Lived {
  std::vector<Bytes> operations, effects, bytes;
  std::vector<bool> changed;
  std::optional<Graph> graph;
};

Lived live(Prng& random, std::size_t length) {
  Lived lived;
  Builder builder(nullptr);
  Ingest ingest(Source::Flow, [&](const NewUpdate& u) { return builder.add(u.client, u.seq, u.formula); });
  kv::KvApplication app;
  while (lived.operations.size() < length) {
    const Bytes operation = any_operation(random);
    const Digest before = app.digest();
    lived.effects.push_back(effect_of(app.apply(ClientId(1), operation)));
    lived.changed.push_back(app.digest() != before);
    const auto footprint = app.footprint(operation);
    EXPECT_EQ(footprint.writes.empty(), !lived.changed.back()) << kv::print_operation(operation);
    ingest.take({Seq(1),
                 ClientId(static_cast<std::uint32_t>(lived.operations.size() + 1)),
                 operation,
                 {},
                 operation,
                 {},
                 &footprint});
    app.settle();
    lived.operations.push_back(operation);
  }
  lived.bytes.push_back(builder.open_block());
  lived.graph = *Graph::of({*Block::parse(lived.bytes[0])});
  return lived;
}

TEST(KvFlow, WithoutAnUpdateAndAllThatDependOnItTheOthersDoWhatTheyDid) {
  std::uint64_t kept = 0, left_out = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Prng random(seed);
    const Lived lived = live(random, 40);
    ReverseIndex index(*lived.graph);
    for (int round = 0; round < 6; ++round) {
      const UpdateId out(1 + random.below(lived.operations.size()));
      const auto reached = blast(*lived.graph, index, out, 1000);
      std::set<UpdateId> gone(reached.begin(), reached.end());
      gone.insert(out);
      left_out += gone.size();
      kv::KvApplication app;
      for (UpdateId id(1); id < lived.graph->end(); ++id) {
        if (gone.contains(id)) continue;
        ASSERT_EQ(effect_of(app.apply(ClientId(1), lived.operations[id.value - 1])), lived.effects[id.value - 1])
            << "seed " << seed << ": update " << id.value << " is said not to depend on " << out.value;
        app.settle();
        ++kept;
      }
    }
  }
  EXPECT_GT(kept, left_out) << "dependence on everything would be right, and of no use";
}

// Who read what a liar wrote stays suspect, whatever updates that changed nothing an operator clears.
TEST(KvFlow, ClearingWhatChangedNothingSavesNobodyElse) {
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    Prng random(seed);
    const Lived lived = live(random, 40);
    for (UpdateId liar(1); liar < lived.graph->end(); liar = liar.next()) {
      Findings findings{{{ClientId(static_cast<std::uint32_t>(liar.value)), liar, {}}}, {}};
      const Colours before = mark(*lived.graph, findings);
      for (UpdateId id(1); id < lived.graph->end(); ++id)
        if (before.of(id) == Colour::Suspect && !lived.changed[id.value - 1]) findings.cleared.insert(id);
      const Colours after = mark(*lived.graph, findings);
      for (UpdateId id(1); id < lived.graph->end(); ++id)
        ASSERT_TRUE(after.touched(id) == before.touched(id) || findings.cleared.contains(id))
            << "seed " << seed << ": liar " << liar.value << ", update " << id.value;
    }
  }
}

}  // namespace
}  // namespace seneschal::accountability
