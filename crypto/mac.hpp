// HMAC-SHA256 under one pairwise key.
#pragma once
#include "crypto/keys.hpp"
#include "crypto/secret.hpp"

#include <memory>

namespace seneschal::crypto {

/// All 32 bytes of HMAC-SHA256: for deriving keys.
SecretBytes hmac_sha256(Span key, Span message);
/// Constant-time comparison; false if the lengths differ.
bool equal_constant_time(Span a, Span b);

/// A keyed context that is made once and restarted for each message (two SHA-256 blocks less per MAC). Thread-safe:
/// a mutex guards the context for less than a microsecond.
class MacKey {
 public:
  explicit MacKey(Span key);
  ~MacKey();
  MacKey(MacKey&&) noexcept;
  MacKey& operator=(MacKey&&) noexcept;

  /// HMAC-SHA256 cut to 16 bytes.
  Mac mac(Span message) const;
  /// Constant-time; false for a MAC of any other length.
  bool verify(Span message, Span mac) const;

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace seneschal::crypto
