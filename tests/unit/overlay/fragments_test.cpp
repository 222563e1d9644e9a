#include "overlay/fragments.hpp"
#include "tests/unit/overlay/twin.hpp"

#include <gtest/gtest.h>

namespace seneschal::overlay {
namespace {

std::vector<Frame> pieces_of(SharedBytes message, std::uint32_t number, bool copied, std::uint16_t chunk = 100,
                             int node = 1) {
  std::vector<Frame> frames;
  Frame frame;
  frame.header.source = {Twin::id(node), Port(1)};
  frame.header.message = number;
  frame.header.total = static_cast<std::uint32_t>(message->size());
  frame.header.chunk = chunk;
  for (; frame.header.index < frame.header.pieces(); ++frame.header.index) {
    const Span window = Span(*message).subspan(frame.header.index * std::size_t{chunk}, frame.header.piece_bytes());
    frame.owner = copied ? share(to_bytes(window)) : message;
    frame.payload = copied ? Span(*frame.owner) : window;
    frames.push_back(frame);
  }
  return frames;
}

class OverlayFragments : public testing::Test {
 protected:
  OverlayFragments() {
    limits.partials_per_source = 4;
    limits.partial_bytes = 10'000;
    limits.partial_timeout = 1s;
  }
  Limits limits;
  Instant now{};
};

TEST_F(OverlayFragments, PutsPiecesTogetherInAnyOrder) {
  for (bool copied : {true, false}) {
    Reassembler reassembler(limits);
    const SharedBytes message = pattern(1234);
    auto frames = pieces_of(message, 5, copied);
    ASSERT_EQ(frames.size(), 13u);
    std::swap(frames[0], frames[12]);
    std::swap(frames[3], frames[7]);
    for (std::size_t i = 0; i < frames.size(); ++i) {
      const auto result = reassembler.add(now, frames[i]);
      ASSERT_TRUE(result.has_value());
      ASSERT_EQ(result->has_value(), i == 12);
      if (i < 12) continue;
      EXPECT_TRUE(equal((*result)->payload, *message));
      EXPECT_EQ((*result)->owner == message, !copied);
    }
    EXPECT_EQ(reassembler.partial_bytes(), 0u);
    EXPECT_EQ(reassembler.deadline(), Instant::never());
  }
}

TEST_F(OverlayFragments, MixesSharedAndCopiedPieces) {
  Reassembler reassembler(limits);
  const SharedBytes message = pattern(250);
  const auto shared = pieces_of(message, 5, false);
  const auto copied = pieces_of(message, 5, true);
  ASSERT_TRUE(reassembler.add(now, shared[0]));
  ASSERT_TRUE(reassembler.add(now, copied[1]));
  const auto result = reassembler.add(now, shared[2]);
  ASSERT_TRUE(result && *result);
  EXPECT_TRUE(equal((*result)->payload, *message));
}

TEST_F(OverlayFragments, RefusesPiecesThatContradictEachOther) {
  Reassembler reassembler(limits);
  auto frames = pieces_of(pattern(250), 5, true);
  ASSERT_TRUE(reassembler.add(now, frames[0]));
  EXPECT_EQ(reassembler.add(now, frames[0]).error(), Reject::Duplicate);
  auto longer = pieces_of(pattern(350), 5, true);
  EXPECT_EQ(reassembler.add(now, longer[1]).error(), Reject::Conflict);
  auto finer = pieces_of(pattern(250), 5, true, 50);
  EXPECT_EQ(reassembler.add(now, finer[1]).error(), Reject::Conflict);
  auto other_port = frames[1];
  other_port.header.source.port = Port(2);
  EXPECT_EQ(reassembler.add(now, other_port).error(), Reject::Conflict);
}

TEST_F(OverlayFragments, LateDuplicateOfAFinishedMessageDoesNotReopenIt) {
  Reassembler reassembler(limits);
  auto frames = pieces_of(pattern(150), 0, true);
  ASSERT_TRUE(reassembler.add(now, frames[0]));
  ASSERT_TRUE(reassembler.add(now, frames[1]));
  EXPECT_EQ(reassembler.add(now, frames[1]).error(), Reject::Duplicate);
  EXPECT_EQ(reassembler.partials(), 0u);
}

TEST_F(OverlayFragments, ASourceMayHaveFewUnfinishedMessages) {
  Reassembler reassembler(limits);
  for (std::uint32_t i = 0; i < 10; ++i) ASSERT_TRUE(reassembler.add(now, pieces_of(pattern(150), i, true)[0]));
  EXPECT_EQ(reassembler.partials(), 4u);
  EXPECT_EQ(reassembler.partial_bytes(), 600u);
  EXPECT_EQ(reassembler.drops().at(Reject::FragmentLimit), 6u);
  // The newest four are the ones that were kept; another source is not affected.
  EXPECT_TRUE(reassembler.add(now, pieces_of(pattern(150), 9, true)[1]).value().has_value());
  EXPECT_TRUE(reassembler.add(now, pieces_of(pattern(150), 9, true, 100, 2)[0]).has_value());
}

TEST_F(OverlayFragments, AllUnfinishedMessagesTogetherAreBounded) {
  Reassembler reassembler(limits);
  int refused = 0;
  for (int node = 1; node <= 20; ++node) {
    const auto result = reassembler.add(now, pieces_of(pattern(900), 1, true, 100, node)[0]);
    if (!result) {
      EXPECT_EQ(result.error(), Reject::FragmentLimit);
      ++refused;
    }
  }
  EXPECT_EQ(refused, 9);
  EXPECT_LE(reassembler.partial_bytes(), limits.partial_bytes);
  limits.max_payload = 500;
  EXPECT_EQ(Reassembler(limits).add(now, pieces_of(pattern(501), 1, true)[0]).error(), Reject::TooLong);
}

TEST_F(OverlayFragments, UnfinishedMessagesExpire) {
  Reassembler reassembler(limits);
  ASSERT_TRUE(reassembler.add(now, pieces_of(pattern(350), 1, true)[0]));
  ASSERT_TRUE(reassembler.add(now + 900ms, pieces_of(pattern(350), 1, true)[1]));
  EXPECT_EQ(reassembler.deadline(), now + 1900ms);
  reassembler.expire(now + 1899ms);
  EXPECT_EQ(reassembler.partials(), 1u);
  reassembler.expire(now + 1900ms);
  EXPECT_EQ(reassembler.partials(), 0u);
  EXPECT_EQ(reassembler.partial_bytes(), 0u);
  EXPECT_EQ(reassembler.drops().at(Reject::Expired), 1u);
}

}  // namespace
}  // namespace seneschal::overlay
