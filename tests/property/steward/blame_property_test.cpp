// A correct server is never blamed, whatever f colluding servers of its site send. [Steward 3.6]
#include "tests/unit/steward/bed.hpp"

namespace seneschal::steward::testing {
namespace {

/// Two colluders of seven: they spoil their own shares and proofs at random, and accuse correct servers with whatever
/// they have seen: genuine shares with the wrong message, genuine shares without a proof, altered shares.
class Colluders {
 public:
  Colluders(Bed& bed, Prng prng) : bed_(bed), prng_(prng) {
    auto first = static_cast<unsigned>(1 + prng_.below(6));
    auto second = static_cast<unsigned>(1 + prng_.below(5));
    if (second >= first) ++second;
    who_ = {server(0, first), server(0, second)};
    bed_.tamper = [this](const Principal& owner, JobResult& result) { spoil(owner, result); };
    bed_.drop = [this](const Bed::Datagram& m) {
      overhear(m);
      return false;
    };
  }
  bool includes(const Principal& p) const { return p.is_server() && std::ranges::count(who_, p.server()) != 0; }

  /// Delivers the accusations thought out meanwhile to everybody.
  std::size_t accuse() {
    auto all = std::exchange(accusations_, {});
    for (const SharedBytes& accusation : all)
      for (std::uint16_t i = 0; i < 7; ++i)
        if (!includes(Principal::of(server(0, i)))) bed_.deliver(server(0, i), accusation);
    return all.size();
  }

 private:
  void spoil(const Principal& owner, JobResult& result) {
    auto* made = std::get_if<ShareResult>(&result);
    if (made == nullptr || !includes(owner)) return;
    if (prng_.chance(1, 2)) made->share[0] ^= 0x55;
    if (prng_.chance(1, 2) && !made->proof.empty()) made->proof[0] ^= 0x55;
  }
  void overhear(const Bed::Datagram& m) {
    if (m.is<ProposalCarrier>())
      messages_.push_back(to_bytes(parse_sealed(m.body<ProposalCarrier>().proposal.sealed)->signed_bytes));
    if (!m.is<SigShare>() || includes(m.from) || !includes(m.to)) return;
    Signed<SigShare> share{*m.bytes, parse_sealed(*m.bytes)->header, m.body<SigShare>()};
    if (prng_.chance(1, 3)) share.sealed[share.sealed.size() / 2] ^= 1;
    for (const Bytes& message : messages_)
      if (content_of(message) == share.body.content || prng_.chance(1, 20)) add(share, message);
    Bytes invented(prng_.below(100));
    add(share, invented);
  }
  void add(const Signed<SigShare>& share, const Bytes& message) {
    accusations_.push_back(bed_.seal(Principal::of(who_[prng_.below(2)]), CorruptedServer{share, {message}}));
  }

  Bed& bed_;
  Prng prng_;
  std::vector<ServerId> who_;
  std::vector<Bytes> messages_;
  std::vector<SharedBytes> accusations_;
};

TEST(StewardBlameProperty, ACorrectServerIsNeverBlamedWhateverColludersSend) {
  std::size_t accused = 0;
  std::size_t blamed = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Settings settings;
    settings.fan_out = seed % 2 == 0 ? FanOut::All : FanOut::Collector;
    Bed bed(1, 2, 3, settings, seed);
    bed.jitter = 2ms;
    Colluders colluders(bed, Prng(seed));
    bed.start();
    int left = 8;
    for (int round = 0; round < 4000 && left > 0; ++round) {
      auto& client = bed.at(ClientId(1)).client();
      if (client.idle()) {
        if (--left > 0) bed.put(ClientId(1), "k", std::to_string(left));
      }
      bed.run_for(5ms);
      accused += colluders.accuse();
    }
    EXPECT_EQ(left, 0) << "no progress, seed " << seed;
    for (auto& [who, node] : bed.nodes) {
      if (colluders.includes(who)) continue;
      blamed += node->accusations.size();
      for (const auto& a : node->accusations)
        EXPECT_TRUE(colluders.includes(a.who))
            << to_string(who) << " blames " << to_string(a.who) << ": " << a.reason << ", seed " << seed;
    }
  }
  EXPECT_GT(accused, 100u) << "or nothing is tested";
  EXPECT_GT(blamed, 10u) << "liars are found out";
}

}  // namespace
}  // namespace seneschal::steward::testing
