// Whom a server asks for proofs of what states name. [Steward 4, Proof] [Steward 5]
#include "lagging.hpp"
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

SharedBytes new_rep(Bed& bed, ServerId from, std::uint64_t lv) {
  return bed.seal(Principal::of(from), NewRep{LocalView(lv), 0});
}

/// A representative that collects states: of its local view, or for its site's GlobalConstraint.
struct Collector {
  explicit Collector(StateContext context) : key{context, {}, LocalView(1), {}}, lone(server(0, 1), patient()) {
    for (unsigned i : {0u, 2u, 3u}) lone.deliver(new_rep(lone.bed, server(0, i), 1));
    if (context == StateContext::Constraint) {
      key.gv = GlobalView(1);
      const AruMessage question{GlobalView(1), Seq(0)};
      lone.deliver(lone.bed.seal(Principal::of(SiteId(1)), question));
    }
    EXPECT_TRUE(lone.sent<StateRequest>() > 0);
    b = lone.one();
    item = {Seq(1), EntryKind::Proposed, GlobalView(0), {}, digest_of(b)};
    lone.bed.sent.clear();
  }
  static Settings patient() {
    Settings settings;
    settings.representative_timeout = 60s;
    settings.pace_floor = 60s;
    return settings;
  }
  SharedBytes state(unsigned from, std::vector<StateItem> items) {
    return lone.bed.seal(Principal::of(server(0, from)), ServerState{key, {std::move(items)}});
  }
  /// An entry that nobody can prove.
  StateItem invented(std::uint64_t seq, unsigned variant) {
    StateItem fake = item;
    fake.seq = Seq(seq);
    fake.digest.bytes[0] = static_cast<Byte>(variant);
    fake.digest.bytes[1] = static_cast<Byte>(variant >> 8);
    return fake;
  }
  std::multiset<ServerIndex> asked() {
    std::multiset<ServerIndex> servers;
    for (const auto& m : lone.bed.sent)
      if (m.is<EntryRequest>()) servers.insert(m.to.server().index);
    return servers;
  }
  SharedBytes proof() {
    EntryEvidence evidence{item, lone.proposal(1, b, 0, 0, 0), {}, {b}};
    return lone.bed.seal(Principal::of(server(0, 3)), evidence, AuthKind::Bare);
  }

  StateKey key;
  Lone lone;
  Batch b;
  StateItem item;
};

class StewardProofs : public ::testing::TestWithParam<StateContext> {};
INSTANTIATE_TEST_SUITE_P(Contexts, StewardProofs, ::testing::Values(StateContext::Pending, StateContext::Constraint),
                         [](const auto& p) { return p.param == StateContext::Pending ? "Local" : "Constraint"; });

// [Steward 4.6]
TEST_P(StewardProofs, AreAskedOfFPlusOneOthersWhenTheFirstDoesNotAnswer) {
  Collector collector(GetParam());
  collector.lone.deliver(collector.state(0, {collector.item}));
  EXPECT_EQ(collector.asked(), (std::multiset{ServerIndex(0)}));
  collector.lone.deliver(collector.state(2, {collector.item}));
  collector.lone.deliver(collector.state(3, {collector.item}));
  EXPECT_EQ(collector.asked().size(), 1u) << "usually one answer is enough";
  collector.lone.bed.run_for(Settings{}.retransmit_local + 50ms);
  EXPECT_EQ(collector.asked(), (std::multiset{ServerIndex(0), ServerIndex(2), ServerIndex(3)}));
  EXPECT_EQ(collector.lone.sent<CollectedState>(), 0u);
  collector.lone.deliver(collector.proof());
  EXPECT_GT(collector.lone.sent<CollectedState>(), 0u);
}

// Only the words that this server holds count, one state for each server and request.
// [Steward 4.7]
TEST_P(StewardProofs, AreWantedOnlyForOneStateOfEachServer) {
  Collector collector(GetParam());
  constexpr std::uint64_t kItems = 90;
  for (unsigned variant = 1; variant <= 300; ++variant) {
    std::vector<StateItem> items;
    for (std::uint64_t seq = 1; seq <= kItems; ++seq) items.push_back(collector.invented(seq, variant));
    collector.lone.bed.deliver(collector.lone.self, collector.state(0, std::move(items)));
  }
  EXPECT_EQ(collector.lone.core().states().wanted(), kItems);
  EXPECT_EQ(collector.asked().size(), (kItems + EntryRequest::kMaxItems - 1) / EntryRequest::kMaxItems);
  // The others are not held up by that.
  collector.lone.deliver(collector.state(2, {collector.item}));
  collector.lone.deliver(collector.state(3, {collector.item}));
  collector.lone.deliver(collector.proof());
  EXPECT_GT(collector.lone.sent<CollectedState>(), 0u);
  EXPECT_EQ(collector.lone.core().states().wanted(), 0u);
}

// f servers of a site name what is genuine and prove nothing; the one that was representative before is among them.
class StewardTease : public ::testing::TestWithParam<std::uint16_t> {};
INSTANTIATE_TEST_SUITE_P(Faults, StewardTease, ::testing::Values(1, 5),
                         [](const auto& p) { return "f" + std::to_string(p.param); });

// [Steward 4.6]
TEST_P(StewardTease, KeepsNoCorrectRepresentativeFromItsBundle) {
  const std::uint16_t f = GetParam();
  Bed bed(3, f, 1);
  const auto teases = [&](const Principal& who) {
    if (!who.is_server() || who.server().site != SiteId(0)) return false;
    const unsigned index = who.server().index.value;
    return index == 0 || (index >= 2 && index <= f);  // f of them; server 1 represents next
  };
  StewardCore& next = bed.steward(server(0, 1));
  bed.drop = [&](const Bed::Datagram& m) {
    if (teases(m.from) && (m.is<EntryEvidence>() || m.is<OrderedEntry>())) return true;
    if (next.views().local() != LocalView(0) || !m.from.is_server() || m.from.server().site != SiteId(0))
      return false;
    // In the first view nothing is signed, and the next representative sees nothing of it.
    if (m.is<SigShare>()) return true;
    return m.to == Principal::of(server(0, 1)) && (m.is<PrePrepare>() || m.is<Prepare>());
  };
  bed.start();
  bed.put(ClientId(1), "k", "v");
  ASSERT_TRUE(bed.run_while(60s, [&] { return next.views().local() == LocalView(0); }));
  ASSERT_FALSE(next.views().constrained());
  const Instant began = bed.now;
  ASSERT_TRUE(bed.run_while(60s, [&] { return !next.views().constrained(); }));
  EXPECT_LE(bed.now - began, 3 * Settings{}.retransmit_local);
  EXPECT_EQ(next.views().local(), LocalView(1));
  ASSERT_TRUE(bed.run_while(60s, [&] { return !bed.at(ClientId(1)).client().idle(); }));
  EXPECT_EQ(next.views().local(), LocalView(1));
  bed.run_for(2s);
  bed.expect_agreement(Seq(1));
}

// A server installs a state while its site exchanges states that begin below it: the union names entries that its
// history has no room for any more. It takes their certificates as proofs, and is bound by this view, not the next.
TEST(StewardLateProofs, OfEntriesBelowAStateInstalledMeanwhileCount) {
  Settings patient = Collector::patient();
  patient.window = patient.checkpoint_interval = 8;
  patient.history_span = patient.history_kept = 24;
  patient.batch_max = 1;
  Bed bed(3, 1, 1, patient);
  const ServerId late = server(1, 3);
  const auto held_back = [&](const Principal& who) {
    return who == Principal::of(server(1, 1)) || who == Principal::of(late);
  };
  bed.drop = cut_off(held_back);
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 7));
  bed.run_for(1s);
  ASSERT_EQ(bed.steward(server(1, 0)).history().aru(), Seq(7));
  ASSERT_EQ(bed.steward(late).history().aru(), Seq(0));

  // Its site changes its view; it sees the exchange, and of the entries nothing.
  bed.drop = [&](const Bed::Datagram& m) {
    if (m.to != Principal::of(late)) return false;
    return !m.is<NewRep>() && !m.is<PreinstallProof>() && !m.is<CollectedState>();
  };
  for (unsigned to = 0; to < 4; ++to)
    for (unsigned from : {0u, 2u})
      if (to != from) bed.deliver(server(1, to), new_rep(bed, server(1, from), 1));
  bed.run_for(2s);
  ASSERT_EQ(bed.steward(late).views().local(), LocalView(1));
  ASSERT_EQ(bed.steward(late).states().wanted(), 7u);
  ASSERT_EQ(bed.steward(late).states().local(), nullptr);

  bed.drop = [&](const Bed::Datagram& m) {
    return m.to == Principal::of(late) && (m.is<OrderedEntry>() || m.is<ProposalCarrier>() || m.is<EntryEvidence>());
  };
  ASSERT_TRUE(put_many(bed, ClientId(1), 1));
  ASSERT_TRUE(bed.run_while(60s, [&] { return bed.steward(late).history().aru() < Seq(8); }));
  ASSERT_EQ(bed.steward(late).states().local(), nullptr) << "the case is gone: nothing is left to prove";

  bed.drop = nullptr;
  EXPECT_TRUE(bed.run_while(5s, [&] { return bed.steward(late).states().local() == nullptr; }));
  EXPECT_EQ(bed.steward(late).views().local(), LocalView(1));
  EXPECT_EQ(bed.steward(late).states().wanted(), 0u);
}

}  // namespace
}  // namespace seneschal::steward::testing
