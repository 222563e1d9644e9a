// Real keys for simulated runs: the same at every run and in every build, so that what is signed with them is, too.
// They are made from numbers that everybody can read here and protect nothing.
#pragma once
#include "lab/sim/assembly.hpp"

namespace seneschal::lab::sim {

struct RealKeys {
  /// Each principal asked for gets its keys with nonces from a stream of its own that begins anew: ask once per
  /// principal and world. A client that is not of the deployment gets keys to join it with.
  KeySource keys;
  /// What the servers must be told of such a client.
  std::function<crypto::ClientKeys(ClientId)> joining;
};

/// Makes every key of the deployment: Ed25519, X25519, and 512-bit threshold keys.
Result<RealKeys> real_keys(const Deployment& deployment, const emulator::CostModel& costs);

}  // namespace seneschal::lab::sim
