// `seneschal graph` as a user starts it.
#include "accountability/store.hpp"
#include "replication/kv.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
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

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
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

TEST_F(GraphCommands, OutputToAFullDeviceIsAnError) {
  ASSERT_EQ(graph("case picture --units 50 --minutes 30 --graph " + folder_).code, 0);
  const std::string in = " --graph " + folder_, other = folder_ + "-other";
  ASSERT_EQ(graph("mark --client 51" + in).code, 0);
  ASSERT_EQ(graph("report --out " + folder_ + "/there" + in).code, 0);
  for (const std::string& arguments : {"status" + in,
                                       "status --json" + in,
                                       "blast 1" + in,
                                       "blast 1 --json" + in,
                                       "why 1400" + in,
                                       "why 1400 --json" + in,
                                       "whatif --client 3" + in,
                                       "whatif --client 3 --json" + in,
                                       "risk" + in,
                                       "risk --json" + in,
                                       "export --dot" + in,
                                       "export --json" + in,
                                       "export --prov" + in,
                                       "report --out " + folder_ + "/again" + in,
                                       "verify " + folder_ + "/there.json",
                                       "mark --client 3" + in,
                                       "mark --client 3 --withdraw" + in,
                                       "case picture --units 20 --minutes 12 --graph " + other,
                                       std::string("bench --updates 1000 --rounds 1"),
                                       std::string("bench --updates 1000 --rounds 1 --json"),
                                       "sweep --updates 1000 --rounds 1 --out " + other + "-sweep"}) {
    const Ran ran = graph(arguments + " 3>&1 >/dev/full 2>&3 #");  // its errors alone are read
    EXPECT_EQ(ran.code, 1) << arguments << ": " << ran.said;
    EXPECT_NE(ran.said.find("its output cannot be written"), std::string::npos) << arguments << ": " << ran.said;
  }
  fs::remove_all(other);
  fs::remove_all(other + "-sweep");
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

/// Client 3 lies in update 3, whose key nobody else writes. The first updates leave the graph, as with `graph_keep`,
/// or because the server took over a state: the lie is in the state that the graph begins with, at update `begin`.
struct Beheaded {
  Beheaded(const std::string& folder, bool transferred, bool drop = true) {
    auto writer = *StoreWriter::open(folder, {.payloads = true, .application = "kv"}, {});
    replication::kv::KvApplication state;
    for (std::uint64_t id = 1; id <= 15'000; ++id) {
      const bool lie = id == 3;
      const Bytes operation = replication::kv::put(lie ? "enemy" : "a", as_span(lie ? "3 km south" : "b"));
      NewUpdate update;
      update.client = ClientId(static_cast<std::uint32_t>((id - 1) % 5 + 1));
      update.seq = Seq(id);
      update.operation = operation;
      EXPECT_EQ(writer->add(update), UpdateId(id));
      (void)state.apply(update.client, operation);
      state.settle();
      if (id % 5000 != 0) continue;
      std::vector<Bytes> chunks;
      const auto frozen = state.freeze();
      for (std::size_t i = 0; i < frozen->chunks(); ++i) chunks.push_back(*frozen->chunk(i));
      if (transferred && id == begin - 1) {
        Snapshot taken{UpdateId(id), Seq(id), state.digest(), {}};
        for (Bytes& chunk : chunks) taken.chunks.items.push_back({std::move(chunk)});
        writer = *writer->begin_anew(taken, 0);
      } else {
        EXPECT_TRUE(writer->snapshot(Seq(id), std::move(chunks), state.digest()).has_value());
      }
    }
    EXPECT_TRUE(transferred || !drop || writer->drop_before(UpdateId(begin - 1)).has_value());
    EXPECT_TRUE(writer->seal().has_value());
  }
  static constexpr std::uint64_t begin = 10'001;
};

TEST_F(GraphCommands, AMarkBeforeTheGraphBeginsIsKeptAsGivenAndNothingIsCalledClean) {
  for (const bool transferred : {false, true}) {
    for (const std::string since : {" --since u3", " --since u10000", " --since 3", "", " --since u1"}) {
      fs::remove_all(folder_);
      const Beheaded graph_there(folder_, transferred);
      const std::string in = " --graph " + folder_, to = " --out " + folder_ + "/state";
      const auto unknown = [&](const std::string& command, const char* says) {
        const Ran ran = graph(command + in);
        EXPECT_EQ(ran.code, 3) << since << ": " << command << "\n" << ran.said;
        EXPECT_NE(ran.said.find(says), std::string::npos) << since << ": " << command << "\n" << ran.said;
        EXPECT_EQ(ran.said.find("NOT_AFFECTED"), std::string::npos) << since << ": " << command << "\n" << ran.said;
        EXPECT_EQ(ran.said.find("is not affected"), std::string::npos) << since << ": " << command << "\n"
                                                                       << ran.said;
      };
      EXPECT_EQ(graph("status" + in).code, 0);
      unknown("whatif --client 3" + since, "unknown before update 10001");
      unknown("mark --client 3" + since, "unknown before update 10001");
      unknown("status", "before the graph begins (update 10001)");
      unknown("status --json", "\"unknown_before_update\":10001");
      unknown("why 10001", "unknown before update 10001");
      unknown("blast 10001", "");
      unknown("clear 10001", "unknown before update 10001");
      unknown("whatif --client 4 --since u12000", "unknown before update 10001");
      unknown("risk", "unknown before update 10001");
      unknown("risk --by update", "");
      unknown("regenerate --clean" + to, "no clean state can be made");
      unknown("regenerate --with-suspects" + to, "no clean state can be made");
      EXPECT_FALSE(fs::exists(folder_ + "/state"));
      unknown("diff --clean", "no clean state can be made");
      unknown("export --json", "");
      unknown("export --dot", "");
      unknown("report --json", "\"unknown_before_update\":10001");
      EXPECT_NE(read(folder_ + "/incident.html").find("Unknown before update 10001"), std::string::npos);
      // What was said is what is taken back, and then everything can be told again.
      EXPECT_EQ(graph("mark --client 3 --withdraw" + since + in).code, 0) << since;
      EXPECT_EQ(graph("why 10001" + in).said, "update 10001 is not affected\n") << since;
      EXPECT_EQ(graph("mark --client 3 --since u10002" + in).code, 0);
      EXPECT_EQ(graph("regenerate --clean" + to + in).code, 0);
    }
  }
}

TEST_F(GraphCommands, AMarkThatTheGraphDroppedSinceIsNotForgotten) {
  const Beheaded graph_there(folder_, false, false);
  const std::string in = " --graph " + folder_;
  EXPECT_EQ(graph("mark --client 3 --since u2" + in).code, 0);
  auto writer = *StoreWriter::open(folder_, {.payloads = true, .application = "kv"}, {});
  ASSERT_TRUE(writer->drop_before(UpdateId(Beheaded::begin - 1)).has_value());
  writer.reset();
  const Ran status = graph("status" + in);
  EXPECT_EQ(status.code, 3);
  EXPECT_NE(status.said.find("client 3 is malicious since update 3, before the graph begins (update 10001)"),
            std::string::npos)
      << status.said;
}

/// Updates that depend on each other as given, each by another client; update 1 is the lie of client 1.
void make_graph(const std::string& folder, const std::vector<std::string>& formulas) {
  auto writer = *StoreWriter::open(folder, {.payloads = true, .application = "kv"}, {});
  for (std::size_t i = 0; i < formulas.size(); ++i) {
    const Bytes operation = replication::kv::put("key/" + std::to_string(i + 1), as_span("value"));
    const std::vector<Bytes> writes = {to_bytes("key/" + std::to_string(i + 1))};
    NewUpdate update;
    update.client = ClientId(static_cast<std::uint32_t>(i % 60'000 + 1));
    update.seq = Seq(i + 1);
    update.formula = *Formula::parse(formulas[i]);
    update.operation = operation;
    update.writes = writes;
    EXPECT_EQ(writer->add(update), UpdateId(i + 1));
  }
  EXPECT_TRUE(writer->seal().has_value());
}

TEST_F(GraphCommands, AnOrIsShownAsOneInEveryForm) {
  make_graph(folder_, {"", "", "1", "1 or 2", "3 and (1 or 2 or 4)", "5 and ((2 and 4) or 3)"});
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 1" + in).code, 0);
  ASSERT_EQ(graph("mark --client 2" + in).code, 0);
  const Ran dot = graph("export --dot" + in);
  for (const char* const line :
       {"u3 -> u1;", "u4_1 [label=\"or\", shape=diamond", "u4 -> u4_1;", "u4_1 -> u1 [style=dashed];",
        "u4_1 -> u2 [style=dashed];", "u5 -> u3;", "u5_1 -> u4 [style=dashed];", "u6_1 [label=\"and\", shape=box",
        "u6_2 -> u6_1 [style=dashed];", "u6 -> u5;"})
    EXPECT_NE(dot.said.find(line), std::string::npos) << line << "\n" << dot.said;
  EXPECT_EQ(dot.said.find("u4 -> u1;"), std::string::npos) << "that would say that it needs 1\n" << dot.said;
  const Ran prov = graph("export --prov" + in);
  EXPECT_NE(prov.said.find("seneschal:oneOfSeveral"), std::string::npos) << prov.said;
  EXPECT_NE(prov.said.find("\"seneschal:depends_on\": \"1 or 2\""), std::string::npos) << prov.said;
  EXPECT_EQ(graph("report" + in).code, 0);
  EXPECT_NE(read(folder_ + "/incident.html").find("stroke-dasharray"), std::string::npos);
}

TEST_F(GraphCommands, AnExportTakesTimeInProportion) {
  std::vector<std::string> chain = {""};
  while (chain.size() < 56'000) chain.push_back(std::to_string(chain.size()));
  make_graph(folder_, chain);
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 1" + in).code, 0);
  for (const char* const form : {"--prov", "--dot", "--json"}) {
    const auto begin = std::chrono::steady_clock::now();
    const Ran ran = graph(std::string("export ") + form + " --out " + folder_ + "/out" + in);
    EXPECT_EQ(ran.code, 0) << ran.said;
    EXPECT_NE(ran.said.find("56000 updates"), std::string::npos) << ran.said;
    // Seconds on a busy machine; in proportion to the square it would be a quarter of an hour.
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60)) << form;
  }
}

TEST_F(GraphCommands, WhatCutsSaysSo) {
  std::vector<std::string> chain = {""};
  while (chain.size() < 30) chain.push_back(std::to_string(chain.size()));
  make_graph(folder_, chain);
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 1" + in).code, 0);
  for (const char* const command :
       {"blast 1 --most 7", "blast 1 --most 7 --json", "blast 1 --top 7", "export --dot --most 7",
        "export --prov --most 7", "export --json --most 7", "diff --clean --most 7", "diff --clean --most 7 --json",
        "risk --top 7", "risk --top 7 --json", "risk --by update --top 7"}) {
    const Ran ran = graph(command + in);
    EXPECT_EQ(ran.code, 0) << ran.said;
    EXPECT_NE(ran.said.find("note: cut after 7, there are more"), std::string::npos) << command << "\n" << ran.said;
  }
  for (const char* const command : {"blast 1 --most 29 --top 29", "export --dot --most 30", "export --prov --most 30",
                                    "export --json --most 30", "diff --clean --most 30", "risk --top 30"}) {
    const Ran ran = graph(command + in);
    EXPECT_EQ(ran.said.find("cut after"), std::string::npos) << command << "\n" << ran.said;
  }
  for (const char* const command :
       {"blast 1 --most 18446744073709551615", "diff --clean --most 18446744073709551615"}) {
    const Ran ran = graph(command + in);
    EXPECT_NE(ran.said.find("key/30"), ran.said.find("29 updates")) << "all of them\n" << ran.said;
  }
  EXPECT_NE(graph("export --json --most 7" + in).said.find("\"there_are_more\": true"), std::string::npos);
  EXPECT_NE(graph("export --dot --most 7" + in).said.find("label=\"the first 7 updates; there are more\""),
            std::string::npos);
  EXPECT_NE(graph("export --prov --most 7" + in).said.find("\"seneschal:complete\": false"), std::string::npos);
}

TEST_F(GraphCommands, FindingsAreSignedAndARemovedLineIsNoticed) {
  make_graph(folder_, {"", "1", "1", "", "2"});
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 1 --author \"Ann Ampere\" --reason \"its password was stolen\"" + in).code, 0);
  ASSERT_EQ(graph("clear 2 --author Bob --reason \"100% sure\"" + in).code, 0);
  ASSERT_EQ(graph("mark --client 4" + in).code, 0);
  const Ran status = graph("status" + in);
  EXPECT_EQ(status.code, 0) << status.said;
  for (const char* const word :
       {"by Ann Ampere, 2", "its password was stolen", "by Bob, 2", "100% sure", "no reason given"})
    EXPECT_NE(status.said.find(word), std::string::npos) << word << "\n" << status.said;
  EXPECT_EQ(graph("report --author Ann" + in).code, 0);
  const std::string page = read(folder_ + "/incident.html");
  for (const char* const word :
       {"What operators cleared", "Ann Ampere", "its password was stolen", "100% sure", "key/3"})
    EXPECT_NE(page.find(word), std::string::npos) << word;
  const std::string text = read(folder_ + "/findings.txt");
  const std::string head = read(folder_ + "/findings.head");
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 4u) << text;
  const auto refused = [&](const std::string& what) {
    for (const char* const command : {"status", "why 3", "mark --client 2", "diff --clean"}) {
      const Ran ran = graph(command + in);
      EXPECT_EQ(ran.code, 1) << what << ": " << command << "\n" << ran.said;
      EXPECT_NE(ran.said.find("findings."), std::string::npos) << what << "\n" << ran.said;
    }
    std::ofstream(folder_ + "/findings.txt") << text;
    std::ofstream(folder_ + "/findings.head") << head;
    EXPECT_EQ(graph("status" + in).code, 0) << what;
  };
  for (std::size_t gone = 1; gone < lines.size(); ++gone) {
    std::ofstream file(folder_ + "/findings.txt");
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (i != gone) file << lines[i] << "\n";
    file.close();
    refused("without line " + std::to_string(gone));
  }
  for (std::size_t line = 1; line < lines.size(); ++line)
    for (const std::string& word :
         {std::string("mark 1"), std::string("clear 2"), std::string("mark 4"), std::string("Bob")}) {
      if (lines[line].find(word) == std::string::npos) continue;
      std::string changed = text;
      changed[changed.find(word) + word.size() - 1] = '7';
      std::ofstream(folder_ + "/findings.txt") << changed;
      refused("another word in line " + std::to_string(line));
    }
  std::ofstream(folder_ + "/findings.txt") << lines[0] << "\n"
                                           << lines[2] << "\n"
                                           << lines[1] << "\n"
                                           << lines[3] << "\n";
  refused("another order");
  std::ofstream(folder_ + "/findings.txt") << text << "mark 5 1\n";
  refused("a line that nobody signed");
  fs::remove(folder_ + "/findings.txt");
  refused("no file");
  fs::remove(folder_ + "/findings.head");
  refused("no head");
  std::ofstream(folder_ + "/findings.head") << "3 00 key=00 signature=00\n";
  refused("a head that nobody signed");
  EXPECT_EQ(graph("clear 2 --withdraw" + in).code, 0);
  EXPECT_NE(graph("why 5" + in).said.find("SUSPECT"), std::string::npos) << "what was taken back counts";
  struct stat mode{};
  ASSERT_EQ(::stat((folder_ + "/operator.pem").c_str(), &mode), 0);
  EXPECT_EQ(mode.st_mode & 0077, 0u) << "a private key";
}

TEST_F(GraphCommands, AReportIsVerifiedHereAndWithOpenssl) {
  make_graph(folder_, {"", "1"});
  const std::string in = " --graph " + folder_, report = folder_ + "/incident.json", out = folder_ + "/extracted";
  ASSERT_EQ(graph("mark --client 1" + in).code, 0);
  ASSERT_EQ(graph("report --author Ann" + in).code, 0);
  const Ran good = graph("verify " + report + " --extract " + out);
  EXPECT_EQ(good.code, 0) << good.said;
  EXPECT_NE(good.said.find("by Ann, as it says"), std::string::npos) << good.said;
  EXPECT_EQ(graph("verify " + report + " --key " + out + "/key.pem").code, 0);
  const auto quiet = [](const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()); };
  if (quiet("openssl version") == 0) {
    const std::string check = "openssl pkeyutl -verify -pubin -inkey " + out + "/key.pem -rawin -in " + out +
                              "/message -sigfile " + out + "/signature";
    EXPECT_EQ(quiet(check), 0);
    EXPECT_EQ(quiet("openssl pkey -pubin -in " + out + "/key.pem -outform DER | sha256sum | cut -c1-64 > " + out +
                    "/print"),
              0);
    const std::string print = read(out + "/print").substr(0, 64);
    EXPECT_NE(good.said.find("fingerprint " + print), std::string::npos) << print << "\n" << good.said;
    EXPECT_EQ(quiet("openssl genpkey -algorithm ed25519 -out " + out + "/other.pem && openssl pkey -in " + out +
                    "/other.pem -pubout -out " + out + "/other.pub"),
              0);
    EXPECT_EQ(graph("verify " + report + " --key " + out + "/other.pub").code, 1) << "another's key";
    std::ofstream(out + "/message", std::ios::app) << " ";
    EXPECT_NE(quiet(check), 0);
  }
  std::string text = read(report);
  text.replace(text.find("CORRUPT"), 7, "SUSPECT");
  std::ofstream(report) << text;
  const Ran changed = graph("verify " + report);
  EXPECT_EQ(changed.code, 1);
  EXPECT_NE(changed.said.find("NOT what was signed"), std::string::npos) << changed.said;
  std::ofstream(report) << "{\"report\": 1}";
  EXPECT_EQ(graph("verify " + report).code, 2);
  EXPECT_EQ(graph("verify /nowhere").code, 2);
  EXPECT_EQ(graph("verify").code, 2);
}

TEST_F(GraphCommands, ADamagedSnapshotIsPassedOverForAnOlderOne) {
  const Beheaded graph_there(folder_, false, false);
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 4 --since u15000" + in).code, 1);
  ASSERT_EQ(graph("mark --client 5 --since u15000" + in).code, 0);
  fs::resize_file(folder_ + "/snapshot-10000.snap", 30);
  const Ran ran = graph("regenerate --clean --out " + folder_ + "/state" + in);
  EXPECT_EQ(ran.code, 0) << ran.said;
  EXPECT_NE(ran.said.find("snapshot-10000.snap"), std::string::npos) << ran.said;
  EXPECT_NE(ran.said.find("from update 5001"), std::string::npos) << ran.said;
  const Ran status = graph("status" + in);
  EXPECT_NE(status.said.find("not checked: whose signature the head bears"), std::string::npos) << status.said;
}

TEST_F(GraphCommands, AGraphOfAnEarlierFormIsRefusedByName) {
  make_graph(folder_, {"", "1"});
  std::string head = read(folder_ + "/head");
  head.erase(0, 8);  // heads began with the first update then
  std::ofstream(folder_ + "/head", std::ios::binary) << head;
  const Ran ran = graph("status --graph " + folder_);
  EXPECT_EQ(ran.code, 2) << ran.said;
  EXPECT_NE(ran.said.find("form 5 or earlier, and this program reads form 6"), std::string::npos) << ran.said;
}

TEST_F(GraphCommands, RiskOfAGraphThatBeginsLaterIsALowerBound) {
  const Beheaded graph_there(folder_, false);
  EXPECT_EQ(graph("risk --graph " + folder_).code, 3);
  EXPECT_EQ(graph("risk --by update --graph " + folder_).code, 0);
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
  expect_page(folder_ + "/packages.html",
              {"libc (2)", "about 65 %", "3 packages of 1 releases", "NOT_AFFECTED assumes"});
  EXPECT_NE(made.said.find("NOT_AFFECTED assumes"), std::string::npos) << made.said;
  EXPECT_NE(graph("risk --graph " + folder_).said.find("libc"), std::string::npos) << "clients have names";
  EXPECT_EQ(graph("case packages --graph " + folder_ + "-x --list one=/nowhere").code, 2);
}

// Those that are numbers or something else: what they are is known only with the graph.
TEST_F(GraphCommands, NumbersThatAreNoneAreRefused) {
  ASSERT_EQ(graph("case picture --units 20 --minutes 12 --graph " + folder_).code, 0);
  const std::string in = " --graph " + folder_;
  for (const std::string number : {"-1", "", "nan", "inf", "1e30", "3x", "0x10", "18446744073709551616"}) {
    const std::string quoted = "'" + number + "'";
    for (const auto& [arguments, named, range] : std::vector<std::array<std::string, 3>>{
             {"mark --client " + quoted, "--client is " + quoted, "from 0 to 1048575"},
             {"whatif --client " + quoted, "--client is " + quoted, "from 0 to 1048575"},
             {"mark --client 3 --since " + quoted, "--since is " + quoted, "from 0 to 18446744073709551615"},
             {"mark --client 3 --since 'u" + number + "'", "--since is 'u" + number, "from u1 to"},
             {"whatif --client 3 --redundant '1," + number + "'", "--redundant is '1," + number + "'", "from 0 to"},
             {"blast -- " + quoted, quoted + " is no update", "from 1 to 18446744073709551615"},
             {"why -- " + quoted, quoted + " is no update", "from 1 to 18446744073709551615"},
             {"clear -- " + quoted, quoted + " is no update", "from 1 to 18446744073709551615"}}) {
      const Ran ran = graph(arguments + in);
      EXPECT_EQ(ran.code, 2) << arguments << ": " << ran.said;
      EXPECT_NE(ran.said.find(named), std::string::npos) << arguments << ": " << ran.said;
      EXPECT_NE(ran.said.find(range), std::string::npos) << arguments << ": " << ran.said;
    }
  }
  for (const std::string late : {"mark --client 1048576", "mark --client 3 --since u0", "mark --client 3 --since 5d"})
    EXPECT_EQ(graph(late + in).code, 2) << late;
  EXPECT_FALSE(fs::exists(folder_ + "/findings.txt")) << "nothing was kept";
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
