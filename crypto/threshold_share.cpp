// Shares and their proofs.
#include "crypto/digest.hpp"
#include "crypto/threshold_impl.hpp"

namespace seneschal::crypto {

namespace {
std::array<Byte, 8> big_endian(std::uint64_t value) {
  std::array<Byte, 8> out;
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<Byte>(value >> (56 - 8 * i));
  return out;
}

// r in [0, 2^(L(N) + 256)). Any narrower and z = s c + r would reveal floor(z / c) = s [Shoup 2000, sec. 3.1: L(N) +
// 2 L1]. Hedged: whoever knows the random bytes still needs the secret to know r, and repeated random bytes do not
// repeat r for another message.
SecretBytes hedged_nonce(Span secret, Span encoded_message, std::size_t width, const RandomSource& random) {
  SecretBytes fresh(std::size_t{64});
  random(fresh.expose());
  Digest seed = sha256({as_span("seneschal threshold nonce seed"), secret, encoded_message, fresh.expose()});
  SecretBytes nonce(width + 32);
  for (std::size_t at = 0, block = 0; at < nonce.size(); at += 32, ++block) {
    const Digest chunk = sha256({as_span("seneschal threshold nonce"), seed.bytes, big_endian(block)});
    std::copy_n(chunk.bytes.begin(), std::min<std::size_t>(32, nonce.size() - at),
                nonce.expose().begin() + static_cast<std::ptrdiff_t>(at));
  }
  OPENSSL_cleanse(seed.bytes.data(), seed.bytes.size());
  return nonce;
}
}  // namespace

std::array<Byte, kChallengeBytes> proof_challenge(const ProofStatement& s) {
  for (Span number :
       {s.modulus, s.verifier, s.server_verifier, s.base, s.share_squared, s.commitment_v, s.commitment_x})
    CHECK(number.size() == s.width);
  const auto width = big_endian(s.width), e = big_endian(kRsaExponent), id = big_endian(s.id),
             epoch = big_endian(s.epoch);
  const Digest digest =
      sha256({as_span("seneschal threshold share proof v1"), width, s.modulus, e, s.verifier, s.server_verifier,
              s.base, s.share_squared, s.commitment_v, s.commitment_x, id, epoch});
  std::array<Byte, kChallengeBytes> challenge;
  std::copy_n(digest.bytes.begin(), challenge.size(), challenge.begin());
  return challenge;
}

Result<ThresholdShareKey> ThresholdShareKey::make(ThresholdPublicKey key, std::size_t id, SecretBytes secret) {
  const ThresholdPublicKey::Impl& impl = *key.impl_;
  if (id == 0 || id > impl.params.servers)
    return failure("no server " + std::to_string(id) + " holds a share of this key");
  if (secret.size() != impl.modulus.bytes()) return failure("the secret of a threshold share has the wrong length");
  ModMath math(impl.modulus);
  const Bn v = bn_from(impl.params.verifier);
  const Bn expected = math.secret_power(v.get(), secret.expose());
  if (bn_bytes(expected.get(), impl.modulus.bytes()) != impl.params.verifiers[id - 1])
    return failure("this is not the share of server " + std::to_string(id) + " of this site's key");
  return ThresholdShareKey(std::move(key), id, std::move(secret));
}

Bytes ThresholdShareKey::share(Span message) const {
  const ThresholdPublicKey::Impl& impl = *key_.impl_;
  const std::size_t width = impl.modulus.bytes();
  ModMath math(impl.modulus);
  const Bn x = bn_from(encode_pkcs1_sha256(message, width));
  // (x^(2 n!))^(s_i): the public part of the exponent first, so that the secret part stays short.
  const Bn base = impl.power_of_delta(math, x.get(), 2);
  return bn_bytes(math.secret_power(base.get(), secret_.expose()).get(), width);
}

ShareWithProof ThresholdShareKey::prove(Span message, const RandomSource& random) const {
  const ThresholdPublicKey::Impl& impl = *key_.impl_;
  const std::size_t width = impl.modulus.bytes();
  ModMath math(impl.modulus);
  Bytes own = share(message);
  const Bytes encoded = encode_pkcs1_sha256(message, width);
  const Bn x = bn_from(encoded);
  const Bn base = impl.power_of_delta(math, x.get(), 4);
  const Bn share_mont = math.to_mont(bn_from(own).get());
  const Bn squared = math.from_mont(math.mul(share_mont.get(), share_mont.get()).get());
  const SecretBytes nonce = hedged_nonce(secret_.expose(), encoded, width, random);
  const Bn r = bn_from(nonce.expose());
  const Bn v = bn_from(impl.params.verifier);
  const Bytes base_bytes = bn_bytes(base.get(), width);
  const Bytes squared_bytes = bn_bytes(squared.get(), width);
  const Bytes commitment_v = bn_bytes(math.secret_power(v.get(), nonce.expose()).get(), width);
  const Bytes commitment_x = bn_bytes(math.secret_power(base.get(), nonce.expose()).get(), width);
  const auto challenge =
      proof_challenge({width, impl.params.modulus, impl.params.verifier, impl.params.verifiers[id_ - 1], base_bytes,
                       squared_bytes, commitment_v, commitment_x, id_, impl.params.epoch});
  // z = s c + r over the integers.
  BnCtx context(BN_CTX_new());
  const Bn z = bn_new();
  CHECK(context != nullptr &&
        BN_mul(z.get(), bn_from(secret_.expose()).get(), bn_from(challenge).get(), context.get()) == 1 &&
        BN_add(z.get(), z.get(), r.get()) == 1);
  Bytes proof(challenge.begin(), challenge.end());
  append(proof, bn_bytes(z.get(), width + 33));
  return {std::move(own), std::move(proof)};
}

bool ThresholdPublicKey::check_share(std::size_t id, Span message, Span share, Span proof) const {
  const Impl& impl = *impl_;
  const std::size_t width = impl.modulus.bytes();
  if (id == 0 || id > impl.params.servers || share.size() != width || proof.size() != proof_bytes()) return false;
  const Bn x_i = bn_from(share);
  if (BN_is_zero(x_i.get()) || BN_cmp(x_i.get(), impl.modulus.n()) >= 0) return false;
  const Span challenge = proof.first(kChallengeBytes);
  const Bn c = bn_from(challenge);
  const Bn z = bn_from(proof.subspan(kChallengeBytes));
  // s c + r never reaches this; without the bound a peer would choose how long we exponentiate.
  if (bn_bits(z.get()) > impl.modulus.bits() + 257) return false;

  ModMath math(impl.modulus);
  const Bn share_mont = math.to_mont(x_i.get());
  const Bn squared = math.from_mont(math.mul(share_mont.get(), share_mont.get()).get());
  const std::optional<Bn> inverse = math.inverse(squared.get());
  if (!inverse) return false;  // shares a factor with the modulus
  const Bn x = bn_from(encode_pkcs1_sha256(message, width));
  const Bn base = impl.power_of_delta(math, x.get(), 4);
  const Bn base_mont = math.to_mont(base.get());
  const Bn inverse_mont = math.to_mont(inverse->get());
  // v' = v^z v_i^(-c), x' = x~^z x_i^(-2c); the challenge must come out again.
  const Power of_v[] = {{impl.verifier.get(), z.get()}, {impl.inverse_verifiers[id - 1].get(), c.get()}};
  const Power of_x[] = {{base_mont.get(), z.get()}, {inverse_mont.get(), c.get()}};
  const Bytes commitment_v = bn_bytes(math.from_mont(math.multi_power(of_v).get()).get(), width);
  const Bytes commitment_x = bn_bytes(math.from_mont(math.multi_power(of_x).get()).get(), width);
  const Bytes base_bytes = bn_bytes(base.get(), width);
  const Bytes squared_bytes = bn_bytes(squared.get(), width);
  return equal(proof_challenge({width, impl.params.modulus, impl.params.verifier, impl.params.verifiers[id - 1],
                                base_bytes, squared_bytes, commitment_v, commitment_x, id, impl.params.epoch}),
               challenge);
}

}  // namespace seneschal::crypto
