// The report's stories come out of the graph as the report tells them.
#include "accountability/cases.hpp"

#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;

class GraphCases : public testing::Test {
 protected:
  GraphCases() {
    folder_ = (fs::temp_directory_path() / "cases-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  ~GraphCases() override { fs::remove_all(folder_); }
  std::string folder_;
};

TEST_F(GraphCases, TheFalseReportMarksConvoySuppliedUnitAndCommando) {  // [TR IV-B]
  auto writer = *StoreWriter::open(folder_, {.digests = true, .payloads = true}, {});
  const auto story = generate(Picture{.units = 100, .minutes = 60}, *writer);
  ASSERT_TRUE(story.has_value());
  const Store store = *Store::open(folder_);
  EXPECT_EQ(store.graph().size(), 100u * 60 + 4);
  const Colours colours = mark(store.graph(), {{{story->officer, story->false_report}}, {}});
  EXPECT_EQ(colours.of(story->false_report), Colour::Corrupt);
  for (const UpdateId plan : {story->convoy_path, story->meeting_point, story->attack_plan})
    EXPECT_EQ(colours.of(plan), Colour::Suspect);
  EXPECT_EQ(colours.corrupt(), 1u);
  EXPECT_LT(colours.suspect(), store.graph().size() / 10);  // most units are not affected, and known not to be
}

TEST_F(GraphCases, AThreadsAnswersAreSuspectWhenItsOpenerIsMalicious) {  // [TR IV-C]
  auto writer = *StoreWriter::open(folder_, {.digests = true, .payloads = true}, {});
  const auto opener = generate(Threads{.members = 50, .messages = 3000}, *writer);
  ASSERT_TRUE(opener.has_value());
  const Store store = *Store::open(folder_);
  const UpdateId first = store.graph().first_of(*opener, UpdateId(1));
  const Colours colours = mark(store.graph(), {{{*opener, first}}, {}});
  EXPECT_GT(colours.corrupt(), 0u);
  EXPECT_GT(colours.suspect(), colours.corrupt());
}

}  // namespace
}  // namespace seneschal::accountability
