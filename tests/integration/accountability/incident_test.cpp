// An incident as an operator works through it: mark, ask, clear, export, report.
#include "graph_commands.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

namespace seneschal::accountability {
namespace {

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

}  // namespace
}  // namespace seneschal::accountability
