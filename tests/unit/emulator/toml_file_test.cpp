#include "emulator/names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace seneschal::emulator {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

/// The message of `finish` after `read` went over `text`; empty if all was well.
template <class Read>
std::string message_of(std::string_view text, Read read) {
  auto file = TomlFile::parse(text, "x.toml");
  if (!file) return file.error().message;
  read(file->root());
  const Status good = file->finish();
  return good ? "" : good.error().message;
}

TEST(TomlFile, ReadsEveryKindOfValue) {
  auto file = TomlFile::parse(R"(
name = "a"
on = true
count = 7
percent = 0.5
delays = [1, 2.5]
words = ["x", "y"]
mode = "sim"
[inner]
delay_ms = 0.05
[[item]]
n = 1
[[item]]
n = 2
)",
                              "x.toml");
  ASSERT_TRUE(file);
  const TomlTable root = file->root();
  EXPECT_EQ(root.text("name"), "a");
  EXPECT_EQ(root.text("title", "none"), "none");
  EXPECT_TRUE(root.boolean("on", false));
  EXPECT_EQ(root.integer("count"), 7);
  EXPECT_EQ(root.integer("absent", 3, {}), 3);
  EXPECT_EQ(root.scaled("percent", 10'000), 5000);
  EXPECT_EQ(root.scaled_list("delays", 1000), (std::vector<std::int64_t>{1000, 2500}));
  EXPECT_EQ(root.texts("words"), (std::vector<std::string>{"x", "y"}));
  constexpr std::string_view kModes[] = {"live", "sim"};
  EXPECT_EQ(root.choice("mode", kModes, 0), 1u);
  EXPECT_EQ(root.table("inner").duration("delay_ms", 1ms), 50us);
  ASSERT_EQ(root.tables("item").size(), 2u);
  EXPECT_EQ(root.tables("item")[0].integer("n"), 1);
  EXPECT_EQ(root.tables("item")[1].integer("n"), 2);
  EXPECT_EQ(root.line("count"), 4);
  EXPECT_TRUE(file->finish());
}

TEST(TomlFile, ANumberThatWouldBecomeZeroIsRefused) {
  const auto mbps = [](const TomlTable& root) { root.scaled("mbps", 1'000'000, 0, Range{0, 1'000'000'000}); };
  EXPECT_EQ(message_of("mbps = 1e-6", mbps), "");
  EXPECT_EQ(message_of("mbps = 0.0", mbps), "");
  for (const char* small : {"1e-7", "4.9e-7", "1e-300"})
    EXPECT_THAT(message_of(std::string("mbps = ") + small, mbps),
                HasSubstr("expected 0, or a number that is not so small: at least 1e-06"));
  for (const char* wrong : {"nan", "inf", "-inf", "-1", "1e30", "9223372036854775807", "\"1\"", "true", "[1]"})
    EXPECT_THAT(message_of(std::string("mbps = ") + wrong, mbps), HasSubstr("expected a number, 0 to 1000")) << wrong;
  EXPECT_THAT(message_of("s = 1e-10", [](const TomlTable& root) { root.duration("s", 1s); }), HasSubstr("so small"));
  for (const char* wrong : {"nan", "inf", "1e30", "-0.5", "1e300"})
    EXPECT_THAT(message_of(std::string("s = ") + wrong, [](const TomlTable& root) { root.duration("s", 1s); }),
                HasSubstr("'s' is the number"))
        << wrong;
}

TEST(TomlFile, ControlCharactersInTextsAreRefusedAndNotRepeated) {
  const auto title = [](const TomlTable& root) { root.text("title", ""); };
  for (const char* control : {"\\u0007", "\\u001b[31m", "\\u0000", "\\r", "\\u007f"}) {
    const std::string message = message_of("title = \"a" + std::string(control) + "\"", title);
    EXPECT_THAT(message, StartsWith("x.toml:1: 'title' holds a control character"));
    for (char c : message) EXPECT_GE(c, 0x20);
  }
  EXPECT_EQ(message_of("title = \"\"\"two\nlines\tof text\"\"\"", title), "");
  const auto mode = [](const TomlTable& root) {
    constexpr std::string_view kModes[] = {"live", "sim"};
    root.choice("mode", kModes, 0);
  };
  EXPECT_THAT(message_of("mode = \"a\\u001b\"", mode), HasSubstr("the text \"a\\x1b\""));
}

TEST(TomlFile, NamesAreWhatFoldersAndReportsCanBear) {
  for (const char* good : {"a", "continental-10mbps", "N4, K4", "Zürich", "a.b", "..a", "..."})
    EXPECT_EQ(wrong_with_name(good), std::nullopt) << good;
  for (const char* bad : {"",        ".",           "..",      "a/b",      "/",        "a\\b",         "a\nb",
                          "a\tb",    "\x1b[31m",    " a",      "a ",       "\x7f",     "\u0085",       "\u200b",
                          "\u202e",  "a\ufeff",     "\u2066x", "a\u00a0b", "a\u00adb", "\u3164",       "a\u034f",
                          "x\ufe0f", "a\U000e0041", "\u2003",  "\xff",     "a\xc3",    "\xed\xa0\x80", "\xc0\xaf"})
    EXPECT_NE(wrong_with_name(bad), std::nullopt) << bad;
  EXPECT_NE(wrong_with_name(std::string(kMaxName + 1, 'a')), std::nullopt);
  EXPECT_EQ(visible("a\x1b\xc3Z\u00adü\U0001f600"), "a\\x1b\\xc3Z\\xc2\\xadü\U0001f600");
  for (const char* good : {"/tmp/a b", "/tmp/Zürich\u00a0x", "..", "/a#b\\c"})
    EXPECT_EQ(wrong_with_path(good), std::nullopt);
  for (const char* bad : {"", "/tmp/a\nb", "/tmp/\x1b[31m", "/tmp/\xff", "/tmp/\u0085"})
    EXPECT_NE(wrong_with_path(bad), std::nullopt) << bad;
  const auto name = [](const TomlTable& root) { read_name(root, "name"); };
  EXPECT_THAT(message_of("name = \"..\"", name),
              StartsWith("x.toml:1: 'name' is the text \"..\", which means a folder"));
  EXPECT_THAT(message_of("name = \"\"", name), HasSubstr("which is empty"));
  EXPECT_THAT(message_of("", name), HasSubstr("the key 'name' is missing"));
}

TEST(TomlFile, ListsNameThingsByNameOrByNumberFromOne) {
  const std::vector<std::string> sites = {"paris", "oslo", "rome"};
  auto file = TomlFile::parse("at = [\"rome\", 1]", "x.toml");
  ASSERT_TRUE(file);
  EXPECT_EQ(file->root().positions("at", sites), (std::vector<std::size_t>{2, 0}));
  const auto at = [&](const TomlTable& root) { root.positions("at", sites); };
  for (const char* wrong : {"0", "4", "-1", "1.5", "true"})
    EXPECT_THAT(message_of(std::string("at = [") + wrong + "]", at),
                HasSubstr("expected one of paris, oslo, rome, or its number, 1 to 3"))
        << wrong;
  EXPECT_THAT(message_of("at = [\"oslu\"]", at), HasSubstr("did you mean \"oslo\"?"));
  EXPECT_THAT(message_of("at = 1", at), HasSubstr("expected a list"));
}

TEST(TomlFile, SyntaxErrorNamesFileAndLine) {
  EXPECT_THAT(message_of("a = 1\nb = = 2\n", [](const TomlTable&) {}), StartsWith("x.toml:2: is not valid TOML"));
}

TEST(TomlFile, MissingFileSaysWhatToDo) {
  const auto file = TomlFile::load("/nonexistent/file.toml");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("/nonexistent/file.toml: cannot be opened"));
  EXPECT_FALSE(TomlFile::load("/tmp"));
}

TEST(TomlFile, OversizedFileIsRefused) {
  EXPECT_FALSE(TomlFile::parse(std::string(kTomlMaxBytes + 1, '#'), "x.toml"));
}

TEST(TomlFile, WrongTypeSaysWhatWasFoundAndExpected) {
  EXPECT_EQ(message_of("\ncount = \"seven\"\n", [](const TomlTable& t) { t.integer("count"); }),
            "x.toml:2: 'count' is the text \"seven\"; expected a whole number, at least 0");
  EXPECT_THAT(message_of("name = 3\n", [](const TomlTable& t) { t.text("name"); }),
              HasSubstr("'name' is the number 3; expected a text"));
  EXPECT_THAT(message_of("t = 3\n", [](const TomlTable& t) { t.table("t"); }), HasSubstr("expected a table, [t]"));
  EXPECT_THAT(message_of("t = 3\n", [](const TomlTable& t) { t.tables("t"); }), HasSubstr("[[t]]"));
  EXPECT_THAT(message_of("t = [3]\n", [](const TomlTable& t) { t.texts("t"); }), HasSubstr("nothing but texts"));
}

TEST(TomlFile, NumbersOutsideTheirRangeAreRefused) {
  EXPECT_EQ(message_of("n = -1\n", [](const TomlTable& t) { t.scaled("n", 1000, Range{0, 5000}); }),
            "x.toml:1: 'n' is the number -1; expected a number, 0 to 5");
  for (const char* text : {"n = 1e300", "n = inf", "n = nan", "n = 9223372036854775807", "n = -0.1"})
    EXPECT_THAT(message_of(text, [](const TomlTable& t) { t.duration("n", 1ms); }), HasSubstr("'n' is")) << text;
  EXPECT_THAT(message_of("n = 1.5", [](const TomlTable& t) { t.integer("n"); }), HasSubstr("a whole number"));
}

TEST(TomlFile, MissingKeyNamesTheLineOfItsTable) {
  EXPECT_EQ(message_of("a = 1\n[t]\n", [](const TomlTable& t) { t.integer("a"), t.table("t").text("name"); }),
            "x.toml:2: the key 'name' is missing; expected a text, as in name = \"...\"");
}

TEST(TomlFile, UnknownKeyGetsASuggestion) {
  EXPECT_EQ(message_of("\n\ndelai_ms = 1\n",
                       [](const TomlTable& t) { t.duration("delay_ms", 1ms, 0ms), t.integer("servers", 4, {}); }),
            "x.toml:3: unknown key 'delai_ms'; expected one of: delay_ms, servers (did you mean 'delay_ms'?)");
  EXPECT_THAT(message_of("zebra = 1\n", [](const TomlTable& t) { t.has("name"); }),
              ::testing::Not(HasSubstr("did you mean")));
}

TEST(TomlFile, UnknownKeysInsideArraysOfTablesAreFound) {
  EXPECT_THAT(message_of("[[i]]\nn = 1\n[[i]]\nn = 1\nm = 2\n",
                         [](const TomlTable& t) {
                           for (const auto& item : t.tables("i")) item.integer("n");
                         }),
              StartsWith("x.toml:5: unknown key 'm'"));
}

TEST(TomlFile, FirstErrorWins) {
  EXPECT_THAT(message_of("a = 1\nb = 2\n", [](const TomlTable& t) { t.text("b"), t.text("a"); }),
              StartsWith("x.toml:2: 'b'"));
}

TEST(TomlFile, ChoiceListsWhatIsAllowed) {
  constexpr std::string_view kModes[] = {"live", "sim", "both"};
  EXPECT_EQ(
      message_of("m = \"bth\"\n", [&](const TomlTable& t) { t.choice("m", kModes, 0); }),
      "x.toml:1: 'm' is the text \"bth\"; expected one of \"live\", \"sim\", \"both\" (did you mean \"both\"?)");
}

TEST(TomlFile, DidYouMeanFindsNearWordsOnly) {
  const std::vector<std::string> words{"delay_ms", "bandwidth_mbps", "name"};
  EXPECT_EQ(did_you_mean("delay", words), "delay_ms");
  EXPECT_EQ(did_you_mean("bandwith_mbps", words), "bandwidth_mbps");
  EXPECT_EQ(did_you_mean("nmae", words), std::nullopt);
  EXPECT_EQ(did_you_mean("nam", words), "name");
  EXPECT_EQ(did_you_mean(std::string(10'000, 'a'), words), std::nullopt);
}

}  // namespace
}  // namespace seneschal::emulator
