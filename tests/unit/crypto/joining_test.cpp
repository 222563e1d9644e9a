// Clients that join at run time: their keys, and how servers come to a MAC key with them.
#include "crypto/joining.hpp"
#include "crypto/key_ring.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <thread>

namespace seneschal::crypto {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::array<Byte, 32> key_of(std::string_view hex) {
  std::array<Byte, 32> key{};
  std::ranges::copy(*from_hex(hex), key.begin());
  return key;
}

TEST(Exchange, AgreesAsTheStandardSays) {  // [RFC 7748, 6.1]
  const auto bob = ExchangeKey::from_secret(
      SecretBytes(*from_hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")));
  ASSERT_TRUE(bob);
  EXPECT_EQ(to_hex(bob->public_key()), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
  const auto agreed = bob->agree(key_of("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"));
  ASSERT_TRUE(agreed);
  EXPECT_EQ(to_hex(agreed->expose()), "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
  EXPECT_FALSE(ExchangeKey::from_secret(SecretBytes(std::size_t{31})));
}

TEST(Exchange, DerivesAsTheStandardSays) {  // [RFC 5869, A.3: no salt, no info], its first 32 bytes
  const SecretBytes secret(Bytes(22, 0x0b));
  EXPECT_EQ(to_hex(hkdf_sha256(secret, {}).expose()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
}

TEST(Exchange, PeersOfLowOrderAreRefused) {
  const ExchangeKey own = ExchangeKey::generate(system_random());
  ClientKeys good{own.public_key(), own.public_key()};
  EXPECT_TRUE(acceptable(good));
  for (const char* hex : {"0000000000000000000000000000000000000000000000000000000000000000",
                          "0100000000000000000000000000000000000000000000000000000000000000",
                          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                          "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    EXPECT_FALSE(own.agree(key_of(hex))) << hex;
    EXPECT_FALSE(acceptable({own.public_key(), key_of(hex)})) << hex;
  }
  for (const char* hex : {"0100000000000000000000000000000000000000000000000000000000000000",
                          "0100000000000000000000000000000000000000000000000000000000000080",
                          "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
                          "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"})
    EXPECT_FALSE(acceptable({key_of(hex), own.public_key()})) << hex;
}

class Joining : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "seneschal-joining-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    base_ = name;
    KeyPlan plan;
    plan.deployment = DeploymentId(5);
    plan.sites = {{SiteId(0), 4, 1, false}};
    plan.clients = {{ClientId(7), SiteId(0)}};
    plan.server_scheme = Scheme::Ed25519;
    plan.strength = KeyStrength::Test;
    ASSERT_TRUE(generate_keys(plan, keys()));
  }
  void TearDown() override { fs::remove_all(base_); }
  fs::path keys() const { return base_ / "keys"; }
  Result<ClientKeys> join(std::uint32_t id) {
    return make_joining_keys(keys(), *load_public_keys(keys()), ClientId(id), SiteId(0), NodeId(3));
  }
  std::unique_ptr<KeyRing> ring(const Principal& who) {
    auto ring = KeyRing::load(keys(), who);
    if (!ring) ADD_FAILURE() << ring.error().message;
    return ring ? std::move(*ring) : nullptr;
  }
  static Principal server(std::uint16_t i) { return Principal::of(ServerId{SiteId(0), ServerIndex(i)}); }
  fs::path base_;
};

const Principal kNewcomer = Principal::of(ClientId(8));
const Bytes kWords = to_bytes("words");

TEST_F(Joining, AServerKnowsAClientFromItsEnrolmentToItsDismissal) {
  const auto made = join(8);
  ASSERT_TRUE(made) << made.error().message;
  const auto client = ring(kNewcomer);
  const auto first = ring(server(0));
  const auto second = ring(server(1));
  const Bytes signature = client->sign(kWords);
  EXPECT_FALSE(first->verify(kNewcomer, kWords, signature));
  EXPECT_FALSE(first->verify_mac(kNewcomer, kWords, client->mac(server(0), kWords)));
  for (const auto* each : {&first, &second}) (*each)->enroll(ClientId(8), *made);
  EXPECT_TRUE(first->verify(kNewcomer, kWords, signature));
  EXPECT_FALSE(first->verify(kNewcomer, to_bytes("others"), signature));
  EXPECT_TRUE(first->verify_mac(kNewcomer, kWords, client->mac(server(0), kWords)));
  EXPECT_TRUE(client->verify_mac(server(1), kWords, second->mac(kNewcomer, kWords)));
  EXPECT_FALSE(client->verify_mac(server(1), kWords, first->mac(kNewcomer, kWords))) << "a key per pair";
  first->dismiss(ClientId(8));
  EXPECT_FALSE(first->verify(kNewcomer, kWords, signature));
  EXPECT_EQ(first->mac(kNewcomer, kWords), Mac{});
}

TEST_F(Joining, ThePoolMayVerifyWhileClientsComeAndGo) {
  const auto made = join(8);
  ASSERT_TRUE(made);
  const auto client = ring(kNewcomer);
  const auto server_keys = ring(server(0));
  const Bytes signature = client->sign(kWords);
  std::thread pool([&] {
    for (int i = 0; i < 300; ++i) (void)server_keys->verify(kNewcomer, kWords, signature);
  });
  for (int i = 0; i < 300; ++i) {
    server_keys->enroll(ClientId(8), *made);
    server_keys->dismiss(ClientId(8));
  }
  pool.join();
}

TEST_F(Joining, ItsFilesAreForItsOwnerOnlyAndComeBack) {
  const auto made = join(8);
  ASSERT_TRUE(made);
  std::size_t files = 0;
  for (const auto& entry : fs::directory_iterator(keys() / "client-8")) {
    EXPECT_EQ(static_cast<unsigned>(entry.status().permissions()), 0600u) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 3u);
  const auto read = load_joined(keys(), ClientId(8), DeploymentId(5));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->keys, *made);
  EXPECT_EQ(read->node, NodeId(3));
  EXPECT_THAT(load_joined(keys(), ClientId(8), DeploymentId(6)).error().message, HasSubstr("deployment"));
  EXPECT_THAT(join(8).error().message, HasSubstr("client-8")) << "keys are never overwritten";
  EXPECT_THAT(join(7).error().message, HasSubstr("client-7"));
  remove_joining_keys(keys(), ClientId(8));
  EXPECT_FALSE(fs::exists(keys() / "client-8"));
  remove_joining_keys(keys(), ClientId(7));
  EXPECT_TRUE(fs::exists(keys() / "client-7/signing.pem")) << "keys of a first client are not its to remove";
}

TEST_F(Joining, DamagedFilesAreRefusedWithTheirPath) {
  ASSERT_TRUE(join(8));
  const fs::path file = keys() / "client-8/joined.txt";
  fs::resize_file(file, fs::file_size(file) - 10);
  EXPECT_THAT(KeyRing::load(keys(), kNewcomer).error().message, HasSubstr("joined.txt"));
}

// Keys of a deployment that was made before servers had exchange keys go on working; only nobody can join.
TEST_F(Joining, KeysThatAnEarlierVersionMadeEnrollNobodyAndSayWhatToDo) {
  const fs::path path = keys() / "site-0/public.txt";
  std::ifstream in(path);
  std::string line, text;
  while (std::getline(in, line)) {
    if (line.starts_with("exchange ")) continue;
    text += (line == "seneschal-public-keys 2" ? "seneschal-public-keys 1" : line) + "\n";
  }
  in.close();
  std::ofstream(path) << text;
  EXPECT_NE(ring(server(0)), nullptr);
  EXPECT_THAT(join(8).error().message, HasSubstr("seneschal keygen"));
}

}  // namespace
}  // namespace seneschal::crypto
