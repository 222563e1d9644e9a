#include "base/version.hpp"

#include <commit.hpp>  // made at each build

namespace seneschal {

const std::string& version() {
  static const std::string text = SENESCHAL_VERSION " (" SENESCHAL_COMMIT ")";
  return text;
}

}  // namespace seneschal
