#include "crypto/key_files.hpp"

#include "crypto/key_ring.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

namespace seneschal::crypto {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (fs::temp_directory_path() / "seneschal-keys-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() { fs::remove_all(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

constexpr ServerId server(std::uint16_t site, std::uint16_t index) {
  return {SiteId(site), ServerIndex(index)};
}
Principal who(std::uint16_t site, std::uint16_t index) {
  return Principal::of(server(site, index));
}
Principal client(std::uint32_t id) {
  return Principal::of(ClientId(id));
}

KeyPlan small_plan(std::uint64_t deployment = 0xab) {
  KeyPlan plan;
  plan.deployment = DeploymentId(deployment);
  plan.sites = {{SiteId(0), 4, 1, true}, {SiteId(3), 4, 1, true}, {SiteId(4), 4, 1, false}};
  plan.clients = {{ClientId(7), SiteId(3)}, {ClientId(8), SiteId(99)}};
  plan.server_scheme = Scheme::Ed25519;
  plan.threshold_bits = 512;
  plan.strength = KeyStrength::Test;
  return plan;
}

// One deployment for all tests that do not change it: the directory is made once.
class KeyFiles : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    made_ = new TemporaryDirectory;
    const Status status = generate_keys(small_plan(), *made_ / "keys");
    ASSERT_TRUE(status) << status.error().message;
  }
  static void TearDownTestSuite() { delete made_; }
  static fs::path keys() { return *made_ / "keys"; }

  /// A copy that a test may damage.
  fs::path copy() {
    fs::copy(keys(), mine_ / "copy", fs::copy_options::recursive);
    return mine_ / "copy";
  }
  static std::string error_of(const fs::path& dir, const Principal& self) {
    const auto ring = KeyRing::load(dir, self);
    return ring ? std::string() : ring.error().message;
  }
  static std::unique_ptr<KeyRing> load(const Principal& self) {
    auto ring = KeyRing::load(keys(), self);
    if (!ring) ADD_FAILURE() << ring.error().message;
    return ring ? std::move(*ring) : nullptr;
  }

  TemporaryDirectory mine_;
  static inline TemporaryDirectory* made_ = nullptr;
};

const Bytes kMessage = to_bytes("a message");

TEST_F(KeyFiles, AProcessOfClientsReadsTheKeysOfServersAndItsOwn) {
  const auto known = load_public_keys_for(keys(), {ClientId(7)});
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_TRUE(known->signers.contains(client(7)));
  EXPECT_FALSE(known->signers.contains(client(8)));
  EXPECT_EQ(known->plan.clients.size(), 2u) << "who belongs to it is known all the same";
  EXPECT_EQ(known->sites.size(), 2u);
  const auto shared = std::make_shared<const PublicKeys>(*known);
  auto ring = KeyRing::load(keys(), client(7), shared, {});
  ASSERT_TRUE(ring) << ring.error().message;
  auto other = KeyRing::load(keys(), who(0, 1));
  ASSERT_TRUE(other);
  const Bytes words = to_bytes("words");
  EXPECT_TRUE((*other)->verify(client(7), words, (*ring)->sign(words)));
  EXPECT_TRUE((*ring)->verify_mac(who(0, 1), words, (*other)->mac(client(7), words)));
  EXPECT_FALSE(KeyRing::load(keys(), client(8), shared, {})) << "its key was not asked for";
  EXPECT_FALSE(load_public_keys_for(keys() / "nowhere", {ClientId(7)}));
}

TEST_F(KeyFiles, PrivateFilesAreForTheirOwnerOnly) {
  std::size_t seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator(keys())) {
    const bool is_public = entry.path().filename() == "public.txt" || entry.path().filename() == "deployment.txt";
    const auto mode = static_cast<unsigned>(entry.status().permissions());
    if (entry.is_regular_file() && !is_public) {
      EXPECT_EQ(mode, 0600u) << entry.path();
      EXPECT_EQ(static_cast<unsigned>(fs::status(entry.path().parent_path()).permissions()), 0700u) << entry.path();
      ++seen;
    }
  }
  EXPECT_EQ(seen, 12u * 3 + 8u + 2u * 2);
}

TEST_F(KeyFiles, EverybodyVerifiesEverybody) {
  std::vector<Principal> all;
  for (std::uint16_t site : {0, 3, 4})
    for (std::uint16_t i = 0; i < 4; ++i) all.push_back(who(site, i));
  all.push_back(client(7));
  all.push_back(client(8));
  std::vector<std::unique_ptr<KeyRing>> rings;
  for (const Principal& self : all) rings.push_back(load(self));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Bytes signature = rings[i]->sign(kMessage);
    for (std::size_t j = 0; j < all.size(); ++j) {
      EXPECT_TRUE(rings[j]->verify(all[i], kMessage, signature));
      EXPECT_EQ(rings[j]->verify(all[j], kMessage, signature), i == j);
      const bool paired = have_pair_key(all[i], all[j]);
      const Mac mac = rings[i]->mac(all[j], kMessage);
      EXPECT_EQ(rings[j]->verify_mac(all[i], kMessage, mac), paired)
          << to_string(all[i]) << ", " << to_string(all[j]);
      EXPECT_EQ(mac == Mac{}, !paired);
      for (std::size_t k = 0; paired && k < all.size(); ++k) {
        if (k == j) continue;
        EXPECT_NE(rings[i]->mac(all[k], kMessage), mac);
      }
    }
  }
  EXPECT_FALSE(rings[0]->verify(who(9, 9), kMessage, rings[0]->sign(kMessage)));
  EXPECT_FALSE(rings[0]->verify(Principal::of(NodeId(1)), kMessage, rings[0]->sign(kMessage)));
}

TEST_F(KeyFiles, ThePlanComesBack) {
  const auto ring = load(client(8));
  const KeyPlan expected = small_plan();
  EXPECT_EQ(ring->plan().deployment, expected.deployment);
  EXPECT_EQ(ring->plan().sites, expected.sites);
  EXPECT_EQ(ring->plan().threshold_bits, 512u);
  EXPECT_EQ(ring->plan().server_scheme, Scheme::Ed25519);
  ASSERT_EQ(ring->plan().clients.size(), 2u);
  EXPECT_THAT(ring->plan().clients, testing::UnorderedElementsAreArray(expected.clients));
}

TEST_F(KeyFiles, ASiteSignsAsOne) {
  std::vector<std::unique_ptr<KeyRing>> rings;
  std::vector<Bytes> shares;
  for (std::uint16_t i = 0; i < 4; ++i) {
    rings.push_back(load(who(3, i)));
    shares.push_back(rings.back()->share(kMessage));
  }
  const auto of = [&](std::uint16_t i) { return ShareOf{ServerIndex(i), shares[i]}; };
  const auto outsider = load(who(0, 0));
  const auto signature = outsider->combine(SiteId(3), kMessage, std::vector{of(3), of(0), of(2)});
  ASSERT_TRUE(signature);
  EXPECT_TRUE(outsider->verify(Principal::of(SiteId(3)), kMessage, *signature));
  EXPECT_FALSE(outsider->verify(Principal::of(SiteId(0)), kMessage, *signature));
  EXPECT_FALSE(outsider->verify(Principal::of(SiteId(4)), kMessage, *signature));
  EXPECT_FALSE(outsider->combine(SiteId(3), kMessage, std::vector{of(3), of(0)}));
  EXPECT_FALSE(outsider->combine(SiteId(0), kMessage, std::vector{of(3), of(0), of(2)}));
  EXPECT_FALSE(outsider->combine(SiteId(4), kMessage, std::vector{of(3), of(0), of(2)}));
  EXPECT_FALSE(
      outsider->combine(SiteId(3), kMessage, std::vector{of(3), of(0), ShareOf{ServerIndex(65535), shares[1]}}));
  const auto [share, proof] = rings[1]->prove(kMessage);
  EXPECT_EQ(share, shares[1]);
  EXPECT_TRUE(outsider->check_share(server(3, 1), kMessage, share, proof));
  EXPECT_FALSE(outsider->check_share(server(3, 2), kMessage, share, proof));
  EXPECT_FALSE(outsider->check_share(server(0, 1), kMessage, share, proof));
  EXPECT_FALSE(outsider->check_share(server(4, 1), kMessage, share, proof));
  EXPECT_FALSE(outsider->check_share(server(3, 65535), kMessage, share, proof));
}

TEST_F(KeyFiles, WhoHasNoShareSharesNothing) {
  for (const Principal& self : {who(4, 0), client(7)}) {
    const auto ring = load(self);
    EXPECT_TRUE(ring->share(kMessage).empty());
    EXPECT_TRUE(ring->prove(kMessage).share.empty());
  }
}

TEST_F(KeyFiles, OneRingServesSeveralThreads) {
  const auto ring = load(who(0, 1));
  const auto peer = load(who(0, 2));
  const Bytes share = ring->share(kMessage);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 5; ++i) {
        if (!peer->verify(who(0, 1), kMessage, ring->sign(kMessage))) ++wrong;
        if (!peer->verify_mac(who(0, 1), kMessage, ring->mac(who(0, 2), kMessage))) ++wrong;
        const auto [again, proof] = ring->prove(kMessage);
        if (again != share || !peer->check_share(server(0, 1), kMessage, again, proof)) ++wrong;
        if (peer->combine(SiteId(0), kMessage, std::vector{ShareOf{ServerIndex(1), share}})) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(KeyFiles, AFileThatOthersCanReadIsRefused) {
  for (const char* name : {"signing.pem", "macs.txt", "exchange.txt", "threshold.txt"}) {
    const fs::path dir = copy();
    const fs::path file = dir / "site-0/server-1" / name;
    fs::permissions(file, fs::perms(0640));
    EXPECT_THAT(error_of(dir, who(0, 1)),
                AllOf(HasSubstr(file.string()), HasSubstr("0640"), HasSubstr("chmod 600 " + file.string())));
    fs::permissions(file, fs::perms(0600));
    EXPECT_EQ(error_of(dir, who(0, 1)), "");
    fs::permissions(file, fs::perms(0400));
    EXPECT_EQ(error_of(dir, who(0, 1)), "");
    fs::remove_all(dir);
  }
}

TEST_F(KeyFiles, SomebodyElsesKeyIsRefused) {
  for (const char* name : {"signing.pem", "macs.txt", "exchange.txt", "threshold.txt"}) {
    const fs::path dir = copy();
    const fs::path file = dir / "site-0/server-1" / name;
    fs::copy_file(dir / "site-0/server-2" / name, file, fs::copy_options::overwrite_existing);
    EXPECT_THAT(error_of(dir, who(0, 1)),
                AllOf(HasSubstr(file.string()), HasSubstr("of server 0/2"), HasSubstr("server 0/1")));
    fs::copy_file(dir / "site-3/server-1" / name, file, fs::copy_options::overwrite_existing);
    EXPECT_THAT(error_of(dir, who(0, 1)),
                AllOf(HasSubstr(file.string()), HasSubstr("of server 3/1"), HasSubstr("server 0/1")));
    fs::remove_all(dir);
  }
}

void replace_in(const fs::path& file, const std::string& from, const std::string& to) {
  std::ifstream in(file);
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t at = text.find(from);
  ASSERT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  std::ofstream(file, std::ios::trunc) << text;
}

// The lines that say whose key it is are for messages; the key itself must fit too.
TEST_F(KeyFiles, ARelabelledKeyIsRefused) {
  const fs::path dir = copy();
  for (const char* name : {"signing.pem", "threshold.txt"}) {
    const fs::path file = dir / "site-0/server-1" / name;
    fs::copy_file(dir / "site-0/server-2" / name, file, fs::copy_options::overwrite_existing);
    replace_in(file, "server 0/2", "server 0/1");
    EXPECT_THAT(error_of(dir, who(0, 1)), HasSubstr(file.string()));
    fs::copy_file(keys() / "site-0/server-1" / name, file, fs::copy_options::overwrite_existing);
    EXPECT_EQ(error_of(dir, who(0, 1)), "");
  }
}

TEST_F(KeyFiles, AnotherDeploymentIsRefused) {
  const Status status = generate_keys(small_plan(0xcd), mine_ / "other");
  ASSERT_TRUE(status) << status.error().message;
  const fs::path dir = copy();
  for (const char* name : {"site-0/server-1/signing.pem", "site-0/server-1/macs.txt", "site-0/server-1/threshold.txt",
                           "site-3/public.txt"}) {
    fs::copy_file(mine_ / "other" / name, dir / name, fs::copy_options::overwrite_existing);
    EXPECT_THAT(error_of(dir, who(0, 1)), AllOf(HasSubstr((dir / name).string()), HasSubstr("00000000000000cd"),
                                                HasSubstr("00000000000000ab")));
    fs::copy_file(keys() / name, dir / name, fs::copy_options::overwrite_existing);
  }
  const auto unexpected = KeyRing::load(dir, who(0, 1), {.deployment = DeploymentId(0xcd)});
  ASSERT_FALSE(unexpected);
  EXPECT_THAT(unexpected.error().message,
              HasSubstr("deployment 00000000000000ab, not of deployment 00000000000000cd"));
}

TEST_F(KeyFiles, AnotherSitesBundleIsRefused) {
  const fs::path dir = copy();
  fs::copy_file(dir / "site-0/public.txt", dir / "site-3/public.txt", fs::copy_options::overwrite_existing);
  EXPECT_THAT(error_of(dir, who(0, 1)), HasSubstr("these are the keys of site 0, not of site 3"));
}

TEST_F(KeyFiles, StrangersHaveNoKeys) {
  EXPECT_THAT(error_of(keys(), who(0, 4)), HasSubstr("server 0/4 is not part of deployment"));
  EXPECT_THAT(error_of(keys(), client(1)), HasSubstr("client 1"));
  EXPECT_THAT(error_of(keys(), Principal::of(SiteId(0))), HasSubstr("site 0"));
  EXPECT_THAT(error_of(mine_ / "nothing", who(0, 0)), HasSubstr("deployment.txt: No such file"));
}

// Cutting a file anywhere gives an error that names it, never a crash or half a key.
TEST_F(KeyFiles, TruncatedFilesAreRefusedWithTheirPath) {
  const fs::path dir = copy();
  for (const char* name : {"deployment.txt", "site-0/public.txt", "site-0/server-1/signing.pem",
                           "site-0/server-1/macs.txt", "site-0/server-1/threshold.txt"}) {
    const std::uintmax_t size = fs::file_size(dir / name);
    for (std::uintmax_t left : {std::uintmax_t{0}, size / 9, size / 3, size / 2, size - 30, size - 1}) {
      fs::resize_file(dir / name, left);
      EXPECT_THAT(error_of(dir, who(0, 1)), HasSubstr((dir / name).string())) << left;
      fs::copy_file(keys() / name, dir / name, fs::copy_options::overwrite_existing);
    }
    std::ofstream(dir / name, std::ios::app) << "more\n";
    EXPECT_THAT(error_of(dir, who(0, 1)), HasSubstr((dir / name).string()));
    fs::copy_file(keys() / name, dir / name, fs::copy_options::overwrite_existing);
  }
}

TEST_F(KeyFiles, MalformedLinesAreNamedButSecretsNotPrinted) {
  const fs::path dir = copy();
  const fs::path threshold = dir / "site-0/server-1/threshold.txt";
  replace_in(threshold, "secret ", "secret x");
  EXPECT_THAT(error_of(dir, who(0, 1)), AllOf(HasSubstr("threshold.txt:5: \"secret\" must be hexadecimal")));
  replace_in(threshold, "secret x", "sekret 0badc0de");
  EXPECT_THAT(error_of(dir, who(0, 1)), AllOf(HasSubstr("threshold.txt:5: expected a line \"secret ...\""),
                                              testing::Not(HasSubstr("0badc0de"))));
  fs::copy_file(keys() / "site-0/server-1/threshold.txt", threshold, fs::copy_options::overwrite_existing);
  replace_in(threshold, "epoch 0", "epoch 1");
  EXPECT_THAT(error_of(dir, who(0, 1)), HasSubstr("epoch 1, but the site's key is of epoch 0"));
  replace_in(dir / "site-0/public.txt", "servers 4", "servers 99999999999");
  EXPECT_THAT(error_of(dir, who(0, 1)), HasSubstr("public.txt:4: \"servers\" must be a number from 0 to 65535"));
  replace_in(dir / "deployment.txt", "deployment 1", "deployment 2");
  EXPECT_THAT(error_of(dir, who(0, 1)), HasSubstr("deployment.txt:1: this format is newer"));
}

TEST_F(KeyFiles, ExistingKeysAreNeverOverwritten) {
  const Status status = generate_keys(small_plan(), keys());
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, AllOf(HasSubstr(keys().string()), HasSubstr("not empty")));
}

// Half of the keys are of no use, and secret.
TEST_F(KeyFiles, InterruptedMakingAndExtendingLeaveNothing) {
  KeyPlan plan = small_plan();
  for (std::uint32_t id = 20; id < 30; ++id) plan.clients.push_back({ClientId(id), SiteId(0)});
  const fs::path there = mine_ / "there";
  fs::create_directory(there);
  for (const bool extends : {false, true})
    for (const fs::path& dir : {mine_ / "new", there}) {
      // At the first question, between two keys, between two files; and never, so that the last one was in time.
      bool interrupted = true;
      for (int questions = 0; interrupted; ++questions) {
        ASSERT_LT(questions, 1000);
        std::atomic<int> asked = 0;  // keys are made by several threads
        const auto stop = [&] { return asked++ >= questions; };
        // Without threshold keys, which take long to make.
        KeyPlan made = plan;
        if (!extends)
          for (SitePlan& site : made.sites) site.threshold = false;
        const Status status = extends ? extend_keys(keys(), made, dir, {}, stop) : generate_keys(made, dir, {}, stop);
        interrupted = !status;
        if (!interrupted) break;
        EXPECT_EQ(status.error().message, "interrupted");
        EXPECT_EQ(fs::exists(dir), dir == there) << questions;
        EXPECT_TRUE(dir != there || fs::is_empty(dir)) << questions;
      }
      EXPECT_TRUE(load_public_keys(dir));
      fs::remove_all(dir);
      if (dir == there) fs::create_directory(there);
    }
  EXPECT_FALSE(extend_keys(keys(), plan, keys(), {}, [] { return true; }));
  EXPECT_TRUE(load_public_keys(keys())) << "what was there before stays";
}

TEST_F(KeyFiles, MoreClientsChangeNothingForTheOthers) {
  KeyPlan plan = small_plan();
  plan.clients.push_back({ClientId(9), SiteId(4)});
  plan.clients.push_back({ClientId(5), SiteId(0)});
  const fs::path dir = mine_ / "more";
  const Status made = extend_keys(keys(), plan, dir);
  ASSERT_TRUE(made) << made.error().message;
  EXPECT_EQ(servers_fingerprint(*load_public_keys(dir)), servers_fingerprint(*load_public_keys(keys())));
  // Those of both folders understand each other.
  const auto before = load(who(0, 1));
  for (const Principal& self : {who(0, 2), who(3, 1), who(4, 3), client(7), client(8)}) {
    auto after = KeyRing::load(dir, self);
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_TRUE(before->verify(self, kMessage, (*after)->sign(kMessage)));
    EXPECT_TRUE((*after)->verify(who(0, 1), kMessage, before->sign(kMessage)));
    EXPECT_TRUE((*after)->verify_mac(who(0, 1), kMessage, before->mac(self, kMessage)));
    EXPECT_EQ((*after)->plan().clients.size(), 4u);
  }
  for (const Principal& newcomer : {client(9), client(5)}) {
    auto ring = KeyRing::load(dir, newcomer), server = KeyRing::load(dir, who(3, 0));
    ASSERT_TRUE(ring) << ring.error().message;
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_TRUE((*server)->verify(newcomer, kMessage, (*ring)->sign(kMessage)));
    EXPECT_TRUE((*server)->verify_mac(newcomer, kMessage, (*ring)->mac(who(3, 0), kMessage)));
    EXPECT_TRUE((*ring)->verify_mac(who(3, 0), kMessage, (*server)->mac(newcomer, kMessage)));
  }
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file() || name == "public.txt" || name == "deployment.txt") continue;
    EXPECT_EQ(static_cast<unsigned>(entry.status().permissions()), 0600u) << entry.path();
  }
  // And once more, from what was extended.
  plan.clients.push_back({ClientId(10), SiteId(3)});
  EXPECT_TRUE(extend_keys(dir, plan, mine_ / "most"));
  EXPECT_EQ(error_of(mine_ / "most", who(4, 0)), "");
}

TEST_F(KeyFiles, KeysOfOtherServersAreNotExtended) {
  const auto error = [&](auto&& change) {
    KeyPlan plan = small_plan();
    plan.clients.push_back({ClientId(9), SiteId(4)});
    change(plan);
    const Status status = extend_keys(keys(), plan, mine_ / "other");
    EXPECT_FALSE(fs::exists(mine_ / "other"));
    return status ? std::string() : status.error().message;
  };
  EXPECT_THAT(error([](KeyPlan& p) { p.deployment = DeploymentId(1); }), HasSubstr("of deployment 00000000000000ab"));
  EXPECT_THAT(error([](KeyPlan& p) { p.sites[0] = {SiteId(0), 7, 2, true}; }), HasSubstr("sites, servers or faults"));
  EXPECT_THAT(error([](KeyPlan& p) { p.sites.pop_back(); }), HasSubstr("sites, servers or faults"));
  EXPECT_THAT(error([](KeyPlan& p) { p.threshold_bits = 576; }), HasSubstr("site keys have 512 bits, not 576"));
  EXPECT_THAT(error([](KeyPlan& p) { p.clients.erase(p.clients.begin()); }), HasSubstr("client 7 has keys here"));
  EXPECT_THAT(error([](KeyPlan& p) { p.clients[0].home = SiteId(0); }), HasSubstr("another home site"));
}

TEST_F(KeyFiles, KeysWithAMissingServerAreNotExtended) {
  const fs::path dir = copy();
  fs::remove_all(dir / "site-3/server-2");
  KeyPlan plan = small_plan();
  plan.clients.push_back({ClientId(9), SiteId(4)});
  const Status status = extend_keys(dir, plan, mine_ / "more");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("site-3/server-2"));
  EXPECT_FALSE(fs::exists(mine_ / "more/deployment.txt")) << "what is not whole does not look so";
}

TEST(KeyPlans, NonsenseIsRefused) {
  const auto error = [](auto&& change) {
    KeyPlan plan = small_plan();
    change(plan);
    const Status status = validate(plan);
    return status ? std::string() : status.error().message;
  };
  EXPECT_EQ(error([](KeyPlan&) {}), "");
  EXPECT_THAT(error([](KeyPlan& p) { p.sites.clear(); }), HasSubstr("at least one site"));
  EXPECT_THAT(error([](KeyPlan& p) { p.sites[1].site = SiteId(0); }), HasSubstr("site 0 is listed twice"));
  EXPECT_THAT(error([](KeyPlan& p) { p.sites[0].servers = 3; }), HasSubstr("needs at least 4"));
  EXPECT_THAT(error([](KeyPlan& p) { p.sites[0].servers = 65; }), HasSubstr("at most 64"));
  EXPECT_THAT(error([](KeyPlan& p) { p.clients[1].client = ClientId(7); }), HasSubstr("client 7 is listed twice"));
  EXPECT_THAT(error([](KeyPlan& p) { p.strength = KeyStrength::Standard; }), HasSubstr("512 bits"));
  EXPECT_THAT(error([](KeyPlan& p) { p.threshold_bits = 2047; }), HasSubstr("2047"));
  EXPECT_THAT(error([](KeyPlan& p) {
                p.strength = KeyStrength::Standard;
                p.threshold_bits = 2048;
                p.server_scheme = Scheme::Rsa1024;
              }),
              HasSubstr("paper"));
}

// RSA-1024 throughout: what the 2005 measurements used, and RSA through the whole path.
TEST(KeyPlans, ThePaperSwitchGivesRsa1024) {
  TemporaryDirectory dir;
  KeyPlan plan = small_plan();
  plan.strength = KeyStrength::Paper;
  plan.sites.resize(1);
  plan.clients.resize(1);
  plan.threshold_bits = 1024;
  plan.server_scheme = Scheme::Rsa1024;
  std::size_t reported = 0;
  const Status status =
      generate_keys(plan, dir / "keys", [&](const std::string&, std::size_t done, std::size_t total) {
        EXPECT_EQ(done, ++reported);
        EXPECT_EQ(total, 6u);
      });
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(reported, 6u);
  const auto ring = KeyRing::load(dir / "keys", who(0, 2));
  ASSERT_TRUE(ring) << ring.error().message;
  EXPECT_EQ((*ring)->sign(kMessage).size(), 128u);
  EXPECT_EQ((*ring)->share(kMessage).size(), 128u);
}

}  // namespace
}  // namespace seneschal::crypto
