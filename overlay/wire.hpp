// What travels between overlay nodes. Every packet starts with magic, version and type; control messages are whole
// codec messages after that; data packets have a header of fixed size, so that a forwarder copies no payload.
#pragma once
#include "base/codec.hpp"
#include "overlay/config.hpp"

namespace seneschal::overlay {

constexpr std::uint16_t kMagic = 0x534e;
constexpr std::uint8_t kWireVersion = 1;
constexpr std::size_t kMaxNeighbours = 64;
constexpr std::size_t kMaxGroups = 192;
/// Reliable packets in flight on a link; what one selective acknowledgement can name.
constexpr std::size_t kReliableWindow = 256;
/// IPv4 and UDP headers: what a packet costs on the wire beyond its own bytes.
constexpr std::size_t kIpUdpBytes = 28;

enum class FrameType : std::uint8_t {
  Hello,
  HelloReply,
  LinkState,
  LinkStateAck,
  Data,
  ReliableData,
  ReliableAck,
  kLast = ReliableAck
};

enum class Service : std::uint8_t { BestEffort, Reliable, kLast = Reliable };
enum class TargetKind : std::uint8_t { Unicast, Multicast, kLast = Multicast };

/// "Are you there?" The reply repeats `seq`; the asker remembers when it asked, so that nobody can lie about time.
struct Hello {
  static constexpr FrameType kType = FrameType::Hello;
  static constexpr const char* kName = "Hello";
  std::uint64_t boot = 0;
  std::uint32_t seq = 0;
  bool operator==(const Hello&) const = default;
  auto fields() { return std::tie(boot, seq); }
};

struct HelloReply {
  static constexpr FrameType kType = FrameType::HelloReply;
  static constexpr const char* kName = "HelloReply";
  std::uint64_t boot = 0;  // of the asker
  std::uint32_t seq = 0;
  bool operator==(const HelloReply&) const = default;
  auto fields() { return std::tie(boot, seq); }
};

struct Neighbour {
  NodeId node;
  std::uint32_t cost_us = 0;
  auto operator<=>(const Neighbour&) const = default;
  auto fields() { return std::tie(node, cost_us); }
};

/// Names one version of one node's link state; later versions compare greater.
struct LinkStateId {
  NodeId origin;
  std::uint64_t boot = 0;
  std::uint32_t seq = 0;
  auto operator<=>(const LinkStateId&) const = default;
  auto fields() { return std::tie(origin, boot, seq); }
};

/// A node's live links and the groups it has members of; flooded.
struct LinkState {
  static constexpr FrameType kType = FrameType::LinkState;
  static constexpr const char* kName = "LinkState";
  LinkStateId id;
  std::uint16_t age_s = 0;
  SortedList<Neighbour, kMaxNeighbours> neighbours;
  SortedList<GroupId, kMaxGroups> groups;
  bool operator==(const LinkState&) const = default;
  auto fields() { return std::tie(id, age_s, neighbours, groups); }
};

struct LinkStateAck {
  static constexpr FrameType kType = FrameType::LinkStateAck;
  static constexpr const char* kName = "LinkStateAck";
  LinkStateId id;
  bool operator==(const LinkStateAck&) const = default;
  auto fields() { return std::tie(id); }
};

/// Everything below `base` has arrived, and `base + 1 + i` for every bit i (of word i / 64) that is set.
struct ReliableAck {
  static constexpr FrameType kType = FrameType::ReliableAck;
  static constexpr const char* kName = "ReliableAck";
  std::uint64_t boot = 0;  // of the sender of the packets
  std::uint64_t base = 0;
  std::array<std::uint64_t, kReliableWindow / 64> bits{};
  bool operator==(const ReliableAck&) const = default;
  auto fields() { return std::tie(boot, base, bits[0], bits[1], bits[2], bits[3]); }
  static_assert(kReliableWindow == 4 * 64);
};

/// Before the data header of a ReliableData packet.
struct ReliableHeader {
  std::uint64_t boot = 0;  // of the sending node
  std::uint64_t seq = 0;   // per link, from 1
  std::uint16_t lag = 0;   // seq minus the sender's lowest unacknowledged one: a restarted receiver catches up
  bool operator==(const ReliableHeader&) const = default;
  auto fields() { return std::tie(boot, seq, lag); }
};

/// Of every data packet. A message is cut into pieces of `chunk` bytes (the last may be shorter); each says which
/// one it is and how long the whole is, so that a piece that lies about its place is seen alone.
struct DataHeader {
  Service service = Service::BestEffort;
  TargetKind kind = TargetKind::Unicast;
  std::uint8_t ttl = 0;
  EndpointId source;
  NodeId to_node;             // multicast: 0
  std::uint32_t to = 0;       // port, or group
  std::uint32_t message = 0;  // unique for the source node for a while
  std::uint32_t total = 0;    // bytes of the whole message
  std::uint16_t chunk = 0;
  std::uint16_t index = 0;
  bool operator==(const DataHeader&) const = default;
  auto fields() { return std::tie(service, kind, ttl, source, to_node, to, message, total, chunk, index); }

  std::uint32_t pieces() const { return total <= chunk ? 1 : (total + chunk - 1u) / chunk; }
  bool whole() const { return total <= chunk; }
  /// Bytes that a packet with this header must carry. Needs `index < pieces()`.
  std::size_t piece_bytes() const {
    return index + 1u < pieces() ? chunk : total - static_cast<std::size_t>(index) * chunk;
  }
  Target target() const {
    if (kind == TargetKind::Multicast) return GroupId(to);
    return EndpointId{to_node, Port(to)};
  }
};

constexpr std::size_t kPrefixBytes = 4;
constexpr std::size_t kDataHeaderBytes = kPrefixBytes + 27;
constexpr std::size_t kReliableHeaderBytes = 18;
constexpr std::size_t kMaxHeaderBytes = kDataHeaderBytes + kReliableHeaderBytes;

/// One packet on one link. In memory the payload is a window into shared bytes, so that a message that is sent to
/// many, forwarded or simulated is never copied; `owner` keeps the window alive.
struct Frame {
  FrameType type = FrameType::Data;
  ReliableHeader reliable;  // ReliableData only
  DataHeader header;        // Data and ReliableData only
  SharedBytes owner;
  Span payload;  // data: the piece; control: the whole encoded packet, prefix included

  bool is_data() const { return type == FrameType::Data || type == FrameType::ReliableData; }
  std::size_t header_bytes() const {
    if (type == FrameType::Data) return kDataHeaderBytes;
    return type == FrameType::ReliableData ? kMaxHeaderBytes : 0;
  }
  /// Bytes of the UDP datagram; IP and UDP headers not included.
  std::size_t bytes() const { return header_bytes() + payload.size(); }
};

using HeaderBuffer = std::array<Byte, kMaxHeaderBytes>;

/// Writes the bytes that precede `frame.payload` in its datagram; returns how many (`frame.header_bytes()`).
std::size_t write_header(const Frame& frame, HeaderBuffer& out);

/// The packet in `datagram`; the result's payload is a window into it. Checks form only: control messages are decoded
/// by the node.
std::expected<Frame, Reject> parse_frame(SharedBytes datagram);

/// The frame of a control message.
template <class M>
Frame control_frame(const M& message) {
  Bytes bytes;
  bytes.reserve(64);
  Writer writer(bytes);
  writer.number(kMagic, 2);
  writer.number(kWireVersion, 1);
  writer.number(static_cast<std::uint8_t>(M::kType), 1);
  encode_to(writer, message);
  Frame frame;
  frame.type = M::kType;
  frame.owner = share(std::move(bytes));
  frame.payload = *frame.owner;
  return frame;
}

/// The message in a control frame of type `M::kType`.
template <class M>
std::expected<M, Reject> decode_control(const Frame& frame) {
  if (frame.payload.size() < kPrefixBytes) return std::unexpected(Reject::TooShort);
  return decode<M>(frame.payload.subspan(kPrefixBytes));
}

/// A datagram for a local endpoint.
struct Delivery {
  EndpointId source;
  Target target;
  SharedBytes owner;  // keeps `payload` alive
  Span payload;

  /// The payload as shared bytes of its own: `owner` itself if the payload is all of it, else a copy.
  SharedBytes bytes() const;
};

}  // namespace seneschal::overlay
