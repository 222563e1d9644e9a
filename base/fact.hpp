// What must stay as it was between two lives of a program that keeps something on a disk.
#pragma once
#include <string>

namespace seneschal {

/// One thing that says what was kept means, such as "application" and "kv". Neither text has control characters, and
/// a name has no blanks.
struct Fact {
  std::string name;
  std::string value;
  bool may_grow = false;  // the value is a number, and a later life may have a larger one
  bool operator==(const Fact&) const = default;
};

}  // namespace seneschal
