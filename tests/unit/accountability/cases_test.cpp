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
  auto writer = *StoreWriter::open(folder_, {.payloads = true}, {});
  const auto story = generate(Picture{.units = 100, .minutes = 60}, *writer);
  ASSERT_TRUE(story.has_value());
  const Store store = *Store::open(folder_);
  EXPECT_EQ(store.graph().size(), 100u * 60 + 4);
  const Colours colours = mark(store.graph(), {{{story->liar, story->of("enemy/1").id}}, {}});
  EXPECT_EQ(colours.of(story->of("enemy/1").id), Colour::Corrupt);
  for (const char* const plan : {"convoy/path", "unit/17/meeting", "commando/plan"})
    EXPECT_EQ(colours.of(story->of(plan).id), Colour::Suspect) << plan;
  EXPECT_EQ(colours.corrupt(), 1u);
  EXPECT_LT(colours.suspect(), store.graph().size() / 10);  // most units are not affected, and known not to be
}

TEST_F(GraphCases, AMessageWithASecondSourceStaysCleanWhenOneSourceLied) {  // [TR III-C, IV-C]
  auto writer = *StoreWriter::open(folder_, {.payloads = true}, {});
  const auto story = generate(Threads{.members = 50, .messages = 3000}, *writer);
  ASSERT_TRUE(story.has_value());
  const Store store = *Store::open(folder_);
  EXPECT_EQ(store.graph().size(), 3000u + 5);
  const UpdateId lie = story->of("cases/springfield").id;
  const Colours colours = mark(store.graph(), {{{story->liar, lie}}, {}});
  EXPECT_EQ(colours.of(lie), Colour::Corrupt);
  EXPECT_EQ(colours.corrupt(), 1u);
  EXPECT_EQ(colours.of(story->of("vaccine/shipment").id), Colour::Suspect);
  EXPECT_EQ(colours.of(story->of("advisory/7").id), Colour::Suspect);
  EXPECT_EQ(colours.of(story->of("cases/shelbyville").id), Colour::NotAffected);
  EXPECT_EQ(colours.of(story->of("airport/shelbyville").id), Colour::NotAffected);
  EXPECT_LT(colours.suspect(), store.graph().size() / 2) << "threads end";

  const UpdateId laboratory = story->of("cases/shelbyville").id;
  const Colours both =
      mark(store.graph(), {{{story->liar, lie}, {store.graph().client(laboratory), laboratory}}, {}});
  EXPECT_EQ(both.of(story->of("airport/shelbyville").id), Colour::Suspect) << "when both sources lied";
}

TEST_F(GraphCases, AStudyThatCannotTellItsStoryIsRefused) {
  auto writer = *StoreWriter::open(folder_, {.payloads = true}, {});
  EXPECT_FALSE(generate(Picture{.units = 16, .minutes = 60}, *writer).has_value());
  EXPECT_FALSE(generate(Picture{.units = 100, .minutes = 9}, *writer).has_value());
  EXPECT_FALSE(generate(Threads{.members = 0}, *writer).has_value());
  EXPECT_FALSE(generate(Threads{.messages = 99}, *writer).has_value());
  EXPECT_FALSE(generate(Threads{.per_day = 0}, *writer).has_value());
  EXPECT_EQ(writer->next().value, 1u) << "and nothing is written";
}

}  // namespace
}  // namespace seneschal::accountability
