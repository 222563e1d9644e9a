#include "base/codec.hpp"

#include "base/prng.hpp"

#include <gtest/gtest.h>

namespace seneschal {
namespace {

enum class Colour : std::uint8_t { Red, Green, kLast = Green };

struct Inner {
  Colour colour = Colour::Red;
  std::optional<Seq> seq;
  auto fields() { return std::tie(colour, seq); }
  bool operator==(const Inner&) const = default;
};

struct Outer {
  static constexpr const char* kName = "Outer";
  GlobalView view;
  List<Inner, 3> list;
  SortedList<std::uint16_t, 4> set;
  BoundedBytes<8> bytes;
  std::variant<Seq, Digest> either;
  auto fields() { return std::tie(view, list, set, bytes, either); }
  bool operator==(const Outer&) const = default;
};

Outer sample() {
  Outer m;
  m.view = GlobalView(7);
  m.list.items = {{Colour::Green, Seq(9)}, {Colour::Red, std::nullopt}};
  m.set.items = {1, 5};
  m.bytes.value = {1, 2, 3};
  m.either = Digest{};
  return m;
}

TEST(Codec, RoundTripsAMessage) {
  auto bytes = encode(sample());
  auto back = decode<Outer>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, sample());
  EXPECT_EQ(encode(*back), bytes);
}

TEST(Codec, RefusesEveryTruncation) {
  auto bytes = encode(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode<Outer>(Span(bytes).first(size)));
}

TEST(Codec, RefusesTrailingBytes) {
  auto bytes = encode(sample());
  bytes.push_back(0);
  EXPECT_EQ(decode<Outer>(bytes).error(), Reject::TrailingBytes);
}

TEST(Codec, RefusesEnumOutOfRangeUnsortedSetsAndOddBooleans) {
  EXPECT_EQ(decode<Colour>(Bytes{2}).error(), Reject::Malformed);
  EXPECT_EQ((decode<SortedList<std::uint8_t, 4>>(Bytes{0, 0, 0, 2, 5, 5}).error()), Reject::NotCanonical);
  EXPECT_EQ(decode<bool>(Bytes{2}).error(), Reject::NotCanonical);
}

TEST(Codec, RefusesCountsAboveTheLimitBeforeAllocating) {
  EXPECT_EQ((decode<List<std::uint8_t, 4>>(Bytes{0, 0, 0, 5, 1, 1, 1, 1, 1}).error()), Reject::TooLong);
  EXPECT_EQ((decode<BoundedBytes<0xffffffff>>(Bytes{0xff, 0xff, 0xff, 0xff}).error()), Reject::TooShort);
}

TEST(Codec, WhateverDecodesEncodesBackToTheSameBytes) {
  auto base = encode(sample());
  Prng prng(1);
  int decoded = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = base;
    for (std::uint64_t flips = prng.between(1, 3); flips > 0; --flips)
      bytes[prng.below(bytes.size())] = static_cast<Byte>(prng.next());
    if (auto m = decode<Outer>(bytes)) {
      ++decoded;
      ASSERT_EQ(encode(*m), bytes);
    }
  }
  EXPECT_GT(decoded, 100);
}

TEST(Codec, PrintsFromTheSameFieldList) {
  EXPECT_EQ(print(sample()), "Outer{7 [{1 9} {0 -}] [1 5] 010203 00000000}");
}

TEST(Bytes, HexRoundTripsAndRefusesNonsense) {
  EXPECT_EQ(to_hex(Bytes{0x0f, 0xa0}), "0fa0");
  EXPECT_EQ(from_hex("0fA0"), (Bytes{0x0f, 0xa0}));
  EXPECT_FALSE(from_hex("0f0"));
  EXPECT_FALSE(from_hex("zz"));
}

TEST(Bytes, Hash64DependsOnEveryBitTheLengthAndTheSeed) {
  for (std::size_t size : {0u, 1u, 8u, 15u, 16u, 17u, 40u}) {
    Bytes bytes(size, 7);
    std::uint64_t base = hash64(bytes);
    EXPECT_NE(base, hash64(bytes, 1));
    EXPECT_NE(base, hash64(Bytes(size + 1, 7)));
    for (std::size_t bit = 0; bit < size * 8; ++bit) {
      Bytes other = bytes;
      other[bit / 8] ^= static_cast<Byte>(1u << (bit % 8));
      EXPECT_NE(base, hash64(other)) << size << " " << bit;
    }
  }
}

TEST(Prng, ForksDoNotDependOnWhatWasDrawn) {
  Prng a(5), b(5);
  a.next();
  EXPECT_EQ(a.fork("x").next(), b.fork("x").next());
  EXPECT_NE(a.fork("x").next(), a.fork("y").next());
}

TEST(Prng, KeyedDrawsAreIndependentOfEachOther) {
  EXPECT_EQ(keyed_draw(1, 2, 3, 4, 5), keyed_draw(1, 2, 3, 4, 5));
  EXPECT_NE(keyed_draw(1, 2, 3, 4, 5), keyed_draw(1, 2, 4, 3, 5));
}

}  // namespace
}  // namespace seneschal
