#include "base/principal.hpp"

namespace seneschal {

std::string to_string(const Principal& principal) {
  switch (principal.kind) {
    case PrincipalKind::Server: return "server " + to_string(principal.server());
    case PrincipalKind::Site: return "site " + std::to_string(principal.value);
    case PrincipalKind::Client: return "client " + std::to_string(principal.value);
    case PrincipalKind::Node: return "node " + std::to_string(principal.value);
  }
  return "nobody";
}

}  // namespace seneschal
