#include "runtime/config_quote.hpp"
#include "runtime/roster.hpp"

#include <gtest/gtest.h>

namespace seneschal {
namespace {

TEST(ConfigText, ReadsKeysAndIgnoresComments) {
  auto config = ConfigText::parse("# top\n a = 1  # one\nname =  two words \n\nlist = 1 2 3\n", "t");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->number("a", 0, 9), 1u);
  EXPECT_EQ(config->text("name"), "two words");
  const auto lines = config->all("list");
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(config->numbers(lines[0], 3, 9), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_TRUE(config->finish());
}

TEST(ConfigText, NamesTheLineOfTheFirstError) {
  auto config = ConfigText::parse("a = x\nb = 7\n", "plugin");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->number("a", 5, 0, 9), 5u);
  EXPECT_EQ(config->number("b", 0, 0, 5), 0u);
  ASSERT_FALSE(config->finish());
  EXPECT_EQ(config->finish().error().message, "plugin:1: 'a' is 'x'; expected a whole number, 0 to 9");
}

TEST(ConfigText, RefusesUnknownMissingAndRepeatedKeys) {
  auto unknown = ConfigText::parse("a = 1\nbatchmax = 2\n", "t");
  EXPECT_EQ(unknown->number("a", 0, 9), 1u);
  EXPECT_NE(unknown->finish().error().message.find("t:2: unknown key 'batchmax'"), std::string::npos);
  auto missing = ConfigText::parse("", "t");
  missing->text("keys");
  EXPECT_EQ(missing->finish().error().message, "t: the key 'keys' is missing");
  auto twice = ConfigText::parse("a = 1\na = 2\n", "t");
  twice->text("a");
  EXPECT_FALSE(twice->finish());
  EXPECT_FALSE(ConfigText::parse("no equals sign\n", "t"));
}

Roster example() {
  Roster roster;
  roster.membership.deployment = DeploymentId(77);
  roster.membership.sites = {{4, 1}, {7, 2}};
  roster.directory.servers = {{NodeId(1), NodeId(1), NodeId(1), NodeId(1)}, std::vector<NodeId>(7, NodeId(2))};
  roster.membership.clients = {{ClientId(3), SiteId(1)}, {ClientId(9), SiteId(0)}};
  roster.directory.clients = {{ClientId(3), NodeId(2)}, {ClientId(9), NodeId(1)}};
  return roster;
}

TEST(ConfigText, QuotedValuesHoldAnyCharacter) {
  for (const std::string value :
       {"/a #b/c", "#", "", " blanks ", "\"", "\\", "a\\", "two\nlines\r\t", "\\n", "=", "\xc3\xa4#"}) {
    auto config =
        ConfigText::parse("before = 1 # one\nkeys = " + config_quoted(value) + "  # \" two\nafter = 2\n", "t");
    ASSERT_TRUE(config) << value;
    EXPECT_EQ(config->text("keys"), value);
    EXPECT_EQ(config->number("before", 0, 9), 1u);
    EXPECT_EQ(config->number("after", 0, 9), 2u);
    EXPECT_TRUE(config->finish());
  }
  for (const std::string value : {"\"", "\"a", "\"a\\\"", "\"a\" b", "\"\\x\"", "\"\\"})
    EXPECT_FALSE(ConfigText::parse("keys = " + value + "\n", "t")) << value;
}

TEST(ConfigText, ACommentBeginsTheLineOrFollowsABlank) {
  auto config = ConfigText::parse("keys = /a#b/c#d\nmore = x\t# y\n#all\n", "t");
  ASSERT_TRUE(config);
  EXPECT_EQ(config->text("keys"), "/a#b/c#d");
  EXPECT_EQ(config->text("more"), "x");
  EXPECT_TRUE(config->finish());
}

TEST(Roster, TextReadsBackEqual) {
  const std::string text = to_text(example());
  auto config = ConfigText::parse(text, "t");
  ASSERT_TRUE(config);
  const Roster back = read_roster(*config);
  ASSERT_TRUE(config->finish()) << config->finish().error().message;
  EXPECT_EQ(to_text(back), text);
  EXPECT_EQ(back.directory.endpoint(ClientId(9)), (EndpointId{NodeId(1), Port(1009)}));
  EXPECT_EQ(back.directory.endpoint(ServerId{SiteId(1), ServerIndex(6)}), (EndpointId{NodeId(2), Port(106)}));
  EXPECT_FALSE(back.directory.endpoint(ClientId(4)));
}

TEST(Roster, RefusesWrongShapes) {
  for (const char* text : {"deployment = 1\nsite = 5 1 1 1 1 1 1\n", "deployment = 1\nsite = 4 1 1\n",
                           "deployment = 1\n", "deployment = 1\nsite = 4 1 1 1 1 1\nclient = 1 3 1\n",
                           "deployment = 1\nsite = 4 1 1 1 1 1\nclient = 2 0 1\nclient = 1 0 1\n"}) {
    auto config = ConfigText::parse(text, "t");
    ASSERT_TRUE(config);
    read_roster(*config);
    EXPECT_FALSE(config->finish()) << text;
  }
}

}  // namespace
}  // namespace seneschal
