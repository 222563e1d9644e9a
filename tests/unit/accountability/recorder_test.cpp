// From executed updates to the graph: where dependencies come from, and the thread beside a replica.
#include "accountability/recorder.hpp"
#include "accountability/regenerate.hpp"
#include "accountability/trace.hpp"
#include "replication/kv.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;
namespace kv = replication::kv;
using replication::ExecutionObserver;
using replication::ObservedApplication;

Bytes put(std::string_view key, std::string_view value) {
  return kv::put(key, as_span(value));
}

/// Executes operations one by one, as a core would, and keeps what the ingest made of them.
class Bed : public ExecutionObserver {
 public:
  explicit Bed(Source source) : ingest(source, [this](const NewUpdate& u) { return take(u); }) {}
  void executed(const Executed& update) override {
    seqs.push_back(update.seq.value);
    ids.push_back(ingest.take(update));
  }
  void batch_done(Seq, const replication::Application&) override {}
  void replaced(const replication::Application&) override {}

  std::expected<UpdateId, Refusal> take(const NewUpdate& u) {
    Builder probe = builder;  // refused ones leave no trace
    auto id = probe.add(u.client, u.seq, u.formula);
    if (id) {
      builder = std::move(probe);
      formulas.push_back(u.formula.simplified(UpdateId(0)).text());
    }
    return id;
  }

  Builder builder{nullptr};
  Ingest ingest;
  std::vector<std::string> formulas;
  std::vector<std::uint64_t> seqs;
  std::vector<std::optional<UpdateId>> ids;
};

struct Executing {
  explicit Executing(Source source)
      : bed(std::make_shared<Bed>(source)), app(std::make_unique<kv::KvApplication>(), bed) {}
  void operator()(std::uint32_t client, Bytes operation) {
    app.apply(ClientId(client), operation);
    app.settle();
  }
  std::shared_ptr<Bed> bed;
  ObservedApplication app;
};

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
  run(3, declare(*Formula::parse("1 or 2"), {}, put("b", "from either")));
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

TEST(GraphIngest, WhatWasTakenBackIsNotInTheGraph) {
  Executing run(Source::Declared);
  run.app.apply(ClientId(1), put("a", "1"));
  run.app.apply(ClientId(2), put("a", "2"));
  run.app.undo();
  run.app.settle();
  EXPECT_EQ(run.bed->ids.size(), 1u);
}

class GraphRecorder : public testing::Test {
 protected:
  GraphRecorder() {
    std::string name = (fs::temp_directory_path() / "recorder-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    settings.folder = name + "/graph";
    parent_ = name;
  }
  ~GraphRecorder() override { fs::remove_all(parent_); }
  std::shared_ptr<Recorder> start() {
    auto recorder = Recorder::start(settings, {});
    EXPECT_TRUE(recorder.has_value()) << recorder.error().message;
    return recorder ? *recorder : nullptr;
  }
  Recorder::Settings settings;

 private:
  std::string parent_;
};

/// One malicious client among three.
void play(ObservedApplication& app, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    const std::string n = std::to_string(i);
    app.apply(ClientId(1), put("position/" + n, "north " + n));
    app.apply(ClientId(2), put("weather/" + n, "rain"));
    app.settle();
    app.apply(ClientId(3), kv::compare_and_set("position/" + n, to_bytes("north " + n), to_bytes("attack " + n)));
    app.settle();
  }
}

TEST_F(GraphRecorder, BuildsTheGraphOfWhatARunningApplicationExecutes) {
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  play(app, 2000);
  recorder->settle();
  const Recorder::Facts facts = recorder->facts();
  EXPECT_EQ(facts.updates, 6000u);
  EXPECT_EQ(facts.trouble, "");
  EXPECT_GT(facts.cpu_ns, 0u);
  const Store store = *Store::open(settings.folder);
  EXPECT_EQ(store.graph().size(), 6000u);
  EXPECT_EQ(store.digest(), facts.digest);
  EXPECT_EQ(store.graph().seq(UpdateId(6000)), Seq(4000));
  const Colours colours = mark(store.graph(), {{{ClientId(1), UpdateId(3001)}}, {}});
  EXPECT_EQ(colours.corrupt(), 1000u);
  EXPECT_EQ(colours.suspect(), 1000u);  // client 3's, which read what client 1 wrote; none of client 2's
  EXPECT_EQ(why(store.graph(), colours, UpdateId(6000)), (std::vector{UpdateId(5998), UpdateId(6000)}));

  // Regenerated: as if the corrupt updates, or those and the suspect ones, had never been.
  const auto state = [&](Keep keep) {
    return regenerate(store, colours, keep, std::make_unique<kv::KvApplication>());
  };
  const auto everything = state(Keep::Everything), clean = state(Keep::Clean), loose = state(Keep::CleanAndSuspect);
  ASSERT_TRUE(everything && clean && loose);
  EXPECT_EQ(everything->application->digest(), app.digest());
  EXPECT_EQ(clean->left_out, 2000u);
  EXPECT_EQ(loose->left_out, 1000u);
  ObservedApplication half(std::make_unique<kv::KvApplication>(), nullptr);
  play(half, 1000);
  for (int i = 1000; i < 2000; ++i) half.apply(ClientId(2), put("weather/" + std::to_string(i), "rain"));
  EXPECT_EQ(clean->application->digest(), half.digest());
  const auto differing = differences(*everything->application, *clean->application, 5000);
  EXPECT_EQ(differing.size(), 1000u);
  EXPECT_EQ(differing[0].key, "position/1000");
  EXPECT_FALSE(differing[0].after.has_value());
}

TEST_F(GraphRecorder, AReplicaThatExecutesItsLogAgainDoesNotAddItTwice) {
  Digest before;
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 500);
    recorder->settle();
    before = recorder->facts().digest;
  }
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  play(app, 500);
  recorder->settle();
  EXPECT_EQ(recorder->facts().digest, before);
  EXPECT_EQ(recorder->facts().trouble, "");
  play(app, 500);
  recorder->settle();
  EXPECT_EQ(recorder->facts().updates, 3000u);
}

TEST_F(GraphRecorder, AnotherHistoryThanTheGraphsIsNoticed) {
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 10);
  }
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  app.apply(ClientId(1), put("something", "else"));
  app.settle();
  recorder->settle();
  EXPECT_THAT(recorder->facts().trouble,
              testing::HasSubstr("update 1 of the graph is not the one that was executed"));
}

TEST_F(GraphRecorder, AFullQueueEndsTheGraphInsteadOfSlowingTheReplica) {
  settings.max_queued_bytes = 100;
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  app.apply(ClientId(1), put("a", std::string(200, 'x')));
  app.settle();
  recorder->settle();
  EXPECT_THAT(recorder->facts().trouble, testing::HasSubstr("could not keep up"));
  EXPECT_EQ(recorder->facts().updates, 0u);
}

TEST_F(GraphRecorder, AStateFromOtherServersEndsTheGraph) {
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  play(app, 3);
  const Bytes state = app.snapshot();
  ASSERT_TRUE(app.restore(state).has_value());
  play(app, 3);
  recorder->settle();
  EXPECT_THAT(recorder->facts().trouble, testing::HasSubstr("taken from other servers"));
}

}  // namespace
}  // namespace seneschal::accountability
