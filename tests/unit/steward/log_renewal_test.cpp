// The log begins anew behind a checkpoint: it stays bounded, and a restart from what is left knows everything that
// binds the server. [Steward 7] [Steward 8]
#include "again.hpp"

namespace seneschal::steward::testing {
namespace {

Settings renewing(std::uint64_t growth) {
  Settings s;
  s.window = 8;
  s.checkpoint_interval = 8;
  s.history_span = s.history_kept = 24;
  s.batch_max = 1;
  s.log_growth = growth;
  return s;
}

std::size_t size_of(const std::vector<Record>& log) {
  std::size_t size = 0;
  for (const Record& record : log) size += record.size();
  return size;
}

bool put_many(Bed& bed, int count, std::size_t value_bytes = 10) {
  for (int i = 0; i < count; ++i) {
    bed.put(ClientId(1), "k" + std::to_string(i % 40), std::string(value_bytes, static_cast<char>('a' + i % 26)));
    if (!bed.run_while(60s, [&] { return !bed.at(ClientId(1)).client().idle(); })) return false;
    bed.at(ClientId(1)).client().take_completions();
  }
  return true;
}

std::string status_value(const StewardCore& core, const std::string& name) {
  StatusList status;
  core.status(status);
  for (const auto& [key, value] : status)
    if (key == name) return value;
  return "-";
}

/// What a server must not contradict, in words.
std::string what_binds(const StewardCore& core) {
  const Views& views = core.views();
  std::string text = "views " + std::to_string(views.global().value) + "." + std::to_string(views.local().value) +
                     " aru " + std::to_string(core.history().aru().value) + " checkpoint " +
                     std::to_string(core.history().stable().value) + " state " + core.execution().digest().brief() +
                     "\n";
  for (const auto& [seq, entry] : core.history().open()) {
    text += std::to_string(seq.value) + ":";
    if (entry.order) {
      text += " ordered " + entry.order->proposal->digest.brief() + "\n";
      continue;
    }
    if (entry.certificate)
      text += " certificate " + std::to_string(entry.certificate->gv.value) + "." +
              std::to_string(entry.certificate->lv.value) + " " + entry.certificate->digest().brief();
    if (entry.adopted && views.current(entry.pre_prepare->gv, entry.pre_prepare->lv))
      text += " voted for " + entry.pre_prepare_digest.brief();
    text += "\n";
  }
  return text;
}

TEST(StewardLogRenewal, TheLogStaysBoundedHoweverMuchIsOrdered) {
  Bed bed(3, 1, 1, renewing(20'000));
  bed.start();
  std::size_t largest = 0;
  for (int round = 0; round < 10; ++round) {
    ASSERT_TRUE(put_many(bed, 30, 200));
    for (auto& [who, node] : bed.nodes)
      if (who.is_server()) largest = std::max(largest, size_of(node->log));
  }
  for (auto& [who, node] : bed.nodes)
    if (who.is_server()) {
      EXPECT_NE(status_value(node->steward(), "log_renewals"), "0") << to_string(who);
      EXPECT_EQ(status_value(node->steward(), "log_bytes"), std::to_string(size_of(node->log))) << to_string(who);
    }
  // Twice what a renewal writes, the growth allowed, the renewal under way, and what comes until the next Checkpoint.
  Bed forever(3, 1, 1, renewing(1u << 30));
  forever.start();
  ASSERT_TRUE(put_many(forever, 300, 200));
  EXPECT_LT(largest, 200'000u);
  EXPECT_GT(size_of(forever.at(server(0, 1)).log), 2 * largest) << "otherwise this shows nothing";
}

TEST(StewardLogRenewal, ARestartFromTheRestHasTheSameStateAndCheckpoint) {
  const Settings settings = renewing(1);
  Bed bed(3, 1, 1, settings);
  bed.start();
  ASSERT_TRUE(put_many(bed, 50, 3000));
  bed.run_for(3s);
  for (ServerId id : {server(0, 0), server(0, 2), server(1, 0), server(2, 3)}) {
    ASSERT_NE(status_value(bed.steward(id), "log_renewals"), "0");
    Again again(bed, id, bed.at(id).log, settings);
    EXPECT_TRUE(again.core.views().participating());
    EXPECT_EQ(what_binds(again.core), what_binds(bed.steward(id))) << to_string(id);
    EXPECT_EQ(again.core.stable().digest, bed.steward(id).stable().digest);
  }
}

TEST(StewardLogRenewal, KeepsVotesCertificatesAndAcceptsOfOpenEntries) {
  const Settings settings = renewing(1);
  Bed bed(3, 1, 2, settings);
  std::size_t open = 0;
  // At the site that leads, Proposals are lost: certificates stay open. At the others, Accepts are.
  bed.start();
  ASSERT_TRUE(put_many(bed, 20));
  bed.drop = [](const Bed::Datagram& m) { return m.is<Accept>() || m.is<RelayedAccept>() || m.is<OrderedEntry>(); };
  bed.put(ClientId(1), "open", "entry");
  bed.put(ClientId(2), "other", "entry");
  for (int i = 0; i < 40; ++i) {
    bed.run_for(20ms);
    for (auto& [who, node] : bed.nodes) {
      if (!who.is_server()) continue;
      for (const auto& [seq, entry] : node->steward().history().open()) open += entry.order ? 0 : 1;
      Again again(bed, who.server(), node->log, settings);
      EXPECT_TRUE(again.core.views().participating());
      EXPECT_EQ(again.core.views().local(), node->steward().views().local());
      EXPECT_EQ(again.core.views().global(), node->steward().views().global());
      for (const auto& [seq, entry] : node->steward().history().open()) {
        const Entry* kept = again.core.history().find(seq);
        const bool current =
            entry.adopted && node->steward().views().current(entry.pre_prepare->gv, entry.pre_prepare->lv);
        if (entry.certificate || current) {
          ASSERT_NE(kept, nullptr) << to_string(who);
          if (entry.certificate) {
            ASSERT_TRUE(kept->certificate.has_value());
            EXPECT_EQ(kept->certificate->digest(), entry.certificate->digest());
            EXPECT_EQ(kept->certificate->lv, entry.certificate->lv);
          }
        }
        if (entry.proposal && !node->steward().views().at_leader_site()) {
          ASSERT_NE(kept, nullptr) << to_string(who);
          EXPECT_EQ(kept->proposal->digest, entry.proposal->digest);
          EXPECT_EQ(kept->batch.digest, entry.batch.digest);
        }
      }
    }
  }
  EXPECT_GT(open, 100u) << "otherwise this shows nothing";
}

TEST(StewardLogRenewal, ALogThatBeginsInTheMiddleOfAnOlderStateIsReadFromTheNextWholeOne) {
  const Settings settings = renewing(1);
  Bed bed(3, 1, 1, settings);
  bed.start();
  ASSERT_TRUE(put_many(bed, 50, 8000));  // a state of several pieces
  bed.run_for(3s);
  const ServerId id = server(1, 1);
  const std::vector<Record>& log = bed.at(id).log;
  std::vector<Record> pieces;
  for (const Record& record : log)
    if (auto read = decode_record(record); read && std::holds_alternative<SnapshotRecord>(read->what))
      pieces.push_back(record);
  ASSERT_GE(pieces.size(), 3u);

  std::vector<Record> older{pieces.begin() + 1, pieces.end()};
  Again headless(bed, id, older, settings);
  EXPECT_FALSE(headless.core.views().participating()) << "what it said is not known";
  EXPECT_EQ(headless.sends(), 0u);

  older.insert(older.end(), log.begin(), log.end());
  Again whole(bed, id, older, settings);
  EXPECT_TRUE(whole.core.views().participating());
  EXPECT_EQ(what_binds(whole.core), what_binds(bed.steward(id)));
}

// A large state and a slow disk: ordering passes the state by more than history reaches back long before all of it is
// written.
TEST(StewardLogRenewal, EndsHoweverFarOrderingGetsMeanwhile) {
  constexpr std::size_t kValue = 8'000;
  constexpr int kKeys = 600;
  const Settings settings = renewing(200'000);
  Bed bed(3, 1, 3, settings);
  bed.wide_delay = 2ms;
  bed.start();
  int puts = 0;
  // All clients, each as soon as it has its result.
  const auto put_in_parallel = [&](int count) {
    const int end = puts + count;
    return bed.run_while(60s, [&] {
      bool busy = false;
      for (const auto& info : bed.membership.clients) {
        auto& client = bed.at(info.id).client();
        client.take_completions();
        if (client.idle() && puts < end)
          bed.put(info.id, "large" + std::to_string(puts++ % kKeys), std::string(kValue, 'v'));
        busy = busy || !client.idle();
      }
      return busy;
    });
  };
  ASSERT_TRUE(put_in_parallel(kKeys));
  const ServerId id = server(1, 2);
  const auto renewals = [&] { return std::stoull(status_value(bed.steward(id), "log_renewals")); };
  bed.at(id).persist_delay = 100ms;
  const auto before = renewals();
  auto ended = before;
  Seq passed;  // a state whose entries history had dropped when the log had all of it
  std::size_t most = 0;
  for (int i = 0; i < 400 && ended < before + 3; ++i) {
    ASSERT_TRUE(put_in_parallel(18));
    most = std::max(most, size_of(bed.at(id).log));
    if (renewals() == ended) continue;
    ended = renewals();
    const auto last = std::ranges::find_if(bed.at(id).log.rbegin(), bed.at(id).log.rend(),
                                           [](const Record& record) { return may_be<SnapshotRecord>(record); });
    const Seq state = std::get<SnapshotRecord>(decode_record(*last)->what).seq;
    if (bed.steward(id).history().base() > state) passed = state;
    Again again(bed, id, bed.at(id).log, settings);
    EXPECT_EQ(what_binds(again.core), what_binds(bed.steward(id)));
  }
  EXPECT_EQ(ended, before + 3) << "or the log grows for ever";
  EXPECT_NE(passed, Seq()) << "otherwise this shows nothing";
  EXPECT_LT(most, 6 * kKeys * kValue);
}

TEST(StewardLogRenewal, WithoutALogNothingIsWritten) {
  Settings settings = renewing(1);
  settings.durability = Durability::None;
  Bed bed(3, 1, 1, settings);
  bed.start();
  ASSERT_TRUE(put_many(bed, 20));
  EXPECT_TRUE(bed.at(server(0, 0)).log.empty());
  EXPECT_EQ(status_value(bed.steward(server(0, 0)), "log_renewals"), "0");
}

}  // namespace
}  // namespace seneschal::steward::testing
