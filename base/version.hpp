// Which program this is: the one source of its version.
#pragma once
#include <string>

namespace seneschal {

/// "0.1.0 (3f2a9c0d1e5b)": the project's version and the commit that it was built from; "-dirty" if files had been
/// changed, "unknown" if it was not built from a repository.
const std::string& version();

}  // namespace seneschal
