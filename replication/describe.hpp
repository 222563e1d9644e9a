// Operations and names of footprints of an application, for people.
#pragma once
#include "base/bytes.hpp"

#include <string>
#include <string_view>

namespace seneschal::replication {

/// One line, whatever the bytes. `application` is a name that `make_application` takes.
std::string print_operation(std::string_view application, Span operation);
/// A key, a row, a table. Empty if it is no such name.
std::string print_name(std::string_view application, Span name);

}  // namespace seneschal::replication
