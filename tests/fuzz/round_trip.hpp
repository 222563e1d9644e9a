// What every decoder must hold against arbitrary bytes: it refuses, or what it accepted encodes to the same bytes.
#pragma once
#include "base/check.hpp"
#include "base/codec.hpp"

namespace seneschal::fuzz {

template <class M>
void round_trip(Span bytes) {
  std::vector<Span> nested;
  const auto decoded = decode<M>(bytes, &nested);
  for (const Span span : nested) {
    // Nested signed messages are parts of the input, never copies or anything beyond it.
    CHECK(span.data() >= bytes.data() && span.data() + span.size() <= bytes.data() + bytes.size());
  }
  if (!decoded) return;
  CHECK(equal(encode(*decoded), bytes));
  print(*decoded);
}

/// The first byte picks the type, the rest is decoded as it.
template <class... Ms>
void round_trip_one_of(Span input) {
  if (input.empty()) return;
  const std::size_t pick = input[0] % sizeof...(Ms);
  std::size_t index = 0;
  ((pick == index++ ? round_trip<Ms>(input.subspan(1)) : void()), ...);
}

}  // namespace seneschal::fuzz
