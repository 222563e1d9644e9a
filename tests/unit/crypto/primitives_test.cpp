// Digests, MACs, ordinary signatures.
#include "crypto/digest.hpp"
#include "crypto/mac.hpp"
#include "crypto/signature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace seneschal::crypto {
namespace {

TEST(Digests, KnownAnswers) {
  EXPECT_EQ(to_hex(sha256(Span{}).bytes), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_span("abc")).bytes), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({as_span("a"), Span{}, as_span("bc")}), sha256(as_span("abc")));
}

// RFC 4231, test case 2, cut to 16 bytes.
TEST(Macs, KnownAnswerAndReuse) {
  const MacKey key(as_span("Jefe"));
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(to_hex(key.mac(as_span("what do ya want for nothing?"))), "5bdcc146bf60754e6a042426089575c7");
  EXPECT_EQ(to_hex(hmac_sha256(as_span("Jefe"), as_span("what do ya want for nothing?")).expose()),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Macs, RefuseOtherMessagesLengthsAndBits) {
  const MacKey key(as_span("secret"));
  const Mac mac = key.mac(as_span("m"));
  EXPECT_TRUE(key.verify(as_span("m"), mac));
  EXPECT_FALSE(key.verify(as_span("n"), mac));
  EXPECT_FALSE(key.verify(as_span("m"), Span(mac).first(15)));
  EXPECT_FALSE(key.verify(as_span("m"), Span{}));
  EXPECT_FALSE(key.verify(as_span("m"), Bytes(17, 0)));
  for (std::size_t i = 0; i < mac.size(); ++i) {
    Mac bent = mac;
    bent[i] ^= 0x80;
    EXPECT_FALSE(key.verify(as_span("m"), bent));
  }
  EXPECT_FALSE(MacKey(as_span("other")).verify(as_span("m"), mac));
}

TEST(Macs, OneKeyServesSeveralThreads) {
  const MacKey key(as_span("secret"));
  const Mac expected = key.mac(as_span("m"));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        if (key.mac(as_span("m")) != expected) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

class Signatures : public testing::TestWithParam<Scheme> {
 protected:
  PrivateKey key_ = std::move(*PrivateKey::generate(GetParam(), KeyStrength::Paper));
};

TEST_P(Signatures, VerifyAndRefuse) {
  const Bytes signature = key_.sign(as_span("hello"));
  const PublicKey pub = key_.public_key();
  EXPECT_EQ(signature.size(), signature_bytes(GetParam()));
  EXPECT_EQ(pub.signature_bytes(), signature.size());
  EXPECT_EQ(key_.sign(as_span("hello")), signature);
  EXPECT_TRUE(pub.verify(as_span("hello"), signature));
  EXPECT_FALSE(pub.verify(as_span("hullo"), signature));
  EXPECT_FALSE(pub.verify(as_span("hello"), Span{}));
  EXPECT_FALSE(pub.verify(as_span("hello"), Span(signature).first(signature.size() - 1)));
  Bytes longer = signature;
  longer.push_back(0);
  EXPECT_FALSE(pub.verify(as_span("hello"), longer));
  EXPECT_FALSE(pub.verify(as_span("hello"), Bytes(signature.size(), 0xff)));
  for (std::size_t i = 0; i < signature.size(); i += 7) {
    Bytes bent = signature;
    bent[i] ^= 1;
    EXPECT_FALSE(pub.verify(as_span("hello"), bent));
  }
  EXPECT_TRUE(pub.verify(as_span("hello"), signature)) << "a refusal must not spoil the next verification";
}

TEST_P(Signatures, PemRoundTrip) {
  const SecretBytes pem = key_.to_pem();
  EXPECT_THAT(std::string(as_text(pem.expose())), testing::StartsWith("-----BEGIN PRIVATE KEY-----"));
  const auto again = PrivateKey::from_pem(pem, KeyStrength::Paper);
  ASSERT_TRUE(again);
  EXPECT_EQ(again->sign(as_span("x")), key_.sign(as_span("x")));
  const std::string text = key_.public_key().to_pem();
  EXPECT_THAT(text, testing::StartsWith("-----BEGIN PUBLIC KEY-----"));
  const auto pub = PublicKey::from_pem(text, KeyStrength::Paper);
  ASSERT_TRUE(pub);
  EXPECT_EQ(*pub, key_.public_key());
  EXPECT_EQ(pub->rsa_modulus().size(), GetParam() == Scheme::Ed25519 ? 0 : signature_bytes(GetParam()));
}

TEST_P(Signatures, OneKeyServesSeveralThreads) {
  const PublicKey pub = key_.public_key();
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      const Bytes message(static_cast<std::size_t>(t + 1), 7);
      for (int i = 0; i < 10; ++i)
        if (!pub.verify(message, key_.sign(message))) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

INSTANTIATE_TEST_SUITE_P(Schemes, Signatures, testing::Values(Scheme::Rsa2048, Scheme::Ed25519, Scheme::Rsa1024),
                         [](const auto& instance) { return std::string(to_string(instance.param)); });

TEST(SignatureKeys, Rsa1024NeedsThePaperSwitch) {
  const auto refused = PrivateKey::generate(Scheme::Rsa1024);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("paper"));
  const auto weak = PrivateKey::generate(Scheme::Rsa1024, KeyStrength::Paper);
  ASSERT_TRUE(weak);
  EXPECT_FALSE(PrivateKey::from_pem(weak->to_pem()));
  EXPECT_FALSE(PublicKey::from_pem(weak->public_key().to_pem(), KeyStrength::Standard));
}

TEST(SignatureKeys, NonsenseIsNoKey) {
  EXPECT_FALSE(PublicKey::from_pem("", KeyStrength::Standard));
  EXPECT_FALSE(PrivateKey::from_pem(SecretBytes{}, KeyStrength::Standard));
  EXPECT_FALSE(
      PublicKey::from_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", KeyStrength::Standard));
  EXPECT_FALSE(PrivateKey::from_pem(SecretBytes(to_bytes("nonsense"))));
  EXPECT_FALSE(PublicKey::from_rsa_modulus(Bytes(5000, 1), KeyStrength::Standard));
}

}  // namespace
}  // namespace seneschal::crypto
