// What the parts of threshold RSA share. Internal to this folder.
#pragma once
#include "crypto/modulus.hpp"
#include "crypto/signature.hpp"
#include "crypto/threshold_rsa.hpp"

#include <deque>
#include <map>
#include <mutex>

namespace seneschal::crypto {

/// How to combine the shares of one subset: y = w^a * x^(-b), w the product of share_i^exponent_i.
struct CombinePlan {
  struct Part {
    Bn exponent;  // |2 lambda_i / g|
    bool negative;
  };
  std::vector<Part> parts;  // in order of the ids
  Bn a;
  Bn b;
};

/// Plans by subset of servers, bounded, oldest out first.
class PlanCache {
 public:
  /// `ids` ascending and distinct, within 1..n.
  std::shared_ptr<const CombinePlan> plan(std::span<const std::size_t> ids, std::size_t n);

 private:
  static constexpr std::size_t kMaxPlans = 256;
  std::mutex mutex_;
  std::map<std::uint64_t, std::shared_ptr<const CombinePlan>> plans_;  // key: bit id - 1
  std::deque<std::uint64_t> oldest_;
};

struct ThresholdPublicKey::Impl {
  ThresholdParams params;
  Modulus modulus;
  PublicKey plain;
  Bn delta;                           // n!
  Bn verifier;                        // Montgomery form
  std::vector<Bn> inverse_verifiers;  // v_i^-1, Montgomery form
  mutable PlanCache plans;

  Impl(ThresholdParams p, PublicKey key) : params(std::move(p)), modulus(params.modulus), plain(std::move(key)) {}

  /// Raises a plain public number to `factor` * n!, plain.
  Bn power_of_delta(ModMath& math, const BIGNUM* base, unsigned long factor) const;
};

/// EMSA-PKCS1-v1_5 encoding of SHA-256 of `message`, `width` bytes (at least 62).
Bytes encode_pkcs1_sha256(Span message, std::size_t width);

/// Fiat-Shamir challenge over everything the proof speaks of, each number in `width` bytes.
struct ProofStatement {
  std::size_t width;
  Span modulus, verifier, server_verifier, base, share_squared, commitment_v, commitment_x;
  std::uint64_t id, epoch;
};
inline constexpr std::size_t kChallengeBytes = 16;
std::array<Byte, kChallengeBytes> proof_challenge(const ProofStatement& statement);

}  // namespace seneschal::crypto
