// What a user may say to `seneschal graph`, and what it answers to all else.
#include "graph_commands.hpp"

#include <csignal>
#include <cstdlib>

namespace seneschal::accountability {
namespace {

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

TEST_F(GraphCommands, AFolderMayBeCalledAnything) {
  folder_ += "-\xff\xfe";
  ASSERT_EQ(graph("case picture --units 50 --minutes 12 --graph " + folder_).code, 0);
  const Ran report = graph("report --json --graph " + folder_);
  EXPECT_EQ(report.code, 0) << report.said;
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

TEST_F(GraphCommands, AnInterruptedMeasurementLeavesNothing) {
  const std::string out = folder_ + "-out";
  fs::create_directories(folder_);
  ASSERT_EQ(::setenv("TMPDIR", folder_.c_str(), 1), 0);
  for (const std::string& command :
       {std::string("bench --updates 100000000"), "sweep --updates 100000000 --out " + out}) {
    const Ran ran = graph(command + " & sleep 1; kill -INT $!; wait $!; exit $? #");
    EXPECT_EQ(ran.code, 130) << command << "\n" << ran.said;
    EXPECT_TRUE(fs::is_empty(folder_)) << command;
  }
  ASSERT_EQ(::unsetenv("TMPDIR"), 0);
  fs::remove_all(out);
}

}  // namespace
}  // namespace seneschal::accountability
