#include "base/prng.hpp"
#include "tests/unit/runtime/toy.hpp"

#include <gtest/gtest.h>

namespace seneschal {
namespace {

using namespace toy;

const Principal kAlice = Principal::of(server(0, 1));
const Principal kBob = Principal::of(server(1, 0));

struct GateTest : testing::Test {
  Membership membership = members();
  Gate gate{MessageTable::of<Ping, Bundle>(), membership};
  auto open(Bytes bytes, Admission a = {}) { return gate.open(share(std::move(bytes)), a); }
  static Ping ping(std::uint64_t view = 1, std::uint64_t seq = 2) { return {view, Seq(seq), {{9}}}; }
};

TEST_F(GateTest, OpensAGoodMessageAndNamesItsProof) {
  auto opened = open(seal(ping(), kAlice));
  ASSERT_TRUE(opened);
  ASSERT_EQ((*opened)->proofs.size(), 1u);
  EXPECT_EQ((*opened)->proofs[0].signer, kAlice);
  EXPECT_TRUE(check((*opened)->proofs[0], ToyKeys(kBob), kBob));
  EXPECT_EQ(gate.admit(*opened).as<Ping>()->body(), ping());
}

TEST_F(GateTest, RefusesEmptyTruncatedAndOversized) {
  EXPECT_EQ(open({}).error(), Reject::TooShort);
  Bytes good = seal(ping(), kAlice);
  for (std::size_t size = 0; size < Header::kSize + 20; ++size)
    EXPECT_FALSE(open({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}));
  Bytes big = good;
  big.resize(2000);
  EXPECT_EQ(open(big).error(), Reject::TooLong);
  big.resize(kMaxSealed + 1);
  EXPECT_EQ(open(big).error(), Reject::TooLong);
}

TEST_F(GateTest, RefusesOtherVersionsDeploymentsTypesAndStrangers) {
  Bytes other = seal(ping(), kAlice);
  other[0] = 2;
  EXPECT_EQ(open(other).error(), Reject::WrongVersion);
  EXPECT_EQ(open(seal(ping(), kAlice, AuthKind::Signature, DeploymentId(78))).error(), Reject::WrongDeployment);
  EXPECT_EQ(open(seal(ping(), Principal::of(server(2, 0)))).error(), Reject::UnknownSender);
  EXPECT_EQ(open(seal(ping(), Principal::of(ClientId(3)))).error(), Reject::UnknownSender);
  EXPECT_EQ(open(seal(ping(), Principal::of(SiteId(0)))).error(), Reject::WrongSenderKind);
  Bytes unknown = seal(ping(), kAlice);
  unknown[2] = 99;
  EXPECT_EQ(open(unknown).error(), Reject::UnknownType);
}

TEST_F(GateTest, AdmissionIsDecidedBeforeDecoding) {
  Admission window;
  window.min_view = window.max_view = 1;
  window.min_seq = 2;
  window.max_seq = 5;
  EXPECT_TRUE(open(seal(ping(1, 2), kAlice), window));
  EXPECT_TRUE(open(seal(ping(1, 5), kAlice), window));
  EXPECT_EQ(open(seal(ping(1, 6), kAlice), window).error(), Reject::NotAdmitted);
  EXPECT_EQ(open(seal(ping(1, 1), kAlice), window).error(), Reject::NotAdmitted);
  EXPECT_EQ(open(seal(ping(2, 2), kAlice), window).error(), Reject::NotAdmitted);
}

TEST_F(GateTest, NestedMessagesOweAProofAndVouchedOnesDoNot) {
  Bundle b;
  b.proven.items = {embedded(ping(1, 1), kAlice), embedded(ping(1, 2), Principal::of(ClientId(1)))};
  b.vouched.value.items = {embedded(ping(1, 3), kBob)};
  auto opened = open(seal(b, kBob));
  ASSERT_TRUE(opened);
  EXPECT_EQ((*opened)->proofs.size(), 3u);
  auto again = gate.admit(*opened).as<Bundle>();
  EXPECT_EQ(again->body().vouched.value.items[0].signer(), kBob);
}

TEST_F(GateTest, NestedMessagesOfStrangersOrOtherDeploymentsAreRefused) {
  Bundle b;
  b.proven.items = {embedded(ping(), Principal::of(server(7, 0)))};
  EXPECT_EQ(open(seal(b, kBob)).error(), Reject::UnknownSender);
}

TEST_F(GateTest, WhatWasProvenOnceIsFreeInsideAnotherMessage) {
  auto inner = embedded(ping(), kAlice);
  auto first = open(inner.sealed);
  EXPECT_EQ(gate.owed(**first).size(), 1u);
  gate.admit(*first);
  Bundle b;
  b.proven.items = {inner};
  auto opened = open(seal(b, kBob));
  EXPECT_EQ(gate.owed(**opened).size(), 1u);  // only the envelope
}

TEST_F(GateTest, MemoryOfProofsIsBounded) {
  ProofMemory memory(2);
  std::array<Digest, 3> ids;
  for (Byte i = 0; i < 3; ++i) ids[i].bytes[0] = static_cast<Byte>(i + 1);
  for (const auto& id : ids) memory.add(id);
  EXPECT_FALSE(memory.contains(ids[0]));
  EXPECT_TRUE(memory.contains(ids[1]));
  EXPECT_TRUE(memory.contains(ids[2]));
}

TEST_F(GateTest, MemoryOfProofsHoldsExactlyTheNewest) {
  constexpr std::size_t kCapacity = 1000;
  ProofMemory memory(kCapacity);
  Prng prng(5);
  std::vector<Digest> added;
  for (int i = 0; i < 20000; ++i) {
    Digest id;
    // Few different hashes, so that they collide and erased ones leave gaps in long runs.
    id.bytes[0] = static_cast<Byte>(prng.below(4));
    for (std::size_t b = 8; b < 12; ++b) id.bytes[b] = static_cast<Byte>(prng.below(256));
    if (memory.contains(id)) continue;
    memory.add(id);
    added.push_back(id);
  }
  ASSERT_GT(added.size(), 5 * kCapacity);
  EXPECT_EQ(memory.size(), kCapacity);
  for (std::size_t i = 0; i < added.size(); ++i)
    ASSERT_EQ(memory.contains(added[i]), i + kCapacity >= added.size()) << i;
}

TEST_F(GateTest, RandomDamageNeverCrashesAndNeverPassesUnproven) {
  Bundle b;
  b.proven.items = {embedded(ping(), kAlice)};
  Bytes good = seal(b, kBob);
  Prng prng(3);
  for (int i = 0; i < 20000; ++i) {
    Bytes bad = good;
    bad[prng.below(bad.size())] ^= static_cast<Byte>(prng.between(1, 255));
    auto opened = open(bad);
    if (!opened) continue;
    bool all = true;
    for (const auto& proof : (*opened)->proofs) all = all && check(proof, ToyKeys(kAlice), kAlice);
    EXPECT_FALSE(all);
  }
}

TEST_F(GateTest, AClientsWordsPassFromItsEnrolmentToItsDismissalAlsoInsideOthersMessages) {
  const Principal newcomer = Principal::of(ClientId(5));
  Bundle bundle;
  bundle.proven.items = {embedded(ping(), newcomer)};
  const auto refused = [&] {
    return open(seal(ping(), newcomer)).error() == Reject::UnknownSender &&
           open(seal(bundle, kAlice)).error() == Reject::UnknownSender;
  };
  EXPECT_TRUE(refused());
  gate.enroll({ClientId(5), SiteId(0)});
  EXPECT_TRUE(open(seal(ping(), newcomer)));
  EXPECT_TRUE(open(seal(bundle, kAlice)));
  gate.dismiss(ClientId(5));
  EXPECT_TRUE(refused());
}

// In a simulated world gates share what they decoded; who knows whom stays each one's own business.
TEST_F(GateTest, WhatAnotherGateDecodedPassesOnlyIfThisOneKnowsItsSigners) {
  OpenCache cache;
  Gate knows{MessageTable::of<Ping, Bundle>(), membership, &cache};
  Gate does_not{MessageTable::of<Ping, Bundle>(), membership, &cache};
  knows.enroll({ClientId(5), SiteId(0)});
  Bundle bundle;
  bundle.proven.items = {embedded(ping(), Principal::of(ClientId(5)))};
  const SharedBytes bytes = share(seal(bundle, kAlice));
  EXPECT_TRUE(knows.open(bytes, {}));
  EXPECT_EQ(does_not.open(bytes, {}).error(), Reject::UnknownSender);
}

}  // namespace
}  // namespace seneschal
