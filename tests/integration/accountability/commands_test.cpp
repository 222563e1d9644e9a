// `seneschal graph` as a user starts it.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>

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
        "case nonsense --graph x", "status --graph /nowhere/at/all", "why 1 2"}) {
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

}  // namespace
}  // namespace seneschal::accountability
