// The Fiat-Shamir challenge binds everything the proof speaks of.
#include "crypto/threshold_impl.hpp"

#include <gtest/gtest.h>

namespace seneschal::crypto {
namespace {

TEST(ThresholdProof, FlippingAnyInputChangesTheChallenge) {
  constexpr std::size_t kWidth = 64;
  std::array<Bytes, 7> numbers;
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = Bytes(kWidth, static_cast<Byte>(i + 1));
  std::uint64_t id = 2, epoch = 5;
  const auto challenge = [&] {
    return proof_challenge(
        {kWidth, numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], id, epoch});
  };
  const auto original = challenge();
  EXPECT_EQ(challenge(), original);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (std::size_t at : {std::size_t{0}, kWidth - 1}) {
      numbers[i][at] ^= 1;
      EXPECT_NE(challenge(), original) << "input " << i;
      numbers[i][at] ^= 1;
    }
  }
  for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
    std::swap(numbers[i], numbers[i + 1]);
    EXPECT_NE(challenge(), original) << "swapped " << i;
    std::swap(numbers[i], numbers[i + 1]);
  }
  id = 3;
  EXPECT_NE(challenge(), original);
  id = 2;
  epoch = 6;
  EXPECT_NE(challenge(), original);
}

TEST(ThresholdProof, MessagesArePaddedAsPkcs1Says) {
  const Bytes encoded = encode_pkcs1_sha256(as_span("abc"), 64);
  EXPECT_EQ(to_hex(encoded),
            "0001ffffffffffffffffffff003031300d060960864801650304020105000420"
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace seneschal::crypto
