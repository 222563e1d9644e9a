// Ownership of OpenSSL's and GMP's objects. Internal to this folder: no public header includes it.
#pragma once
#include "base/bytes.hpp"
#include "base/check.hpp"

#include <gmp.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>

namespace seneschal::crypto {

template <auto kFree>
struct FreeWith {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};

// Every number is cleansed when it goes: telling secret from public ones apart is not worth a mistake.
using Bn = std::unique_ptr<BIGNUM, FreeWith<BN_clear_free>>;
using BnCtx = std::unique_ptr<BN_CTX, FreeWith<BN_CTX_free>>;
using MontCtx = std::unique_ptr<BN_MONT_CTX, FreeWith<BN_MONT_CTX_free>>;
using Pkey = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using PkeyCtx = std::unique_ptr<EVP_PKEY_CTX, FreeWith<EVP_PKEY_CTX_free>>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, FreeWith<EVP_MD_CTX_free>>;
using Bio = std::unique_ptr<BIO, FreeWith<BIO_free_all>>;

inline Bn bn_new() {
  Bn number(BN_new());
  CHECK(number != nullptr);
  return number;
}
inline Bn bn_from(Span big_endian) {
  Bn number(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
  CHECK(number != nullptr);
  return number;
}
inline Bn bn_from(unsigned long value) {
  Bn number = bn_new();
  CHECK(BN_set_word(number.get(), value) == 1);
  return number;
}
/// Big-endian, exactly `width` bytes; the number must fit.
inline Bytes bn_bytes(const BIGNUM* number, std::size_t width) {
  Bytes bytes(width);
  CHECK(BN_bn2binpad(number, bytes.data(), static_cast<int>(width)) == static_cast<int>(width));
  return bytes;
}
inline std::size_t bn_bits(const BIGNUM* number) {
  return static_cast<std::size_t>(BN_num_bits(number));
}

/// A GMP integer that wipes its limbs when it goes.
class Mpz {
 public:
  Mpz() { mpz_init(value_); }
  explicit Mpz(unsigned long value) { mpz_init_set_ui(value_, value); }
  explicit Mpz(Span big_endian) {
    mpz_init2(value_, big_endian.size() * 8 + 64);
    mpz_import(value_, big_endian.size(), 1, 1, 1, 0, big_endian.data());
  }
  Mpz(const Mpz& other) { mpz_init_set(value_, other.value_); }
  Mpz& operator=(const Mpz&) = delete;
  ~Mpz() {
    OPENSSL_cleanse(value_->_mp_d, static_cast<std::size_t>(value_->_mp_alloc) * sizeof(mp_limb_t));
    mpz_clear(value_);
  }
  mpz_ptr get() { return value_; }
  mpz_srcptr get() const { return value_; }
  /// Absolute value, big-endian, without leading zeros.
  Bytes bytes() const {
    Bytes out((mpz_sizeinbase(value_, 2) + 7) / 8);
    std::size_t written = 0;
    mpz_export(out.data(), &written, 1, 1, 1, 0, value_);
    out.resize(written);
    return out;
  }

 private:
  mpz_t value_;
};

}  // namespace seneschal::crypto
