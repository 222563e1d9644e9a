// What is signed, by whom, and what happens where it is not what was signed.
#include "graph_commands.hpp"

#include <sys/stat.h>
#include <cstdlib>
#include <sstream>

namespace seneschal::accountability {
namespace {

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
  EXPECT_EQ(status.code, 3) << "not what was signed\n" << status.said;
  EXPECT_NE(status.said.find("graph-1.seg"), std::string::npos) << status.said;
  EXPECT_NE(status.said.find("8193"), std::string::npos) << "the first update that cannot be used\n" << status.said;
  EXPECT_EQ(graph("blast 8000 --graph " + folder_).code, 3)
      << "answered, but what is behind it may be touched as well";
  EXPECT_EQ(graph("blast 8200 --graph " + folder_).code, 1);
}

// Its updates are those that were signed; what clients signed is not. Who asks for that is told, also without keys.
TEST_F(GraphCommands, AChangedOperationIsNoticedWhereOperationsAreTold) {
  make_graph(folder_, {"", "1", "2"});
  const std::string in = " --graph " + folder_;
  ASSERT_EQ(graph("mark --client 1" + in).code, 0);
  ASSERT_EQ(graph("export --json" + in).code, 0);
  {
    std::string payloads = read(folder_ + "/payloads-1.seg");
    const std::size_t at = payloads.find("key/2");
    ASSERT_NE(at, std::string::npos);
    payloads[at] ^= 1;
    std::ofstream(folder_ + "/payloads-1.seg", std::ios::binary) << payloads;
  }
  for (const char* const command : {"export --json", "report"}) {
    const Ran ran = graph(command + in);
    EXPECT_EQ(ran.code, 3) << command << "\n" << ran.said;
    EXPECT_NE(ran.said.find("payloads-1.seg"), std::string::npos) << ran.said;
  }
  EXPECT_EQ(graph("why 3" + in).code, 0) << "colours do not depend on it";
}

}  // namespace
}  // namespace seneschal::accountability
