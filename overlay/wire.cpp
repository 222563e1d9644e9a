#include "overlay/wire.hpp"

namespace seneschal::overlay {
namespace {

Byte* put(Byte* at, std::uint64_t value, int width) {
  for (int shift = (width - 1) * 8; shift >= 0; shift -= 8) *at++ = static_cast<Byte>(value >> shift);
  return at;
}

std::uint64_t take(const Byte*& at, int width) {
  std::uint64_t value = 0;
  for (int i = 0; i < width; ++i) value = value << 8 | *at++;
  return value;
}

// The same bytes as encode(header), without a vector; a test compares the two.
Byte* put(Byte* at, const DataHeader& h) {
  at = put(at, static_cast<std::uint8_t>(h.service), 1);
  at = put(at, static_cast<std::uint8_t>(h.kind), 1);
  at = put(at, h.ttl, 1);
  at = put(at, h.source.node.value, 2);
  at = put(at, h.source.port.value, 4);
  at = put(at, h.to_node.value, 2);
  at = put(at, h.to, 4);
  at = put(at, h.message, 4);
  at = put(at, h.total, 4);
  at = put(at, h.chunk, 2);
  return put(at, h.index, 2);
}

std::expected<DataHeader, Reject> take_header(const Byte*& at) {
  DataHeader h;
  const std::uint64_t service = take(at, 1);
  const std::uint64_t kind = take(at, 1);
  if (service > static_cast<std::uint8_t>(Service::kLast)) return std::unexpected(Reject::Malformed);
  if (kind > static_cast<std::uint8_t>(TargetKind::kLast)) return std::unexpected(Reject::Malformed);
  h.service = static_cast<Service>(service);
  h.kind = static_cast<TargetKind>(kind);
  h.ttl = static_cast<std::uint8_t>(take(at, 1));
  h.source.node = NodeId(static_cast<std::uint16_t>(take(at, 2)));
  h.source.port = Port(static_cast<std::uint32_t>(take(at, 4)));
  h.to_node = NodeId(static_cast<std::uint16_t>(take(at, 2)));
  h.to = static_cast<std::uint32_t>(take(at, 4));
  h.message = static_cast<std::uint32_t>(take(at, 4));
  h.total = static_cast<std::uint32_t>(take(at, 4));
  h.chunk = static_cast<std::uint16_t>(take(at, 2));
  h.index = static_cast<std::uint16_t>(take(at, 2));
  return h;
}

// Whether the header can be true of a packet that carries `payload` bytes.
std::optional<Reject> check(const DataHeader& h, std::size_t payload) {
  if (h.kind == TargetKind::Multicast && h.to_node.value != 0) return Reject::NotCanonical;
  if (h.whole() && h.chunk != h.total) return Reject::NotCanonical;
  if (h.chunk == 0 && h.total != 0) return Reject::Malformed;
  if (h.index >= h.pieces()) return Reject::Malformed;
  if (payload < h.piece_bytes()) return Reject::TooShort;
  if (payload > h.piece_bytes()) return Reject::TrailingBytes;
  return std::nullopt;
}

}  // namespace

std::size_t write_header(const Frame& frame, HeaderBuffer& out) {
  if (!frame.is_data()) return 0;
  Byte* at = put(out.data(), kMagic, 2);
  at = put(at, kWireVersion, 1);
  at = put(at, static_cast<std::uint8_t>(frame.type), 1);
  if (frame.type == FrameType::ReliableData) {
    at = put(at, frame.reliable.boot, 8);
    at = put(at, frame.reliable.seq, 8);
    at = put(at, frame.reliable.lag, 2);
  }
  at = put(at, frame.header);
  return static_cast<std::size_t>(at - out.data());
}

std::expected<Frame, Reject> parse_frame(SharedBytes datagram) {
  const Span all = *datagram;
  if (all.size() < kPrefixBytes) return std::unexpected(Reject::TooShort);
  const Byte* at = all.data();
  if (take(at, 2) != kMagic) return std::unexpected(Reject::WrongProtocol);
  if (take(at, 1) != kWireVersion) return std::unexpected(Reject::WrongVersion);
  const std::uint64_t type = take(at, 1);
  if (type > static_cast<std::uint8_t>(FrameType::kLast)) return std::unexpected(Reject::UnknownType);
  Frame frame;
  frame.type = static_cast<FrameType>(type);
  const std::size_t header = frame.header_bytes();
  if (all.size() < header) return std::unexpected(Reject::TooShort);
  if (frame.type == FrameType::ReliableData) {
    frame.reliable.boot = take(at, 8);
    frame.reliable.seq = take(at, 8);
    frame.reliable.lag = static_cast<std::uint16_t>(take(at, 2));
  }
  frame.payload = all.subspan(header);
  if (frame.is_data()) {
    const auto read = take_header(at);
    if (!read) return std::unexpected(read.error());
    frame.header = *read;
    if (const auto wrong = check(frame.header, frame.payload.size())) return std::unexpected(*wrong);
  }
  frame.owner = std::move(datagram);
  return frame;
}

SharedBytes Delivery::bytes() const {
  if (owner && payload.data() == owner->data() && payload.size() == owner->size()) return owner;
  return share(to_bytes(payload));
}

}  // namespace seneschal::overlay
