// Clients that join and leave a deployment of real daemons, with real keys.
#include "daemons.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

namespace seneschal::lab {
namespace {

namespace fs = std::filesystem;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class Members : public Daemons {
 protected:
  // At a node that no test here kills alone.
  std::string more_of_the_file() const override { return "administrator = 10\n"; }
  Outcome administer(std::vector<std::string> words) {
    words.insert(words.begin() + 1, {"--deployment", dir_, "--timeout", "30"});
    words.insert(words.begin(), "client");
    return run(words);
  }
  Outcome impatient(int id, std::vector<std::string> words) {
    std::vector<std::string> all{"client", "--deployment", dir_, "--id", std::to_string(id), "--timeout", "4"};
    all.insert(all.end(), words.begin(), words.end());
    return run(all);
  }
  void until_it_knows(std::size_t node, const std::string& clients) {
    for (int n = 0; n < 1000 && value_of(node, "clients") != clients; ++n) ::usleep(20'000);
    EXPECT_EQ(value_of(node, "clients"), clients) << "node " << node + 1;
  }
};

TEST_P(Members, JoinWorkSurviveRestartsAndLeaveForEver) {
  ASSERT_EQ(up().code, 0);
  const Outcome stranger = impatient(13, {"put", "a", "0"});
  EXPECT_EQ(stranger.code, 1);
  EXPECT_THAT(stranger.text, HasSubstr("does not belong"));

  const Outcome joined = administer({"enroll", "--home", "1"});
  ASSERT_EQ(joined.code, 0) << joined.text;
  EXPECT_THAT(joined.text, HasSubstr("client 13 is enrolled"));
  const Outcome put = client(13, {"put", "a", "1"});
  EXPECT_EQ(put.code, 0) << put.text;
  EXPECT_EQ(client(13, {"query", "a"}).text, "1\n");

  // A server that is killed knows the client from its log; one that was away learns of it with the rest.
  kill_node(2);
  const Outcome second = administer({"enroll", "--home", "s1", "--id", "20"});
  ASSERT_EQ(second.code, 0) << second.text;
  EXPECT_EQ(client(20, {"put", "b", "2"}).code, 0);
  ASSERT_TRUE(start_node(2));
  until_it_knows(2, "14");
  EXPECT_EQ(client(13, {"get", "b"}).text, "2\n");

  const auto members = [&] {
    const Outcome listed = administer({"members", "--json"});
    EXPECT_EQ(listed.code, 0) << listed.text;
    const auto parsed = nlohmann::json::parse(listed.text, nullptr, false);
    return parsed.is_object() ? parsed["members"] : nlohmann::json::array();
  };
  EXPECT_EQ(members().size(), 14u);
  EXPECT_EQ(members().back(),
            nlohmann::json({{"client", 20},
                            {"home", GetParam() == "steward" ? nlohmann::json("s1") : nlohmann::json()},
                            {"site", GetParam() == "steward" ? nlohmann::json(2) : nlohmann::json()},
                            {"joined", true},
                            {"administrator", false}}));

  // Flags may stand before the word, too.
  EXPECT_EQ(run({"client", "-d", dir_, "--timeout", "20", "revoke", "13"}).code, 0);
  const Outcome again = administer({"revoke", "13"});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.text, HasSubstr("there is no such client"));
  const Outcome late = impatient(13, {"put", "a", "3"});
  EXPECT_EQ(late.code, 1) << "it has left";
  EXPECT_THAT(late.text, HasSubstr("the update may still take effect"));
  const Outcome asked = impatient(13, {"query", "a"});
  EXPECT_EQ(asked.code, 1);
  EXPECT_THAT(asked.text, Not(HasSubstr("may still take effect")));
  EXPECT_EQ(client(20, {"get", "a"}).text, "1\n");

  // All servers at once: who left stays away, who joined is there.
  const std::size_t nodes = load_state(dir_)->nodes.size();
  for (std::size_t i = 0; i < nodes; ++i) kill_node(i);
  for (std::size_t i = 0; i < nodes; ++i) ASSERT_TRUE(start_node(i));
  EXPECT_EQ(client(20, {"cas", "a", "1", "4"}).code, 0);
  EXPECT_EQ(impatient(13, {"put", "a", "5"}).code, 1);
  EXPECT_EQ(client(1, {"get", "a"}).text, "4\n");
  EXPECT_EQ(members().size(), 13u);
  const Outcome table = administer({"members"});
  EXPECT_THAT(table.text, AllOf(ContainsRegex("10 +(s0|-)  administrator"), HasSubstr("20 "), Not(HasSubstr("13 "))));
  until_it_knows(0, "13");
}

TEST_P(Members, WhatCannotBeIsRefusedWithItsReason) {
  ASSERT_EQ(up().code, 0);
  for (const char* home : {"9", "0", "-1", "1.0", "", "f", "18446744073709551617"}) {
    const Outcome refused = administer({"enroll", "--home", home});
    EXPECT_EQ(refused.code, 2) << home;
    EXPECT_THAT(refused.text, HasSubstr("expected the name of a site (s0, s1, s2")) << home;
  }
  for (const char* id : {"-1", "0", "1e3", "4294967296", "nan", ""}) {
    EXPECT_EQ(administer({"enroll", "--home", "s0", "--id", id}).code, 2) << id;
    EXPECT_EQ(administer({"revoke", "--", id}).code, 2) << id;
  }
  EXPECT_THAT(client(10, {"put", "a", "1"}).text, HasSubstr("client 10 is the administrator"));
  for (const char* word : {"sql", "putt"}) {
    const Outcome hint = client(1, {word, "x"});
    EXPECT_EQ(hint.code, 2);
    EXPECT_THAT(hint.text, AllOf(HasSubstr("the operations are: put KEY VALUE"), Not(HasSubstr("sql STATEMENT"))));
  }
  const Outcome far = administer({"enroll", "--home", "1", "--id", "99999"});
  EXPECT_EQ(far.code, 1);
  EXPECT_THAT(far.text, HasSubstr("too far above the next one (the next id is 13)"));
  const Outcome used = administer({"enroll", "--home", "1", "--id", "3"});
  EXPECT_EQ(used.code, 1);
  EXPECT_THAT(used.text, HasSubstr("client-3"));
  EXPECT_TRUE(fs::exists(load_state(dir_)->keys + "/client-3/signing.pem"));
  const Outcome self = administer({"revoke", "10"});
  EXPECT_EQ(self.code, 1);
  EXPECT_THAT(self.text, HasSubstr("the administrator cannot be revoked"));
  ASSERT_EQ(administer({"enroll", "--home", "1"}).code, 0);
  ASSERT_EQ(administer({"revoke", "13"}).code, 0);
  fs::remove_all(load_state(dir_)->keys + "/client-13");
  const Outcome reused = administer({"enroll", "--home", "1", "--id", "13"});
  EXPECT_EQ(reused.code, 1);
  EXPECT_THAT(reused.text, HasSubstr("ids only grow"));
  EXPECT_FALSE(fs::exists(load_state(dir_)->keys + "/client-13"));
  // Without --id the servers say which one is free.
  EXPECT_THAT(administer({"enroll", "--home", "1"}).text, HasSubstr("client 14 is enrolled"));
}

INSTANTIATE_TEST_SUITE_P(Protocols, Members, testing::Values("steward", "bft"),
                         [](const auto& chosen) { return chosen.param; });

}  // namespace
}  // namespace seneschal::lab
