// Whose graph to believe.
#include "accountability/agreement.hpp"
#include "crypto/digest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

Bytes signature(const Principal& who, Span message) {
  return to_bytes(crypto::sha256({as_span(to_string(who)), message}).bytes);
}

bool verifies(const Principal& who, Span message, Span with) {
  return equal(signature(who, message), with);
}

class GraphAgreement : public testing::Test {
 protected:
  GraphAgreement() {
    std::string name = (fs::temp_directory_path() / "agreement-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    parent_ = name;
  }
  ~GraphAgreement() override { fs::remove_all(parent_); }

  static Principal who(std::size_t index) {
    return Principal::of(ServerId{SiteId(0), ServerIndex(static_cast<std::uint16_t>(index))});
  }
  /// A server's graph of `honest` updates that all servers have, and `own` ones that only it has.
  void server(std::uint64_t honest, std::uint64_t own = 0, std::uint64_t from = 1) {
    const Principal self = who(folders.size());
    const std::string folder = parent_ + "/" + std::to_string(folders.size());
    const Signer signer{self, [self](Span message) { return signature(self, message); }, {}};
    auto writer = *StoreWriter::open(folder, {}, signer);
    if (from > 1) {
      Snapshot state;
      state.last = UpdateId(from - 1);
      writer = *writer->begin_anew(state, 1);
    }
    for (std::uint64_t id = from; id <= honest + own; ++id) {
      NewUpdate update;
      update.client = ClientId(id <= honest ? 1 : 66);
      update.seq = Seq(id);
      EXPECT_EQ(writer->add(update), UpdateId(id));
    }
    EXPECT_TRUE(writer->seal().has_value());
    folders.emplace(self, folder);
  }
  SignedGraphs read() { return read_signed_graphs(folders, verifies); }
  /// Whose graph is taken, where the deployment has so many servers; nothing if nobody's.
  std::optional<Principal> agreed(std::size_t servers = 0) {
    const SignedGraphs graphs = read();
    const SignedGraph* one = most_agreed(graphs.good, servers == 0 ? folders.size() : servers);
    return one == nullptr ? std::nullopt : std::optional(one->server);
  }
  const std::string& parent() const { return parent_; }
  std::map<Principal, std::string> folders;

 private:
  std::string parent_;
};

TEST_F(GraphAgreement, TheFarthestThatMostHaveSigned) {
  server(5000);
  server(4000);
  server(6000);
  server(4500);
  EXPECT_EQ(agreed(), who(3)) << "what is beyond it only two have signed";
  server(5000);
  EXPECT_EQ(agreed(), who(0));
  const SignedGraphs graphs = read();
  for (const SignedGraph& a : graphs.good)
    for (const SignedGraph& b : graphs.good) EXPECT_EQ(agreement(a, b), Agreement::Same);
}

TEST_F(GraphAgreement, AFaultyServerThatAgreesAndAddsSomethingIsNotBelieved) {
  server(5000);
  server(5000, 700);  // goes farthest, and nobody can contradict it
  server(5000);
  server(4990);
  EXPECT_EQ(agreed(), who(0));
  const SignedGraphs graphs = read();
  EXPECT_EQ(agreement(graphs.good[0], graphs.good[1]), Agreement::Same) << "as far as both go";
}

TEST_F(GraphAgreement, AFaultyServerThatHasOtherUpdatesIsNamed) {
  server(100, 9000);
  server(5000);
  server(5000);
  server(5000);
  EXPECT_EQ(agreed(), who(1));
  const SignedGraphs graphs = read();
  EXPECT_EQ(agreement(graphs.good[0], graphs.good[1]), Agreement::Other);
}

TEST_F(GraphAgreement, WhatIsNotTheServersOwnSignedWordDoesNotCount) {
  server(5000);
  server(5000);
  server(5000);
  server(5000);
  EXPECT_TRUE(agreed());
  // One shows another's, one a damaged one; of four that is half.
  fs::remove_all(folders.at(who(2)));
  fs::copy(folders.at(who(0)), folders.at(who(2)), fs::copy_options::recursive);
  fs::resize_file(folders.at(who(3)) + "/open.log", 100);
  const SignedGraphs graphs = read();
  EXPECT_EQ(graphs.good.size(), 2u);
  EXPECT_THAT(graphs.bad.at(who(2)), HasSubstr("its head is of server 0/0"));
  EXPECT_THAT(graphs.bad.at(who(3)), HasSubstr("the files reach"));
  EXPECT_EQ(agreed(), std::nullopt);
  const auto nobody = [](const Principal&, Span, Span) { return false; };
  EXPECT_TRUE(read_signed_graphs(folders, nobody).good.empty());
  folders[who(3)] += "-gone";
  EXPECT_EQ(read().bad.size(), 2u);
}

TEST_F(GraphAgreement, ServersThatDoNotAnswerCountAsThoseThatDisagree) {
  server(5000);
  EXPECT_EQ(agreed(1), who(0));
  EXPECT_EQ(agreed(4), std::nullopt);
}

TEST_F(GraphAgreement, OneThatBeganLaterIsComparedFromThereOn) {
  server(5000);
  server(5000, 0, 3001);
  server(5200, 0, 4097);
  server(5000);
  server(5000);
  const SignedGraphs graphs = read();
  for (const SignedGraph& a : graphs.good)
    for (const SignedGraph& b : graphs.good) EXPECT_EQ(agreement(a, b), Agreement::Same);
  EXPECT_EQ(agreed(), who(0));
}

// What is before the beginning of the others, nobody can tell.
TEST_F(GraphAgreement, AFaultyServerThatClaimsAnEarlierBeginningIsNotBelieved) {
  server(5000, 0, 3001);
  server(5000, 0, 3501);
  server(5000, 0, 2001);
  server(5000, 700);
  EXPECT_EQ(agreed(), who(0)) << "from 3001 on three have signed it all";
}

TEST_F(GraphAgreement, AFaultyServerThatKeepsAnotherStateIsNamed) {
  for (std::size_t i = 0; i < 4; ++i) {
    const Principal self = who(i);
    const std::string folder = parent() + "/" + std::to_string(i);
    auto writer = *StoreWriter::open(folder, {.payloads = true},
                                     {self, [self](Span message) { return signature(self, message); }, {}});
    for (std::uint64_t id = 1; id <= 30; ++id) {
      NewUpdate update;
      update.client = ClientId(1);
      update.seq = Seq(id);
      ASSERT_TRUE(writer->add(update).has_value());
      if (id % 10 != 0) continue;
      const std::string state = i == 2 && id == 20 ? "forged" : "state " + std::to_string(id);
      ASSERT_TRUE(writer->snapshot(Seq(id), {to_bytes(as_span(state))}, crypto::sha256(as_span(state))).has_value());
    }
    ASSERT_TRUE(writer->seal().has_value());
    folders.emplace(self, folder);
  }
  const SignedGraphs graphs = read();
  EXPECT_EQ(graphs.good[0].states.size(), 3u);
  EXPECT_EQ(agreement(graphs.good[0], graphs.good[1]), Agreement::Same);
  EXPECT_EQ(agreement(graphs.good[0], graphs.good[2]), Agreement::Other);
  EXPECT_NE(agreed(), who(2));
  EXPECT_TRUE(agreed());
}

TEST_F(GraphAgreement, WhatIsBehindTheAgreedEndIsLeftOut) {
  server(5000, 700);
  auto store = *Store::open(folders.at(who(0)));
  const auto digest = store.digest_at(UpdateId(5001));
  store.end_at(UpdateId(5001));
  EXPECT_EQ(store.graph().end(), UpdateId(5001));
  EXPECT_EQ(store.digest(), digest);
  EXPECT_EQ(store.graph().first_of(ClientId(66), UpdateId(1)), store.graph().end());
  EXPECT_EQ(store.doubt(verifies), std::nullopt) << "what was signed is still there";
  store.end_at(UpdateId(4097));
  EXPECT_EQ(store.graph().end(), UpdateId(4097));
  store.end_at(UpdateId(1));
  EXPECT_EQ(store.graph().size(), 0u);
}

/// One update a second from 1,000 s on, as a clock that is `ahead` ms ahead tells it; the graph begins at `begin`.
ServerTimes clock(std::int64_t ahead, std::uint64_t begin = 1, std::uint64_t updates = 100) {
  ServerTimes times{UpdateId(begin), UpdateId(updates + 1), {}};
  for (std::uint64_t id = begin; id <= updates; ++id)
    times.notes.push_back(
        {UpdateId(id), static_cast<std::uint64_t>(1'000'000 + 1000 * static_cast<std::int64_t>(id) + ahead)});
  return times;
}
constexpr std::uint64_t kAt50 = 1'050'500;

TEST(GraphTimes, APositionIsNeverTooLateAndASecondTooEarlyAtMost) {
  EXPECT_EQ(position_at(clock(0), kAt50), UpdateId(50));
  EXPECT_EQ(position_at(clock(0), 1'050'000), UpdateId(50)) << "what was noted then had come before";
  EXPECT_EQ(position_at(clock(0), 0), UpdateId(1));
  EXPECT_EQ(position_at(clock(0, 20), 0), UpdateId(0)) << "before the graph begins";
  EXPECT_EQ(position_at(clock(0), 2'000'000), UpdateId(101)) << "nothing came since then";
  ServerTimes idle = clock(0, 1, 10);
  idle.notes.push_back({UpdateId(11), 5'000'000});
  idle.end = UpdateId(12);
  EXPECT_EQ(position_at(idle, 3'000'000), UpdateId(11)) << "what came long before does not count";
}

TEST(GraphTimes, SoManyServersMustAgreeThatOneIsCorrect) {
  EXPECT_EQ(times_needed(4), 2u);
  EXPECT_EQ(times_needed(7), 3u);
  EXPECT_EQ(times_needed(20), 7u);
  const ServerTimes good = clock(0), late = clock(3000), early = clock(-4000), forged = clock(-900'000),
                    lies = clock(900'000);
  EXPECT_EQ(agreed_at({good, late, early, forged}, 4, kAt50), UpdateId(47))
      << "the earliest that all within 10 s bear out";
  EXPECT_EQ(agreed_at({good, good, good, forged}, 4, kAt50), UpdateId(50)) << "neither too much nor too little";
  EXPECT_EQ(agreed_at({good, good, good, lies}, 4, kAt50), UpdateId(50));
  EXPECT_EQ(agreed_at({good}, 4, kAt50), std::nullopt) << "one server's word";
  EXPECT_EQ(agreed_at({good, forged}, 4, kAt50), std::nullopt);
  EXPECT_EQ(agreed_at({good, forged, lies}, 4, kAt50), std::nullopt);
  EXPECT_EQ(agreed_at({good, clock(15'000), clock(30'000), clock(45'000)}, 4, kAt50), std::nullopt);
  EXPECT_EQ(agreed_at({}, 4, kAt50), std::nullopt);
}

TEST(GraphTimes, WhoseGraphBeganLaterBearsNothingOut) {
  EXPECT_EQ(agreed_at({clock(0), clock(0, 80), clock(0, 80), clock(0, 80)}, 4, kAt50), UpdateId(0))
      << "one claims to know: its word alone";
  EXPECT_EQ(agreed_at({clock(0), clock(0), clock(0, 80), clock(0, 80)}, 4, kAt50), UpdateId(50)) << "two know";
  EXPECT_EQ(agreed_at({clock(0, 80), clock(0, 80), clock(0, 80), clock(0, 80)}, 4, kAt50), UpdateId(0));
  EXPECT_EQ(agreed_at({clock(0), clock(0, 20), clock(0, 20), clock(0, 20)}, 4, kAt50), UpdateId(50));
}

}  // namespace
}  // namespace seneschal::accountability
