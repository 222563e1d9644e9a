// The log on a real disk: what was acknowledged comes back, and nothing else is ever claimed.
#include "disks.hpp"

#include "runtime/storage/segment.hpp"

namespace seneschal::storage::testing {
namespace {

/// Appends records [from, to) and waits until they are durable.
void fill(WriteAheadLog& log, std::size_t from, std::size_t to, std::size_t size = 0) {
  Reports reports;
  log.start(reports.callbacks());
  for (std::size_t i = from; i < to; ++i) ASSERT_TRUE(log.append(i + 1, record(i, size)));
  ASSERT_TRUE(reports.wait_durable(to - from));
}

std::vector<std::string> segments_in(const std::string& folder) {
  std::vector<std::string> found;
  const auto names = real_disk().list(folder);
  for (const std::string& name : *names)
    if (name.ends_with(".wal")) found.push_back(folder + "/" + name);
  return found;
}

TEST(WriteAheadLog, WhatWasDurableComesBackInOrder) {
  TemporaryFolder folder;
  {
    auto opened = WriteAheadLog::open(options_in(folder.path("log")));
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_TRUE(opened->records.empty());
    fill(*opened->log, 0, 100);
  }
  for (std::size_t life = 1; life < 4; ++life) {
    auto opened = WriteAheadLog::open(options_in(folder.path("log")));
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    EXPECT_EQ(opened->note, "");
    ASSERT_EQ(opened->records.size(), life * 100);
    for (std::size_t i = 0; i < opened->records.size(); ++i) EXPECT_EQ(opened->records[i], record(i));
    fill(*opened->log, life * 100, (life + 1) * 100);
  }
}

TEST(WriteAheadLog, RecordsAppendedWhileTheDiskIsBusyShareOneSync) {
  TemporaryFolder folder;
  FailingDisk disk;
  auto opened = WriteAheadLog::open(options_in(folder.path("log")), disk);
  ASSERT_TRUE(opened.has_value());
  disk.slow = true;
  disk.syncs = 0;
  Reports reports;
  opened->log->start(reports.callbacks());
  for (std::size_t i = 0; i < 500; ++i) ASSERT_TRUE(opened->log->append(i + 1, record(i)));
  ASSERT_TRUE(reports.wait_durable(500));
  EXPECT_LE(disk.syncs, 10);
  EXPECT_EQ(opened->log->counters().records, 500u);
  const auto tickets = reports.durable();
  for (std::size_t i = 0; i < tickets.size(); ++i) EXPECT_EQ(tickets[i], i + 1);
}

TEST(WriteAheadLog, SegmentsFollowEachOtherAndOldOnesAreGivenBack) {
  TemporaryFolder folder;
  LogOptions options = options_in(folder.path("log"));
  options.segment_bytes = 2000;
  {
    auto opened = WriteAheadLog::open(options);
    ASSERT_TRUE(opened.has_value());
    Reports reports;
    opened->log->start(reports.callbacks());
    for (std::size_t i = 0; i < 40; ++i) {
      ASSERT_TRUE(opened->log->append(i + 1, record(i, 500)));
      ASSERT_TRUE(reports.wait_durable(i + 1));
    }
    EXPECT_GT(segments_in(options.folder).size(), 8u);
    opened->log->forget_before(31);
    ASSERT_TRUE(opened->log->append(100, record(40, 500)));
    ASSERT_TRUE(reports.wait_durable(41));
    EXPECT_LT(segments_in(options.folder).size(), 6u);
  }
  auto opened = WriteAheadLog::open(options);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  ASSERT_GE(opened->records.size(), 11u);
  EXPECT_LT(opened->records.size(), 20u);
  for (std::size_t i = 0; i < opened->records.size(); ++i)
    EXPECT_EQ(opened->records[i], record(41 - opened->records.size() + i, 500));
}

TEST(WriteAheadLog, SegmentsOfEarlierRunsAreGivenBackToo) {
  TemporaryFolder folder;
  LogOptions options = options_in(folder.path("log"));
  options.segment_bytes = 2000;
  for (std::size_t run = 0; run < 3; ++run) {
    auto opened = WriteAheadLog::open(options);
    ASSERT_TRUE(opened.has_value());
    Reports reports;
    opened->log->start(reports.callbacks());
    for (std::size_t i = 0; i < 10; ++i) {
      ASSERT_TRUE(opened->log->append(i + 1, record(10 * run + i, 500)));
      ASSERT_TRUE(reports.wait_durable(i + 1));
    }
    if (run < 2) continue;
    EXPECT_GT(segments_in(options.folder).size(), 6u);
    opened->log->forget_before(8);
    ASSERT_TRUE(opened->log->append(11, record(30, 500)));
    ASSERT_TRUE(reports.wait_durable(11));
    EXPECT_LE(segments_in(options.folder).size(), 3u);
  }
  auto opened = WriteAheadLog::open(options);
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  ASSERT_GE(opened->records.size(), 4u);
  for (std::size_t i = 0; i < opened->records.size(); ++i)
    EXPECT_EQ(opened->records[i], record(31 - opened->records.size() + i, 500));
}

TEST(WriteAheadLog, TwoProcessesCannotShareALog) {
  TemporaryFolder folder;
  auto first = WriteAheadLog::open(options_in(folder.path("log")));
  ASSERT_TRUE(first.has_value());
  auto second = WriteAheadLog::open(options_in(folder.path("log")));
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().fault, LogFault::Busy);
  EXPECT_NE(second.error().message.find(folder.path("log")), std::string::npos);
  first->log.reset();
  EXPECT_TRUE(WriteAheadLog::open(options_in(folder.path("log"))).has_value());
}

TEST(WriteAheadLog, AForeignLogIsRefusedAndLeftAlone) {
  TemporaryFolder folder;
  {
    auto opened = WriteAheadLog::open(options_in(folder.path("log")));
    ASSERT_TRUE(opened.has_value());
    fill(*opened->log, 0, 3);
  }
  LogOptions other = options_in(folder.path("log"));
  other.identity = "deployment 8 server 1.0";
  const auto refused = WriteAheadLog::open(other);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().fault, LogFault::Foreign);
  EXPECT_NE(refused.error().message.find("is the log of deployment 7 server 1.0, not of deployment 8"),
            std::string::npos)
      << refused.error().message;
  EXPECT_EQ(WriteAheadLog::open(options_in(folder.path("log")))->records.size(), 3u);
}

TEST(WriteAheadLog, AFullDiskEndsTheLogOnceAndWhatWasDurableStays) {
  TemporaryFolder folder;
  FailingDisk disk;
  {
    auto opened = WriteAheadLog::open(options_in(folder.path("log")), disk);
    ASSERT_TRUE(opened.has_value());
    Reports reports;
    opened->log->start(reports.callbacks());
    ASSERT_TRUE(opened->log->append(1, record(0)));
    ASSERT_TRUE(reports.wait_durable(1));
    disk.appends_left = 0;
    ASSERT_TRUE(opened->log->append(2, record(1)));
    ASSERT_TRUE(reports.wait_failed());
    EXPECT_NE(reports.failure_text().find("no space left"), std::string::npos);
    disk.appends_left = 1000;  // space again: too late for this run
    EXPECT_FALSE(opened->log->append(3, record(2)));
    EXPECT_EQ(reports.durable(), std::vector<std::uint64_t>{1});
    EXPECT_EQ(reports.failures(), 1);
  }
  auto again = WriteAheadLog::open(options_in(folder.path("log")), disk);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->records, std::vector<Bytes>{record(0)});
  EXPECT_NE(again->note.find("cut short"), std::string::npos) << again->note;
}

TEST(WriteAheadLog, AFailedSyncIsNeverTakenBack) {
  TemporaryFolder folder;
  FailingDisk disk;
  auto opened = WriteAheadLog::open(options_in(folder.path("log")), disk);
  ASSERT_TRUE(opened.has_value());
  Reports reports;
  disk.syncs_left = 0;
  opened->log->start(reports.callbacks());
  ASSERT_TRUE(opened->log->append(1, record(0)));
  ASSERT_TRUE(reports.wait_failed());
  EXPECT_FALSE(opened->log->append(2, record(1)));
  EXPECT_TRUE(reports.durable().empty());
}

TEST(WriteAheadLog, ADiskThatCannotKeepUpEndsTheLogBeforeMemoryDoes) {
  TemporaryFolder folder;
  FailingDisk disk;
  LogOptions options = options_in(folder.path("log"));
  options.max_waiting_bytes = 10'000;
  auto opened = WriteAheadLog::open(options, disk);
  ASSERT_TRUE(opened.has_value());
  disk.slow = true;
  Reports reports;
  opened->log->start(reports.callbacks());
  bool taken = true;
  for (std::uint64_t i = 1; i < 1000 && taken; ++i) taken = opened->log->append(i, record(i, 1000));
  EXPECT_FALSE(taken);
  ASSERT_TRUE(reports.wait_failed());
  EXPECT_NE(reports.failure_text().find("does not keep up"), std::string::npos);
}

/// A log of some segments whose records were made durable one by one, as the bytes of its files.
struct SmallLog {
  explicit SmallLog(std::size_t count, std::size_t segment_bytes) {
    disk.quick = true;
    LogOptions options = options_in(folder.path("log"));
    options.segment_bytes = segment_bytes;
    auto opened = WriteAheadLog::open(options, disk);
    Reports reports;
    opened->log->start(reports.callbacks());
    for (std::size_t i = 0; i < count; ++i) {
      opened->log->append(i + 1, record(i));
      reports.wait_durable(i + 1);
    }
    records = count;
    opened->log.reset();
    for (const std::string& path : segments_in(options.folder)) files.emplace_back(path, read_all(path));
  }
  void restore() const {
    for (const std::string& path : segments_in(folder.path("log"))) std::filesystem::remove(path);
    for (const auto& [path, bytes] : files) write_all(path, bytes);
  }
  mutable FailingDisk disk;
  TemporaryFolder folder;
  std::size_t records = 0;
  std::vector<std::pair<std::string, Bytes>> files;
};

bool is_prefix(const std::vector<Bytes>& records) {
  for (std::size_t i = 0; i < records.size(); ++i)
    if (records[i] != record(i)) return false;
  return true;
}

// A crash may leave any prefix of what was being written: each gives a prefix of the records, and the log goes on.
TEST(WriteAheadLog, ACrashAtEveryByteLeavesAPrefix) {
  const SmallLog small(12, 400);
  ASSERT_GE(small.files.size(), 2u);
  std::size_t before = small.records;
  for (std::size_t cut = small.files.back().second.size() + 1; cut-- > 0;) {
    small.restore();
    write_all(small.files.back().first, Span(small.files.back().second).first(cut));
    auto opened = WriteAheadLog::open(options_in(small.folder.path("log")), small.disk);
    ASSERT_TRUE(opened.has_value()) << "cut at " << cut << ": " << opened.error().message;
    EXPECT_TRUE(is_prefix(opened->records)) << "cut at " << cut;
    EXPECT_LE(opened->records.size(), before);
    before = opened->records.size();
    if (cut % 16 != 0) continue;
    fill(*opened->log, opened->records.size(), small.records + 1);
    opened->log.reset();
    opened = WriteAheadLog::open(options_in(small.folder.path("log")), small.disk);
    ASSERT_TRUE(opened.has_value());
    EXPECT_EQ(opened->records.size(), small.records + 1);
    EXPECT_TRUE(is_prefix(opened->records));
  }
}

// Whatever byte goes bad: a prefix if it may have been a write cut short, else the log says that it is damaged. It
// never yields a record that was not written, nor silently one less than was acknowledged before later ones.
TEST(WriteAheadLog, ABadByteAnywhereIsFoundAndOnlyTheLastWriteIsGivenUp) {
  const SmallLog small(12, 400);
  std::size_t cuts = 0;
  for (std::size_t f = 0; f < small.files.size(); ++f) {
    const bool last_file = f + 1 == small.files.size();
    for (std::size_t i = 0; i < small.files[f].second.size(); ++i) {
      small.restore();
      Bytes bad = small.files[f].second;
      bad[i] ^= 0x40;
      write_all(small.files[f].first, bad);
      const auto opened = WriteAheadLog::open(options_in(small.folder.path("log")), small.disk);
      if (!opened) {
        EXPECT_NE(opened.error().fault, LogFault::Busy);
        EXPECT_NE(opened.error().message.find(small.files[f].first), std::string::npos) << opened.error().message;
        continue;
      }
      EXPECT_TRUE(last_file) << "byte " << i;
      EXPECT_TRUE(is_prefix(opened->records));
      EXPECT_EQ(opened->records.size(), small.records - 1) << "byte " << i;
      EXPECT_NE(opened->note, "");
      ++cuts;
    }
  }
  EXPECT_EQ(cuts, kFrameHead + record(small.records - 1).size());
}

TEST(WriteAheadLog, AMissingSegmentIsDamage) {
  const SmallLog small(40, 600);
  ASSERT_GE(small.files.size(), 4u);
  std::filesystem::remove(small.files[1].first);
  const auto opened = WriteAheadLog::open(options_in(small.folder.path("log")), small.disk);
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().fault, LogFault::Damaged);
}

// One group written at once may reach the disk in any order: the end of it without its middle is no damage.
TEST(Segment, AHoleInTheLastWriteIsAWriteCutShort) {
  const SegmentHeader header{0, 42, "x"};
  Bytes file = encode_header(header);
  append_frame(file, 42, 0, 0, record(0));
  const std::size_t hole = file.size();
  append_frame(file, 42, 1, 1, record(1));
  append_frame(file, 42, 2, 1, record(2));  // same write: when it was written, only record 0 was durable
  file[hole + kFrameHead] ^= 1;
  EXPECT_EQ(read_frames(file, header).end, Contents::End::Torn);
  append_frame(file, 42, 3, 3, record(3));  // a later write: records 1 and 2 had been durable
  const Contents contents = read_frames(file, header);
  EXPECT_EQ(contents.end, Contents::End::Damaged);
  EXPECT_EQ(contents.records.size(), 1u);
}

TEST(Segment, WhatClientsWriteCannotPassForAFrame) {
  const SegmentHeader header{0, 0x1234567890, "x"};
  Bytes inner;
  append_frame(inner, 0, 7, 7, record(7));  // a client does not know the salt
  Bytes file = encode_header(header);
  append_frame(file, header.salt, 0, 0, inner);
  file[header_size()] ^= 1;
  EXPECT_EQ(read_frames(file, header).end, Contents::End::Torn);
}

TEST(Segment, HeadersSayWhatIsWrong) {
  const Bytes good = encode_header({5, 6, "me"});
  EXPECT_EQ(decode_header(good), (SegmentHeader{5, 6, "me"}));
  EXPECT_EQ(decode_header(Span(good).first(10)).error(), HeaderFault::Torn);
  EXPECT_EQ(decode_header(Bytes(good.size())).error(), HeaderFault::Torn);
  Bytes other = good;
  other[0] ^= 1;
  EXPECT_EQ(decode_header(other).error(), HeaderFault::Foreign);
}

}  // namespace
}  // namespace seneschal::storage::testing
