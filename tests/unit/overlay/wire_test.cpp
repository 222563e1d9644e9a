#include "overlay/wire.hpp"

#include "base/prng.hpp"

#include <gtest/gtest.h>

namespace seneschal::overlay {
namespace {

DataHeader sample_header() {
  DataHeader h;
  h.ttl = 7;
  h.source = {NodeId(3), Port(70000)};
  h.to_node = NodeId(9);
  h.to = 0x01020304;
  h.message = 0xdeadbeef;
  h.total = 2500;
  h.chunk = 1000;
  h.index = 2;
  return h;
}

Frame sample_frame(FrameType type) {
  Frame frame;
  frame.type = type;
  frame.reliable = {11, 12, 3};
  frame.header = sample_header();
  frame.owner = share(Bytes(500, 0x5a));
  frame.payload = *frame.owner;
  return frame;
}

Bytes datagram_of(const Frame& frame) {
  HeaderBuffer header;
  const std::size_t size = write_header(frame, header);
  EXPECT_EQ(size, frame.header_bytes());
  Bytes bytes(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(size));
  append(bytes, frame.payload);
  EXPECT_EQ(bytes.size(), frame.bytes());
  return bytes;
}

template <class M>
void round_trip(const M& message) {
  const Frame frame = control_frame(message);
  const auto parsed = parse_frame(frame.owner);
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->type, M::kType);
  const auto decoded = decode_control<M>(*parsed);
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(*decoded, message);
  EXPECT_EQ(*control_frame(*decoded).owner, *frame.owner);
}

TEST(OverlayWire, ControlMessagesComeBackAsTheyWere) {
  round_trip(Hello{1, 2});
  round_trip(HelloReply{3, 4});
  LinkState state;
  state.id = {NodeId(1), 2, 3};
  state.age_s = 4;
  state.neighbours.items = {{NodeId(2), 5}, {NodeId(6), 7}};
  state.groups.items = {GroupId(1), GroupId(9)};
  round_trip(state);
  round_trip(LinkStateAck{{NodeId(1), 2, 3}});
  ReliableAck ack{1, 2, {}};
  ack.bits[3] = 0x8000000000000001;
  round_trip(ack);
}

TEST(OverlayWire, DataHeaderHasTheBytesOfItsFieldList) {
  const Frame frame = sample_frame(FrameType::ReliableData);
  const Bytes bytes = datagram_of(frame);
  Bytes expected = {0x53, 0x4e, 1, static_cast<Byte>(FrameType::ReliableData)};
  append(expected, encode(frame.reliable));
  append(expected, encode(frame.header));
  EXPECT_EQ(expected.size(), kMaxHeaderBytes);
  EXPECT_TRUE(equal(Span(bytes).first(kMaxHeaderBytes), expected));
}

TEST(OverlayWire, DataPacketsComeBackAsTheyWere) {
  for (FrameType type : {FrameType::Data, FrameType::ReliableData}) {
    const Frame frame = sample_frame(type);
    const auto parsed = parse_frame(share(datagram_of(frame)));
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->type, type);
    EXPECT_EQ(parsed->header, frame.header);
    if (type == FrameType::ReliableData) {
      EXPECT_EQ(parsed->reliable, frame.reliable);
    }
    EXPECT_TRUE(equal(parsed->payload, frame.payload));
  }
}

TEST(OverlayWire, EmptyPayloadIsOnePiece) {
  Frame frame;
  frame.owner = share({});
  const auto parsed = parse_frame(share(datagram_of(frame)));
  ASSERT_TRUE(parsed.has_value());
  EXPECT_EQ(parsed->header.pieces(), 1u);
  EXPECT_TRUE(parsed->payload.empty());
}

Reject reject_of(const Frame& frame) {
  const auto parsed = parse_frame(share(datagram_of(frame)));
  return parsed ? Reject::kLast : parsed.error();
}

TEST(OverlayWire, RefusesHeadersThatCannotBeTrue) {
  Frame frame = sample_frame(FrameType::Data);
  frame.header.index = 3;  // of three pieces
  EXPECT_EQ(reject_of(frame), Reject::Malformed);
  frame = sample_frame(FrameType::Data);
  frame.header.index = 0;  // would have to carry 1000 bytes
  EXPECT_EQ(reject_of(frame), Reject::TooShort);
  frame = sample_frame(FrameType::Data);
  frame.header.total = 2400;
  EXPECT_EQ(reject_of(frame), Reject::TrailingBytes);
  frame = sample_frame(FrameType::Data);
  frame.header.chunk = 0;
  EXPECT_EQ(reject_of(frame), Reject::Malformed);
  frame = sample_frame(FrameType::Data);
  frame.header.chunk = 5000;
  EXPECT_EQ(reject_of(frame), Reject::NotCanonical);
  frame = sample_frame(FrameType::Data);
  frame.header.kind = TargetKind::Multicast;  // with a node
  EXPECT_EQ(reject_of(frame), Reject::NotCanonical);
}

TEST(OverlayWire, RefusesOtherProtocolsAndVersions) {
  Bytes bytes = datagram_of(sample_frame(FrameType::Data));
  const auto refusal = [](Bytes changed) { return parse_frame(share(std::move(changed))).error(); };
  for (auto [at, value, reason] : {std::tuple{0, 0, Reject::WrongProtocol}, std::tuple{2, 9, Reject::WrongVersion},
                                   std::tuple{3, 200, Reject::UnknownType}, std::tuple{4, 2, Reject::Malformed}}) {
    Bytes changed = bytes;
    changed[static_cast<std::size_t>(at)] = static_cast<Byte>(value);
    EXPECT_EQ(refusal(changed), reason) << at;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(parse_frame(share(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size))))) << size;
}

TEST(OverlayWire, WhatParsesEncodesToTheSameBytes) {
  Prng prng(7);
  int parsed_any = 0;
  const Bytes base = datagram_of(sample_frame(FrameType::Data));
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = base;
    for (std::uint64_t n = prng.below(3); n > 0; --n)
      bytes[prng.below(kDataHeaderBytes)] = static_cast<Byte>(prng.next());
    const auto frame = parse_frame(share(Bytes(bytes)));
    if (!frame) continue;
    ++parsed_any;
    EXPECT_EQ(datagram_of(*frame), bytes);
  }
  EXPECT_GT(parsed_any, 1000);
}

TEST(OverlayWire, DeliveryOfAWholeMessageSharesItsBytes) {
  const SharedBytes owner = share(Bytes(10, 1));
  EXPECT_EQ((Delivery{{}, GroupId(1), owner, *owner}.bytes()), owner);
  const Delivery part{{}, GroupId(1), owner, Span(*owner).subspan(2)};
  EXPECT_NE(part.bytes(), owner);
  EXPECT_EQ(part.bytes()->size(), 8u);
}

}  // namespace
}  // namespace seneschal::overlay
