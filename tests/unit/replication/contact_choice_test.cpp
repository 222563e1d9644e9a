// When a client leaves a server for another one.
#include "replication/contact_choice.hpp"

#include <gtest/gtest.h>
#include <array>

namespace seneschal::replication {
namespace {

using namespace std::chrono_literals;

constexpr ServerIndex index(unsigned i) {
  return ServerIndex(static_cast<std::uint16_t>(i));
}

/// Four servers and how long an update takes that only one of them has got; one that does nothing takes for ever.
struct Site {
  explicit Site(bool tries = true) : choice(index(0), 4, 1, tries) {}
  /// A server knows that it is chosen once it has been given two updates in a row, and is only then of any use.
  Duration one() {
    const auto also = choice.also();
    Duration took = takes[choice.contact().value];
    if (also && also == before) took = std::min(took, takes[also->value]);
    before = also;
    if (also && takes[also->value] < 1h) choice.heard(*also);
    copies += also ? 1 : 0;
    choice.finished(took, false);
    return took;
  }
  /// Updates until the contact is another one; at most `most`.
  unsigned until_moved(unsigned most) {
    const ServerIndex was = choice.contact();
    unsigned n = 0;
    while (n < most && choice.contact() == was) {
      one();
      ++n;
    }
    return n;
  }
  ContactChoice choice;
  std::array<Duration, 4> takes{160ms, 160ms, 160ms, 160ms};
  std::optional<ServerIndex> before;
  unsigned copies = 0;
};

TEST(ContactChoice, OneThatIsAsGoodAsTheOthersIsKeptAndTrialsBecomeRare) {
  Site site;
  for (int i = 0; i < 2000; ++i) site.one();
  EXPECT_EQ(site.choice.contact(), index(0));
  EXPECT_LT(site.copies, 90u) << "two in 66, and a few more at first";
  EXPECT_GT(site.copies, 40u);
}

TEST(ContactChoice, OneThatIsSlowFromTheBeginningIsLeft) {
  Site site;
  site.takes[0] = 660ms;
  EXPECT_LE(site.until_moved(100), 4u);
  EXPECT_EQ(site.choice.contact(), index(1));
  for (int i = 0; i < 20; ++i) EXPECT_LT(site.one(), 200ms) << "for good";
}

// The first update, a view change, a lost packet: then everybody seems quick who is on trial.
TEST(ContactChoice, AfterAHiccupAServerThatDoesNothingIsGivenOneUpdateAlone) {
  Site site;
  site.takes = {160ms, 660ms, 660ms, 660ms};
  unsigned slow = 0;
  for (unsigned i = 0; i < 600; ++i) {
    site.takes[0] = i % 150 == 0 ? 1200ms : 160ms;
    slow += site.one() > 200ms ? 1 : 0;
  }
  EXPECT_LE(slow, 4u * 2) << "the hiccup, and at most one update after it";
  EXPECT_EQ(site.choice.contact(), index(0));
}

TEST(ContactChoice, UpdatesThatHadToBeSentAgainDoNotMakeTheUsualTime) {
  ContactChoice choice(index(5), 16, 5, true);
  for (int i = 0; i < 3; ++i) choice.finished(4s, true);
  choice.move_to(index(6));
  for (int i = 0; i < 200; ++i) {
    if (const auto also = choice.also()) choice.heard(*also);
    choice.finished(110ms, false);
    EXPECT_EQ(choice.contact(), index(6));
  }
}

TEST(ContactChoice, WhoFailsAloneIsNotTakenAndTheContactStays) {
  ContactChoice choice(index(0), 4, 1, true);
  for (int i = 0; i < 2; ++i) choice.finished(500ms, false);
  choice.heard(index(1));
  for (int i = 0; i < 2; ++i) choice.finished(100ms, false);
  EXPECT_TRUE(choice.alone());
  EXPECT_EQ(choice.contact(), index(1));
  choice.finished(4s, true);
  EXPECT_FALSE(choice.alone());
  EXPECT_EQ(choice.contact(), index(0));
}

TEST(ContactChoice, OneThatBecomesSlowIsLeftWithinAFewUpdates) {
  Site site;
  for (int i = 0; i < 500; ++i) site.one();
  site.takes[0] = 660ms;
  EXPECT_LE(site.until_moved(100), 2u + 2u);
  EXPECT_NE(site.choice.contact(), index(0));
}

TEST(ContactChoice, OthersThatAreNoBetterAreTriedInTurn) {
  Site site;
  site.takes = {660ms, 660ms, 1h, 160ms};
  EXPECT_LE(site.until_moved(100), 2u + 2 + 2 + 2 + 4 + 2);
  EXPECT_EQ(site.choice.contact(), index(3));
}

TEST(ContactChoice, WhereAllAreSlowTrialsDoNotFollowOneAnother) {
  Site site;
  for (unsigned i = 0; i < 300; ++i) {
    const Duration took = i % 3 == 0 ? 900ms : 100ms;  // as under overload
    site.takes.fill(took);
    site.one();
  }
  EXPECT_LE(site.copies, 300u / 2) << "two in four at most";
}

TEST(ContactChoice, OneThatIsNotHeardOfIsNotTakenBecauseThingsGotBetter) {
  for (const bool answers : {false, true}) {
    ContactChoice choice(index(0), 4, 1, true);
    for (int i = 0; i < 2; ++i) choice.finished(500ms, false);
    if (answers) choice.heard(index(1));
    for (int i = 0; i < 4; ++i) choice.finished(100ms, false);
    EXPECT_EQ(choice.contact(), index(answers ? 1 : 0));
    EXPECT_FALSE(choice.alone());
  }
}

TEST(ContactChoice, AnUpdateThatHadToBeSentAgainProvesNothing) {
  ContactChoice choice(index(0), 4, 1, true);
  for (int i = 0; i < 2; ++i) choice.finished(500ms, false);
  ASSERT_EQ(choice.also(), index(1));
  choice.heard(index(1));
  choice.finished(500ms, false);
  choice.finished(100ms, true);
  EXPECT_EQ(choice.contact(), index(0));
}

TEST(ContactChoice, WithoutTrialsOrOthersItStays) {
  Site site(false);
  site.takes[0] = 5s;
  EXPECT_EQ(site.until_moved(500), 500u);
  EXPECT_EQ(site.copies, 0u);
  ContactChoice only(index(0), 1, 0, true);
  for (int i = 0; i < 100; ++i) only.finished(1s, false);
  EXPECT_EQ(only.also(), std::nullopt);
  site.choice.move_to(index(2));
  EXPECT_EQ(site.choice.contact(), index(2));
}

}  // namespace
}  // namespace seneschal::replication
