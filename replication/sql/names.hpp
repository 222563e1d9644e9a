// Names of footprints of the `sql` application, for people.
#pragma once
#include "base/bytes.hpp"

#include <string>

namespace seneschal::replication::sql {

/// "account, row 17", "account, many rows", "shape of account". Empty if it is no such name; any bytes are safe.
std::string print_name(Span name);

}  // namespace seneschal::replication::sql
