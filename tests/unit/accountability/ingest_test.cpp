// From executed updates to the graph: where dependencies come from. [Graph 3]
#include "executing.hpp"

#include "base/prng.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seneschal::accountability {
namespace {

TEST(GraphIngest, FlowMakesAnUpdateDependOnTheWritersOfWhatItRead) {
  Executing run(Source::Flow);
  run(1, put("a", "1"));
  run(2, put("b", "1"));
  run(3, kv::compare_and_set("a", to_bytes("1"), to_bytes("2")));
  run(4, kv::scan("a", std::nullopt));
  run(5, put("c", "1"));  // a blind write reads nothing
  EXPECT_EQ(run.bed->formulas, (std::vector<std::string>{"", "", "1", "2 and 3", ""}));
  EXPECT_EQ(run.bed->seqs, (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
}

TEST(GraphIngest, WhoReadsANameThatThereWasNoRoomForDependsOnAllThatWroteSuchOnes) {
  std::vector<std::string> formulas;
  Builder builder(nullptr);
  const auto sink = [&](const NewUpdate& u) {
    formulas.push_back(u.formula.text());
    return builder.add(u.client, u.seq, u.formula);
  };
  Ingest ingest(Source::Flow, sink, 1);
  kv::KvApplication app;
  const auto execute = [&](std::uint32_t client, const Bytes& operation) {
    app.apply(ClientId(client), operation);
    const auto footprint = app.footprint(operation);
    ExecutionObserver::Executed executed{Seq(1), ClientId(client), operation, {}, operation, {}, &footprint};
    ingest.take(executed);
  };
  execute(1, put("a", "1"));
  execute(2, put("b", "1"));
  execute(3, put("c", "1"));
  execute(4, kv::get("b"));
  execute(5, kv::get("a"));
  EXPECT_EQ(formulas, (std::vector<std::string>{"", "", "", "2 and 3", "1"}))
      << "none of them vouches for another: clearing 3 says nothing of 2";
  for (std::size_t i = 0; i < kMaxLeaves - 2; ++i) execute(6, put("c", std::to_string(i)));
  execute(7, kv::get("b"));
  EXPECT_EQ(Formula::parse(formulas.back())->leaves().size(), kMaxLeaves);
  execute(8, put("d", "1"));
  execute(9, kv::get("b"));
  EXPECT_EQ(formulas.back(), "everything");
}

// An operation that changed nothing depends on what it read, and hides nobody who wrote before it.
TEST(GraphIngest, WhatChangedNothingIsNobodysLastWriter) {
  struct Case {
    const char* what;
    Bytes operation;
    const char* own;  // what it depends on itself
  };
  const std::vector<Case> cases = {
      {"a swap that did not match", kv::compare_and_set("k", to_bytes("other"), to_bytes("x")), "1"},
      {"a swap to what was there", kv::compare_and_set("k", to_bytes("lie"), to_bytes("lie")), "1"},
      {"a swap of nothing", kv::compare_and_set("k", std::nullopt, to_bytes("x")), "1"},
      {"a put of what was there", put("k", "lie"), ""},
      {"a read", kv::get("k"), "1"},
      {"not an operation", to_bytes("nonsense"), ""},
      {"a put that there is no room for", put("k", std::string(200, 'x')), "1"},
      {"a swap that there is no room for", kv::compare_and_set("k", to_bytes("lie"), Bytes(200, 'x')), "1"},
  };
  for (const Case& one : cases) {
    auto bed = std::make_shared<Bed>(Source::Flow);
    ObservedApplication app(std::make_unique<kv::KvApplication>(kv::Limits{.max_entries = 4, .max_bytes = 100}), bed);
    for (const auto& [client, operation] :
         std::vector<std::pair<std::uint32_t, Bytes>>{{1, put("k", "lie")}, {2, one.operation}, {3, kv::get("k")}}) {
      app.apply(ClientId(client), operation);
      app.settle();
    }
    EXPECT_EQ(bed->formulas, (std::vector<std::string>{"", one.own, "1"})) << one.what;
    // An operator looked at 2: it is good. What 3 read is the lie all the same.
    const Bytes bytes = bed->builder.open_block();
    const Graph graph = *Graph::of({*Block::parse(bytes)});
    EXPECT_EQ(mark(graph, {{{ClientId(1), UpdateId(1)}}, {UpdateId(2)}}).of(UpdateId(3)), Colour::Suspect)
        << one.what;
  }
  // The same where nothing is there.
  Executing gone(Source::Flow);
  gone(1, put("k", "true"));
  gone(2, kv::remove("k"));
  gone(3, kv::remove("k"));
  gone(4, kv::compare_and_set("k", std::nullopt, std::nullopt));
  gone(5, kv::get("k"));
  EXPECT_EQ(gone.bed->formulas, (std::vector<std::string>{"", "", "", "2", "2"}));
}

TEST(GraphIngest, WhatChangedSomethingHidesWhoWroteBefore) {
  Executing run(Source::Flow);
  run(1, put("k", "lie"));
  run(2, kv::compare_and_set("k", to_bytes("lie"), to_bytes("truth")));
  run(3, kv::get("k"));
  run(4, put("k", "other"));
  run(5, kv::get("k"));
  EXPECT_EQ(run.bed->formulas, (std::vector<std::string>{"", "1", "2", "", "4"}));
}

TEST(GraphIngest, TheWriterOfEachOfManyNamesIsFound) {
  std::optional<NewUpdate> last;
  Builder builder(nullptr);
  Ingest ingest(Source::Flow, [&](const NewUpdate& u) {
    last = u;
    return builder.add(u.client, u.seq, u.formula);
  });
  Prng random(3);
  std::map<std::uint64_t, UpdateId> writer;
  for (std::uint64_t n = 1; n <= 120'000; ++n) {
    // Most of them few names, so that many are found where they were looked up last; others push those out.
    const std::uint64_t name = random.below(random.chance(2, 3) ? 500 : 50'000);
    const bool writes = n < 60'000 || random.chance(1, 3);
    replication::Footprint print;
    (writes ? print.writes : print.reads).push_back(to_bytes("name " + std::to_string(name)));
    ExecutionObserver::Executed executed{Seq(n), ClientId(1), {}, {}, {}, {}, &print};
    ASSERT_EQ(ingest.take(executed), UpdateId(n));
    if (writes)
      writer[name] = UpdateId(n);
    else
      ASSERT_EQ(last->formula.text(), writer.contains(name) ? std::to_string(writer[name].value) : "") << n;
  }
}

TEST(GraphIngest, AScanReadsAsFarAsItWentAlsoWhatIsGone) {
  Executing run(Source::Flow);
  run(1, put("a", "1"));
  run(2, put("b", "1"));
  run(3, kv::remove("b"));
  run(4, put("c", "1"));
  run(5, put("d", "1"));
  run(6, kv::scan("a", std::nullopt, 2));  // a and c
  EXPECT_EQ(run.bed->formulas.back(), "1 and 3 and 4 and 5") << "and that there are more";
  run(7, put("e", "1"));
  run(8, kv::scan("a", std::nullopt, 2));
  EXPECT_EQ(run.bed->formulas.back(), "1 and 3 and 4 and 5") << "what is behind that makes no difference";
}

/// Footprints as they come, without an application.
struct Footprints {
  Footprints()
      : ingest(Source::Flow, [this](const NewUpdate& u) {
          formulas.push_back(u.formula);
          return builder.add(u.client, u.seq, u.formula);
        }) {}
  void write(const std::vector<Bytes>& names) {
    replication::Footprint footprint;
    footprint.writes = names;
    take(footprint, {});
  }
  void read_all(const Bytes& dependencies = {}) {
    replication::Footprint footprint;
    footprint.ranges.push_back({to_bytes(""), std::nullopt});
    take(footprint, dependencies);
  }
  void take(const replication::Footprint& footprint, const Bytes& dependencies) {
    const Bytes operation = to_bytes("operation");
    ingest.take({Seq(1), ClientId(1), operation, dependencies, operation, {}, &footprint});
  }
  Builder builder{nullptr};
  std::vector<Formula> formulas;
  Ingest ingest;
};

TEST(GraphIngest, WhoReadsMoreThanAFormulaNamesDependsOnEverything) {
  Footprints run;
  for (std::size_t i = 0; i < kMaxLeaves; ++i) run.write({to_bytes("key " + std::to_string(i))});
  run.read_all();
  EXPECT_EQ(run.formulas.back().leaves().size(), kMaxLeaves);
  run.write({to_bytes("one more")});
  run.read_all();
  EXPECT_TRUE(run.formulas.back().is_everything());
  Declaration declaration;
  declaration.formula.items = Formula::parse("3")->tokens();
  run.read_all(encode(declaration));
  EXPECT_TRUE(run.formulas.back().is_everything());
  EXPECT_EQ(run.ingest.refused(), 0u) << "nobody lied";
}

TEST(GraphIngest, WhoReadsMoreNamesThanAreLookedUpDependsOnEverything) {
  Footprints run;
  std::vector<Bytes> names;
  for (std::size_t i = 0; i < Ingest::kMostVisited; ++i) names.push_back(to_bytes("key " + std::to_string(i)));
  run.write(names);
  run.read_all();
  EXPECT_EQ(run.formulas.back().text(), "1");
  run.write({to_bytes("one more")});
  run.read_all();
  EXPECT_TRUE(run.formulas.back().is_everything());
}

TEST(GraphIngest, ConservativeAddsTheClientsUpdateBeforeAndSoAllThatItSaw) {
  Executing run(Source::Conservative);
  run(1, put("a", "1"));
  run(2, kv::get("a"));
  run(2, put("b", "1"));
  EXPECT_EQ(run.bed->formulas, (std::vector<std::string>{"", "1", "2"}));
}

TEST(GraphIngest, ADeclaredFormulaIsTakenAndTheOperationIsUnwrapped) {
  Executing run(Source::Declared);
  run(1, put("a", "1"));
  run(2, put("a", "2"));
  const Bytes result = run.app.apply(ClientId(3), declare(*Formula::parse("1 or 2"), {}, put("b", "from either")));
  run.app.settle();
  const auto numbered = decode<replication::Numbered>(result);
  ASSERT_TRUE(numbered);
  EXPECT_EQ(numbered->update, 3u) << "how the client learns the name of its update";
  EXPECT_EQ(run.bed->formulas.back(), "1 or 2");
  const auto found = kv::parse_result(run.app.query(kv::get("b")));
  ASSERT_TRUE(found && std::holds_alternative<kv::Found>(*found));
  EXPECT_TRUE(std::get<kv::Found>(*found).value.has_value());
}

TEST(GraphIngest, ARefusedDeclarationFallsBackToTheConservativeSource) {
  Executing run(Source::Declared);
  run(1, put("a", "1"));
  run(1, put("a", "2"));
  run(1, declare(*Formula::parse("99"), {}, put("a", "3")));  // the future
  EXPECT_EQ(run.bed->formulas.back(), "2");
  EXPECT_EQ(run.bed->ingest.refused(Refusal::RefersToFuture), 1u);
  run(2, replication::with_dependencies(to_bytes("not a declaration"), put("a", "4")));
  EXPECT_EQ(run.bed->ingest.refused(Refusal::Malformed), 1u);
  EXPECT_EQ(run.bed->formulas.size(), 4u);
}

// Servers that build no graph, and those that began later, must give the same reply.
TEST(GraphIngest, TheReplySaysWhyDependenciesAreNotTaken) {
  for (const bool builds : {true, false}) {
    auto bed = std::make_shared<Bed>(Source::Flow);
    ObservedApplication app(std::make_unique<kv::KvApplication>(), builds ? bed : nullptr, judge);
    app.apply(ClientId(1), put("a", "1"));
    const auto reply = [&](const Bytes& operation) {
      const auto numbered = decode<replication::Numbered>(app.apply(ClientId(2), operation));
      EXPECT_TRUE(numbered.has_value());
      EXPECT_TRUE(kv::parse_result(numbered->result.value).has_value()) << "it was executed all the same";
      app.settle();
      return judged(numbered->refused);
    };
    EXPECT_EQ(reply(declare(*Formula::parse("1"), {}, put("b", "1"))), std::nullopt);  // 2
    EXPECT_EQ(reply(declare({}, {}, put("b", "1"))), std::nullopt);                    // 3
    EXPECT_EQ(reply(declare(*Formula::parse("1 or 99"), {}, put("b", "1"))), Refusal::RefersToFuture);
    EXPECT_EQ(reply(declare(*Formula::parse("5"), {}, put("b", "1"))), Refusal::RefersToItself);
    EXPECT_EQ(reply(declare(*Formula::parse("0"), {}, put("b", "1"))), Refusal::NoSuchUpdate);
    EXPECT_EQ(reply(declare(*Formula::parse("1"), {Digest{}, Digest{}}, put("b", "1"))), Refusal::DigestMissing);
    EXPECT_EQ(reply(replication::with_dependencies(to_bytes("nonsense"), put("b", "1"))), Refusal::Malformed);
    EXPECT_EQ(bed->ingest.refused(), builds ? 4u : 0u) << "what the reply says is what the graph does";
  }
  EXPECT_EQ(judged(255), std::nullopt) << "a reply from elsewhere";
}

TEST(GraphIngest, WhatWasTakenBackIsNotInTheGraph) {
  Executing run(Source::Declared);
  run.app.apply(ClientId(1), put("a", "1"));
  run.app.apply(ClientId(2), put("a", "2"));
  run.app.undo();
  run.app.settle();
  EXPECT_EQ(run.bed->ids.size(), 1u);
}

}  // namespace
}  // namespace seneschal::accountability
