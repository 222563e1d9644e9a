// What happened, as one running 64-bit number, and as text when somebody wants to read it.
#pragma once
#include "base/prng.hpp"
#include "base/time.hpp"

#include <cstdint>
#include <deque>
#include <string>

namespace seneschal::world {

/// The same scenario gives the same hash from every compiler and build. No cryptographic strength.
class Trace {
 public:
  void mix(std::uint64_t value) { hash_ = scatter(hash_ ^ value); }
  std::uint64_t hash() const { return hash_; }

  /// Keeps the last `lines` lines of text from now on; 0: none.
  void keep_text(std::size_t lines) { keep_ = lines; }
  bool wants_text() const { return keep_ != 0; }
  /// Adds a line, if text is wanted.
  void text(Instant at, const std::string& who, const std::string& what);
  /// The lines kept, oldest first.
  std::string lines() const;

 private:
  std::uint64_t hash_ = 0;
  std::size_t keep_ = 0;
  std::uint64_t dropped_ = 0;
  std::deque<std::string> lines_;
};

}  // namespace seneschal::world
