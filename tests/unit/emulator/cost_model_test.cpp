#include "emulator/cost_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seneschal::emulator {
namespace {

using ::testing::HasSubstr;

Result<CostModel> shipped(const std::string& name) {
  return load_costs(std::string(SENESCHAL_SOURCE_DIR) + "/configs/costs/" + name);
}

TEST(CostModel, TodayHoldsTheMeasuredTable) {
  const auto model = shipped("today.toml");
  ASSERT_TRUE(model) << model.error().message;
  EXPECT_EQ(model->cost(Op::SignServer), 276us);
  EXPECT_EQ(model->cost(Op::VerifyServer, 10), 200us);
  EXPECT_EQ(model->cost(Op::CopyByte, 1000), 100ns);
  EXPECT_EQ(model->cost(Op::CopyByte), 0ns);  // a tenth of a nanosecond
  EXPECT_EQ(model->for_threshold(11, 16).cost(Op::Combine), 220us);
  EXPECT_EQ(model->for_threshold(3, 4).cost(Op::Combine), 60us);
  EXPECT_EQ(model->for_threshold(3, 4).cost(Op::Prove), 5800us);
  EXPECT_EQ(model->sizes, (SignatureSizes{256, 64, 256, 16}));
}

TEST(CostModel, Report2005LimitsTheLeaderSiteToAbout84UpdatesPerSecond) {
  const auto file = shipped("report-2005.toml");
  ASSERT_TRUE(file) << file.error().message;
  const CostModel model = file->for_threshold(11, 16);
  EXPECT_EQ(model.cost(Op::SignServer), 1300us);
  EXPECT_EQ(model.cost(Op::VerifyServer), 70us);
  // The sum that the file's comment gives: what the busiest server does for one update.
  const Duration busy = model.cost(Op::VerifyClient) + model.cost(Op::VerifyServer, 1 + 14 + 15) +
                        model.cost(Op::SignServer, 3) + model.cost(Op::Share) + model.cost(Op::Combine) +
                        model.cost(Op::VerifySite, 1 + 4) + model.cost(Op::Receive, 36) + model.cost(Op::Send, 33);
  EXPECT_GT(busy, Duration(1s) / 87);
  EXPECT_LT(busy, Duration(1s) / 82);
}

TEST(CostModel, ShapesWithoutAnEntryUseTheNextGreaterK) {
  const auto model = shipped("today.toml");
  ASSERT_TRUE(model);
  EXPECT_EQ(model->for_threshold(5, 7).cost(Op::Combine), 220us);
  EXPECT_EQ(model->for_threshold(1, 1).cost(Op::Combine), 60us);
  EXPECT_EQ(model->for_threshold(22, 31).cost(Op::Combine), 440us);
  EXPECT_EQ(model->cost(Op::Combine), 60us);
}

TEST(CostModel, WrittenFileReadsBackEqual) {
  for (const char* name : {"today.toml", "report-2005.toml"}) {
    auto model = shipped(name);
    ASSERT_TRUE(model);
    model->description = "quoted \"name\", back\\slash\nand line";
    model->set_picoseconds(Op::HashByte, 1'234);
    model->set_picoseconds(Op::SignServer, 276'001'002);
    const auto again = parse_costs(model->to_toml(), "again.toml");
    ASSERT_TRUE(again) << again.error().message << model->to_toml();
    EXPECT_EQ(*again, *model);
  }
}

TEST(CostModel, FreeCostsNothing) {
  for (std::size_t i = 0; i < kOpCount; ++i) EXPECT_EQ(CostModel::free().cost(static_cast<Op>(i), 1000), 0ns);
}

/// The message for today.toml as written by to_toml with `from` replaced by `to`.
std::string error_after(const std::string& from, const std::string& to) {
  std::string text = shipped("today.toml")->to_toml();
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  const auto model = parse_costs(text, "c.toml");
  return model ? "" : model.error().message;
}

TEST(CostModel, ErrorsNameLineAndHint) {
  EXPECT_THAT(error_after("receive_us = 3\n", ""), HasSubstr("c.toml:3: the cost 'receive_us' is missing"));
  EXPECT_EQ(error_after("receive_us = 3", "receive_us = -3"),
            "c.toml:4: 'receive_us' is the number -3; expected a number, 0 to 1e+06");
  EXPECT_THAT(error_after("receive_us = 3", "receive_us = 3\nrecieve_us = 3"),
              HasSubstr("did you mean 'receive_us'?"));
  EXPECT_THAT(error_after("receive_us = 3", "receive_us = 3\nreceive_ns = 3"), HasSubstr("both given"));
  EXPECT_THAT(error_after("[sizes]\n", "[size]\n"), HasSubstr("[sizes] is missing"));
  EXPECT_THAT(error_after("k = 3\n", "k = 5\n"), HasSubstr("no more shares needed than there are"));
  EXPECT_THAT(error_after("k = 3\nn = 4\n", "k = 11\nn = 16\n"), HasSubstr("(11 of 16) is given twice"));
}

}  // namespace
}  // namespace seneschal::emulator
