// One encoding of each message type that Steward's servers exchange, its clients' and state transfer's among them. A
// difference means that the wire format changed: servers of both versions cannot talk to each other. Written anew
// with SENESCHAL_UPDATE_GOLDEN=1.
#include "tests/unit/steward/bed.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace seneschal::steward::testing {
namespace {

class Encodings {
 public:
  explicit Encodings(const MessageTable& table) : table_(table) {}

  template <class M>
  void line(const M& body) {
    const Bytes bytes = encode(body);
    named_.insert({M::kProtocol, M::kType});
    EXPECT_LE(bytes.size(), M::kMaxSize) << M::kName;
    const MessageType* type = table_.find(M::kProtocol, M::kType);
    EXPECT_TRUE(type != nullptr && type->decode(bytes, nullptr)) << M::kName;
    text_ += std::string(M::kName) + " " + to_hex(bytes) + "\n";
  }
  const std::string& text() const { return text_; }
  /// Types of the table without a line.
  std::string missing() const {
    std::string names;
    for (const ProtocolId protocol : {ProtocolId::Steward, ProtocolId::Replication})
      for (unsigned type = 0; type < 256; ++type)
        if (const MessageType* known = table_.find(protocol, static_cast<std::uint8_t>(type));
            known != nullptr && !named_.contains({protocol, static_cast<std::uint8_t>(type)}))
          names += std::string(known->name) + " ";
    return names;
  }

 private:
  const MessageTable& table_;
  std::set<std::pair<ProtocolId, std::uint8_t>> named_;
  std::string text_;
};

TEST(StewardGolden, EncodingOfEachMessage) {
  Bed bed(3, 1, 1);
  Digest digest, other;
  for (std::size_t i = 0; i < 32; ++i) {
    digest.bytes[i] = static_cast<Byte>(i);
    other.bytes[i] = static_cast<Byte>(0xff - i);
  }
  const GlobalView gv(3);
  const LocalView lv(2);
  const Seq seq(5);
  const auto site = [](std::uint16_t id) { return Principal::of(SiteId(id)); };
  const auto by = [](std::uint16_t s, std::uint16_t i) { return Principal::of(server(s, i)); };
  const Signed<Update> update = bed.update(ClientId(1), 2);
  const Batch batch{{{update}}};
  const Signed<Proposal> proposal = bed.sign(site(0), Proposal{gv, lv, seq, digest});
  const Signed<Accept> accept = bed.sign(site(1), Accept{gv, seq, digest});
  const StateItem item{seq, EntryKind::Certificate, gv, lv, digest};
  const StateItem ordered{Seq(6), EntryKind::Ordered, GlobalView(1), {}, other};
  const StateKey key{StateContext::Constraint, gv, lv, Seq(4)};
  const GlobalConstraint constraint{gv, Seq(4), {{item, ordered}}};
  const SigShare signature_share{seq, digest, {to_bytes("share")}, {to_bytes("proof")}};
  const MessageTable table = StewardCore::message_table();
  Encodings all(table);

  all.line(PrePrepare{gv, lv, seq, batch});
  all.line(Prepare{gv, lv, seq, digest});
  all.line(signature_share);
  all.line(ShareRequest{seq, digest, true});
  all.line(SignerSet{lv, 9, {{ServerIndex(0), ServerIndex(2), ServerIndex(3)}}});
  all.line(CorruptedServer{bed.sign(by(0, 1), signature_share), {to_bytes("site message")}});
  all.line(Proposal{gv, lv, seq, digest});
  all.line(Accept{gv, seq, digest});
  all.line(LocalViewNotice{lv});
  all.line(Checkpoint{Seq(128), digest});
  const StableProof proof{
      {{bed.sign(site(0), Checkpoint{Seq(128), digest}), bed.sign(site(1), Checkpoint{Seq(128), digest})}}};
  all.line(StableCheckpoint{true, proof});
  all.line(CheckpointNews{true, {{bed.sign(site(1), Checkpoint{Seq(128), digest})}}});
  all.line(ProposalCarrier{true, proposal, {batch}});
  all.line(RelayedAccept{accept});
  all.line(ForwardedUpdate{Leg::InsideLeaderSite, update});
  all.line(ReconcileRequest{seq, Seq(4)});
  all.line(OrderedEntry{proposal, {{accept}}, {batch}});

  all.line(NewRep{lv, 150'000});
  all.line(StateRequest{key});
  all.line(ServerState{key, {{item, ordered}}});
  all.line(ServerState{key, {{ordered}}, proof});
  all.line(CollectedState{{{digest, other}}, bed.sign(by(0, 1), ServerState{key, {{item}}})});
  all.line(GlobalViewAttempt{gv, 150'000});
  all.line(AruClaim{gv, seq});
  all.line(GlobalViewChange{gv});
  all.line(AruMessage{gv, seq});
  all.line(constraint);
  all.line(GlobalConstraint{gv, seq, {}, proof});
  all.line(CollectedConstraint{lv, {{digest, other}}, bed.sign(site(1), constraint)});
  all.line(PreinstallProof{{{bed.sign(by(0, 1), NewRep{lv, 0}), bed.sign(by(0, 2), NewRep{lv, 1})}}});
  all.line(EntryRequest{{{item, ordered}}});
  all.line(EntryEvidence{item, proposal, {{bed.sign(by(0, 1), Prepare{gv, lv, seq, digest})}}, {batch}});
  all.line(GlobalViewNews{true,
                          {{bed.sign(site(1), GlobalViewChange{gv})}},
                          bed.sign(site(0), AruMessage{gv, seq}),
                          proposal,
                          bed.sign(site(1), constraint)});
  all.line(GlobalViewNews{});
  all.line(RoundTrip{true, 77, 1500});
  all.line(AruClaims{{{bed.sign(by(0, 1), AruClaim{gv, seq})}}});

  all.line(update.body);
  all.line(replication::Query{Timestamp(2), seq, {replication::kv::get("key")}});
  all.line(replication::SnapshotRequest{Seq(128), 1, {{0, 7}}});
  all.line(replication::SnapshotBlock{Seq(128), 9, digest, 0, {{digest, other}}, {{other}}});
  all.line(replication::SnapshotChunk{Seq(128), 7, {to_bytes("chunk")}});

  EXPECT_EQ(all.missing(), "") << "have no line in this test";
  const std::string path = std::string(SENESCHAL_SOURCE_DIR) + "/tests/golden/steward/encodings.txt";
  if (std::getenv("SENESCHAL_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << all.text();
    return;
  }
  std::ifstream in(path);
  ASSERT_TRUE(in) << path << " is missing; write it with SENESCHAL_UPDATE_GOLDEN=1";
  std::stringstream expected;
  expected << in.rdbuf();
  EXPECT_EQ(all.text(), expected.str())
      << "if this change is meant, write the file anew with SENESCHAL_UPDATE_GOLDEN=1";
}

}  // namespace
}  // namespace seneschal::steward::testing
