// Strong types for every id, view and position, so that they cannot be mixed up.
#pragma once
#include <compare>
#include <cstdint>
#include <functional>
#include <string>

namespace seneschal {

/// A number with a meaning. `Tag` makes each instantiation a type of its own.
template <class Tag, class Rep>
struct Strong {
  using rep = Rep;
  Rep value{};
  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : value(v) {}
  constexpr auto operator<=>(const Strong&) const = default;
  constexpr Strong next() const { return Strong(static_cast<Rep>(value + 1)); }
  constexpr Strong& operator++() {
    ++value;
    return *this;
  }
  constexpr Strong operator+(Rep n) const { return Strong(static_cast<Rep>(value + n)); }
};

using SiteId = Strong<struct SiteIdTag, std::uint16_t>;
/// Position of a server inside its site (Steward) or inside the flat group (BFT), from 0.
using ServerIndex = Strong<struct ServerIndexTag, std::uint16_t>;
using ClientId = Strong<struct ClientIdTag, std::uint32_t>;
/// An overlay daemon.
using NodeId = Strong<struct NodeIdTag, std::uint16_t>;
using Port = Strong<struct PortTag, std::uint32_t>;
using GroupId = Strong<struct GroupIdTag, std::uint32_t>;
/// Position in the global total order, from 1; 0 is "nothing yet".
using Seq = Strong<struct SeqTag, std::uint64_t>;
using GlobalView = Strong<struct GlobalViewTag, std::uint64_t>;
using LocalView = Strong<struct LocalViewTag, std::uint64_t>;
/// View of the flat baseline.
using View = Strong<struct ViewTag, std::uint64_t>;
/// A client's own counter; grows with every update it issues.
using Timestamp = Strong<struct TimestampTag, std::uint64_t>;
/// Names a pending job or persist of one core; never on the wire. 0 means "none".
using Ticket = Strong<struct TicketTag, std::uint64_t>;
/// Distinguishes deployments: signed into every message, so that nothing replays across them.
using DeploymentId = Strong<struct DeploymentIdTag, std::uint64_t>;

/// A replica. In the flat baseline there is one group, site 0, and `index` runs to n-1.
struct ServerId {
  SiteId site;
  ServerIndex index;
  auto operator<=>(const ServerId&) const = default;
};

/// Where a session or a plugin sends and receives datagrams.
struct EndpointId {
  NodeId node;
  Port port;
  auto operator<=>(const EndpointId&) const = default;
};

inline std::string to_string(ServerId id) {
  return std::to_string(id.site.value) + "/" + std::to_string(id.index.value);
}

}  // namespace seneschal

template <class Tag, class Rep>
struct std::hash<seneschal::Strong<Tag, Rep>> {
  std::size_t operator()(const seneschal::Strong<Tag, Rep>& s) const noexcept { return std::hash<Rep>{}(s.value); }
};
