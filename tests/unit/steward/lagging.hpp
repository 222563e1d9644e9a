// Servers that fall behind while others go on.
#pragma once
#include "bed.hpp"

namespace seneschal::steward::testing {

inline Settings often() {
  Settings s;
  s.window = 8;
  s.checkpoint_interval = 8;
  s.history_span = s.history_kept = 24;
  s.batch_max = 1;
  return s;
}

/// One client issues `count` updates, one after the other.
inline bool put_many(Bed& bed, ClientId client, int count, Duration limit = 60s) {
  for (int i = 0; i < count; ++i) {
    bed.put(client, "k" + std::to_string(i % 50), "value" + std::to_string(i));
    if (!bed.run_while(limit, [&] { return !bed.at(client).client().idle(); })) return false;
    bed.at(client).client().take_completions();
  }
  return true;
}

inline auto cut_off(std::function<bool(const Principal&)> away) {
  return [away](const Bed::Datagram& m) { return away(m.from) != away(m.to); };
}
inline auto site_is(unsigned site) {
  return [site](const Principal& p) { return p.is_server() ? p.server().site.value == site : p.value == site + 1; };
}

}  // namespace seneschal::steward::testing
