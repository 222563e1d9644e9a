// Who signs, who is spoken to.
#pragma once
#include "base/ids.hpp"

#include <cstdint>
#include <string>
#include <tuple>

namespace seneschal {

enum class PrincipalKind : std::uint8_t { Server, Site, Client, Node, kLast = Node };

/// Anybody who holds a key: a server, a whole site (threshold key), a client, an overlay node.
struct Principal {
  PrincipalKind kind = PrincipalKind::Server;
  std::uint32_t value = 0;  // server: site * 65536 + index

  auto operator<=>(const Principal&) const = default;

  static constexpr Principal of(ServerId id) {
    return {PrincipalKind::Server, static_cast<std::uint32_t>(id.site.value) << 16 | id.index.value};
  }
  static constexpr Principal of(SiteId id) { return {PrincipalKind::Site, id.value}; }
  static constexpr Principal of(ClientId id) { return {PrincipalKind::Client, id.value}; }
  static constexpr Principal of(NodeId id) { return {PrincipalKind::Node, id.value}; }

  /// Meaningful only if `kind` is Server.
  constexpr ServerId server() const {
    return {SiteId(static_cast<std::uint16_t>(value >> 16)), ServerIndex(static_cast<std::uint16_t>(value))};
  }
  constexpr SiteId site() const { return SiteId(static_cast<std::uint16_t>(value)); }
  constexpr ClientId client() const { return ClientId(value); }
  constexpr bool is_server() const { return kind == PrincipalKind::Server; }
  constexpr bool is_site() const { return kind == PrincipalKind::Site; }
  constexpr bool is_client() const { return kind == PrincipalKind::Client; }

  auto fields() { return std::tie(kind, value); }
};

/// "server 2/0", "site 3", "client 17", "node 4".
std::string to_string(const Principal& principal);

}  // namespace seneschal
