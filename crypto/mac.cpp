#include "crypto/mac.hpp"

#include "crypto/openssl.hpp"

#include <openssl/core_names.h>
#include <openssl/hmac.h>
#include <openssl/params.h>

#include <algorithm>
#include <mutex>

namespace seneschal::crypto {

struct MacKey::Context {
  std::mutex mutex;
  std::unique_ptr<EVP_MAC_CTX, FreeWith<EVP_MAC_CTX_free>> hmac;
};

MacKey::MacKey(Span key) : context_(std::make_unique<Context>()) {
  std::unique_ptr<EVP_MAC, FreeWith<EVP_MAC_free>> algorithm(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  CHECK(algorithm != nullptr);
  context_->hmac.reset(EVP_MAC_CTX_new(algorithm.get()));
  CHECK(context_->hmac != nullptr);
  char digest[] = "SHA256";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                         OSSL_PARAM_construct_end()};
  CHECK(EVP_MAC_init(context_->hmac.get(), key.data(), key.size(), params) == 1);
}

MacKey::~MacKey() = default;
MacKey::MacKey(MacKey&&) noexcept = default;
MacKey& MacKey::operator=(MacKey&&) noexcept = default;

Mac MacKey::mac(Span message) const {
  std::array<Byte, 32> full;
  std::size_t length = 0;
  {
    std::lock_guard lock(context_->mutex);
    EVP_MAC_CTX* hmac = context_->hmac.get();
    // A null key restarts with the key (already hashed into the pads) that the context holds.
    CHECK(EVP_MAC_init(hmac, nullptr, 0, nullptr) == 1);
    CHECK(EVP_MAC_update(hmac, message.data(), message.size()) == 1);
    CHECK(EVP_MAC_final(hmac, full.data(), &length, full.size()) == 1 && length == full.size());
  }
  Mac cut;
  std::copy_n(full.begin(), cut.size(), cut.begin());
  return cut;
}

bool MacKey::verify(Span message, Span expected) const {
  return equal_constant_time(mac(message), expected);
}

bool equal_constant_time(Span a, Span b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

SecretBytes hmac_sha256(Span key, Span message) {
  SecretBytes out(std::size_t{32});
  CHECK(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(), message.size(),
             out.expose().data(), nullptr) != nullptr);
  return out;
}

}  // namespace seneschal::crypto
