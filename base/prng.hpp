// Integer pseudo-random numbers for simulation, jitter and tests; never for keys.
#pragma once
#include <cstdint>
#include <string_view>

namespace seneschal {

/// One 64-bit step of SplitMix64's output function: a bijection that scatters its input.
constexpr std::uint64_t scatter(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

constexpr std::uint64_t hash_name(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

/// A draw named by identity instead of by order (stream, source, destination, n-th): removing one fault
/// from a plan leaves all other draws alone.
constexpr std::uint64_t keyed_draw(std::uint64_t seed, std::uint64_t stream, std::uint64_t source,
                                   std::uint64_t destination, std::uint64_t nth) {
  return scatter(scatter(scatter(scatter(scatter(seed) ^ stream) ^ source) ^ destination) ^ nth);
}

/// `numerator` out of `denominator`, decided by a draw: true with that probability.
constexpr bool chance(std::uint64_t draw, std::uint64_t numerator, std::uint64_t denominator) {
  return draw % denominator < numerator;
}

/// Sequential generator (SplitMix64). Copyable; forks by name are independent of how much was drawn.
class Prng {
 public:
  constexpr explicit Prng(std::uint64_t seed) : seed_(seed), state_(seed) {}
  constexpr std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15ULL;
    return scatter(state_);
  }
  /// Uniform in [0, bound); 0 if bound is 0. The bias is below bound/2^64.
  constexpr std::uint64_t below(std::uint64_t bound) {
    return bound == 0 ? 0 : static_cast<std::uint64_t>((static_cast<Wide>(next()) * bound) >> 64);
  }
  /// Uniform in [low, high].
  constexpr std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + below(high - low + 1); }
  constexpr bool chance(std::uint64_t numerator, std::uint64_t denominator) { return below(denominator) < numerator; }
  constexpr Prng fork(std::string_view name) const { return Prng(scatter(seed_ ^ hash_name(name))); }
  constexpr Prng fork(std::uint64_t key) const { return Prng(scatter(scatter(seed_) ^ key)); }
  using result_type = std::uint64_t;
  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }
  constexpr std::uint64_t operator()() { return next(); }

 private:
  __extension__ typedef unsigned __int128 Wide;
  std::uint64_t seed_;
  std::uint64_t state_;
};

}  // namespace seneschal
