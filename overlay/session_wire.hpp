// What a session and its node say to each other over the Unix socket: one message per packet (SOCK_SEQPACKET), a type
// byte, the codec's fields, then the payload up to the packet's end.
#pragma once
#include "overlay/wire.hpp"

namespace seneschal::overlay {

constexpr std::size_t kMaxSessionTargets = 1024;
/// Ports of one session: who needs more opens another session.
constexpr std::size_t kMaxSessionPorts = 256;
/// Largest packet on the session socket.
constexpr std::size_t kMaxSessionPacket = 256 * 1024 + 16 * 1024;

enum class SessionType : std::uint8_t { Open, Close, Join, Leave, Send, Answer, Datagram, kLast = Datagram };

struct SessionTarget {
  TargetKind kind = TargetKind::Unicast;
  NodeId node;  // multicast: 0
  std::uint32_t value = 0;
  auto operator<=>(const SessionTarget&) const = default;
  auto fields() { return std::tie(kind, node, value); }

  static SessionTarget of(const Target& target) {
    if (const auto* endpoint = std::get_if<EndpointId>(&target))
      return {TargetKind::Unicast, endpoint->node, endpoint->port.value};
    return {TargetKind::Multicast, NodeId(0), std::get<GroupId>(target).value};
  }
  Target target() const {
    if (kind == TargetKind::Multicast) return GroupId(value);
    return EndpointId{node, Port(value)};
  }
};

/// Open, Close, Join, Leave. `group` is 0 for the first two. Open and Join are answered.
struct SessionRequest {
  static constexpr const char* kName = "SessionRequest";
  Port port;
  GroupId group;
  bool operator==(const SessionRequest&) const = default;
  auto fields() { return std::tie(port, group); }
};

/// Send; the payload follows.
struct SessionSend {
  static constexpr const char* kName = "SessionSend";
  Port source;
  Service service = Service::BestEffort;
  List<SessionTarget, kMaxSessionTargets> targets;
  bool operator==(const SessionSend&) const = default;
  auto fields() { return std::tie(source, service, targets); }
};

/// The node's answer to an Open or a Join.
struct SessionAnswer {
  static constexpr const char* kName = "SessionAnswer";
  SessionType request = SessionType::Open;
  NodeId node;  // the node's own id
  std::optional<Reject> refused;
  bool operator==(const SessionAnswer&) const = default;
  auto fields() { return std::tie(request, node, refused); }
};

/// A datagram for one of the session's ports; the payload follows.
struct SessionDatagram {
  static constexpr const char* kName = "SessionDatagram";
  Port port;
  EndpointId source;
  SessionTarget target;
  bool operator==(const SessionDatagram&) const = default;
  auto fields() { return std::tie(port, source, target); }
};

/// Type byte and fields; the payload is sent behind it.
template <class M>
Bytes session_packet(SessionType type, const M& message) {
  Bytes bytes;
  bytes.reserve(64);
  bytes.push_back(static_cast<Byte>(type));
  Writer writer(bytes);
  encode_to(writer, message);
  return bytes;
}

/// Reads the fields behind the type byte and leaves the payload in `rest`. For messages without payload `rest` must
/// be empty; the caller checks.
template <class M>
std::expected<M, Reject> read_session(Span packet, Span& rest) {
  if (packet.empty()) return std::unexpected(Reject::TooShort);
  Reader reader(packet.subspan(1));
  M message{};
  if (!decode_from(reader, message)) return std::unexpected(reader.reason());
  rest = packet.last(reader.remaining());
  return message;
}

}  // namespace seneschal::overlay
