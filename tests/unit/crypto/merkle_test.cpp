#include "crypto/merkle.hpp"

#include "crypto/digest.hpp"

#include <gtest/gtest.h>

namespace seneschal::crypto {
namespace {

std::vector<Digest> leaves(std::size_t count) {
  std::vector<Digest> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(merkle_leaf(Bytes{static_cast<Byte>(i)}));
  return out;
}

// Known roots of the certificate-transparency test trees [RFC 6962].
TEST(Merkle, KnownRoots) {
  std::vector<Digest> entries;
  for (const char* hex : {"", "00", "10", "2021", "3031", "40414243", "5051525354555657"})
    entries.push_back(merkle_leaf(*from_hex(hex)));
  EXPECT_EQ(to_hex(merkle_root({}).bytes), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(merkle_root(std::span(entries).first(1)).bytes),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
  EXPECT_EQ(to_hex(merkle_root(std::span(entries).first(2)).bytes),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125");
  EXPECT_EQ(to_hex(merkle_root(std::span(entries).first(3)).bytes),
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77");
  EXPECT_EQ(to_hex(merkle_root(entries).bytes), "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c");
}

TEST(Merkle, EveryLeafOfEverySizeIsProvenAtItsPlaceOnly) {
  for (std::size_t count = 1; count <= 17; ++count) {
    const auto all = leaves(count);
    const Digest root = merkle_root(all);
    for (std::size_t index = 0; index < count; ++index) {
      const auto proof = merkle_proof(all, index);
      EXPECT_TRUE(merkle_verify(root, all[index], index, count, proof));
      for (std::size_t other = 0; other < count; ++other) {
        EXPECT_EQ(merkle_verify(root, all[index], other, count, proof), other == index);
        EXPECT_EQ(merkle_verify(root, all[other], index, count, proof), other == index);
      }
      for (std::size_t i = 0; i < proof.size(); ++i) {
        auto bent = proof;
        bent[i].bytes[5] ^= 1;
        EXPECT_FALSE(merkle_verify(root, all[index], index, count, bent));
      }
      auto longer = proof;
      longer.push_back(root);
      EXPECT_FALSE(merkle_verify(root, all[index], index, count, longer));
      if (!proof.empty()) {
        EXPECT_FALSE(merkle_verify(root, all[index], index, count, std::span(proof).first(proof.size() - 1)));
      }
    }
  }
}

TEST(Merkle, ARepeatedLastLeafIsAnotherTree) {
  auto three = leaves(3), four = leaves(3);
  four.push_back(four.back());
  EXPECT_NE(merkle_root(three), merkle_root(four));
}

TEST(Merkle, AnInnerNodeIsNoLeaf) {
  const auto all = leaves(4);
  const Digest left = merkle_node(all[0], all[1]), right = merkle_node(all[2], all[3]);
  const Digest root = merkle_root(all);
  Bytes joined = to_bytes(Span(left.bytes));
  append(joined, right.bytes);
  EXPECT_NE(merkle_leaf(joined), root);
  EXPECT_EQ(merkle_node(left, right), root);
}

TEST(Merkle, ATreeWithLevelsHasTheSameRootAndProvesLeavesAndBlocks) {
  for (std::size_t count : {1u, 2u, 3u, 5u, 8u, 13u, 31u, 64u, 67u}) {
    const auto all = leaves(count);
    const MerkleTree tree(all);
    ASSERT_EQ(tree.root(), merkle_root(all)) << count;
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(tree.proof(i), merkle_proof(all, i)) << count << " " << i;
    for (std::size_t height = 0; height < 8; ++height) {
      const std::size_t size = std::size_t{1} << height;
      const std::size_t blocks = (count + size - 1) / size;
      for (std::size_t b = 0; b < blocks; ++b) {
        const auto block = std::span(all).subspan(b * size, std::min(size, count - b * size));
        EXPECT_TRUE(merkle_verify(tree.root(), merkle_root(block), b, blocks, tree.proof(b, height)));
        auto other = std::vector(block.begin(), block.end());
        other.back().bytes[0] ^= 1;
        EXPECT_FALSE(merkle_verify(tree.root(), merkle_root(other), b, blocks, tree.proof(b, height)));
      }
    }
  }
}

TEST(Merkle, NonsenseFromAPeerIsRefused) {
  const Digest root = merkle_root(leaves(4));
  EXPECT_FALSE(merkle_verify(root, root, 0, 0, {}));
  EXPECT_FALSE(merkle_verify(root, root, 4, 4, {}));
  EXPECT_FALSE(merkle_verify(root, root, ~std::size_t{0}, ~std::size_t{0}, {}));
  EXPECT_FALSE(merkle_verify(root, root, 0, 4, std::vector<Digest>(1000)));
}

}  // namespace
}  // namespace seneschal::crypto
