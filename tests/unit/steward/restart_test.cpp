// A server that starts with its log contradicts nothing it said before; one whose log is damaged says nothing.
// [Steward 8]
#include "again.hpp"
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

// [Steward 8.3]
TEST(StewardRestart, ExecutesItsOrderedEntriesAgain) {
  Bed bed(3, 1, 2);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(5, 30s));
  bed.run_for(2s);
  for (ServerId id : {server(0, 0), server(0, 2), server(1, 0), server(2, 3)}) {
    Again again(bed, id, bed.at(id).log);
    EXPECT_EQ(again.core.execution().digest(), bed.steward(id).execution().digest()) << to_string(id);
    EXPECT_TRUE(again.core.views().participating());
  }
}

// [Steward 8.4]
TEST(StewardRestart, TheRepresentativeRepeatsWhatItProposedAndNothingElse) {
  Bed bed(3, 1, 2);
  bed.drop = [](const Bed::Datagram&) { return true; };
  bed.start();
  ServerId rep = server(0, 0);
  bed.deliver(rep, share(bed.update(ClientId(1), 1).sealed));
  bed.run_for(10ms);
  Again again(bed, rep, bed.at(rep).log);
  ASSERT_EQ(again.sends(), 1u);
  for (const auto& e : again.effects)
    if (auto* send = std::get_if<Effects::Send>(&e)) {
      EXPECT_EQ(send->header.type, PrePrepare::kType);
      EXPECT_EQ(send->body, encode(PrePrepare{{}, {}, Seq(1), {{{bed.update(ClientId(1), 1)}}}}));
    }
}

/// How often `core` asks its site for global view 1, of all that it does within ten seconds.
std::size_t attempts(StewardCore& core, Instant now) {
  std::size_t count = 0;
  std::uint64_t tickets = 100;
  for (Instant end = now + 10s; now < end; now = now + 100ms) {
    Effects fx(tickets);
    core.on_time(now, fx);
    for (const auto& effect : fx.list())
      if (auto* send = std::get_if<Effects::Send>(&effect); send && send->header.type == GlobalViewAttempt::kType)
        count += send->body == encode(GlobalViewAttempt{GlobalView(1), 0}) ? 1 : 0;
  }
  return count;
}

// Else a site that is behind could never be shown a view that all who knew its proof remember only as a promise.
// [Steward 5.2]
TEST(StewardRestart, WhoRemembersAViewButNoProofOfItAsksForItOnceMore) {
  Bed bed(3, 1, 2);
  const Record promise = encode(LogRecord{LogRecord::kVersion, PromiseRecord{GlobalView(1)}});
  Again again(bed, server(2, 1), {promise});
  ASSERT_EQ(again.core.views().global(), GlobalView(1));
  EXPECT_GT(attempts(again.core, bed.now), 0u);
}

TEST(StewardRestart, WhoHoldsTheProofOfItsViewDoesNotAskAgain) {
  Lone lone(server(2, 1));
  for (std::uint16_t site : {0, 1})
    lone.deliver(lone.bed.seal(Principal::of(SiteId(site)), GlobalViewChange{GlobalView(1)}));
  ASSERT_EQ(lone.core().views().global(), GlobalView(1));
  lone.bed.run_for(10s);
  EXPECT_EQ(lone.sent<GlobalViewAttempt>(), 0u);
}

// Sites 0 and 1 have been in view 1 and started again; site 2 never heard of a majority for it. [Steward 5]
TEST(StewardRestart, ASiteThatIsBehindReachesAViewWhoseProofNobodyKept) {
  Bed bed(3, 1, 2);
  const Record promise = encode(LogRecord{LogRecord::kVersion, PromiseRecord{GlobalView(1)}});
  for (unsigned site = 0; site < 3; ++site)
    for (unsigned i = 0; i < 4; ++i)
      bed.at(server(site, i)).replica->start(bed.now, std::vector<Record>(site < 2 ? 1 : 0, promise));
  ASSERT_EQ(bed.steward(server(0, 1)).views().global(), GlobalView(1));
  bed.run_for(60s);
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(bed.steward(server(2, i)).views().global(), GlobalView(1)) << i;
}

// [Steward 8.5] [Steward 8.6]
TEST(StewardRestart, ADamagedLogMakesItAListener) {
  Bed bed(3, 1, 2);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 30s));
  auto log = bed.at(server(0, 0)).log;
  log[1].resize(log[1].size() / 2);
  Again again(bed, server(0, 0), log);
  EXPECT_FALSE(again.core.views().participating());
  EXPECT_EQ(again.sends(), 0u);
}

// [Steward 8.5]
TEST(StewardRestart, ADamagedEndOfTheLogIsFoundBeforeAnythingIsDone) {
  Bed bed(3, 1, 2);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(2, 30s));
  auto log = bed.at(server(1, 1)).log;
  log.back().resize(log.back().size() / 2);
  Again again(bed, server(1, 1), log);
  EXPECT_FALSE(again.core.views().participating());
  for (const auto& e : again.effects)
    EXPECT_TRUE(std::holds_alternative<Event>(e) || std::holds_alternative<Effects::LoseLog>(e));
}

// It votes for no view, but knows who leads, and passes on what it is given.
// [Steward 7.30]
TEST(StewardRestart, WhoAbstainsFollowsItsSitesViewAndPassesUpdatesOn) {
  for (unsigned index : {0u, 1u, 3u}) {
    Bed bed(3, 1, 2);
    const ServerId listener = server(0, index);
    bed.at(listener).down = true;
    bed.start();
    ASSERT_TRUE(bed.all_clients_put(2, 60s));
    bed.at(listener).down = false;
    bed.record = true;
    const std::vector<Record> unreadable{Bytes{0xff}};
    bed.at(listener).replica->start(bed.now, unreadable);
    bed.run_for(20s);
    const LocalView view = bed.steward(server(0, 2)).views().local();
    EXPECT_EQ(view, LocalView(index == 0 ? 1 : 0));
    EXPECT_EQ(bed.steward(listener).views().local(), view);
    EXPECT_EQ(bed.count_sent([&](const Bed::Datagram& m) {
      return m.from == Principal::of(listener) && m.is<NewRep>() && m.body<NewRep>().lv > LocalView{};
    }),
              0u);
    const Seq before = bed.steward(server(2, 0)).execution().executed();
    bed.deliver(listener, share(bed.update(ClientId(1), 100).sealed));
    bed.run_for(10s);
    EXPECT_EQ(bed.steward(server(2, 0)).execution().executed(), before.next()) << index;
  }
}

// A site of which nobody knows what he said still serves its clients while the others are a majority.
TEST(StewardRestart, ASiteOfWhichAllAbstainPassesItsClientsUpdatesOn) {
  Bed bed(3, 1, 1);
  for (unsigned i = 0; i < 4; ++i) bed.at(server(1, i)).down = true;
  bed.start();
  const std::vector<Record> unreadable{Bytes{0xff}};
  for (unsigned i = 0; i < 4; ++i) {
    bed.at(server(1, i)).down = false;
    bed.at(server(1, i)).replica->start(bed.now, unreadable);
  }
  bed.put(ClientId(2), "k", "v");  // its home is site 1
  EXPECT_TRUE(bed.run_while(10s, [&] { return !bed.at(ClientId(2)).client().idle(); }));
  for (unsigned i = 0; i < 4; ++i) {
    EXPECT_EQ(bed.steward(server(1, i)).execution().executed(), Seq(1));
    EXPECT_FALSE(bed.steward(server(1, i)).views().participating());
  }
}

TEST(StewardRestart, ReadingTheLogRepeatsNoRepliesAndMakesNoSharesForWhatIsOrdered) {
  Bed bed(3, 1, 2);
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(5, 30s));
  bed.run_for(2s);
  Again again(bed, server(1, 1), bed.at(server(1, 1)).log);
  EXPECT_EQ(again.sends(), 0u);
  for (const auto& e : again.effects) EXPECT_FALSE(std::holds_alternative<Effects::Run>(e));
}

// [Steward 8.4]
TEST(StewardRestart, TheRepresentativeGoesOnWithItsSignersWhereItStopped) {
  // Server 1 of the leader site is slow twice and loses its place: the new set has an epoch above 0.
  ServerId rep = server(0, 0);
  Bed bed(3, 1, 2);
  bed.drop = [](const Bed::Datagram& m) { return m.from == Principal::of(server(0, 1)) && m.is<SigShare>(); };
  bed.start();
  ASSERT_TRUE(bed.all_clients_put(4, 60s));
  auto announced = bed.steward(rep).signing().signers();
  ASSERT_FALSE(announced.contains(ServerIndex(1)));
  ASSERT_EQ(bed.steward(server(0, 2)).signing().signers(), announced);

  Again again(bed, rep, bed.at(rep).log);
  EXPECT_EQ(again.core.signing().signers(), announced);
  // What it announces next counts at servers that heard it before: its epoch is higher.
  EXPECT_EQ(again.core.signing().epoch(), bed.steward(server(0, 2)).signing().epoch());
  EXPECT_GT(again.core.signing().epoch(), 0u);
}

TEST(StewardRestart, InALaterViewTheSignersAreThoseOfItsRepresentative) {
  Bed bed(3, 1, 2);
  Again again(bed, server(1, 3), {encode(LogRecord{LogRecord::kVersion, LocalViewRecord{LocalView(2)}})});
  EXPECT_EQ(again.core.signing().signers(), SignerChoice::initial(bed.membership.site(SiteId(1)), ServerIndex(2)));
}

TEST(StewardRestart, AnUpdateThatItRepeatsIsNotPutIntoASecondPrePrepare) {
  auto silence = [](const Bed::Datagram&) { return true; };
  ServerId rep = server(0, 0);
  Bed first(3, 1, 2);
  first.drop = silence;
  first.start();
  first.deliver(rep, share(first.update(ClientId(1), 1).sealed));
  first.run_for(10ms);
  Bed second(3, 1, 2);  // the same keys
  second.drop = silence;
  second.record = true;
  second.at(rep).replica->start(second.now, first.at(rep).log);
  second.deliver(rep, share(second.update(ClientId(1), 1).sealed));  // the client tries again at once
  second.run_for(10ms);
  EXPECT_EQ(second.count_sent<PrePrepare>(rep), 3u);
  EXPECT_EQ(second.count_sent(
                [](const Bed::Datagram& m) { return m.is<PrePrepare>() && m.body<PrePrepare>().seq != Seq(1); }),
            0u);
}

}  // namespace
}  // namespace seneschal::steward::testing
