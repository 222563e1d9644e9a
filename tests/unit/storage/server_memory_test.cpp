// A server that may have said something that it does not know any more is told so.
#include "disks.hpp"

#include "runtime/storage/segment.hpp"
#include "runtime/storage/server_memory.hpp"

#include <algorithm>
#include <map>
#include <thread>

namespace seneschal::storage::testing {
namespace {

namespace fs = std::filesystem;
using Kind = ServerMemory::Kind;

/// A folder with the memory of four servers, of which 1.0 runs on node 1.
struct Place {
  TemporaryFolder folder;
  MemoryOptions options = server("server 1.0", 1);

  MemoryOptions server(const std::string& member, int node) const {
    MemoryOptions made;
    made.logs = folder.path("data");
    made.marks = folder.path("has-run");
    made.group = "deployment 7";
    made.member = member;
    made.node = NodeId(static_cast<std::uint16_t>(node));
    made.facts = {{"application", "kv"}, {"clients", "7", true}};
    for (int i = 0; i < 4; ++i)
      made.members.push_back({"server 1." + std::to_string(i), NodeId(static_cast<std::uint16_t>(i + 1))});
    return made;
  }
  static ServerMemory recall_now(const MemoryOptions& options, Disk& disk = real_disk()) {
    auto memory = recall(options, disk);
    EXPECT_TRUE(memory.has_value()) << memory.error().message;
    return memory ? std::move(*memory) : ServerMemory{};
  }
  ServerMemory recall_now() const { return recall_now(options); }
  /// Appends so many records, and ends cleanly.
  static void run(const MemoryOptions& options, std::size_t records, std::size_t size = 0) {
    ServerMemory memory = recall_now(options);
    ASSERT_NE(memory.log, nullptr) << memory.note;
    write(memory, records, size);
  }
  static void write(ServerMemory& memory, std::size_t records, std::size_t size = 0) {
    Reports reports;
    memory.log->start(reports.callbacks());
    for (std::size_t i = 0; i < records; ++i) {
      memory.log->append(i + 1, record(i, size));
      ASSERT_TRUE(reports.wait_durable(i + 1));
    }
    memory.log.reset();
  }
  void run_once(std::size_t records, std::size_t size = 0) const { run(options, records, size); }
  /// As after a kill: the mark of before the clean end comes back.
  void run_and_kill(std::size_t records, std::size_t size = 0) const {
    ServerMemory memory = recall_now();
    ASSERT_NE(memory.log, nullptr) << memory.note;
    Reports reports;
    memory.log->start(reports.callbacks());
    for (std::size_t i = 0; i < records; ++i) {
      memory.log->append(i + 1, record(i, size));
      ASSERT_TRUE(reports.wait_durable(i + 1));
    }
    const Bytes mark = read_all(options.mark_path());
    memory.log.reset();
    write_all(options.mark_path(), mark);
  }
  std::vector<std::string> segments() const {
    std::vector<std::string> found;
    const auto names = real_disk().list(options.log_folder());
    for (const std::string& name : *names)
      if (name.ends_with(".wal")) found.push_back(options.log_folder() + "/" + name);
    return found;
  }
  void expect_lost(const std::string& why) const { expect_lost(options, why); }
  /// At every start, not only the first.
  static void expect_lost(const MemoryOptions& options, const std::string& why) {
    for (int start = 0; start < 2; ++start) {
      const ServerMemory memory = recall_now(options);
      EXPECT_EQ(memory.kind, Kind::Lost);
      EXPECT_EQ(memory.log, nullptr);
      EXPECT_TRUE(memory.records.empty());
      EXPECT_NE(memory.note.find(why), std::string::npos) << memory.note;
    }
  }
};

void copy(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::copy(from, to, fs::copy_options::recursive);
}

TEST(ServerMemory, AFreshServerStartsFresh) {
  const Place place;
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Fresh);
  EXPECT_NE(memory.log, nullptr);
  EXPECT_EQ(memory.note, "");
}

TEST(ServerMemory, ARestartedServerGetsItsRecords) {
  const Place place;
  place.run_once(5);
  place.run_and_kill(5);
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Whole);
  EXPECT_EQ(memory.records.size(), 10u);
}

TEST(ServerMemory, AServerIsFoundAgainOnWhateverNodeItRuns) {
  Place place;
  place.run_once(5);
  place.options.node = NodeId(3);
  EXPECT_EQ(place.recall_now().records.size(), 5u);
  place.options.node = NodeId(1);
  EXPECT_EQ(place.recall_now().records.size(), 5u);
}

TEST(ServerMemory, AServerWhoseLogIsGoneIsToldSo) {
  const Place place;
  place.run_once(5);
  fs::remove_all(place.folder.path("data"));
  place.expect_lost("the log is gone");
}

TEST(ServerMemory, AServerWithoutALogIsFreshOnceOnly) {
  Place place;
  place.options.keep_log = false;
  EXPECT_EQ(place.recall_now().kind, Kind::Fresh);
  EXPECT_EQ(place.recall_now().kind, Kind::Lost);
  place.options.keep_log = true;  // too late: nobody knows what it said meanwhile
  EXPECT_EQ(place.recall_now().kind, Kind::Lost);
}

TEST(ServerMemory, AServerThatKeepsNoLogAnyMoreIsToldSo) {
  Place place;
  place.run_once(3);
  place.options.keep_log = false;
  place.expect_lost("keeps none now");
}

TEST(ServerMemory, ADamagedLogIsLostAndLeftAlone) {
  const Place place;
  place.run_once(3);
  const std::string path = place.segments().front();
  Bytes bytes = read_all(path);
  bytes[200] ^= 1;
  write_all(path, bytes);
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Lost);
  EXPECT_NE(memory.note.find("damaged"), std::string::npos) << memory.note;
  EXPECT_EQ(read_all(path), bytes);
}

// Of the only segment: empty, all zeros, cut in its header, its header alone.
TEST(ServerMemory, AnEmptiedOrCutSegmentIsLost) {
  for (const bool killed : {false, true}) {
    const Place place;
    killed ? place.run_and_kill(3) : place.run_once(3);
    const std::string path = place.segments().front();
    const Bytes whole = read_all(path);
    for (const std::size_t size : {std::size_t{0}, std::size_t{100}, header_size()}) {
      write_all(path, Span(whole).first(size));
      place.expect_lost("");
      EXPECT_EQ(read_all(path).size(), size) << "what is there is left alone";
    }
    write_all(path, Bytes(whole.size()));
    place.expect_lost("header is damaged");
    write_all(path, whole);
    EXPECT_EQ(place.recall_now().records.size(), 3u) << "what was put back is read";
  }
}

// A mark is told of records before their owner is: this is the whole of what a single segment's end can lose.
TEST(ServerMemory, AfterACleanEndNotOneRecordMayBeMissing) {
  const Place place;
  place.run_once(3);
  const std::string path = place.segments().front();
  const Bytes whole = read_all(path);
  write_all(path, Span(whole).first(whole.size() - 1));
  place.expect_lost("it has the records below 2");
}

TEST(ServerMemory, AMissingSegmentIsLostWhicheverItIs) {
  const Place place;
  place.run_and_kill(40, 100'000);
  const auto segments = place.segments();
  ASSERT_GE(segments.size(), 3u);
  for (const std::string& path : segments) {
    const Bytes whole = read_all(path);
    fs::remove(path);
    place.expect_lost("");
    write_all(path, {});
    place.expect_lost("");
    write_all(path, whole);
  }
  EXPECT_EQ(place.recall_now().records.size(), 40u);
}

TEST(ServerMemory, AnOlderCopyOfTheLogIsNoticed) {
  const Place place;
  place.run_once(3);
  copy(place.folder.path("data"), place.folder.path("copy"));
  place.run_once(3);
  copy(place.folder.path("data"), place.folder.path("newer"));
  copy(place.folder.path("copy"), place.folder.path("data"));
  place.expect_lost("it has the records below 3, and this server has written those below 6");
  // After a kill too, if the copy is of an earlier life.
  copy(place.folder.path("newer"), place.folder.path("data"));
  place.run_and_kill(2);
  copy(place.folder.path("newer"), place.folder.path("data"));
  place.expect_lost("it has the records below 6, and this server has written those below 7");
}

TEST(ServerMemory, AnOlderCopyIsNoticedWhereASegmentHasBeenBegunSince) {
  const Place place;
  place.run_once(6);
  copy(place.folder.path("data"), place.folder.path("newer"));
  place.run_and_kill(20, 100'000);
  copy(place.folder.path("newer"), place.folder.path("data"));
  place.expect_lost("which this server has used");
}

// Two lives that went on from one copy: each has a segment of the same name.
TEST(ServerMemory, TheLogOfAnotherLifeIsNoticedByItsSalt) {
  const Place place;
  place.run_once(12, 100'000);
  const Place other;
  copy(place.folder.path("data"), other.folder.path("data"));
  copy(place.folder.path("has-run"), other.folder.path("has-run"));
  place.run_and_kill(12, 100'000);
  other.run_and_kill(12, 100'000);
  ASSERT_EQ(place.segments().size(), other.segments().size());
  copy(other.folder.path("data"), place.folder.path("data"));
  place.expect_lost("is not the one that this server has used");
}

TEST(ServerMemory, AnOlderCopyOfTheMarkIsNoticed) {
  const Place place;
  place.run_once(3);
  copy(place.folder.path("has-run"), place.folder.path("copy"));
  place.run_once(30, 100'000);
  copy(place.folder.path("copy"), place.folder.path("has-run"));
  place.expect_lost("the log or the mark was copied here");
}

TEST(ServerMemory, AMarkThatSaysNewBesideALogWithRecordsIsNoticed) {
  const Place place;
  ASSERT_EQ(Place::recall_now(place.server("server 1.3", 4)).kind, Kind::Fresh);
  copy(place.folder.path("has-run"), place.folder.path("copy"));
  place.run_once(3);
  copy(place.folder.path("copy"), place.folder.path("has-run"));
  place.expect_lost("never ran");
}

TEST(ServerMemory, AServerWithoutItsMarkIsLostWhereOthersHaveRun) {
  const Place place;
  place.run_once(3);
  fs::remove(place.options.mark_path());
  place.expect_lost("there is no mark");
  fs::remove_all(place.folder.path("data"));
  place.expect_lost("there is no mark");
}

TEST(ServerMemory, AllMarksGoneIsNoBeginning) {
  const Place place;
  place.run_once(3);
  fs::remove_all(place.folder.path("has-run"));
  place.expect_lost("but there is no mark");
  Place::expect_lost(place.server("server 1.2", 3), "but there is no mark");
}

TEST(ServerMemory, MarksAndLogsUnderOtherNamesAreTraces) {
  for (const std::string folder : {"data", "has-run"}) {
    const Place place;
    place.run_once(3);
    fs::remove_all(place.folder.path(folder == "data" ? "has-run" : "data"));
    fs::rename(place.folder.path(folder + "/deployment_7"), place.folder.path(folder + "/elsewhere"));
    place.expect_lost("elsewhere");
  }
  // As an older version of this program named them.
  const Place place;
  fs::create_directory(place.folder.path("has-run"));
  write_all(place.folder.path("has-run/1-bft-1-0"), as_span("deployment 7 server 1.0 has run. Without its log"));
  place.expect_lost("1-bft-1-0");
}

TEST(ServerMemory, AnotherDeploymentInTheSameFolderIsNoTrace) {
  Place place;
  place.run_once(3);
  place.options.group = "deployment 77";
  EXPECT_EQ(place.recall_now().kind, Kind::Fresh);
}

TEST(ServerMemory, AllWhoMayBeginAreMarkedByTheFirst) {
  const Place place;
  place.run_once(3);
  for (int i = 1; i < 4; ++i)
    EXPECT_EQ(Place::recall_now(place.server("server 1." + std::to_string(i), i + 1)).kind, Kind::Fresh);
  // It was not among them: it may have run in the folder that it comes from.
  Place::expect_lost(place.server("server 1.4", 5), "there is no mark");
}

TEST(ServerMemory, ServersThatStartTogetherAreMarkedOnce) {
  const Place place;
  FailingDisk disk;
  std::atomic<int> fresh{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      const auto memory = recall(place.server("server 1." + std::to_string(i), i + 1), disk);
      fresh += memory && memory->kind == Kind::Fresh ? 1 : 0;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(fresh, 4);
  // Four new marks; for each server its log's header, its mark before that is used, and its mark at the end.
  EXPECT_EQ(disk.syncs, 4 + 4 * 3);
}

TEST(ServerMemory, AServerThatIsToBeginElsewhereDoesNotBeginHere) {
  const Place place;
  place.run_once(3);
  Place::expect_lost(place.server("server 1.2", 2), "was to begin on node 3");
  EXPECT_EQ(Place::recall_now(place.server("server 1.2", 3)).kind, Kind::Fresh);
}

TEST(ServerMemory, SwappedMarksAreNoMarks) {
  const Place place;
  const MemoryOptions other = place.server("server 1.1", 2);
  place.run_once(3);
  Place::run(other, 3);
  fs::rename(place.options.mark_path(), place.folder.path("x"));
  fs::rename(other.mark_path(), place.options.mark_path());
  fs::rename(place.folder.path("x"), other.mark_path());
  place.expect_lost("this is the mark of deployment 7 server 1.1");
  Place::expect_lost(other, "this is the mark of deployment 7 server 1.0");
}

TEST(ServerMemory, ADamagedMarkIsNoMark) {
  const Place place;
  place.run_once(3);
  const Bytes good = read_all(place.options.mark_path());
  for (std::size_t i = 0; i < good.size(); i += 7) {
    Bytes bad = good;
    bad[i] ^= 1;
    write_all(place.options.mark_path(), bad);
    EXPECT_EQ(place.recall_now().kind, Kind::Lost) << i;
  }
  write_all(place.options.mark_path(), {});
  place.expect_lost("damaged");
}

TEST(ServerMemory, AForeignOrBusyLogIsAnErrorNotALoss) {
  const Place place;
  place.run_once(1);
  const MemoryOptions other = place.server("server 1.1", 2);
  Place::run(other, 1);
  fs::rename(place.options.log_folder(), place.folder.path("x"));
  fs::rename(other.log_folder(), place.options.log_folder());
  fs::rename(place.folder.path("x"), other.log_folder());
  const auto foreign = recall(place.options);
  ASSERT_FALSE(foreign.has_value());
  EXPECT_NE(foreign.error().message.find("is the log of deployment 7 server 1.1"), std::string::npos);
  fs::rename(place.options.log_folder(), place.folder.path("x"));
  fs::rename(other.log_folder(), place.options.log_folder());
  fs::rename(place.folder.path("x"), other.log_folder());
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Whole) << "put back, it goes on";
  EXPECT_FALSE(recall(place.options).has_value());
}

TEST(ServerMemory, OtherFactsAreRefusedByName) {
  Place place;
  place.run_once(1);
  const auto refused = [&](std::vector<Fact> facts, const std::string& why) {
    place.options.facts = std::move(facts);
    const auto memory = recall(place.options);
    ASSERT_FALSE(memory.has_value());
    EXPECT_NE(memory.error().message.find(why), std::string::npos) << memory.error().message;
  };
  refused({{"application", "sql"}, {"clients", "7", true}}, "application was 'kv' and is 'sql'; put");
  refused({{"application", "kv"}, {"clients", "6", true}}, "clients was '7' and is '6' (it may only grow)");
  refused({{"application", "kv"}, {"clients", "9"}}, "clients was '7' and is '9'");
  refused({{"clients", "7", true}}, "application was 'kv' and is not given");
  refused({{"application", "kv"}, {"clients", "7", true}, {"auth", "mac"}}, "auth was not given and is 'mac'");
  place.options.facts = {{"clients", "9", true}, {"application", "kv"}};
  EXPECT_EQ(place.recall_now().records.size(), 1u);
  refused({{"application", "kv"}, {"clients", "8", true}}, "clients was '9' and is '8'");
}

TEST(ServerMemory, SegmentsThatAreGivenBackAreNotMissed) {
  const Place place;
  {
    ServerMemory memory = place.recall_now();
    Reports reports;
    memory.log->start(reports.callbacks());
    for (std::size_t i = 0; i < 40; ++i) {
      memory.log->append(i + 1, record(i, 100'000));
      ASSERT_TRUE(reports.wait_durable(i + 1));
    }
    memory.log->forget_before(35);
    memory.log->append(41, record(40));
    ASSERT_TRUE(reports.wait_durable(41));
  }
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Whole) << memory.note;
  EXPECT_LT(memory.records.size(), 20u);
  ASSERT_GE(memory.records.size(), 7u);
  EXPECT_EQ(memory.records.back(), record(40));
}

/// Ends, as a power cut would, before the step `left` of what changes files.
class CutDisk final : public Disk {
 public:
  int left = 1 << 30;
  Status make_folder(const std::string& folder) override {
    return step([&] { return disk_.make_folder(folder); });
  }
  bool exists(const std::string& path) override { return disk_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return disk_.list(folder); }
  Result<Bytes> read(const std::string& path) override { return disk_.read(path); }
  Result<std::unique_ptr<DiskFile>> create(const std::string& path) override {
    if (left-- <= 0) return failure("power cut");
    return wrap(disk_.create(path));
  }
  Result<std::unique_ptr<DiskFile>> reopen(const std::string& path, std::uint64_t size) override {
    return wrap(disk_.reopen(path, size));
  }
  Status remove(const std::string& path) override {
    return step([&] { return disk_.remove(path); });
  }
  Status rename(const std::string& from, const std::string& to) override {
    return step([&] { return disk_.rename(from, to); });
  }
  Status sync_folder(const std::string& folder) override {
    return step([&] { return disk_.sync_folder(folder); });
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return disk_.lock(path); }

 private:
  struct File final : DiskFile {
    File(std::unique_ptr<DiskFile> f, CutDisk& d) : file(std::move(f)), disk(d) {}
    Status append(Span bytes) override {
      return disk.step([&] { return file->append(bytes); });
    }
    Status sync() override {
      return disk.step([] { return Status{}; });
    }
    std::unique_ptr<DiskFile> file;
    CutDisk& disk;
  };
  Status step(const std::function<Status()>& what) { return left-- <= 0 ? failure("power cut") : what(); }
  Result<std::unique_ptr<DiskFile>> wrap(Result<std::unique_ptr<DiskFile>> file) {
    if (!file) return file;
    return std::make_unique<File>(std::move(*file), *this);
  }
  Disk& disk_ = real_disk();
};

// Whatever step it comes before: what was reported is there, and nobody is called lost.
TEST(ServerMemory, ACrashAtAnyStepLosesNobody) {
  std::map<Kind, int> kinds;
  for (int steps = 0; steps < 120; ++steps) {
    const Place place;
    CutDisk disk;
    disk.left = steps;
    std::size_t told = 0;
    if (auto memory = recall(place.options, disk); memory && memory->log != nullptr) {
      Reports reports;
      memory->log->start(reports.callbacks());
      for (std::size_t i = 0; i < 25; ++i) memory->log->append(i + 1, record(i, 100'000));
      memory->log->forget_before(22);
      memory->log->append(100, record(100));
      memory->log.reset();
      told = reports.durable().size();
    }
    ServerMemory memory = place.recall_now();
    ++kinds[memory.kind];
    EXPECT_NE(memory.kind, Kind::Lost) << steps << ": " << memory.note;
    EXPECT_TRUE(told == 0 || memory.kind == Kind::Whole) << steps;
    EXPECT_TRUE(told >= 22 || memory.records.size() >= told) << steps;
    ASSERT_NE(memory.log, nullptr);
    Place::write(memory, 2);
    EXPECT_NE(Place::recall_now(place.server("server 1.2", 3)).kind, Kind::Lost);
  }
  EXPECT_GT(kinds[Kind::Fresh], 5);
  EXPECT_GT(kinds[Kind::Whole], 5);
}

TEST(Mark, ReadsBackEqualAndNothingElseIsOne) {
  Mark mark{"deployment 7", "server 1.0", NodeId(3), Mark::State::Logged, {1, 2, 3, 4}, {}};
  mark.facts = {{"application", "kv"}, {"clients", "7", true}, {"empty", ""}};
  const std::string text = to_text(mark);
  EXPECT_EQ(parse_mark(text), mark);
  EXPECT_FALSE(parse_mark(text + "\n"));
  EXPECT_FALSE(parse_mark(text.substr(1)));
  EXPECT_FALSE(parse_mark(""));
  mark.facts.push_back({"empty", "twice"});
  EXPECT_FALSE(valid(mark));
  mark.facts = {{"application", "two\nlines"}};
  EXPECT_FALSE(valid(mark));
}

TEST(Mark, DifferentTextsHaveDifferentFileNames) {
  EXPECT_EQ(file_name("deployment 7"), "deployment_7");
  EXPECT_EQ(file_name("a_b/c"), "a%5fb%2fc");
  EXPECT_EQ(file_name(".."), "%2e.");
}

TEST(Mark, MarksOfAFolderAreFound) {
  const Place place;
  place.run_once(1);
  const auto marks = marks_in(place.options.marks);
  EXPECT_EQ(marks.size(), 4u);
  EXPECT_EQ(std::ranges::count(marks, Mark::State::New, &Mark::state), 3);
}

}  // namespace
}  // namespace seneschal::storage::testing
