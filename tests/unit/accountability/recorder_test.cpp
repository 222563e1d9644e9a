// The thread beside a replica that builds the graph, and its files.
#include "executing.hpp"

#include "accountability/agreement.hpp"
#include "accountability/regenerate.hpp"
#include "accountability/trace.hpp"
#include "base/prng.hpp"
#include "crypto/digest.hpp"
#include "replication/sql/sql.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

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
  EXPECT_EQ(differing[0].part, "position/1000");
  EXPECT_FALSE(differing[0].after.has_value());
}

/// All operations of a graph, with `forge` applied to one update's bytes; checksums good, the chain mended or not.
void exchange_operation(const std::string& folder, std::uint64_t update, bool mend_chain) {
  std::map<std::uint64_t, fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder))
    if (const std::string name = entry.path().filename().string(); name.starts_with("payloads-"))
      files.emplace(std::stoull(name.substr(9)), entry.path());
  Digest chain;
  for (const auto& [first, path] : files) {
    std::ifstream in(path, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    Bytes forged;
    for (const Frame& frame : scan_frames(as_span(text)).frames) {
      Bytes content = to_bytes(frame.content);
      if (mend_chain) std::ranges::copy(chain.bytes, content.begin());
      if (frame.kind == FrameKind::Payloads && update >= frame.first.value && update < frame.end_id().value) {
        const auto at = std::ranges::search(content, as_span("rain"));
        ASSERT_FALSE(at.empty());
        std::ranges::copy(as_span("snow"), at.begin());
      }
      chain = crypto::sha256(content);
      append(forged, make_frame(frame.kind, frame.first, frame.count, content));
    }
    std::ofstream(path, std::ios::binary) << as_text(forged);
  }
}

TEST_F(GraphRecorder, TheSignedHeadCoversOperationsAndStates) {
  settings.epoch_updates = 1000;
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 500);
    recorder->settle();
    play(app, 500);
    recorder->settle();
    play(app, 333);
  }
  const std::string kept = settings.folder + ".kept";
  fs::copy(settings.folder, kept, fs::copy_options::recursive);
  const auto made_from = [&](std::uint64_t first_bad) {
    const Store store = *Store::open(settings.folder);
    const Colours colours = mark(store.graph(), {{{ClientId(1), UpdateId(first_bad)}}, {}});
    return regenerate(store, colours, Keep::Clean, std::make_unique<kv::KvApplication>());
  };
  const auto mended = [&] {
    fs::remove_all(settings.folder);
    fs::copy(kept, settings.folder, fs::copy_options::recursive);
  };
  const auto refused = [&](std::uint64_t first_bad) {
    const auto made = made_from(first_bad);
    EXPECT_FALSE(Recorder::start(settings, {}).has_value()) << "and nobody goes on from there";
    return made ? "no error" : made.error().message;
  };
  ASSERT_TRUE(made_from(100)) << made_from(100).error().message;
  ASSERT_EQ(made_from(3500)->from, UpdateId(3001)) << "from the snapshot before";
  EXPECT_EQ(Store::open(settings.folder)->payload_doubt(), std::nullopt);

  for (const std::uint64_t update : {2u, 1501u, 3999u}) {
    exchange_operation(settings.folder, update, false);
    EXPECT_THAT(refused(100), testing::HasSubstr("operations")) << update;
    mended();
    exchange_operation(settings.folder, update, true);
    EXPECT_THAT(refused(3500), testing::HasSubstr("are not those that were signed")) << update;
    mended();
  }
  // A state that was never there, as good as any otherwise.
  const std::string path = settings.folder + "/snapshot-3000.snap";
  kv::KvApplication other;
  (void)other.apply(ClientId(1), put("position/1", "elsewhere"));
  other.settle();
  Snapshot forged{UpdateId(3000), Seq(2000), other.digest(), {}};
  const auto frozen = other.freeze();
  for (std::size_t i = 0; i < frozen->chunks(); ++i) forged.chunks.items.push_back({*frozen->chunk(i)});
  ASSERT_TRUE(replace_file(path, make_frame(FrameKind::Snapshot, forged.last, 1, encode(forged))).has_value());
  const auto made = made_from(3500);
  ASSERT_TRUE(made.has_value()) << made.error().message;
  EXPECT_EQ(made->from, UpdateId(2001)) << "from the one before that";
  ASSERT_EQ(made->passed_over.size(), 1u);
  EXPECT_THAT(made->passed_over[0], testing::HasSubstr("it is not the state that was signed"));
  mended();
  const Digest right = (*made_from(3500)).application->digest();
  EXPECT_EQ(made->application->digest(), right);
  // Damaged ones, however: the next older one is used, and at last none.
  std::vector<UpdateId> snapshots{UpdateId(0)};
  const Store whole = *Store::open(settings.folder);
  for (const UpdateId last : whole.snapshots())
    if (last < UpdateId(3500)) snapshots.push_back(last);
  ASSERT_EQ(snapshots.size(), 4u);
  for (std::size_t i = 3; i > 0; --i) {
    const std::string damaged = settings.folder + "/snapshot-" + std::to_string(snapshots[i].value) + ".snap";
    fs::resize_file(damaged, i == 2 ? 0 : fs::file_size(damaged) - 3);
    const auto older = made_from(3500);
    ASSERT_TRUE(older.has_value()) << older.error().message;
    EXPECT_EQ(older->from, snapshots[i - 1].next());
    EXPECT_EQ(older->application->digest(), right) << "the same state, from farther away";
    EXPECT_EQ(older->passed_over.size(), 4 - i);
  }
  mended();
  // Blocks that are gone: no state of what is left.
  fs::resize_file(settings.folder + "/open.log", 100);
  EXPECT_THAT(refused(100), testing::HasSubstr("the files reach"));
  mended();
  fs::remove(settings.folder + "/payloads-3001.seg");
  EXPECT_THAT(refused(100), testing::HasSubstr("are not all there"));
  mended();
  EXPECT_TRUE(Recorder::start(settings, {}).has_value());
}

TEST(GraphDifferences, AreFoundRowByRowInSqlToo) {
  namespace sql = replication::sql;
  sql::SqlApplication before, after;
  const auto both = [&](std::string_view statement) {
    (void)before.apply(ClientId(1), as_span(statement));
    (void)after.apply(ClientId(1), as_span(statement));
  };
  both("CREATE TABLE unit(id INTEGER PRIMARY KEY, place TEXT)");
  for (int i = 1; i <= 3000; ++i) both("INSERT INTO unit VALUES(" + std::to_string(i) + ", 'camp')");
  (void)before.apply(ClientId(2), as_span("UPDATE unit SET place = 'north road' WHERE id = 2900"));
  (void)before.apply(ClientId(2), as_span("INSERT INTO unit VALUES(5000, 'bridge')"));
  (void)before.apply(ClientId(2), as_span("DELETE FROM unit WHERE id = 7"));
  const auto found = differences(before, after, 100);
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].part, "unit, row 7");
  EXPECT_FALSE(found[0].before.has_value());
  EXPECT_EQ(found[1].part, "unit, row 2900");
  EXPECT_EQ(found[1].before->text, "2900 | north road");
  EXPECT_EQ(found[1].after->text, "2900 | camp");
  EXPECT_EQ(found[2].before->text, "5000 | bridge");
  EXPECT_FALSE(found[2].after.has_value());
  EXPECT_EQ(differences(before, after, 2).size(), 2u);
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

TEST_F(GraphRecorder, AGraphThatEndedBeginsAnewAtTheNextSnapshot) {
  settings.max_queued_bytes = 10'000;
  settings.epoch_updates = 100;
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  const auto write = [&](std::size_t size) {
    app.apply(ClientId(1), put("a", std::string(size, 'x')));
    app.settle();
  };
  for (int i = 0; i < 10; ++i) write(10);
  recorder->settle();
  write(20'000);
  recorder->settle();
  EXPECT_THAT(recorder->facts().trouble, testing::HasSubstr("could not keep up"));
  for (int i = 0; i < 150; ++i) {
    write(10);
    recorder->settle();
  }
  const Recorder::Facts facts = recorder->facts();
  EXPECT_EQ(facts.trouble, "");
  EXPECT_EQ(facts.overflows, 1u);
  EXPECT_EQ(facts.begin, 101u) << "after the 100th update";
  EXPECT_EQ(facts.updates, 161u);
  const Store store = *Store::open(settings.folder), before = *Store::open(settings.folder + "/before-101");
  EXPECT_EQ(store.updates_doubt(), std::nullopt);
  EXPECT_EQ(before.graph().end(), UpdateId(11)) << "what it had stays";
  // The state is the whole one, with what was lost of the graph.
  const auto state =
      regenerate(store, mark(store.graph(), {}), Keep::Everything, std::make_unique<kv::KvApplication>());
  ASSERT_TRUE(state.has_value()) << state.error().message;
  EXPECT_EQ(state->application->digest(), app.digest());
}

TEST_F(GraphRecorder, AStateThatIsTakenOverEndsTheTroubleAtOnceWhateverWaits) {
  settings.max_queued_bytes = 10'000;
  settings.epoch_updates = 0;
  settings.gather = std::chrono::hours(1);
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  kv::KvApplication ahead;
  for (int i = 0; i < 10; ++i) {
    app.apply(ClientId(1), put("a", "b"));
    app.settle();
  }
  app.apply(ClientId(1), put("a", std::string(20'000, 'x')));
  app.settle();
  EXPECT_THAT(recorder->facts().trouble, testing::HasSubstr("it begins anew when this replica takes over a state"));
  recorder->replaced({Seq(500), 400}, ahead);
  recorder->settle();
  EXPECT_EQ(recorder->facts().trouble, "");
  EXPECT_EQ(recorder->facts().begin, 401u);
  EXPECT_EQ(Store::open(settings.folder)->head()->base, 401u);
}

TEST_F(GraphRecorder, AGraphThatCannotBeginAnewTakesNothingAtAWrongPlace) {
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  for (int i = 0; i < 10; ++i) {
    app.apply(ClientId(1), put("a", "b"));
    app.settle();
  }
  recorder->settle();
  const Recorder::Facts before = recorder->facts();
  fs::create_directory(settings.folder + "/snapshot.new-graph.new");  // as good as a full disk
  kv::KvApplication ahead;
  recorder->replaced({Seq(500), 400}, ahead);
  app.apply(ClientId(1), put("c", "d"));
  app.settle();
  recorder->settle();
  EXPECT_THAT(recorder->facts().trouble, testing::HasSubstr("cannot write"));
  EXPECT_EQ(recorder->facts().sealed, before.sealed);
  fs::remove(settings.folder + "/snapshot.new-graph.new");
  recorder.reset();
  const Store store = *Store::open(settings.folder);
  EXPECT_EQ(store.graph().end(), UpdateId(11));
  EXPECT_EQ(store.updates_doubt(), std::nullopt);
}

TEST_F(GraphRecorder, AStateFromOtherServersBeginsAGraphAnewThatIsTheOthersWithoutWhatWasBefore) {
  settings.source = Source::Conservative;
  const std::string own = settings.folder;
  settings.folder = own + "-of-another";
  auto whole = start();
  settings.folder = own;
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  ObservedApplication ahead(std::make_unique<kv::KvApplication>(), whole);
  play(app, 3);
  play(ahead, 3);
  play(ahead, 4);
  ASSERT_TRUE(app.restore(ahead.snapshot()).has_value());
  for (const int rounds : {3, 2000}) {
    play(app, rounds);
    play(ahead, rounds);
    recorder->settle();
    whole->settle();
    EXPECT_EQ(recorder->facts().trouble, "");
    EXPECT_EQ(recorder->facts().begin, 22u);
    EXPECT_EQ(recorder->facts().updates, whole->facts().updates);
    const Store all = *Store::open(whole->settings().folder);
    EXPECT_EQ(digest_between(all.graph(), UpdateId(22), all.graph().end()), recorder->facts().digest);
    EXPECT_NE(digest_between(all.graph(), UpdateId(23), all.graph().end()), recorder->facts().digest);
  }
  const Store store = *Store::open(own);
  EXPECT_TRUE(store.notes().empty()) << store.notes()[0];
  EXPECT_EQ(store.graph().base(), UpdateId(22));
  EXPECT_EQ(store.snapshots(), std::vector{UpdateId(21)});
  const Store before = *Store::open(own + "/before-22");
  EXPECT_EQ(before.graph().end(), UpdateId(10)) << "what it had seen is kept beside it";

  // It regenerates from the state that it took over, and answers as the others do.
  const Findings findings{{{ClientId(1), UpdateId(4000)}}, {}};
  const Colours colours = mark(store.graph(), findings);
  const Store all = *Store::open(whole->settings().folder);
  const Colours same = mark(all.graph(), findings);
  EXPECT_EQ(colours.corrupt(), same.corrupt());
  EXPECT_EQ(colours.suspect(), same.suspect());
  const auto clean = regenerate(store, colours, Keep::Clean, std::make_unique<kv::KvApplication>());
  const auto expected = regenerate(all, same, Keep::Clean, std::make_unique<kv::KvApplication>());
  ASSERT_TRUE(clean) << clean.error().message;
  ASSERT_TRUE(expected) << expected.error().message;
  EXPECT_EQ(clean->from, UpdateId(22));
  EXPECT_EQ(clean->application->digest(), expected->application->digest());
}

TEST_F(GraphRecorder, AGraphThatBeganAnewGoesOnAfterARestartAndMayBeginAnewAgain) {
  settings.keep_epochs = 2;
  ObservedApplication ahead(std::make_unique<kv::KvApplication>(), nullptr);
  std::vector<SharedBytes> checkpoint;
  Digest digest;
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 1);
    play(ahead, 2000);
    ASSERT_TRUE(app.restore(ahead.snapshot()).has_value());
    const auto frozen = app.freeze();
    for (std::size_t i = 0; i < frozen->chunks(); ++i) checkpoint.push_back(frozen->chunk(i));
    play(app, 1500);
    recorder->settle();
    digest = recorder->facts().digest;
  }
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  ASSERT_TRUE(app.thaw(checkpoint).has_value());
  play(app, 1500);
  recorder->settle();
  EXPECT_EQ(recorder->facts().trouble, "");
  EXPECT_EQ(recorder->facts().begin, 6001u);
  EXPECT_EQ(recorder->facts().digest, digest);
  for (int again = 0; again < 3; ++again) {
    play(ahead, 3000);
    ASSERT_TRUE(app.restore(ahead.snapshot()).has_value());
    play(app, 1);
    recorder->settle();
  }
  EXPECT_EQ(recorder->facts().trouble, "");
  EXPECT_EQ(recorder->facts().begin, 33001u);
  std::vector<std::string> before;
  for (const auto& entry : fs::directory_iterator(settings.folder))
    if (entry.is_directory()) before.push_back(entry.path().filename().string());
  EXPECT_EQ(before, std::vector<std::string>{"before-33001"}) << "where old epochs go, so do earlier graphs";
}

TEST_F(GraphRecorder, WhatItWasToldIsWrittenBeforeACheckpointAndForWhoeverAsks) {
  settings.gather = settings.seal_every = std::chrono::hours(1);
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  const auto until = [](const auto& done) {
    for (int i = 0; i < 1000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return done();
  };
  play(app, 10);
  EXPECT_EQ(recorder->facts().updates, 0u) << "gathered";
  (void)app.freeze();
  EXPECT_TRUE(until([&] { return recorder->facts().updates == 30; }));
  EXPECT_EQ(recorder->facts().sealed, 0u);
  play(app, 10);
  StatusList status;
  recorder->status(status);
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(recorder->facts().sealed, 0u) << "a daemon asks for its own sake all the time";
  std::ofstream(settings.folder + Recorder::kWanted).flush();
  recorder->status(status);
  EXPECT_TRUE(until([&] { return recorder->facts().sealed == 60; }));
  EXPECT_TRUE(until([&] { return !fs::exists(settings.folder + Recorder::kWanted); }));
}

TEST_F(GraphRecorder, TheHeadIsSignedAfterManyUpdatesOrAfterAWhileHoweverFew) {
  const auto until = [](const auto& done) {
    for (int i = 0; i < 1000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return done();
  };
  settings.gather = settings.seal_every = std::chrono::milliseconds(20);
  settings.seal_latest = std::chrono::hours(1);
  settings.seal_updates = 50;
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 10);
    EXPECT_TRUE(until([&] { return recorder->facts().updates == 30; }));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(recorder->facts().sealed, 0u) << "few";
    play(app, 10);
    EXPECT_TRUE(until([&] { return recorder->facts().sealed == 60; })) << "many";
    play(app, 1);
  }
  settings.seal_latest = std::chrono::milliseconds(50);
  settings.seal_updates = 1000;
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  for (const int rounds : {10, 10, 1}) play(app, rounds);  // what is in the graph already
  play(app, 1);
  EXPECT_TRUE(until([&] { return recorder->facts().sealed == 66; })) << "a while, however few";
}

std::vector<SharedBytes> chunks_of(const replication::Application& app) {
  const auto frozen = app.freeze();
  std::vector<SharedBytes> chunks;
  for (std::size_t i = 0; i < frozen->chunks(); ++i) chunks.push_back(frozen->chunk(i));
  return chunks;
}

TEST_F(GraphRecorder, AReplicaThatBeginsAtItsCheckpointGoesOnWithTheSameGraph) {
  ObservedApplication whole(std::make_unique<kv::KvApplication>(), nullptr);
  std::vector<SharedBytes> checkpoint;
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 300);
    checkpoint = chunks_of(app);
    play(app, 200);  // executed again by the next life
  }
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  ASSERT_TRUE(app.thaw(checkpoint).has_value());
  EXPECT_EQ(app.position(), (replication::Position{Seq(600), 900}));
  play(app, 200);
  play(app, 400);
  recorder->settle();
  EXPECT_EQ(recorder->facts().trouble, "");
  const std::string first = settings.folder;
  settings.folder += "-undisturbed";
  auto other = start();
  ObservedApplication undisturbed(std::make_unique<kv::KvApplication>(), other);
  for (const int rounds : {300, 200, 400}) play(undisturbed, rounds);
  other->settle();
  EXPECT_EQ(recorder->facts().digest, other->facts().digest) << "it still knows who wrote what";
  EXPECT_EQ(app.digest(), undisturbed.digest());
}

TEST_F(GraphRecorder, TakesASnapshotEachEpochAndRegeneratesFromTheLastCleanOne) {
  settings.epoch_updates = 1000;
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  play(app, 2000);
  recorder->settle();
  EXPECT_EQ(recorder->facts().snapshots, 6u);
  const Store store = *Store::open(settings.folder);
  ASSERT_EQ(store.snapshots().size(), 6u);
  EXPECT_GE(store.snapshots().front(), UpdateId(1000));
  const Colours colours = mark(store.graph(), {{{ClientId(1), UpdateId(4501)}}, {}});
  const auto clean = regenerate(store, colours, Keep::Clean, std::make_unique<kv::KvApplication>());
  ASSERT_TRUE(clean) << clean.error().message;
  EXPECT_EQ(clean->from, store.snapshots()[3].next()) << "the last snapshot before the first corrupt update";
  kv::KvApplication oracle;
  for (int i = 0; i < 2000; ++i) {
    const std::string n = std::to_string(i);
    if (i < 1500) {
      oracle.apply(ClientId(1), put("position/" + n, "north " + n));
      oracle.apply(ClientId(3),
                   kv::compare_and_set("position/" + n, to_bytes("north " + n), to_bytes("attack " + n)));
    }
    oracle.apply(ClientId(2), put("weather/" + n, "rain"));
  }
  EXPECT_EQ(clean->application->digest(), oracle.digest());
}

// Operations leave with their epoch, also while no block is full yet.
TEST_F(GraphRecorder, GoesOnAfterARestartWhenEpochsAreShorterThanABlock) {
  settings.epoch_updates = 1000;
  settings.keep_epochs = 2;
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 1150);  // three updates each
    recorder->settle();
    EXPECT_EQ(recorder->facts().trouble, "");
  }
  const Store store = *Store::open(settings.folder);
  EXPECT_EQ(store.graph().base(), store.snapshots().front().next());
  EXPECT_TRUE(store.notes().empty());
  auto again = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), again);
  play(app, 1150);
  play(app, 10);
  again->settle();
  EXPECT_EQ(again->facts().trouble, "");
  EXPECT_EQ(again->facts().updates, 3480u);
}

TEST_F(GraphRecorder, OldEpochsLeaveTheGraphAndCountAsGood) {
  settings.epoch_updates = 5000;
  settings.keep_epochs = 1;
  {
    auto recorder = start();
    ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
    play(app, 6000);
    recorder->settle();
    EXPECT_EQ(recorder->facts().trouble, "");
    const Store store = *Store::open(settings.folder);
    EXPECT_EQ(store.snapshots().size(), 1u);
    EXPECT_EQ(store.graph().base(), store.snapshots().front().next());
    EXPECT_EQ(store.graph().end(), UpdateId(18001));
    EXPECT_TRUE(store.notes().empty());
  }
  auto again = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), again);
  play(app, 6000);
  play(app, 10);
  again->settle();
  EXPECT_EQ(again->facts().trouble, "");
  EXPECT_EQ(again->facts().updates, 18030u);
}

TEST_F(GraphRecorder, TimesTellWhereAnUpdateCameIn) {
  const auto now = [] {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
  };
  settings.epoch_updates = 20;
  const std::uint64_t begin = now();
  auto recorder = start();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), recorder);
  play(app, 10);
  recorder->settle();
  const Store store = *Store::open(settings.folder);
  EXPECT_EQ(store.payload_doubt(), std::nullopt) << "the times are part of what the head covers";
  const auto notes = store.times();
  ASSERT_GE(notes.size(), 2u) << "one at the beginning, one behind each snapshot";
  EXPECT_EQ(notes[0].first, UpdateId(1));
  EXPECT_GE(notes[0].unix_ms, begin);
  EXPECT_LE(notes[0].unix_ms, now());
  const ServerTimes times{UpdateId(1), store.graph().end(), notes};
  EXPECT_EQ(position_at(times, begin), UpdateId(1));
  EXPECT_EQ(position_at(times, notes[0].unix_ms + 1), UpdateId(1)) << "never too late";
  EXPECT_EQ(position_at(times, now() + 5000), store.graph().end());
}

TEST(GraphEvidence, TheDigestOfAnUpdateCoversItsSignature) {
  class Digests final : public ExecutionObserver {
   public:
    void executed(const Executed& update) override { digests.push_back(update_digest(update.evidence)); }
    void batch_done(const replication::Position&, const replication::Application&) override {}
    void replaced(const replication::Position&, const replication::Application&) override {}
    std::vector<Digest> digests;
  };
  auto seen = std::make_shared<Digests>();
  ObservedApplication app(std::make_unique<kv::KvApplication>(), seen);
  for (const char* const sealed : {"the same update, signature A", "the same update, signature B"}) {
    app.on_evidence(as_span(sealed));
    app.apply(ClientId(1), put("a", "1"));
  }
  app.settle();
  ASSERT_EQ(seen->digests.size(), 2u);
  EXPECT_NE(seen->digests[0], seen->digests[1]);
}

}  // namespace
}  // namespace seneschal::accountability
