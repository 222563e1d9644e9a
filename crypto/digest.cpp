#include "crypto/digest.hpp"

#include "crypto/openssl.hpp"

namespace seneschal::crypto {

namespace {
// Fetching the algorithm and allocating a context cost more than hashing a short message, so each thread keeps both.
struct Sha256 {
  EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  MdCtx context{EVP_MD_CTX_new()};

  Sha256() {
    CHECK(algorithm != nullptr && context != nullptr);
    CHECK(EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1);
  }
  ~Sha256() { EVP_MD_free(algorithm); }
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
};

EVP_MD_CTX* fresh_context() {
  thread_local Sha256 sha;
  // A null algorithm restarts the one the context already has.
  CHECK(EVP_DigestInit_ex2(sha.context.get(), nullptr, nullptr) == 1);
  return sha.context.get();
}

Digest finish(EVP_MD_CTX* context) {
  Digest digest;
  CHECK(EVP_DigestFinal_ex(context, digest.bytes.data(), nullptr) == 1);
  return digest;
}
}  // namespace

Digest sha256(Span bytes) {
  EVP_MD_CTX* context = fresh_context();
  CHECK(EVP_DigestUpdate(context, bytes.data(), bytes.size()) == 1);
  return finish(context);
}

Digest sha256(std::initializer_list<Span> parts) {
  EVP_MD_CTX* context = fresh_context();
  for (Span part : parts) CHECK(EVP_DigestUpdate(context, part.data(), part.size()) == 1);
  return finish(context);
}

}  // namespace seneschal::crypto
