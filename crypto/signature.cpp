#include "crypto/signature.hpp"

#include "crypto/digest.hpp"
#include "crypto/openssl.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <mutex>

namespace seneschal::crypto {

std::string_view to_string(Scheme scheme) {
  switch (scheme) {
    case Scheme::Rsa2048: return "rsa2048";
    case Scheme::Ed25519: return "ed25519";
    case Scheme::Rsa1024: return "rsa1024";
  }
  return "unknown";
}

std::optional<Scheme> parse_scheme(std::string_view text) {
  for (Scheme scheme : {Scheme::Rsa2048, Scheme::Ed25519, Scheme::Rsa1024})
    if (text == to_string(scheme)) return scheme;
  return std::nullopt;
}

std::string_view to_string(KeyStrength strength) {
  switch (strength) {
    case KeyStrength::Standard: return "standard";
    case KeyStrength::Paper: return "paper";
    case KeyStrength::Test: return "test";
  }
  return "unknown";
}

std::optional<KeyStrength> parse_strength(std::string_view text) {
  for (KeyStrength strength : {KeyStrength::Standard, KeyStrength::Paper, KeyStrength::Test})
    if (text == to_string(strength)) return strength;
  return std::nullopt;
}

std::size_t signature_bytes(Scheme scheme) {
  return scheme == Scheme::Rsa2048 ? 256 : scheme == Scheme::Ed25519 ? 64 : 128;
}

unsigned min_rsa_bits(KeyStrength strength) {
  return strength == KeyStrength::Standard ? 2048 : strength == KeyStrength::Paper ? 1024 : 512;
}

namespace {
constexpr unsigned kMaxRsaBits = 4096;

// Contexts prepared for one key and one purpose. Preparing one costs several microseconds, a fifth of a verification.
// Holds as many as threads ever used the key at the same time.
class ContextPool {
 public:
  enum class Use { Sign, Verify };
  ContextPool(EVP_PKEY* key, Use use) : key_(key), use_(use) {}

  PkeyCtx take() {
    {
      std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        PkeyCtx context = std::move(idle_.back());
        idle_.pop_back();
        return context;
      }
    }
    PkeyCtx context(EVP_PKEY_CTX_new(key_, nullptr));
    CHECK(context != nullptr);
    CHECK((use_ == Use::Sign ? EVP_PKEY_sign_init(context.get()) : EVP_PKEY_verify_init(context.get())) == 1);
    CHECK(EVP_PKEY_CTX_set_rsa_padding(context.get(), RSA_PKCS1_PADDING) == 1);
    CHECK(EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()) == 1);
    return context;
  }
  void give_back(PkeyCtx context) {
    std::lock_guard lock(mutex_);
    idle_.push_back(std::move(context));
  }

 private:
  EVP_PKEY* key_;
  Use use_;
  std::mutex mutex_;
  std::vector<PkeyCtx> idle_;
};

bool is_ed25519(const EVP_PKEY* key) {
  return EVP_PKEY_is_a(key, "ED25519") == 1;
}

Status check_kind(const EVP_PKEY* key, KeyStrength strength) {
  if (is_ed25519(key)) return {};
  if (EVP_PKEY_is_a(key, "RSA") != 1) return failure("neither an RSA nor an Ed25519 key");
  const auto bits = static_cast<unsigned>(EVP_PKEY_get_bits(key));
  if (bits < min_rsa_bits(strength))
    return failure("an RSA key of " + std::to_string(bits) + " bits, but at least " +
                   std::to_string(min_rsa_bits(strength)) + " are required (strength \"" +
                   std::string(to_string(strength)) + "\")");
  if (bits > kMaxRsaBits)
    return failure("an RSA key of " + std::to_string(bits) + " bits; at most 4096 are supported");
  BIGNUM* exponent = nullptr;
  const bool known = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1;
  Bn owned(exponent);
  if (!known || BN_is_word(exponent, kRsaExponent) != 1)
    return failure("an RSA key whose public exponent is not 65537");
  return {};
}

// OpenSSL would otherwise ask for a password on the terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

Bio reader(Span text) {
  // An empty span may point nowhere, which OpenSSL takes for an error of the caller.
  Bio bio(BIO_new_mem_buf(text.empty() ? "" : static_cast<const void*>(text.data()), static_cast<int>(text.size())));
  CHECK(bio != nullptr);
  return bio;
}

Bytes contents(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  CHECK(size >= 0);
  return to_bytes(std::string_view(data, static_cast<std::size_t>(size)));
}
}  // namespace

struct PublicKey::Impl {
  Pkey key;
  bool ed25519;
  std::size_t size;
  mutable ContextPool pool;

  explicit Impl(Pkey k)
      : key(std::move(k)),
        ed25519(is_ed25519(key.get())),
        size(static_cast<std::size_t>(EVP_PKEY_get_size(key.get()))),
        pool(key.get(), ContextPool::Use::Verify) {}
};

Result<PublicKey> PublicKey::from_pem(std::string_view pem, KeyStrength strength) {
  Pkey key(PEM_read_bio_PUBKEY(reader(as_span(pem)).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (!key) return failure("not a public key in PEM (expected -----BEGIN PUBLIC KEY-----)");
  if (Status kind = check_kind(key.get(), strength); !kind) return std::unexpected(kind.error());
  return PublicKey(std::make_shared<const Impl>(std::move(key)));
}

PublicKey PublicKey::from_ed25519(const std::array<Byte, 32>& bytes) {
  Pkey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, bytes.data(), bytes.size()));
  CHECK(key != nullptr);
  return PublicKey(std::make_shared<const Impl>(std::move(key)));
}

std::array<Byte, 32> PublicKey::ed25519() const {
  CHECK(impl_->ed25519);
  std::array<Byte, 32> bytes{};
  std::size_t size = bytes.size();
  CHECK(EVP_PKEY_get_raw_public_key(impl_->key.get(), bytes.data(), &size) == 1 && size == bytes.size());
  return bytes;
}

Result<PublicKey> PublicKey::from_rsa_modulus(Span modulus, KeyStrength strength) {
  if (modulus.size() > kMaxRsaBits / 8) return failure("an RSA modulus above 4096 bits");
  Bn n = bn_from(modulus);
  Bn e = bn_from(kRsaExponent);
  std::unique_ptr<OSSL_PARAM_BLD, FreeWith<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
  CHECK(builder != nullptr && OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) == 1);
  std::unique_ptr<OSSL_PARAM, FreeWith<OSSL_PARAM_free>> params(OSSL_PARAM_BLD_to_param(builder.get()));
  PkeyCtx context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
  CHECK(params != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
  EVP_PKEY* made = nullptr;
  const bool good = EVP_PKEY_fromdata(context.get(), &made, EVP_PKEY_PUBLIC_KEY, params.get()) == 1;
  ERR_clear_error();
  Pkey key(made);
  if (!good || !key) return failure("not an RSA modulus");
  if (Status kind = check_kind(key.get(), strength); !kind) return std::unexpected(kind.error());
  return PublicKey(std::make_shared<const Impl>(std::move(key)));
}

std::string PublicKey::to_pem() const {
  Bio bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr && PEM_write_bio_PUBKEY(bio.get(), impl_->key.get()) == 1);
  return std::string(as_text(contents(bio.get())));
}

bool PublicKey::verify(Span message, Span signature) const {
  if (signature.size() != impl_->size) return false;
  bool good = false;
  if (impl_->ed25519) {
    MdCtx context(EVP_MD_CTX_new());
    CHECK(context != nullptr &&
          EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) == 1);
    good = EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
  } else {
    const Digest digest = sha256(message);
    PkeyCtx context = impl_->pool.take();
    good = EVP_PKEY_verify(context.get(), signature.data(), signature.size(), digest.bytes.data(),
                           digest.bytes.size()) == 1;
    impl_->pool.give_back(std::move(context));
  }
  if (!good) ERR_clear_error();
  return good;
}

std::size_t PublicKey::signature_bytes() const {
  return impl_->size;
}
bool PublicKey::is_rsa() const {
  return !impl_->ed25519;
}

Bytes PublicKey::rsa_modulus() const {
  if (impl_->ed25519) return {};
  BIGNUM* modulus = nullptr;
  CHECK(EVP_PKEY_get_bn_param(impl_->key.get(), OSSL_PKEY_PARAM_RSA_N, &modulus) == 1);
  Bn owned(modulus);
  return bn_bytes(modulus, static_cast<std::size_t>(BN_num_bytes(modulus)));
}

bool PublicKey::operator==(const PublicKey& other) const {
  return EVP_PKEY_eq(impl_->key.get(), other.impl_->key.get()) == 1;
}

struct PrivateKey::Impl {
  Pkey key;
  bool ed25519;
  mutable ContextPool pool;

  explicit Impl(Pkey k)
      : key(std::move(k)), ed25519(is_ed25519(key.get())), pool(key.get(), ContextPool::Use::Sign) {}
};

PrivateKey::PrivateKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
PrivateKey::PrivateKey(PrivateKey&&) noexcept = default;
PrivateKey& PrivateKey::operator=(PrivateKey&&) noexcept = default;
PrivateKey::~PrivateKey() = default;

Result<PrivateKey> PrivateKey::generate(Scheme scheme, KeyStrength strength) {
  if (scheme == Scheme::Rsa1024 && min_rsa_bits(strength) > 1024)
    return failure(
        "RSA-1024 is insecure: it needs strength \"paper\", meant for comparing with old measurements only");
  Pkey key(scheme == Scheme::Ed25519   ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
           : scheme == Scheme::Rsa1024 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{1024})
                                       : EVP_PKEY_Q_keygen(nullptr, nullptr, "RSA", std::size_t{2048}));
  if (!key) return failure("OpenSSL could not generate a key");
  return PrivateKey(std::make_unique<Impl>(std::move(key)));
}

Result<PrivateKey> PrivateKey::from_pem(const SecretBytes& pem, KeyStrength strength) {
  Pkey key(PEM_read_bio_PrivateKey(reader(pem.expose()).get(), nullptr, no_password, nullptr));
  ERR_clear_error();
  if (!key) return failure("not an unencrypted private key in PEM (expected -----BEGIN PRIVATE KEY-----)");
  if (Status kind = check_kind(key.get(), strength); !kind) return std::unexpected(kind.error());
  return PrivateKey(std::make_unique<Impl>(std::move(key)));
}

Bytes PrivateKey::sign(Span message) const {
  Bytes signature(static_cast<std::size_t>(EVP_PKEY_get_size(impl_->key.get())));
  std::size_t size = signature.size();
  if (impl_->ed25519) {
    MdCtx context(EVP_MD_CTX_new());
    CHECK(context != nullptr && EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) == 1);
    CHECK(EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1);
  } else {
    const Digest digest = sha256(message);
    PkeyCtx context = impl_->pool.take();
    CHECK(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.bytes.data(), digest.bytes.size()) == 1);
    impl_->pool.give_back(std::move(context));
  }
  CHECK(size == signature.size());
  return signature;
}

PublicKey PrivateKey::public_key() const {
  Bio bio(BIO_new(BIO_s_mem()));
  CHECK(bio != nullptr && PEM_write_bio_PUBKEY(bio.get(), impl_->key.get()) == 1);
  // Our own key was admitted when it was made; the weakest rule here repeats no judgement.
  Result<PublicKey> key = PublicKey::from_pem(as_text(contents(bio.get())), KeyStrength::Test);
  CHECK(key.has_value());
  return *key;
}

SecretBytes PrivateKey::to_pem() const {
  Bio bio(BIO_new(BIO_s_secmem()));
  CHECK(bio != nullptr &&
        PEM_write_bio_PKCS8PrivateKey(bio.get(), impl_->key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return SecretBytes(contents(bio.get()));
}

}  // namespace seneschal::crypto
