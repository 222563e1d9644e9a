// Stable Checkpoints: what a share of one promises, who tells whom, and what is told in view changes. [Steward 7]
#include "again.hpp"
#include "lagging.hpp"
#include "lone.hpp"

namespace seneschal::steward::testing {
namespace {

Digest checkpoint_digest(Bed::Node& node, std::uint64_t seq) {
  Digest digest;
  for (const Event& e : node.events)
    if (e.kind == EventKind::Checkpointed && e.state != Digest{} && e.seq == Seq(seq)) digest = e.digest;
  return digest;
}

bool shared_checkpoint(Bed& bed, Bed::Node& node, std::uint64_t seq) {
  const Digest content = content_of(
      site_message(bed.membership, node.self.server().site, Checkpoint{Seq(seq), checkpoint_digest(node, seq)}));
  return std::ranges::any_of(node.events,
                             [&](const Event& e) { return e.kind == EventKind::Shared && e.digest == content; });
}

// A power cut of everybody right now must leave a state that its signers can rebuild.
// [Steward 7.14]
TEST(StewardStability, ACheckpointIsSharedOnlyWhenTheDiskCanRebuildItsState) {
  Lone lone(server(0, 1), often());  // a chosen signer: it shares unasked
  lone.node().persist_delay = 400ms;
  for (std::uint64_t seq = 1; seq <= 8; ++seq) lone.order(seq, lone.one(1, seq));
  ASSERT_EQ(lone.core().history().aru(), Seq(8));
  ASSERT_NE(checkpoint_digest(lone.node(), 8), Digest{}) << "the state is hashed";
  lone.bed.run_for(100ms);
  EXPECT_FALSE(shared_checkpoint(lone.bed, lone.node(), 8)) << "the last order certificates are not on the disk";
  lone.bed.run_for(1s);
  EXPECT_TRUE(shared_checkpoint(lone.bed, lone.node(), 8));
}

// [Steward 7.15]
TEST(StewardStability, AfterARestartItHasEveryStateThatItSharedForAndSharesAgain) {
  Lone lone(server(0, 1), often());
  for (std::uint64_t seq = 1; seq <= 17; ++seq) lone.order(seq, lone.one(1, seq));
  lone.bed.run_for(1s);
  ASSERT_TRUE(shared_checkpoint(lone.bed, lone.node(), 8));
  ASSERT_TRUE(shared_checkpoint(lone.bed, lone.node(), 16));
  // The power goes; both Checkpoints are of this site alone as far as this server knows.
  lone.bed.at(lone.self).down = true;
  Again again(lone.bed, lone.self, lone.node().log, often());
  EXPECT_EQ(again.core.history().aru(), Seq(17));
  EXPECT_EQ(again.core.checkpoints().snapshots(), 2u) << "at 8 and at 16";
  std::set<Seq> shares;
  for (const auto& effect : again.effects)
    if (const auto* event = std::get_if<Event>(&effect); event != nullptr && event->kind == EventKind::Shared)
      shares.insert(event->seq);
  EXPECT_EQ(shares, (std::set<Seq>{Seq(8), Seq(16)}));
}

// A renewal writes old entries turn by turn, and newer ones come between them: how far records reach must not depend
// on where in the log they are.
// [Steward 8.3]
TEST(StewardStability, AfterALongRenewalARestartKnowsAllThatWasOrderedMeanwhile) {
  Settings settings = often();
  settings.window = 4;
  settings.history_span = settings.history_kept = 96;
  settings.log_growth = 1024;
  Lone lone(server(0, 1), settings);
  const std::string large(8000, 'x');
  for (std::uint64_t seq = 1; seq <= 40; ++seq) lone.order(seq, lone.one(1, seq, large));
  const auto renewals = [&] {
    StatusList status;
    lone.core().status(status);
    for (const auto& [name, value] : status)
      if (name == "log_renewals") return std::stoul(value);
    return 0ul;
  };
  ASSERT_EQ(renewals(), 0u);
  lone.node().persist_delay = 50ms;
  lone.deliver(lone.stable(8, checkpoint_digest(lone.node(), 8)));
  for (std::uint64_t seq = 41; seq <= 60; ++seq) lone.order(seq, lone.one(1, seq, large));
  lone.bed.run_for(3s);
  ASSERT_GE(renewals(), 1u) << "or the test does not test anything";
  Again again(lone.bed, lone.self, lone.node().log, settings);
  EXPECT_EQ(again.core.history().aru(), Seq(60));
  EXPECT_EQ(again.core.execution().digest(), lone.core().execution().digest());
}

// [Steward 7.15] [Steward 7.19]
TEST(StewardStability, TheOlderOfTwoSharedCheckpointsIsKeptWhenItIsStable) {
  Lone lone(server(0, 1), often());
  for (std::uint64_t seq = 1; seq <= 17; ++seq) lone.order(seq, lone.one(1, seq));
  const Digest eight = checkpoint_digest(lone.node(), 8);
  lone.deliver(lone.stable(8, eight));
  EXPECT_EQ(lone.core().checkpoints().snapshots(), 2u);
  lone.deliver(
      lone.bed.seal(Principal::of(server(1, 1)), replication::SnapshotRequest{Seq(8), 0, {{0}}}, AuthKind::Bare));
  EXPECT_GT(lone.sent<replication::SnapshotChunk>(), 0u);
  EXPECT_EQ(lone.core().history().base(), Seq(0)) << "entries above 8 are needed for the state at 16";
}

// [Steward 7.20]
TEST(StewardStability, TheStateOfAnUnstableCheckpointIsNeverFetched) {
  Lone lone(server(1, 2), often());
  lone.deliver(share(lone.checkpoint(0, 80).sealed));
  lone.bed.run_for(20s);
  EXPECT_EQ(lone.sent<replication::SnapshotRequest>(), 0u);
  EXPECT_GT(lone.sent<ReconcileRequest>(), 0u) << "it says that there is something to fetch";
  lone.deliver(lone.stable(80));
  lone.bed.run_for(2s);
  EXPECT_GT(lone.sent<replication::SnapshotRequest>(), 0u);
}

// Each site's first representatives tell other sites nothing about Checkpoints: the f servers after them do.
// [Steward 7.23]
TEST(StewardStability, RepresentativesThatWithholdCheckpointsStopNothing) {
  for (Delivery delivery : {Delivery::Multicast, Delivery::Representative}) {
    Settings settings = often();
    settings.delivery = delivery;
    Bed bed(3, 1, 1, settings);
    bed.drop = [](const Bed::Datagram& m) {
      return m.from.is_server() && m.from.server().index == ServerIndex(0) &&
             (m.is<Checkpoint>() || m.is<CheckpointNews>() || m.is<StableCheckpoint>());
    };
    bed.start();
    ASSERT_TRUE(put_many(bed, ClientId(1), 60));
    bed.run_for(10s);
    for (unsigned s = 0; s < 3; ++s) EXPECT_EQ(bed.steward(server(s, 1)).history().stable(), Seq(56)) << s;
    for (auto& [who, node] : bed.nodes) {
      if (who.is_server()) {
        EXPECT_EQ(node->steward().views().local(), LocalView(0)) << to_string(who);
      }
    }
  }
}

// One correct server of each site is enough, whoever it is: all take their turn.
// [Steward 7.23]
TEST(StewardStability, AnyOneServerOfEachSiteIsEnoughToTellTheOthers) {
  for (unsigned honest = 0; honest < 4; ++honest) {
    Bed bed(3, 1, 1, often());
    bed.drop = [honest](const Bed::Datagram& m) {
      if (!m.from.is_server() || !m.to.is_server() || m.from.server().site == m.to.server().site) return false;
      return m.from.server().index.value != honest &&
             (m.is<Checkpoint>() || m.is<CheckpointNews>() || m.is<StableCheckpoint>());
    };
    bed.start();
    ASSERT_TRUE(put_many(bed, ClientId(1), 20, 120s));
    bed.run_for(30s);
    for (unsigned s = 0; s < 3; ++s) EXPECT_EQ(bed.steward(server(s, 2)).history().stable(), Seq(16)) << honest;
  }
}

// A site that was away and has no client never asks; nobody there knows that it is behind.
// [Steward 7.23]
TEST(StewardStability, AnIdleSiteThatMissedEverythingIsTold) {
  Bed bed(3, 1, 1, often());
  bed.drop = cut_off(site_is(2));
  bed.start();
  ASSERT_TRUE(put_many(bed, ClientId(1), 40));
  // Nothing that it says arrives, so nobody answers its questions.
  bed.drop = [](const Bed::Datagram& m) { return site_is(2)(m.from) && !site_is(2)(m.to); };
  bed.run_for(90s);
  for (unsigned i = 0; i < 4; ++i) EXPECT_EQ(bed.steward(server(2, i)).history().stable(), Seq(40)) << i;
}

// [Steward 7.24]
TEST(StewardStability, AStateTellsOfTheStableCheckpointAndBeginsAboveIt) {
  Lone lone(server(0, 2), often());
  for (std::uint64_t seq = 1; seq <= 10; ++seq) lone.order(seq, lone.one(1, seq));
  lone.deliver(lone.stable(8, checkpoint_digest(lone.node(), 8)));
  lone.bed.run_for(1s);
  const StateKey key{StateContext::Pending, GlobalView(0), LocalView(0), Seq(4)};
  lone.deliver(lone.bed.seal(Principal::of(server(0, 0)), StateRequest{key}));
  std::optional<ServerState> state;
  for (const auto& m : lone.bed.sent)
    if (m.is<ServerState>()) state = m.body<ServerState>();
  ASSERT_TRUE(state);
  ASSERT_TRUE(state->stable);
  EXPECT_EQ(state->stable->checkpoints.items[0].body.seq, Seq(8));
  ASSERT_FALSE(state->items.empty());
  EXPECT_EQ(state->items.items.front().seq, Seq(9));
}

TEST(StewardStability, AStateWhoseProofProvesNothingIsRefused) {
  Lone lone(server(1, 2), often());
  const StateKey key{StateContext::Global, GlobalView(0), LocalView(0), Seq(4)};
  const auto collected = [&](std::optional<StableProof> stable, StateItems items = {}) {
    std::vector<Signed<ServerState>> states;
    for (unsigned i = 0; i < 3; ++i)
      states.push_back(lone.bed.sign(Principal::of(server(1, i)), ServerState{key, items, stable}));
    std::set<Digest> chosen;
    for (const auto& state : states) chosen.insert(crypto::sha256(state.sealed));
    CollectedState piece;
    piece.chosen.items.assign(chosen.begin(), chosen.end());
    piece.state = states[0];
    return lone.bed.seal(Principal::of(server(1, 0)), piece);
  };
  EXPECT_EQ(lone.deliver(collected(lone.stable_proof(8, {}, {0})), Reject::Malformed), 1u) << "one site";
  EXPECT_EQ(lone.deliver(collected(lone.stable_proof(0)), Reject::Malformed), 1u) << "not above the base";
  const StateItem below{Seq(6), EntryKind::Ordered, GlobalView(0), {}, {}};
  EXPECT_EQ(lone.deliver(collected(lone.stable_proof(8), {{below}}), Reject::Malformed), 1u);
  EXPECT_FALSE(lone.core().stable());
}

// [Steward 7.24]
TEST(StewardStability, AUnionBeginsAboveTheHighestStableCheckpointThatItsStatesTellOf) {
  Lone lone(server(1, 2), often());
  const auto stable = [&](std::uint64_t seq, std::vector<unsigned> sites) {
    return Stable{Seq(seq), {}, std::make_shared<const StableProof>(lone.stable_proof(seq, {}, sites))};
  };
  const auto item = [](std::uint64_t seq) { return StateItem{Seq(seq), EntryKind::Proposed, GlobalView(0), {}, {}}; };
  StateUnion all{Seq(4), {}};
  all.add(item(6));
  all.add(item(9));
  all.raise(stable(8, {0, 1}));
  all.add(item(7));
  all.add(item(10));
  EXPECT_EQ(all.base, Seq(8));
  EXPECT_EQ(all.items.size(), 2u);
  EXPECT_EQ(all.items.begin()->first, Seq(9));
  // Whichever proof of the same Checkpoint comes first, all servers end with the same.
  StateUnion other{Seq(4), {}};
  other.raise(stable(8, {1, 2}));
  other.raise(stable(8, {0, 1}));
  all.raise(stable(8, {1, 2}));
  EXPECT_EQ(encode(*all.stable.proof), encode(*other.stable.proof));
  all.raise(stable(0, {0, 1}));
  EXPECT_EQ(all.base, Seq(8)) << "an older one lowers nothing";
}

TEST(StewardStability, ALogOfAnEarlierFormatIsRefusedByName) {
  EXPECT_TRUE(check_log_format({}).has_value());
  const std::vector<Record> now{encode(LogRecord{LogRecord::kVersion, PromiseRecord{}})};
  EXPECT_TRUE(check_log_format(now).has_value());
  const std::vector<Record> earlier{encode(LogRecord{2, PromiseRecord{}})};
  const Status refused = check_log_format(earlier);
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("format 2"), std::string::npos);
  EXPECT_NE(refused.error().message.find("format 3"), std::string::npos);
  EXPECT_NE(refused.error().message.find("--fresh"), std::string::npos);
  EXPECT_FALSE(decode_record(earlier[0]).has_value());
}

}  // namespace
}  // namespace seneschal::steward::testing
