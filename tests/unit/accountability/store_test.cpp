// The graph on disk: what survives which damage.
#include "accountability/store.hpp"
#include "accountability/findings.hpp"
#include "accountability/random_graph.hpp"
#include "base/crc32c.hpp"
#include "base/prng.hpp"
#include "crypto/digest.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <tuple>

namespace seneschal::accountability {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class GraphStore : public testing::Test {
 protected:
  GraphStore() {
    std::string name = (fs::temp_directory_path() / "graph-test-XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  ~GraphStore() override { fs::remove_all(folder_); }
  static Signer signer() {
    return {Principal::of(ClientId(9)), [](Span bytes) { return to_bytes(crypto::sha256(bytes).bytes); }};
  }
  static bool verifies(const Principal& who, Span bytes, Span signature) {
    return who == Principal::of(ClientId(9)) && equal(crypto::sha256(bytes).bytes, signature);
  }
  std::unique_ptr<StoreWriter> writer(const StoreOptions& options = {}) {
    auto writer = StoreWriter::open(folder_, options, signer());
    EXPECT_TRUE(writer.has_value()) << writer.error().message;
    return writer ? std::move(*writer) : nullptr;
  }
  Store store() {
    auto store = Store::open(folder_);
    EXPECT_TRUE(store.has_value()) << store.error().message;
    return std::move(*store);
  }
  /// What its client signed: not the operation, which is kept apart.
  static Span signed_by_client(std::uint64_t n) {
    static std::map<std::uint64_t, std::string> known;
    return as_span(known.try_emplace(n, "sealed update " + std::to_string(n)).first->second);
  }
  static NewUpdate update(std::uint64_t n, std::string_view formula = "") {
    NewUpdate u;
    u.client = ClientId(static_cast<std::uint32_t>(n % 7 + 1));
    u.seq = Seq(n);
    u.formula = *Formula::parse(formula);
    u.evidence = signed_by_client(n);
    return u;
  }
  /// `count` updates, each naming the one before, flushed every 100.
  void fill(StoreWriter& to, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t n = to.next().value;
      const std::string operation = "operation " + std::to_string(n);
      NewUpdate u = update(n, n == 1 ? "" : std::to_string(n - 1));
      u.operation = as_span(operation);
      ASSERT_EQ(to.add(u), UpdateId(n));
      if (n % 100 == 0) {
        ASSERT_TRUE(to.flush().has_value());
      }
    }
    ASSERT_TRUE(to.flush().has_value());
  }
  std::string only_file(const std::string& prefix) const {
    std::string found;
    for (const auto& entry : fs::directory_iterator(folder_))
      if (entry.path().filename().string().starts_with(prefix)) found = entry.path().string();
    return found;
  }
  static void flip(const std::string& path, std::uint64_t at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char was = static_cast<char>(file.get());
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(was ^ 0x10));
  }

  std::string folder_;
};

TEST(Crc32c, KnownValueAndBothImplementationsAgree) {
  EXPECT_EQ(crc32c(as_span("123456789")), 0xe3069283u);  // the check value of the polynomial
  Prng random(1);
  Bytes bytes;
  for (int i = 0; i < 20000; ++i) bytes.push_back(static_cast<Byte>(random.next()));
  for (const std::size_t size : {0, 1, 7, 8, 9, 3071, 3072, 3073, 6144, 9999, 20000}) {
    const Span part = Span(bytes).first(size);
    EXPECT_EQ(crc32c(part, 7), detail::crc32c_portable(part, 7)) << size;
    const std::size_t cut = size / 3;
    EXPECT_EQ(crc32c(part.subspan(cut), crc32c(part.first(cut))), crc32c(part));
  }
}

TEST_F(GraphStore, ReadsBackWhatWasFlushed) {
  auto w = writer();
  fill(*w, 10000);
  const Store s = store();
  EXPECT_TRUE(s.notes().empty());
  EXPECT_EQ(s.graph().size(), 10000u);
  EXPECT_EQ(s.digest(), w->digest());
  EXPECT_EQ(s.graph().formula(UpdateId(9999)).text(), "9998");
  EXPECT_EQ(s.graph().client(UpdateId(5000)), ClientId(5000 % 7 + 1));
  EXPECT_EQ(s.graph().seq(UpdateId(8192)), Seq(8192));
  EXPECT_EQ(s.graph().at_seq(Seq(8193)), UpdateId(8193));
}

TEST_F(GraphStore, DigestDoesNotDependOnWhenBlocksWereWritten) {
  auto w = writer();
  fill(*w, 5000);
  Builder other({});
  for (std::uint64_t n = 1; n <= 5000; ++n)
    ASSERT_TRUE(
        other.add(update(n).client, Seq(n), *Formula::parse(n == 1 ? "" : std::to_string(n - 1))).has_value());
  EXPECT_EQ(w->digest(), other.digest());
}

TEST_F(GraphStore, GoesOnAfterARestartAsIfThereHadBeenNone) {
  StoreOptions all{.payloads = true};
  {
    auto w = writer(all);
    fill(*w, 4321);
  }
  for (int life = 0; life < 4; ++life) fill(*writer(all), 1111);
  const Store s = store();
  EXPECT_TRUE(s.notes().empty());
  Builder other({});
  for (std::uint64_t n = 1; n <= 8765; ++n)
    ASSERT_TRUE(
        other.add(update(n).client, Seq(n), *Formula::parse(n == 1 ? "" : std::to_string(n - 1))).has_value());
  EXPECT_EQ(s.digest(), other.digest());
  for (const std::uint64_t n : {1, 4096, 4097, 8192, 8193, 8765})
    EXPECT_EQ(s.digest_of(UpdateId(n)), update(n).digest()) << n;
  std::uint64_t next = 3;
  EXPECT_TRUE(s.each_payload(UpdateId(3), [&](const Payload& p) {
    EXPECT_EQ(p.id.value, next);
    EXPECT_EQ(as_text(p.operation), "operation " + std::to_string(next++));
  }));
  EXPECT_EQ(next, 8766u);
}

TEST_F(GraphStore, TornLogEndsWhereItIsTornAndNamesTheFile) {
  fill(*writer(), 4500);
  const std::string log = folder_ + "/open.log";
  fs::resize_file(log, fs::file_size(log) - 5);
  {
    const Store s = store();
    ASSERT_EQ(s.notes().size(), 1u);
    EXPECT_THAT(s.notes()[0], HasSubstr("open.log"));
    EXPECT_EQ(s.graph().size(), 4400u);
  }
  fill(*writer(), 100);  // and a writer goes on there
  EXPECT_EQ(store().graph().size(), 4500u);
  EXPECT_TRUE(store().notes().empty());
}

TEST_F(GraphStore, DamagedSegmentIsNamedAndWhatIsBeforeStaysUsable) {
  fill(*writer(), 3 * kBlockUpdates + 50);
  const std::string segment = only_file("graph-");
  flip(segment, fs::file_size(segment) / 2);
  const Store s = store();
  ASSERT_FALSE(s.notes().empty());
  EXPECT_THAT(s.notes()[0], HasSubstr(segment));
  EXPECT_THAT(s.notes()[0], HasSubstr("updates from 4097 on cannot be used"));
  EXPECT_EQ(s.graph().size(), kBlockUpdates);
  EXPECT_EQ(mark(s.graph(), {{{ClientId(1), UpdateId(1)}}, {}}).end(), UpdateId(4097));
}

TEST_F(GraphStore, WriterRefusesToGoOnWhereSignedUpdatesAreDamaged) {
  {
    auto w = writer();
    fill(*w, 2 * kBlockUpdates);
    ASSERT_TRUE(w->seal().has_value());
  }
  const std::string segment = only_file("graph-");
  const auto size = fs::file_size(segment);
  flip(segment, size - 100);
  const auto again = StoreWriter::open(folder_, {}, signer());
  ASSERT_FALSE(again.has_value());
  EXPECT_THAT(again.error().message, HasSubstr(segment));
  EXPECT_EQ(fs::file_size(segment), size);
}

TEST_F(GraphStore, SignedHeadVouchesForTheGraph) {
  auto w = writer();
  EXPECT_EQ(store().head()->next, 1u) << "from the beginning on";
  fill(*w, 5000);
  ASSERT_TRUE(w->seal().has_value());
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
  EXPECT_TRUE(store().doubt([](const Principal&, Span, Span) { return false; }).has_value());
  fill(*w, 5000);  // more updates after the head: the head still fits
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
  // Another graph with good checksums under the same head.
  const fs::path head = fs::path(folder_) / "head";
  const std::string kept = folder_ + ".head";
  fs::copy_file(head, kept);
  for (const auto& entry : fs::directory_iterator(folder_)) fs::remove(entry.path());
  auto forged = writer();
  for (std::uint64_t n = 1; n <= 9000; ++n) ASSERT_TRUE(forged->add(update(n)).has_value());
  ASSERT_TRUE(forged->flush().has_value());
  fs::rename(kept, head);
  EXPECT_THAT(store().doubt(verifies).value_or(""), HasSubstr("not those that were signed"));
}

/// A folder's file of what was signed, with another byte in what the client of one update signed, checksums and all.
void exchange_evidence(const std::string& path, std::uint64_t update, bool mend_chain) {
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), {});
  const Bytes bytes(text.begin(), text.end());
  Bytes forged;
  Digest chain;
  for (const Frame& frame : scan_frames(bytes).frames) {
    Bytes content = to_bytes(frame.content);
    if (mend_chain) std::ranges::copy(chain.bytes, content.begin());
    if (const auto view = PayloadFrame::of(frame))
      if (const auto payload = view->at(UpdateId(update)))
        content[static_cast<std::size_t>(payload->evidence.data() - frame.content.data())] ^= 1;
    chain = crypto::sha256(content);
    append(forged, make_frame(frame.kind, frame.first, frame.count, content));
  }
  std::ofstream(path, std::ios::binary) << as_text(forged);
}

// The last rows that were signed are not a block yet; that the graph went on must not free them.
TEST_F(GraphStore, TheSignedHeadCoversRowsThatAreNoBlockYetWhateverFollows) {
  auto w = writer();
  fill(*w, 5000);
  ASSERT_TRUE(w->seal().has_value());
  fill(*w, 1);
  ASSERT_TRUE(w->flush().has_value());
  w.reset();
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
  const std::string head = folder_ + ".head";
  fs::copy_file(folder_ + "/head", head);
  for (const auto& entry : fs::directory_iterator(folder_)) fs::remove(entry.path());
  auto forged = writer();
  fill(*forged, 4499);
  ASSERT_TRUE(forged->add(update(4500)).has_value());  // names nothing
  fill(*forged, 501);
  ASSERT_TRUE(forged->flush().has_value());
  forged.reset();
  fs::rename(head, folder_ + "/head");
  EXPECT_EQ(store().graph().end(), UpdateId(5002));
  EXPECT_THAT(store().doubt(verifies).value_or(""), HasSubstr("updates 4097 to 5000 are not those that were signed"));
  EXPECT_THAT(store().updates_doubt().value_or(""), HasSubstr("not those that were signed"));
  // Nor does a writer go on with them, and sign them.
  const auto refused = StoreWriter::open(folder_, {}, signer());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("nothing was changed"));
  EXPECT_EQ(store().graph().end(), UpdateId(5002));
}

TEST_F(GraphStore, AHeadThatCannotBeReadStopsAWriter) {
  auto w = writer();
  fill(*w, 5000);
  ASSERT_TRUE(w->seal().has_value());
  w.reset();
  fs::resize_file(folder_ + "/head", fs::file_size(folder_ + "/head") / 2);
  EXPECT_FALSE(StoreWriter::open(folder_, {}, signer()).has_value());
  fs::remove(folder_ + "/head");
  fs::create_directory(folder_ + "/head");
  EXPECT_FALSE(StoreWriter::open(folder_, {}, signer()).has_value());
  EXPECT_TRUE(fs::exists(folder_ + "/open.log"));
}

TEST_F(GraphStore, FindingsThatCannotBeReadAreNotNoFindings) {
  EXPECT_TRUE(load_findings(folder_)->findings.marks.empty());
  fs::create_directory(folder_ + "/findings.txt");
  EXPECT_FALSE(load_findings(folder_).has_value());
}

TEST_F(GraphStore, TheSignedHeadCoversWhatClientsSigned) {
  const StoreOptions options{.payloads = true};
  {
    auto w = writer(options);
    fill(*w, 3 * kBlockUpdates + 77);
    ASSERT_TRUE(w->seal().has_value());
    fill(*w, 200);  // not signed yet
  }
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
  const std::string path = folder_ + "/payloads-1.seg", kept = folder_ + ".kept";
  fs::copy_file(path, kept);
  const auto doubt_after = [&](std::uint64_t exchanged, bool mend_chain) {
    exchange_evidence(path, exchanged, mend_chain);
    EXPECT_NE(store().digest_of(UpdateId(exchanged)), update(exchanged).digest());
    const std::string doubt = store().doubt(verifies).value_or("");
    const auto again = StoreWriter::open(folder_, options, signer());
    EXPECT_FALSE(again.has_value()) << "and nobody goes on from there";
    fs::copy_file(kept, path, fs::copy_options::overwrite_existing);
    return doubt;
  };
  EXPECT_THAT(doubt_after(5000, false), HasSubstr("operations from update 5001 on are not those that follow"));
  EXPECT_THAT(doubt_after(5000, true), HasSubstr("the operations up to update 12365 are not those that were signed"));
  EXPECT_THAT(doubt_after(12365, false), HasSubstr("operations from update 12366 on are not those that follow"));
  flip(path, 4096 * 32 + 200);  // plain damage
  EXPECT_THAT(store().doubt(verifies).value_or(""), HasSubstr("damaged content"));
  fs::resize_file(path, fs::file_size(path) / 2);
  EXPECT_THAT(store().doubt(verifies).value_or(""), HasSubstr("payloads-1.seg"));
  fs::rename(kept, path);
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
}

TEST_F(GraphStore, TheDigestOfAnyUpdateIsFoundByWriterAndReaderHoweverTheyWereFlushed) {
  const StoreOptions options{.payloads = true};
  Prng random(11);
  std::uint64_t n = 0;
  std::set<std::uint64_t> dropped;
  const auto check = [&](const StoreWriter& w) {
    for (int i = 0; i < 60; ++i) {
      const std::uint64_t id = 1 + random.below(n);
      const bool there = !dropped.contains(id);
      ASSERT_EQ(w.digest_of(UpdateId(id)), there ? std::optional(update(id).digest()) : std::nullopt) << id;
    }
    EXPECT_EQ(w.digest_of(UpdateId(0)), std::nullopt);
    EXPECT_EQ(w.digest_of(UpdateId(n + 1)), std::nullopt);
  };
  for (int life = 0; life < 6; ++life) {
    auto w = writer(options);
    for (int step = 0; step < 12; ++step) {
      for (std::uint64_t more = random.below(random.chance(1, 3) ? 3000 : 5); more > 0; --more) {
        NewUpdate u = update(++n);
        if (random.chance(1, 2)) u.operation = u.evidence.subspan(2, 4);  // in what was signed
        ASSERT_EQ(w->add(u), UpdateId(n));
      }
      if (n > 0) check(*w);
      if (random.chance(2, 3)) {
        ASSERT_TRUE(w->flush().has_value());
      }
      if (n > 0 && random.chance(1, 6) && (store().snapshots().empty() || store().snapshots().back().value < n)) {
        ASSERT_TRUE(w->snapshot(w->last_seq(), {to_bytes("state")}, {}).has_value());
      }
    }
    if (life == 3) {
      const UpdateId keep = store().snapshots().at(1);
      ASSERT_TRUE(w->drop_before(keep).has_value());
      for (std::uint64_t id = 1; id <= keep.value; ++id) dropped.insert(id);
    }
    ASSERT_TRUE(w->flush().has_value());
    check(*w);
    w.reset();
    const Store s = store();
    for (int i = 0; i < 300; ++i) {
      const std::uint64_t id = i % 2 == 0 ? 1 + random.below(n) : std::min<std::uint64_t>(n, 1 + n / 300 * i);
      const bool there = !dropped.contains(id);
      ASSERT_EQ(s.digest_of(UpdateId(id)), there ? std::optional(update(id).digest()) : std::nullopt) << id;
    }
    EXPECT_EQ(s.digest_of(UpdateId(n + 1)), std::nullopt);
  }
}

TEST_F(GraphStore, AGraphCanBeginAnewAtAState) {
  const StoreOptions options{.payloads = true};
  fill(*writer(options), 5000);
  Snapshot state;
  state.last = UpdateId(7000);
  state.seq = Seq(7000);
  state.chunks.items.push_back({to_bytes("state")});
  {
    auto w = (*StoreWriter::open(folder_, options, signer()))->begin_anew(state, 5);
    ASSERT_TRUE(w.has_value()) << w.error().message;
    EXPECT_EQ((*w)->next(), UpdateId(7001));
    EXPECT_EQ(store().doubt(verifies), std::nullopt);
    EXPECT_EQ(store().graph().size(), 0u);
  }
  fill(*writer(options), 3000);
  fill(*writer(options), 6000);
  {
    auto w = writer(options);
    ASSERT_TRUE(w->seal().has_value());
    EXPECT_EQ(w->digest_of(UpdateId(7001)), update(7001).digest());
    EXPECT_EQ(w->digest_of(UpdateId(7000)), std::nullopt);
  }
  const Store s = store();
  EXPECT_TRUE(s.notes().empty());
  EXPECT_EQ(s.doubt(verifies), std::nullopt);
  EXPECT_EQ(s.graph().base(), UpdateId(7001));
  EXPECT_EQ(s.graph().end(), UpdateId(16001));
  EXPECT_EQ(s.graph().formula(UpdateId(7001)).text(), "") << "it names an update before: the snapshot, and good";
  EXPECT_EQ(s.digest_of(UpdateId(15999)), update(15999).digest());
  std::uint64_t next = 7001;
  EXPECT_TRUE(s.each_payload(UpdateId(7001), [&](const Payload& p) { EXPECT_EQ(p.id.value, next++); }));
  const auto before = Store::open(folder_ + "/before-7001");
  ASSERT_TRUE(before.has_value());
  EXPECT_EQ(before->graph().end(), UpdateId(5001));
  // Without the head it is the same graph, only that nobody vouches for it.
  fs::remove(folder_ + "/head");
  EXPECT_EQ(store().graph().base(), UpdateId(7001));
  EXPECT_EQ(store().digest_of(UpdateId(15999)), s.digest_of(UpdateId(15999)));
}

TEST_F(GraphStore, AFileThatShrinksUnderTheReaderIsSurvivedAndNamed) {
  StoreOptions small{.segment_bytes = 32 * 1024};
  fill(*writer(small), 12 * kBlockUpdates);
  const Store s = store();
  const Colours before = mark(s.graph(), {{{ClientId(1), UpdateId(1)}}, {}});
  EXPECT_GT(before.suspect(), 0u);
  const std::string last = folder_ + "/graph-" + std::to_string(s.graph().blocks().back().first().value) + ".seg";
  EXPECT_TRUE(s.shrunk().empty());
  for (const auto& entry : fs::directory_iterator(folder_))
    if (entry.path().filename().string().starts_with("graph-")) fs::resize_file(entry.path(), 100);
  (void)mark(s.graph(), {{{ClientId(1), UpdateId(1)}}, {}});
  EXPECT_FALSE(s.shrunk().empty());
}

TEST_F(GraphStore, EverySingleDamagedByteIsSurvivedAndNoticed) {
  {
    auto w = writer({.payloads = true});
    fill(*w, kBlockUpdates + 30);
    ASSERT_TRUE(w->seal().has_value());
  }
  fs::remove(folder_ + "/lock");  // nothing in it
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
  Prng random(5);
  for (int round = 0; round < 150; ++round) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(folder_)) files.push_back(entry.path().string());
    std::ranges::sort(files);
    const std::string file = files[random.below(files.size())];
    const std::uint64_t at = random.below(std::max<std::uint64_t>(1, fs::file_size(file)));
    flip(file, at);
    const Store s = store();
    const Colours colours = mark(s.graph(), {{{ClientId(2), UpdateId(1)}}, {}});
    EXPECT_LE(colours.corrupt() + colours.suspect(), s.graph().size());
    (void)s.each_payload(UpdateId(1), [](const Payload&) {});
    (void)s.digest_of(UpdateId(5));
    EXPECT_TRUE(s.doubt(verifies).has_value()) << file << " at byte " << at;
    flip(file, at);
  }
}

TEST_F(GraphStore, TheSignedHeadTellsWithWhichUpdateTheGraphBegins) {
  const StoreOptions options{.payloads = true};
  const std::uint64_t epoch = kBlockUpdates + 10;
  const UpdateId keep(2 * epoch);
  {
    auto w = writer(options);
    for (int i = 1; i <= 4; ++i) {
      fill(*w, epoch);
      ASSERT_TRUE(w->snapshot(w->last_seq(), {to_bytes("state " + std::to_string(i))}, {}).has_value());
    }
    ASSERT_TRUE(w->drop_before(keep).has_value());
    fill(*w, 10);
  }
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
  EXPECT_EQ(store().head()->base, keep.value + 1);
  writer(options);  // goes on
  // One epoch more goes, as an owner would do it, but without a word in the head.
  const auto doubt_without = [&](const std::string& name) {
    const std::string kept = folder_ + ".kept";
    fs::rename(folder_ + "/" + name, kept);
    const auto refused = StoreWriter::open(folder_, options, signer());
    EXPECT_THAT(refused ? "" : refused.error().message, HasSubstr("nothing was changed"));
    const std::string doubt = store().doubt(verifies).value_or("");
    fs::rename(kept, folder_ + "/" + name);
    return doubt;
  };
  const std::string first = std::to_string(keep.value + 1), last = std::to_string(keep.value + epoch);
  EXPECT_THAT(doubt_without("payloads-" + first + ".seg"),
              HasSubstr("the operations of updates " + first + " to " + last + " are gone, which were signed"));
  const std::string snapshot = "snapshot-" + std::to_string(keep.value) + ".snap";
  EXPECT_THAT(doubt_without(snapshot), HasSubstr("the snapshot after update " + std::to_string(keep.value)));
  EXPECT_THAT(doubt_without("graph-8193.seg"), HasSubstr("updates " + first + " to 12288 are gone"));
  EXPECT_EQ(store().doubt(verifies), std::nullopt);
}

// Each step of it may be the last one.
TEST_F(GraphStore, ACrashWhileOldEpochsAreRemovedLeavesAGraphThatGoesOn) {
  const StoreOptions options{.payloads = true};
  const std::uint64_t epoch = kBlockUpdates + 10;
  const auto files = [&] {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) names.insert(entry.path().filename().string());
    return names;
  };
  {
    auto w = writer(options);
    for (int i = 1; i <= 4; ++i) {
      fill(*w, epoch);
      ASSERT_TRUE(w->snapshot(w->last_seq(), {to_bytes("state " + std::to_string(i))}, {}).has_value());
    }
  }
  const std::string whole = folder_ + ".whole", dropped = folder_ + ".dropped";
  fs::copy(folder_, whole, fs::copy_options::recursive);
  ASSERT_TRUE(writer(options)->drop_before(UpdateId(3 * epoch)).has_value());
  std::vector<std::string> removed;
  for (const auto& entry : fs::directory_iterator(whole))
    if (const std::string name = entry.path().filename().string(); !files().contains(name)) removed.push_back(name);
  // As they are removed: snapshots, operations, blocks, each in order.
  std::ranges::sort(removed, {}, [](const std::string& name) {
    const std::size_t dash = name.find('-');
    return std::tuple(-static_cast<int>(name[0]), std::stoull(name.substr(dash + 1)));
  });
  ASSERT_EQ(removed.size(), 2u + 3u + 3u);
  fs::rename(folder_, dropped);
  for (std::size_t done = 0; done <= removed.size(); ++done) {
    fs::copy(whole, folder_, fs::copy_options::recursive);
    fs::copy_file(dropped + "/head", folder_ + "/head", fs::copy_options::overwrite_existing);
    for (std::size_t i = 0; i < done; ++i) fs::remove(folder_ + "/" + removed[i]);
    const Store s = store();
    EXPECT_EQ(s.doubt(verifies), std::nullopt) << done;
    EXPECT_EQ(s.graph().base(), UpdateId(3 * epoch + 1)) << done;
    EXPECT_TRUE(s.each_payload(s.graph().base(), [](const Payload&) {})) << done;
    fill(*writer(options), 10);
    fs::remove_all(folder_);
  }
  fs::remove_all(whole);
  fs::remove_all(dropped);
}

TEST_F(GraphStore, ACrashWhileAGraphBeginsAnewLeavesOneThatCanGoOn) {
  const StoreOptions options{.payloads = true};
  {
    auto w = writer(options);
    for (int i = 1; i <= 2; ++i) {
      fill(*w, 3000);
      ASSERT_TRUE(w->snapshot(w->last_seq(), {to_bytes("state")}, {}).has_value());
    }
    ASSERT_TRUE(w->seal().has_value());
    ASSERT_TRUE(w->note_time(1'000'000).has_value());
  }
  const std::string whole = folder_ + ".whole";
  fs::copy(folder_, whole, fs::copy_options::recursive);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(whole)) names.push_back(entry.path().filename().string());
  const Digest digest = store().digest();
  for (std::size_t moved = 0; moved <= names.size() + 2; ++moved) {
    fs::remove_all(folder_);
    fs::copy(whole, folder_, fs::copy_options::recursive);
    std::ofstream(folder_ + "/moving") << "9001";
    fs::create_directory(folder_ + "/before-9001");
    for (std::size_t i = 0; i < std::min(moved, names.size()); ++i)
      if (names[i] != "lock") fs::rename(folder_ + "/" + names[i], folder_ + "/before-9001/" + names[i]);
    if (moved > names.size()) {  // what the new one begins with
      std::ofstream(folder_ + "/snapshot-9000.snap") << "half";
      std::ofstream(folder_ + "/open.log") << "";
    }
    if (moved > names.size() + 1) std::ofstream(folder_ + "/head") << "new";
    auto w = writer(options);
    ASSERT_NE(w, nullptr) << moved;
    EXPECT_EQ(w->next(), UpdateId(1)) << moved;
    fill(*w, 20);
    const auto before = Store::open(folder_ + "/before-9001");
    ASSERT_TRUE(before.has_value()) << moved;
    EXPECT_EQ(before->doubt(verifies), std::nullopt) << moved;
    EXPECT_EQ(before->digest(), digest) << moved;
    EXPECT_FALSE(fs::exists(folder_ + "/moving"));
  }
  fs::remove_all(whole);
}

TEST_F(GraphStore, UpdatesWithoutAHeadAreNobodys) {
  fill(*writer(), 5000);
  fs::remove(folder_ + "/head");
  const auto refused = StoreWriter::open(folder_, {}, signer());
  ASSERT_FALSE(refused.has_value());
  EXPECT_THAT(refused.error().message, HasSubstr("there are updates, and no head: nobody vouches for them"));
}

TEST_F(GraphStore, ASnapshotOfUpdatesThatAPowerCutTookGoes) {
  const StoreOptions options{.payloads = true};
  fill(*writer(options), 200);
  std::ofstream(folder_ + "/snapshot-3000.snap") << "later";
  fill(*writer(options), 100);
  EXPECT_TRUE(store().snapshots().empty());
}

// Files grow by themselves: a power cut leaves of each whatever was written back, but at least what was made durable.
TEST_F(GraphStore, WhatAPowerCutLeavesOfEachFileIsGoneOnFromTheLastUpdateThatIsInAllOfThem) {
  const StoreOptions options{.payloads = true, .segment_bytes = 40'000};
  const auto contents = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::uint64_t cut_back = 0, kept_more = 0;
  for (std::uint64_t trial = 1; trial <= 40; ++trial) {
    fs::remove_all(folder_);
    Prng random(trial);
    auto w = writer(options);
    fill(*w, random.below(9000));
    ASSERT_TRUE(w->seal().has_value());
    const std::uint64_t sealed = w->next().value;
    std::map<std::string, std::uint64_t> durable;  // by file
    const auto sizes = [&](const std::string& prefix) {
      for (const auto& entry : fs::directory_iterator(folder_))
        if (entry.path().filename().string().starts_with(prefix)) durable[entry.path().string()] = entry.file_size();
    };
    sizes("");
    // What the log may be afterwards; that it was cut is only left where the block with the signed updates is
    // durable.
    std::vector<std::string> logs{contents(folder_ + "/open.log")};
    bool closed = (sealed - 1) % kBlockUpdates == 0;  // then the log had nothing that was signed
    for (std::uint64_t steps = random.below(20); steps > 0; --steps) {
      const std::uint64_t block = (w->next().value - 1) / kBlockUpdates;
      fill(*w, 100 * (1 + random.below(15)));
      if (!closed && (w->next().value - 1) / kBlockUpdates > block) {
        closed = true;
        sizes("graph-");
      }
      logs.push_back(contents(folder_ + "/open.log"));
    }
    const std::uint64_t end = w->next().value;
    w.reset();
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const std::string path = entry.path().string();
      const bool grows = path.ends_with(".seg");
      if (!grows || random.below(3) == 0) continue;
      const std::uint64_t least = durable.contains(path) ? durable[path] : 0;
      fs::resize_file(path, least + random.below(entry.file_size() - least + 1));
    }
    // The log of any moment since; of a later one than the first also a part.
    const std::size_t moment = random.below(logs.size());
    std::ofstream(folder_ + "/open.log", std::ios::binary | std::ios::trunc)
        << (moment == 0 ? logs[0] : logs[moment].substr(0, random.below(logs[moment].size() + 1)));
    if (moment != 0 && !closed)  // nothing was cut: what was signed is still in front
      std::ofstream(folder_ + "/open.log", std::ios::binary | std::ios::trunc) << logs[moment];
    auto again = StoreWriter::open(folder_, options, signer());
    ASSERT_TRUE(again.has_value()) << "trial " << trial << ": " << again.error().message;
    const std::uint64_t next = (*again)->next().value;
    EXPECT_GE(next, sealed) << trial;
    EXPECT_LE(next, end) << trial;
    cut_back += next < end;
    kept_more += next > sealed;
    for (int life = 0; life < 2; ++life) {
      fill(**again, 4500);
      ASSERT_TRUE((*again)->seal().has_value());
      again->reset();
      const Store s = store();
      EXPECT_EQ(s.graph().end().value, next + 4500 * (static_cast<std::uint64_t>(life) + 1));
      EXPECT_EQ(s.doubt(verifies), std::nullopt) << trial;
      std::uint64_t operations = 0;
      EXPECT_TRUE(s.each_payload(UpdateId(1), [&](const Payload& payload) {
        ++operations;
        EXPECT_EQ(as_text(payload.operation), "operation " + std::to_string(payload.id.value));
      })) << trial;
      EXPECT_EQ(operations, s.graph().size());
      for (std::uint64_t id = 1; id < s.graph().end().value; id += 977)
        EXPECT_EQ(s.digest_of(UpdateId(id)), update(id).digest()) << trial;
      again = StoreWriter::open(folder_, options, signer());
      ASSERT_TRUE(again.has_value()) << "trial " << trial << ": " << again.error().message;
    }
    // The same updates in one life: the same graph.
    const std::string cut = std::exchange(folder_, folder_ + "-whole");
    const Digest digest = (*again)->digest();
    auto whole = writer(options);
    fill(*whole, (*again)->next().value - 1);
    EXPECT_EQ(whole->digest(), digest) << trial;
    whole.reset();
    fs::remove_all(folder_);
    folder_ = cut;
    again->reset();
  }
  EXPECT_GT(cut_back, 10u);
  EXPECT_GT(kept_more, 5u);
}

TEST_F(GraphStore, AWriterGoesOnOnlyFromItsOwnHeadAndItsOwnApplication) {
  const auto signer_of = [](std::uint32_t who, std::uint8_t key) {
    const auto sign = [key](Span bytes) {
      Bytes signature = to_bytes(crypto::sha256(bytes).bytes);
      signature.push_back(key);
      return signature;
    };
    const auto verify = [sign](Span bytes, Span signature) { return equal(sign(bytes), signature); };
    return Signer{Principal::of(ClientId(who)), sign, verify};
  };
  const StoreOptions kv{.application = "kv"};
  {
    auto w = StoreWriter::open(folder_, kv, signer_of(9, 1));
    ASSERT_TRUE(w.has_value());
    fill(**w, 50);
    ASSERT_TRUE((*w)->seal().has_value());
  }
  EXPECT_EQ(as_text(store().head()->application.value), "kv");
  const auto refusal = [&](const StoreOptions& options, const Signer& signer) {
    const auto w = StoreWriter::open(folder_, options, signer);
    return w ? std::string() : w.error().message;
  };
  EXPECT_THAT(refusal(kv, signer_of(8, 1)), HasSubstr("signed by client 9, not by client 8"));
  EXPECT_THAT(refusal(kv, signer_of(9, 2)), HasSubstr("its signature is not that of client 9"));
  EXPECT_THAT(refusal({.application = "sql"}, signer_of(9, 1)), HasSubstr("of application 'kv', this is 'sql'"));
  EXPECT_EQ(refusal(kv, signer_of(9, 1)), "");
}

TEST_F(GraphStore, AFolderHasOneWriterAtATime) {
  auto first = writer();
  const auto second = StoreWriter::open(folder_, {}, signer());
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error().message, HasSubstr("does another program write this graph?"));
  fill(*first, 10);
  Snapshot state;
  state.last = UpdateId(500);
  auto anew = first->begin_anew(state, 1);
  ASSERT_TRUE(anew.has_value());
  first.reset();
  EXPECT_FALSE(StoreWriter::open(folder_, {}, signer()).has_value()) << "the lock went with the graph";
  anew->reset();
  EXPECT_TRUE(StoreWriter::open(folder_, {}, signer()).has_value());
}

TEST_F(GraphStore, WhatIsNoFileIsNotWaitedFor) {
  fill(*writer({.payloads = true}), 200);
  for (const char* name : {"/payloads-1.seg", "/findings.txt"}) {
    fs::remove(folder_ + name);
    ASSERT_EQ(::mkfifo((folder_ + name).c_str(), 0600), 0);
  }
  EXPECT_THAT(store().notes(), testing::ElementsAre(HasSubstr("payloads-1.seg: not a regular file")));
  EXPECT_FALSE(load_findings(folder_).has_value());
}

TEST_F(GraphStore, TheDigestOfAnyEarlierMomentCanBeTold) {
  auto w = writer();
  std::map<UpdateId, Digest> then{{w->next(), w->digest()}};
  for (const std::uint64_t more : {1, 4094, 1, 1, 500, 3596, 4096, 77}) {
    fill(*w, more);
    then.emplace(w->next(), w->digest());
  }
  ASSERT_TRUE(w->flush().has_value());
  const Store s = store();
  for (const auto& [next, digest] : then) EXPECT_EQ(s.digest_at(next), digest) << next.value;
  EXPECT_EQ(s.digest_at(s.graph().end().next()), std::nullopt);
}

TEST_F(GraphStore, SnapshotsBeginSegmentsAndOldOnesCanGo) {
  auto w = writer({.payloads = true});
  for (int epoch = 1; epoch <= 4; ++epoch) {
    fill(*w, kBlockUpdates + 10);
    ASSERT_TRUE(w->snapshot(w->last_seq(), {to_bytes("state " + std::to_string(epoch))}, {}).has_value());
  }
  fill(*w, 100);
  const UpdateId keep(2 * (kBlockUpdates + 10));
  EXPECT_EQ(store().snapshots().size(), 4u);
  ASSERT_TRUE(w->drop_before(keep).has_value());
  EXPECT_FALSE(w->drop_before(UpdateId(17)).has_value());
  const Store s = store();
  EXPECT_TRUE(s.notes().empty());
  EXPECT_EQ(s.snapshots().front(), keep);
  EXPECT_EQ(as_text(s.snapshot(keep)->chunks.items.at(0).value), "state 2");
  EXPECT_EQ(s.graph().base(), keep.next());
  EXPECT_EQ(s.graph().end(), w->next());
  EXPECT_EQ(s.digest(), w->digest());
  // The first update after the snapshot named one before it: that is the snapshot, and good.
  EXPECT_EQ(s.graph().formula(keep.next()), Formula{});
  EXPECT_TRUE(s.each_payload(keep.next(), [](const Payload&) {}));
}

TEST_F(GraphStore, RefusesForgedDependencies) {
  auto w = writer({.payloads = true});
  for (std::uint64_t n = 1; n <= 5; ++n) ASSERT_TRUE(w->add(update(n)).has_value());
  const auto refused = [&](NewUpdate u) {
    const auto id = w->add(u);
    EXPECT_FALSE(id.has_value());
    EXPECT_EQ(w->next(), UpdateId(6));  // nothing was taken
    return id ? Refusal::Malformed : id.error();
  };
  const auto with = [&](std::string_view formula, std::vector<Digest> named) {
    NewUpdate u = update(6, formula);
    u.named = std::move(named);
    u.declared = u.formula.leaves().size();
    return u;
  };
  const Digest third = update(3).digest();
  EXPECT_EQ(refused(update(6, "6")), Refusal::RefersToItself);
  EXPECT_EQ(refused(update(6, "7")), Refusal::RefersToFuture);
  EXPECT_EQ(refused(update(6, "18446744073709551615")), Refusal::RefersToFuture);
  EXPECT_EQ(refused(update(6, "2 and 0")), Refusal::NoSuchUpdate);
  EXPECT_EQ(refused(with("3", {update(4).digest()})), Refusal::DigestMismatch);
  EXPECT_EQ(refused(with("3 and 4", {third})), Refusal::DigestMissing);
  NewUpdate stranger = update(6);
  stranger.client = ClientId(kMaxClient);
  EXPECT_EQ(refused(stranger), Refusal::UnknownClient);
  NewUpdate late = update(6);
  late.seq = Seq(2);
  EXPECT_EQ(refused(late), Refusal::OutOfOrder);
  EXPECT_TRUE(w->add(with("3", {third})).has_value());
}

// Hashing what others signed is work that the one who names it does not do.
TEST_F(GraphStore, ComparesOnlySoManyBytesForOneUpdate) {
  auto w = writer({.payloads = true});
  const Bytes large(16 * 1024, Byte{7});
  constexpr std::uint64_t kEnough = kMostCompared / (16 * 1024);
  std::vector<Digest> digests;
  for (std::uint64_t n = 1; n <= kEnough + 1; ++n) {
    NewUpdate u = update(n);
    u.evidence = large;
    u.operation = Span(large).first(100);
    digests.push_back(u.digest());
    ASSERT_TRUE(w->add(u).has_value());
    const bool flushed = n != 3 || w->flush().has_value();  // some in the file, some not yet
    ASSERT_TRUE(flushed);
  }
  const auto naming = [&](std::uint64_t from, std::uint64_t to) {
    NewUpdate u = update(kEnough + 2);
    std::vector<UpdateId> names;
    for (std::uint64_t n = from; n <= to; ++n) {
      names.emplace_back(n);
      u.named.push_back(digests.at(n - 1));
    }
    u.formula = Formula::all(names);
    u.declared = names.size();
    return u;
  };
  const auto too_much = w->add(naming(1, kEnough + 1));
  ASSERT_FALSE(too_much.has_value());
  EXPECT_EQ(too_much.error(), Refusal::TooMuchToCheck);
  EXPECT_TRUE(w->add(naming(2, kEnough + 1)).has_value());
}

// A crash may leave files of epochs that were dropped: what is named there is not compared, as by everybody else.
TEST_F(GraphStore, WhatWasDroppedIsNotComparedThoughItsFileIsThere) {
  auto w = writer({.payloads = true});
  fill(*w, 100);
  ASSERT_TRUE(w->snapshot(w->last_seq(), {}, {}).has_value());
  fill(*w, 100);
  ASSERT_TRUE(w->snapshot(w->last_seq(), {}, {}).has_value());
  EXPECT_EQ(w->digest_of(UpdateId(7)), update(7).digest());
  const std::string dropped = folder_ + "/payloads-1.seg", aside = folder_ + "/aside";
  fs::copy_file(dropped, aside);
  ASSERT_TRUE(w->drop_before(UpdateId(100)).has_value());
  w.reset();
  fs::rename(aside, dropped);
  w = writer({.payloads = true});
  EXPECT_FALSE(w->digest_of(UpdateId(7)).has_value());
  EXPECT_FALSE(w->digest_of(UpdateId(100)).has_value());
  EXPECT_EQ(w->digest_of(UpdateId(101)), update(101).digest());
  EXPECT_EQ(w->digest_of(UpdateId(200)), update(200).digest());
}

TEST(FormulaText, RefusesWhatIsNoFormula) {
  for (const char* bad :
       {"(", ")", "1 2", "1 and", "or 1", "()", "1 xor 2", "(1 or 2", "1)", "-1", "99999999999999999999"})
    EXPECT_EQ(Formula::parse(bad), std::unexpected(Refusal::Malformed)) << bad;
  std::string giant = "1";
  for (std::size_t i = 0; i < kMaxLeaves; ++i) giant += " or 2";
  EXPECT_EQ(Formula::parse(giant), std::unexpected(Refusal::TooLarge));
  EXPECT_EQ(Formula::parse(std::string(100000, '(')), std::unexpected(Refusal::TooLarge));
  EXPECT_EQ(Formula::parse("(1 or 2) and 3")->text(), "(1 or 2) and 3");
  EXPECT_EQ(Formula::parse("1 or 2 and 3")->text(), "1 or (2 and 3)");
}

TEST(FormulaText, WhatIsJoinedToEverythingIsPartOfIt) {
  EXPECT_EQ(Formula::parse("everything")->text(), "everything");
  EXPECT_EQ(*Formula::parse("everything"), Formula::everything());
  EXPECT_EQ(Formula::parse("(3 or 4) and everything and 5")->text(), "everything");
  EXPECT_EQ(Formula::parse("3 or everything or (4 and 5)")->text(), "3 or (4 and 5)");
  EXPECT_EQ(Formula::parse("everything or everything")->text(), "everything");
  for (const char* bad : {"everything 3", "everythin", "everything and", "not everything"})
    EXPECT_EQ(Formula::parse(bad), std::unexpected(Refusal::Malformed)) << bad;
  EXPECT_EQ(Formula::from_tokens({{Token::Kind::Everything, 7}}), std::unexpected(Refusal::Malformed));
}

TEST(FormulaMeaning, AnOrOfWhichOneBranchIsCleanStaysClean) {
  const Formula d = *Formula::parse("(1 or 2) and 3");  // [TR Fig. 3]
  const auto fails = [&](std::set<std::uint64_t> bad) {
    return d.fails([&](UpdateId id) { return bad.contains(id.value); }, !bad.empty());
  };
  EXPECT_FALSE(fails({1}));
  EXPECT_FALSE(fails({2}));
  EXPECT_TRUE(fails({1, 2}));
  EXPECT_TRUE(fails({3}));
}

}  // namespace
}  // namespace seneschal::accountability
