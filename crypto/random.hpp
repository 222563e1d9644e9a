// Where key material and nonces come from: always an argument, so that tests and simulations can repeat a run.
#pragma once
#include "base/bytes.hpp"

#include <functional>
#include <span>

namespace seneschal::crypto {

/// Fills the given bytes with random ones.
using RandomSource = std::function<void(std::span<Byte>)>;

/// The operating system's generator, through OpenSSL. Aborts if there is no entropy: going on would give keys away.
RandomSource system_random();

}  // namespace seneschal::crypto
