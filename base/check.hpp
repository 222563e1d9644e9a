// CHECK: an invariant of our own state. On in every build. It must never depend on a message's content.
#pragma once

namespace seneschal::detail {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}

#define CHECK(condition)                               \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::seneschal::detail::check_failed(#condition, __FILE__, __LINE__))
