// Whom a server asks for proofs of what states name. [Steward 4, Proof] [Steward 5]
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

}  // namespace
}  // namespace seneschal::steward::testing
