// SHA-256 over OpenSSL.
#pragma once
#include "base/bytes.hpp"

#include <initializer_list>

namespace seneschal::crypto {

/// SHA-256 of one byte string. Fails never: OpenSSL's digest cannot fail on memory it was given (CHECKed).
Digest sha256(Span bytes);
/// SHA-256 of the concatenation of `parts`.
Digest sha256(std::initializer_list<Span> parts);

}  // namespace seneschal::crypto
