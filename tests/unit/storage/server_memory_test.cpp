// Whoever may have said something that it does not know any more is told so.
#include "disks.hpp"

#include "runtime/storage/server_memory.hpp"

namespace seneschal::storage::testing {
namespace {

using Kind = ServerMemory::Kind;

struct Place {
  TemporaryFolder folder;
  MemoryOptions options{folder.path("data/server"), folder.path("has-run/server"), "deployment 7 server 1.0", true};

  ServerMemory recall_now() {
    auto memory = recall(options);
    EXPECT_TRUE(memory.has_value()) << memory.error().message;
    return memory ? std::move(*memory) : ServerMemory{};
  }
  void run_once(std::size_t records) {
    ServerMemory memory = recall_now();
    Reports reports;
    memory.log->start(reports.callbacks());
    for (std::size_t i = 0; i < records; ++i) {
      memory.log->append(i + 1, record(i));
      ASSERT_TRUE(reports.wait_durable(i + 1));
    }
  }
};

TEST(ServerMemory, AFreshServerStartsFresh) {
  Place place;
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Fresh);
  EXPECT_NE(memory.log, nullptr);
  EXPECT_EQ(memory.note, "");
}

TEST(ServerMemory, ARestartedServerGetsItsRecords) {
  Place place;
  place.run_once(5);
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Whole);
  EXPECT_EQ(memory.records.size(), 5u);
}

TEST(ServerMemory, AServerWhoseLogIsGoneIsToldSo) {
  Place place;
  place.run_once(5);
  std::filesystem::remove_all(place.folder.path("data"));
  for (int start = 0; start < 2; ++start) {  // every time, not only the first
    const ServerMemory memory = place.recall_now();
    EXPECT_EQ(memory.kind, Kind::Lost);
    EXPECT_EQ(memory.log, nullptr);
    EXPECT_NE(memory.note.find("the log is gone"), std::string::npos) << memory.note;
  }
}

TEST(ServerMemory, AServerWithoutALogIsFreshOnceOnly) {
  Place place;
  place.options.keep_log = false;
  EXPECT_EQ(place.recall_now().kind, Kind::Fresh);
  EXPECT_EQ(place.recall_now().kind, Kind::Lost);
  place.options.keep_log = true;  // too late: nobody knows what it said meanwhile
  EXPECT_EQ(place.recall_now().kind, Kind::Lost);
}

TEST(ServerMemory, ADamagedLogIsLostAndLeftAlone) {
  Place place;
  place.run_once(3);
  const std::string path = place.options.log_folder + "/0000000000000000.wal";
  Bytes bytes = read_all(path);
  bytes[200] ^= 1;
  write_all(path, bytes);
  const ServerMemory memory = place.recall_now();
  EXPECT_EQ(memory.kind, Kind::Lost);
  EXPECT_NE(memory.note.find("damaged"), std::string::npos) << memory.note;
  EXPECT_EQ(read_all(path), bytes);
}

TEST(ServerMemory, ALogWithoutItsMarkerIsReadAllTheSame) {
  Place place;
  place.run_once(2);
  std::filesystem::remove(place.options.marker);
  EXPECT_EQ(place.recall_now().records.size(), 2u);
  EXPECT_TRUE(std::filesystem::exists(place.options.marker));
}

TEST(ServerMemory, AForeignOrBusyLogIsAnErrorNotALoss) {
  Place place;
  place.run_once(1);
  MemoryOptions other = place.options;
  other.identity = "deployment 9 server 0.0";
  EXPECT_FALSE(recall(other).has_value());
  const ServerMemory memory = place.recall_now();
  EXPECT_FALSE(recall(place.options).has_value());
}

}  // namespace
}  // namespace seneschal::storage::testing
