// What effects say, for adversaries that change it.
#pragma once
#include "runtime/effects.hpp"

namespace seneschal::lab::sim {

template <Message M>
bool is(const Effects::Send& send) {
  return send.header.protocol == M::kProtocol && send.header.type == M::kType;
}

/// `change(message)` if that is what is sent.
template <Message M, class F>
void rewrite(Effects::Send& send, F&& change) {
  if (!is<M>(send)) return;
  auto message = decode<M>(send.body);
  if (!message) return;
  change(*message);
  send.body = encode(*message);
}

/// The same once more, for others only and at once.
inline Effects::Send again(const Effects::Send& send) {
  Effects::Send copy = send;
  copy.options.loopback = false;
  copy.options.after = {};
  return copy;
}

}  // namespace seneschal::lab::sim
