// `seneschal graph` as a user starts it.
#include "accountability/store.hpp"
#include "replication/kv.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

struct Ran {
  int code = -1;
  std::string said;  // both outputs
};

Ran graph(const std::string& arguments) {
  const std::string command = SENESCHAL_BINARY_DIR "/bin/seneschal graph " + arguments + " 2>&1";
  std::FILE* const pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  Ran ran;
  std::array<char, 4096> buffer;
  while (const std::size_t n = std::fread(buffer.data(), 1, buffer.size(), pipe)) ran.said.append(buffer.data(), n);
  const int status = ::pclose(pipe);
  ran.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

class GraphCommands : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "seneschal-graph-commands-" + std::to_string(::getpid());
    fs::remove_all(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string folder_;
};

TEST_F(GraphCommands, WhatCannotBeMeantExitsWith2AndSaysWhy) {
  for (const char* const arguments :
       {"", "nonsense", "status --bogus", "bench --updates many", "bench --updates 0", "case",
        "case nonsense --graph x", "status --graph /nowhere/at/all", "why 1 2", "blast 1 --redundant 1,2",
        "status --clean", "mark --client 1 --server 0.0", "risk 5"}) {
    const Ran ran = graph(arguments);
    EXPECT_EQ(ran.code, 2) << arguments << ": " << ran.said;
    EXPECT_NE(ran.said.find("seneschal graph"), std::string::npos) << ran.said;
  }
  EXPECT_NE(graph("status --graph /nowhere").said.find("--graph"), std::string::npos) << "it says what to do";
}

TEST_F(GraphCommands, HelpExitsWith0) {
  for (const char* const arguments : {"--help", "status --help", "bench --help", "case --help"})
    EXPECT_EQ(graph(arguments).code, 0) << arguments;
}

TEST_F(GraphCommands, AnIncidentFromMarkToReport) {
  ASSERT_EQ(graph("case picture --units 50 --minutes 30 --graph " + folder_).code, 0);
  const std::string in = " --graph " + folder_;
  EXPECT_EQ(graph("why 1" + in).said, "update 1 is not affected\n");
  EXPECT_EQ(graph("mark" + in).code, 2) << "of whom?";
  EXPECT_EQ(graph("mark --client 99" + in).code, 1) << "such a client made no update";
  EXPECT_EQ(graph("mark --client 51" + in).code, 0);
  EXPECT_NE(graph("status" + in).said.find("client 51 is malicious"), std::string::npos);
  EXPECT_EQ(graph("regenerate --clean" + in).code, 2) << "to where?";
  EXPECT_EQ(graph("regenerate --clean --out " + folder_ + "/state" + in).code, 0);
  EXPECT_NE(graph("diff --clean" + in).said.find("commando/plan"), std::string::npos);
  EXPECT_EQ(graph("report" + in).code, 0);
  EXPECT_TRUE(fs::exists(folder_ + "/incident.json"));
  EXPECT_TRUE(fs::exists(folder_ + "/incident.html"));
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The page shows the figure of dependants, and stands alone.
void expect_page(const std::string& path, const std::vector<std::string>& words) {
  const std::string page = read(path);
  EXPECT_NE(page.find("<svg"), std::string::npos) << path;
  EXPECT_EQ(page.find("src="), std::string::npos) << path;
  for (const std::string& word : words) EXPECT_NE(page.find(word), std::string::npos) << path << ": " << word;
}

TEST_F(GraphCommands, MarksAtTheSameTimeAreAllKept) {
  ASSERT_EQ(graph("case picture --units 50 --minutes 30 --graph " + folder_).code, 0);
  std::vector<std::thread> operators;
  std::array<int, 12> codes{};
  for (std::size_t i = 0; i < codes.size(); ++i)
    operators.emplace_back(
        [&, i] { codes[i] = graph("mark --client " + std::to_string(i + 1) + " --graph " + folder_).code; });
  for (std::thread& one : operators) one.join();
  const std::string said = graph("status --graph " + folder_).said;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    EXPECT_EQ(codes[i], 0);
    EXPECT_NE(said.find("client " + std::to_string(i + 1) + " is malicious"), std::string::npos) << said;
  }
}

TEST_F(GraphCommands, WhatWouldSayTooLittleIsRefused) {
  ASSERT_EQ(graph("case picture --units 50 --minutes 30 --graph " + folder_).code, 0);
  const std::string in = " --graph " + folder_;
  const Ran future = graph("mark --client 51 --since 2100-01-01T00:00:00" + in);
  EXPECT_EQ(future.code, 1);
  EXPECT_NE(future.said.find("has not come yet"), std::string::npos) << future.said;
  const Ran nobody = graph("whatif --client 51 --redundant 51,999" + in);
  EXPECT_EQ(nobody.code, 1);
  EXPECT_NE(nobody.said.find("client 999 made no update"), std::string::npos) << nobody.said;
  const Ran itself = graph("whatif --client 51 --redundant 51" + in);
  EXPECT_EQ(itself.code, 2);
  EXPECT_NE(itself.said.find("at least two clients"), std::string::npos) << itself.said;
  fs::create_directory(folder_ + "/findings.txt");
  const Ran unread = graph("status" + in);
  EXPECT_EQ(unread.code, 1);
  EXPECT_NE(unread.said.find("findings.txt: cannot be read"), std::string::npos) << unread.said;
}

TEST_F(GraphCommands, WhatWasClearedBeforeIsSaidAgain) {
  ASSERT_EQ(graph("case picture --units 50 --minutes 30 --graph " + folder_).code, 0);
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 51" + in).code, 0);
  // Its first suspect.
  const Ran suspects = graph("export --json --most 100000" + in);
  const std::size_t at = suspects.said.find("SUSPECT");
  ASSERT_NE(at, std::string::npos);
  const std::size_t number = suspects.said.rfind("\"update\": ", at) + 10;
  const std::string id = std::to_string(std::stoul(suspects.said.substr(number)));
  EXPECT_EQ(graph("clear " + id + in).code, 0);
  EXPECT_EQ(graph("status" + in).said.find("warning"), std::string::npos);
  const Ran gone = graph("mark --client 51 --withdraw" + in);
  EXPECT_NE(gone.said.find("update " + id + " stays cleared"), std::string::npos) << gone.said;
  EXPECT_NE(graph("status --json" + in).said.find("\"idle_clears\":[" + id + "]"), std::string::npos);
  const Ran again = graph("mark --client 51" + in);
  EXPECT_NE(again.said.find("update " + id + " was cleared before this was known"), std::string::npos) << again.said;
}

TEST_F(GraphCommands, AStateIsMadeByTheApplicationWhoseOperationsTheyAre) {
  ASSERT_EQ(graph("case picture --units 50 --minutes 30 --graph " + folder_).code, 0);
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 51" + in).code, 0);
  const Ran other = graph("regenerate --clean --application null --out " + folder_ + "/state" + in);
  EXPECT_EQ(other.code, 1);
  EXPECT_NE(other.said.find("operations of this graph are those of 'kv'"), std::string::npos) << other.said;
  const Ran made = graph("regenerate --clean --out " + folder_ + "/state" + in);
  EXPECT_EQ(made.code, 0) << made.said;
  EXPECT_NE(made.said.find("left out: "), std::string::npos) << made.said;
}

TEST_F(GraphCommands, AMarkBeforeTheGraphsBeginningIsNamedAndNothingIsMadeOfIt) {
  auto writer = *StoreWriter::open(folder_, {.payloads = true, .application = "kv"}, {});
  const Bytes operation = replication::kv::put("a", as_span("b"));
  replication::kv::KvApplication state;
  for (std::uint64_t epoch = 1; epoch <= 3; ++epoch) {
    for (std::uint64_t i = 0; i < 5000; ++i) {
      NewUpdate update;
      update.client = ClientId(static_cast<std::uint32_t>(i % 5 + 1));
      update.seq = Seq((epoch - 1) * 5000 + i + 1);
      update.operation = operation;
      ASSERT_TRUE(writer->add(update).has_value());
    }
    (void)state.apply(ClientId(1), operation);
    state.settle();
    std::vector<Bytes> chunks;
    const auto frozen = state.freeze();
    for (std::size_t i = 0; i < frozen->chunks(); ++i) chunks.push_back(*frozen->chunk(i));
    ASSERT_TRUE(writer->snapshot(Seq(epoch * 5000), std::move(chunks), state.digest()).has_value());
  }
  ASSERT_TRUE(writer->drop_before(UpdateId(10'000)).has_value());
  writer.reset();
  const std::string in = " --graph " + folder_, to = " --out " + folder_ + "/state";
  EXPECT_EQ(graph("mark --client 3 --since u12000" + in).code, 0);
  EXPECT_EQ(graph("regenerate --clean" + to + in).code, 0);
  std::ofstream(folder_ + "/findings.txt") << "mark 3 17\n";
  const Ran status = graph("status" + in);
  EXPECT_EQ(status.code, 0);
  EXPECT_NE(status.said.find("client 3 is malicious since update 17, and the graph begins at update 10001"),
            std::string::npos)
      << status.said;
  const Ran refused = graph("regenerate --clean" + to + in);
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.said.find("no clean state can be made"), std::string::npos) << refused.said;
}

TEST_F(GraphCommands, AFolderMayBeCalledAnything) {
  folder_ += "-\xff\xfe";
  ASSERT_EQ(graph("case picture --units 50 --minutes 12 --graph " + folder_).code, 0);
  const Ran report = graph("report --json --graph " + folder_);
  EXPECT_EQ(report.code, 0) << report.said;
}

TEST_F(GraphCommands, TheOperationPictureEndsInAPageThatTellsTheReportsStory) {  // [TR IV-B]
  const Ran made = graph("case picture --units 50 --minutes 30 --graph " + folder_);
  ASSERT_EQ(made.code, 0) << made.said;
  EXPECT_NE(made.said.find("1 corrupt"), std::string::npos) << made.said;
  expect_page(folder_ + "/picture.html", {"3 km south of the bridge", "convoy/path", "commando/plan",
                                          "unit/17/meeting", "about 3,600,000", "CORRUPT", "SUSPECT"});
  EXPECT_NE(graph("status --graph " + folder_).said.find("CORRUPT                  0"), std::string::npos)
      << "the mark is the user's to make";
}

TEST_F(GraphCommands, TheBiodefenseNetworkEndsInAPageWhereASecondSourceSaves) {  // [TR IV-C]
  const Ran made = graph("case threads --messages 500 --per-day 100 --graph " + folder_);
  ASSERT_EQ(made.code, 0) << made.said;
  expect_page(folder_ + "/threads.html",
              {"cases/springfield", "shipment SUSPECT, advisory SUSPECT", "airport NOT_AFFECTED", "100 a day"});
}

TEST_F(GraphCommands, PackagesEndInAPageWithTheDistributionOfDependants) {  // [TR IV-A]
  fs::create_directories(folder_);
  const std::string list = folder_ + "-list";
  std::ofstream(list) << "Package: libc\nVersion: 1\n\nPackage: shell\nVersion: 1\nDepends: libc\n\n"
                         "Package: game\nVersion: 1\nDepends: shell\n";
  const Ran made = graph("case packages --graph " + folder_ + " --list one=" + list);
  fs::remove(list);
  ASSERT_EQ(made.code, 0) << made.said;
  expect_page(folder_ + "/packages.html", {"libc (2)", "about 65 %", "3 packages of 1 releases"});
  EXPECT_EQ(graph("case packages --graph " + folder_ + "-x --list one=/nowhere").code, 2);
}

TEST_F(GraphCommands, WhatIsNotInTheGraphIsNamed) {
  ASSERT_EQ(graph("case picture --units 20 --minutes 12 --graph " + folder_).code, 0);
  const std::string in = " --graph " + folder_;
  for (const auto& [arguments, named] :
       std::vector<std::pair<std::string, std::string>>{{"mark --client 999", "client 999"},
                                                        {"mark --client 999999999", "client"},
                                                        {"mark --client 3 --since 99999", "seqs 1 to 12"},
                                                        {"mark --client 3 --since u99999", "99999"},
                                                        {"mark --client 3 --since nonsense", "nonsense"},
                                                        {"whatif --client 999", "client 999"},
                                                        {"whatif --client 3 --redundant 1,,2", "--redundant"},
                                                        {"blast 99999", "99999"},
                                                        {"why 0", "0"},
                                                        {"clear 99999", "99999"},
                                                        {"clear 1", "not suspect"}}) {
    const Ran ran = graph(arguments + in);
    EXPECT_NE(ran.code, 0) << arguments << ": " << ran.said;
    EXPECT_NE(ran.said.find(named), std::string::npos) << arguments << ": " << ran.said;
  }
  EXPECT_FALSE(fs::exists(folder_ + "/findings.txt")) << "nothing was kept";
  for (const char* line :
       {"mark 1", "mark 1 0", "mark x 1", "mark 1 99999999999999999999", "clear -5", "clear", "fine"}) {
    std::ofstream(folder_ + "/findings.txt") << "# good so far\n" << line << "\n";
    const Ran ran = graph("status" + in);
    EXPECT_NE(ran.code, 0) << line;
    EXPECT_NE(ran.said.find("findings.txt:2: expected"), std::string::npos) << line << ": " << ran.said;
  }
}

TEST_F(GraphCommands, ADamagedSegmentIsNamedAndWhatIsBeforeItCanBeAsked) {
  ASSERT_EQ(graph("case picture --units 1000 --minutes 15 --graph " + folder_).code, 0);
  {
    std::fstream segment(folder_ + "/graph-1.seg", std::ios::in | std::ios::out | std::ios::binary);
    ASSERT_TRUE(segment.is_open());
    segment.seekp(0, std::ios::end);
    segment.seekp(-100, std::ios::cur);
    segment.write("damage", 6);
  }
  const Ran status = graph("status --graph " + folder_);
  EXPECT_EQ(status.code, 0) << status.said;
  EXPECT_NE(status.said.find("graph-1.seg"), std::string::npos) << status.said;
  EXPECT_NE(status.said.find("8193"), std::string::npos) << "the first update that cannot be used\n" << status.said;
  EXPECT_EQ(graph("blast 8000 --graph " + folder_).code, 0) << "what is before it";
  EXPECT_NE(graph("blast 8200 --graph " + folder_).code, 0);
}

}  // namespace
}  // namespace seneschal::accountability
