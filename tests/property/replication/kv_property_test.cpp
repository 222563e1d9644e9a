// The kv application against a plain map, with random operations, undo and snapshots.
#include "base/prng.hpp"
#include "replication/kv.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication::kv {
namespace {

TEST(KvProperty, UndoTakesEverythingBack) {
  Prng prng(11);
  for (int round = 0; round < 50; ++round) {
    KvApplication app;
    std::vector<Bytes> snapshots{app.snapshot()};
    std::vector<Digest> digests{app.digest()};
    for (int i = 0; i < 60; ++i) {
      std::string key(1, static_cast<char>('a' + prng.below(5)));
      Bytes value(prng.below(4), static_cast<Byte>(prng.below(3)));
      switch (prng.below(5)) {
        case 0: app.apply(ClientId(1), remove(key)); break;
        case 1: app.apply(ClientId(1), compare_and_set(key, value, Bytes{9})); break;
        case 2: app.apply(ClientId(1), scan(key, std::nullopt)); break;
        case 3: app.apply(ClientId(1), Bytes{200, 1}); break;
        default: app.apply(ClientId(1), put(key, value)); break;
      }
      snapshots.push_back(app.snapshot());
      digests.push_back(app.digest());
    }
    while (snapshots.size() > 1) {
      snapshots.pop_back();
      digests.pop_back();
      app.undo();
      ASSERT_EQ(app.snapshot(), snapshots.back());
      ASSERT_EQ(app.digest(), digests.back());
    }
  }
}

TEST(KvProperty, DigestEqualsThatOfTheRestoredState) {
  Prng prng(12);
  KvApplication app;
  std::map<std::string, Bytes> model;
  for (int i = 0; i < 5000; ++i) {
    std::string key = "k" + std::to_string(prng.below(200));
    if (prng.chance(1, 3)) {
      model.erase(key);
      app.apply(ClientId(1), remove(key));
    } else {
      Bytes value(prng.below(30), static_cast<Byte>(prng.next()));
      model[key] = value;
      app.apply(ClientId(1), put(key, value));
    }
    app.settle();
    if (i % 500 == 0) {
      KvApplication copy;
      ASSERT_TRUE(copy.restore(app.snapshot()).has_value());
      ASSERT_EQ(copy.digest(), app.digest());
    }
  }
  ASSERT_EQ(app.size(), model.size());
  for (const auto& [key, value] : model) EXPECT_EQ(*parse_result(app.query(get(key))), Outcome(Found{Value{value}}));
}

TEST(KvProperty, OperationsSurviveTheCodecAndRandomBytesAreRefused) {
  Prng prng(13);
  KvApplication app;
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes(prng.below(24));
    for (Byte& b : bytes) b = static_cast<Byte>(prng.below(6));
    auto operation = decode<Operation>(bytes);
    if (operation) {
      ASSERT_EQ(encode(*operation), bytes);
    }
    ASSERT_TRUE(parse_result(app.apply(ClientId(1), bytes)).has_value());
  }
}

}  // namespace
}  // namespace seneschal::replication::kv
