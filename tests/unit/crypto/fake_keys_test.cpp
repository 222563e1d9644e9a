#include "crypto/fake/fake_keys.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>

namespace seneschal::crypto {
namespace {

KeyPlan plan() {
  KeyPlan p;
  p.deployment = DeploymentId(7);
  p.sites = {{SiteId(0), 4, 1, true}, {SiteId(1), 7, 2, true}, {SiteId(2), 4, 1, false}};
  p.clients = {{ClientId(1), SiteId(0)}, {ClientId(2), SiteId(1)}};
  return p;
}
constexpr ServerId server(std::uint16_t site, std::uint16_t index) {
  return {SiteId(site), ServerIndex(index)};
}
Principal who(std::uint16_t site, std::uint16_t index) {
  return Principal::of(server(site, index));
}

const Bytes kMessage = to_bytes("assign 17");

TEST(FakeKeys, SignaturesHaveRealSizesAndVerifyForTheirSignerOnly) {
  fake::Registry registry(plan(), 1);
  const auto a = registry.keys(who(0, 1));
  const auto c = registry.keys(Principal::of(ClientId(1)));
  Bytes signature = a->sign(kMessage);
  EXPECT_EQ(signature.size(), 256u);
  EXPECT_EQ(c->sign(kMessage).size(), 64u);
  EXPECT_TRUE(c->verify(who(0, 1), kMessage, signature));
  EXPECT_FALSE(c->verify(who(0, 2), kMessage, signature));
  EXPECT_FALSE(c->verify(who(0, 9), kMessage, signature));
  EXPECT_FALSE(c->verify(Principal::of(SiteId(0)), kMessage, signature));
  EXPECT_FALSE(c->verify(who(0, 1), to_bytes("assign 18"), signature));
  for (std::size_t i : {0u, 7u, 8u, 255u}) {
    Bytes bent = signature;
    bent[i] ^= 1;
    EXPECT_FALSE(c->verify(who(0, 1), kMessage, bent)) << i;
  }
  signature.push_back(0);
  EXPECT_FALSE(c->verify(who(0, 1), kMessage, signature));
}

TEST(FakeKeys, NobodyElseHasKeys) {
  fake::Registry registry(plan(), 1);
  EXPECT_EQ(registry.keys(who(0, 4)), nullptr);
  EXPECT_EQ(registry.keys(who(9, 0)), nullptr);
  EXPECT_EQ(registry.keys(Principal::of(ClientId(3))), nullptr);
  EXPECT_EQ(registry.keys(Principal::of(SiteId(0))), nullptr);
}

TEST(FakeKeys, MacsAreSymmetricAndPairwise) {
  fake::Registry registry(plan(), 1);
  const auto a = registry.keys(who(0, 0));
  const auto b = registry.keys(who(1, 3));
  const auto c = registry.keys(Principal::of(ClientId(2)));
  EXPECT_TRUE(b->verify_mac(who(0, 0), kMessage, a->mac(who(1, 3), kMessage)));
  EXPECT_TRUE(c->verify_mac(who(0, 0), kMessage, a->mac(Principal::of(ClientId(2)), kMessage)));
  EXPECT_FALSE(b->verify_mac(who(0, 1), kMessage, a->mac(who(1, 3), kMessage)));
  EXPECT_EQ(c->mac(Principal::of(ClientId(1)), kMessage), Mac{});
  EXPECT_FALSE(c->verify_mac(Principal::of(ClientId(1)), kMessage, Mac{}));
}

TEST(FakeKeys, CombineNeedsEnoughDistinctGoodSharesOfThisMessage) {
  fake::Registry registry(plan(), 1);
  std::vector<std::unique_ptr<Keys>> keys;
  std::vector<Bytes> shares;
  for (std::uint16_t i = 0; i < 4; ++i) {
    keys.push_back(registry.keys(who(0, i)));
    shares.push_back(keys.back()->share(kMessage));
    EXPECT_EQ(shares.back().size(), 256u);
  }
  const auto of = [&](std::uint16_t i) { return ShareOf{ServerIndex(i), shares[i]}; };
  const auto combine = [&](std::vector<ShareOf> list) { return keys[0]->combine(SiteId(0), kMessage, list); };
  const auto one = combine({of(0), of(1), of(2)});
  const auto other = combine({of(3), of(1), of(2)});
  ASSERT_TRUE(one && other);
  EXPECT_EQ(*one, *other);
  EXPECT_TRUE(keys[1]->verify(Principal::of(SiteId(0)), kMessage, *one));
  EXPECT_FALSE(keys[1]->verify(Principal::of(SiteId(1)), kMessage, *one));
  EXPECT_FALSE(combine({of(0), of(1), of(1)}));
  EXPECT_FALSE(combine({of(0), of(1), {ServerIndex(4), shares[2]}}));
  EXPECT_FALSE(combine({of(0), of(1), {ServerIndex(3), shares[2]}}));
  const Bytes elsewhere = keys[2]->share(to_bytes("assign 18"));
  EXPECT_FALSE(combine({of(0), of(1), {ServerIndex(2), elsewhere}}));
  EXPECT_FALSE(keys[0]->combine(SiteId(2), kMessage, std::vector{of(0), of(1), of(2)}));
}

TEST(FakeKeys, AProofShowsWhoseShareIsBad) {
  fake::Registry registry(plan(), 1);
  const auto a = registry.keys(who(0, 0));
  auto [share, proof] = a->prove(kMessage);
  EXPECT_TRUE(a->check_share(server(0, 0), kMessage, share, proof));
  EXPECT_FALSE(a->check_share(server(0, 1), kMessage, share, proof));
  EXPECT_FALSE(a->check_share(server(0, 0), to_bytes("x"), share, proof));
  share[3] ^= 1;
  EXPECT_FALSE(a->check_share(server(0, 0), kMessage, share, proof));
  EXPECT_TRUE(registry.keys(who(2, 0))->share(kMessage).empty());
  EXPECT_TRUE(registry.keys(Principal::of(ClientId(1)))->share(kMessage).empty());
}

TEST(FakeKeys, TheRegistryKnowsWhoSharedWhatUntilItForgets) {
  fake::Registry registry(plan(), 1, 2);
  std::vector<ServerId> seen;
  registry.on_share([&](ServerId id, std::uint64_t) { seen.push_back(id); });
  registry.keys(who(1, 0))->share(kMessage);
  registry.keys(who(1, 5))->share(kMessage);
  registry.keys(who(1, 5))->prove(kMessage);
  registry.keys(who(0, 0))->share(kMessage);
  EXPECT_EQ(registry.sharers(SiteId(1), kMessage), 2u);
  EXPECT_EQ(registry.sharer_set(SiteId(1), registry.message_hash(kMessage)), 0b100001u);
  EXPECT_EQ(registry.sharers(SiteId(0), kMessage), 1u);
  EXPECT_EQ(seen, (std::vector{server(1, 0), server(1, 5), server(1, 5), server(0, 0)}));
  registry.keys(who(0, 0))->share(to_bytes("a third"));
  EXPECT_EQ(registry.sharers(SiteId(1), kMessage), 0u);
}

TEST(FakeKeys, SameSeedSameBytesOtherSeedOtherBytes) {
  const auto sign = [](std::uint64_t seed) { return fake::Registry(plan(), seed).keys(who(0, 0))->sign(kMessage); };
  EXPECT_EQ(sign(4), sign(4));
  EXPECT_NE(sign(4), sign(5));
}

TEST(FakeKeys, Timing) {
  fake::Registry registry(plan(), 1);
  const auto a = registry.keys(who(0, 0));
  const Bytes message(200, 7);
  const Bytes signature = a->sign(message);
  const auto measure = [](const char* what, auto&& operation) {
    constexpr int kRounds = 100'000;
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) operation();
    const std::chrono::duration<double, std::nano> spent = std::chrono::steady_clock::now() - start;
    std::printf("  fake %-8s %6.0f ns\n", what, spent.count() / kRounds);
  };
  bool good = true;
  measure("sign", [&] { good = good && !a->sign(message).empty(); });
  measure("verify", [&] { good = good && a->verify(who(0, 0), message, signature); });
  measure("mac", [&] { good = good && a->mac(who(0, 1), message)[0] + 1 > 0; });
  measure("share", [&] { good = good && !a->share(message).empty(); });
  EXPECT_TRUE(good);
}

}  // namespace
}  // namespace seneschal::crypto
