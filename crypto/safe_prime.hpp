// Safe primes p = 2p' + 1 with p' prime: what a threshold RSA modulus is made of.
#pragma once
#include "base/result.hpp"
#include "crypto/random.hpp"
#include "crypto/secret.hpp"

#include <functional>

namespace seneschal::crypto {

/// Asked from any thread while keys are made.
using StopSearch = std::function<bool()>;

/// The secret factors of a modulus, big-endian.
struct SafePrimePair {
  SecretBytes p;
  SecretBytes q;
};

/// A random safe prime of exactly `bits` bits whose two top bits are set, so that the product of two has exactly
/// twice as many. Error unless `bits` is a multiple of 32 from 128 to 2048. About half a second at 1,024 bits, ten at
/// 2,048: `stop` is asked every few milliseconds, and ends the search with an error as soon as it says true.
Result<SecretBytes> generate_safe_prime(unsigned bits, const RandomSource& random, const StopSearch& stop = {});
/// Two different ones of `modulus_bits / 2` bits each.
Result<SafePrimePair> generate_safe_primes(unsigned modulus_bits, const RandomSource& random,
                                           const StopSearch& stop = {});
/// True if `number` is p = 2p' + 1 with both prime (error probability below 2^-64).
bool is_safe_prime(const SecretBytes& number);

}  // namespace seneschal::crypto
