// Keys for tests: fixed primes (public, so good for nothing else) and repeatable randomness.
#pragma once
#include "base/check.hpp"
#include "base/prng.hpp"
#include "crypto/openssl.hpp"
#include "crypto/threshold_rsa.hpp"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <memory>

namespace seneschal::crypto::test {

inline RandomSource repeatable(std::uint64_t seed) {
  auto prng = std::make_shared<Prng>(seed);
  return [prng](std::span<Byte> out) {
    for (Byte& byte : out) byte = static_cast<Byte>(prng->next());
  };
}

inline SafePrimePair primes_of(const char* p, const char* q) {
  return {SecretBytes(*from_hex(p)), SecretBytes(*from_hex(q))};
}

inline SafePrimePair primes_512() {
  return primes_of("f2685a160d1fca7d8d0a59c7d0e476366ff3bdd1061d742bf4103e30e8541f4b",
                   "d065214260c7a26cc201b3634cf862b78bb0a787e2b9bc2e05b8857e7ff462e3");
}

inline SafePrimePair primes_2048() {
  return primes_of(
      "c821a47e82864549f911eaaf4c9f0adb38b59ac825883fd82c79b0fbace52dbbb65b1969626f048bf80a7ef2d3eecab86066"
      "4762b813d67a25e85596bbe6c6b0bd2361c4d39a55abd5baa5fd04604d21a73e75c4d005fb55b84b7f906aee60f316844bb0"
      "1d8265bb676615d366cdee7f040d917c771bd4b1676a79496334ac57",
      "eae1ad80e6e4468e5d39a053cf8a7b363865f2d6296fd55450c71dbd744b53cb275f1c501e0a7d22b5cc31237cb92e8b67dd"
      "7dbbc595d43542b506f2d13150d93e7f96c3ad916b8827cc0f2b59ab38fafe1e6673ebb4034afe6885b26edf0630aac637ef"
      "dd1418bc6994411fe21fd525334f9bf5b2aa434ab8d1a153463e22bb");
}

/// The undivided key as an ordinary RSA key, as OpenSSL wants it.
inline Pkey reassemble(const SafePrimePair& primes) {
  const Mpz p(primes.p.expose()), q(primes.q.expose()), e(kRsaExponent);
  Mpz n, phi, p1, q1, d;
  mpz_mul(n.get(), p.get(), q.get());
  mpz_sub_ui(p1.get(), p.get(), 1);
  mpz_sub_ui(q1.get(), q.get(), 1);
  mpz_mul(phi.get(), p1.get(), q1.get());
  CHECK(mpz_invert(d.get(), e.get(), phi.get()) != 0);
  const Bn bn_n = bn_from(n.bytes()), bn_e = bn_from(kRsaExponent), bn_d = bn_from(d.bytes());
  OSSL_PARAM_BLD* builder = OSSL_PARAM_BLD_new();
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, bn_n.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, bn_e.get());
  OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_D, bn_d.get());
  OSSL_PARAM* params = OSSL_PARAM_BLD_to_param(builder);
  PkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  EVP_PKEY* key = nullptr;
  CHECK(EVP_PKEY_fromdata_init(context.get()) == 1 &&
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, params) == 1);
  OSSL_PARAM_free(params);
  OSSL_PARAM_BLD_free(builder);
  return Pkey(key);
}

inline Bytes plain_signature(EVP_PKEY* key, Span message) {
  MdCtx context(EVP_MD_CTX_new());
  CHECK(EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key) == 1);
  std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
  Bytes signature(size);
  CHECK(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1);
  signature.resize(size);
  return signature;
}

/// A dealt key of 512 bits with everybody's share on one message.
struct Group {
  Dealing dealing;
  std::vector<Bytes> shares;

  Group(std::size_t k, std::size_t n, Span message, const SafePrimePair& primes = primes_512(),
        std::uint64_t seed = 1)
      : dealing(std::move(*deal(primes, k, n, KeyStrength::Test, repeatable(seed)))) {
    for (const ThresholdShareKey& key : dealing.shares) shares.push_back(key.share(message));
  }
  IdentifiedShare of(std::size_t id) const { return {id, shares[id - 1]}; }
  const ThresholdPublicKey& key() const { return dealing.key; }
};

}  // namespace seneschal::crypto::test
