// The report's case studies, from a made-up graph to the page.
#include "graph_commands.hpp"

namespace seneschal::accountability {
namespace {

/// The page shows the figure of dependants, and stands alone.
void expect_page(const std::string& path, const std::vector<std::string>& words) {
  const std::string page = read(path);
  EXPECT_NE(page.find("<svg"), std::string::npos) << path;
  EXPECT_EQ(page.find("src="), std::string::npos) << path;
  for (const std::string& word : words) EXPECT_NE(page.find(word), std::string::npos) << path << ": " << word;
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

}  // namespace
}  // namespace seneschal::accountability
