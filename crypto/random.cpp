#include "crypto/random.hpp"

#include "base/check.hpp"
#include "crypto/secret.hpp"

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace seneschal::crypto {

RandomSource system_random() {
  return [](std::span<Byte> out) { CHECK(RAND_priv_bytes(out.data(), static_cast<int>(out.size())) == 1); };
}

void SecretBytes::wipe() {
  if (!bytes_.empty()) OPENSSL_cleanse(bytes_.data(), bytes_.size());
}

}  // namespace seneschal::crypto
