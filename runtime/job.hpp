// Work that takes too long for a transition: hosts run it elsewhere (crypto pool) or charge for it (simulator).
#pragma once
#include "crypto/keys.hpp"
#include "runtime/cost.hpp"

#include <optional>
#include <variant>
#include <vector>

namespace seneschal {

/// Signs `message` with the owner's key. Made by `Replica` when it seals; cores never ask for it.
struct SignJob {
  SharedBytes message;
};
/// The owner's share of its site's signature on `message`.
struct ShareJob {
  SharedBytes message;
};
/// The owner's share of its site's signature on `message`, with a proof.
struct ProveJob {
  SharedBytes message;
};
struct OwnedShare {
  ServerIndex owner;
  Bytes share;
  Bytes proof;  // empty unless one was asked for
};
/// Combines shares of `site` optimistically and verifies the result.
struct CombineJob {
  SiteId site;
  SharedBytes message;
  std::vector<OwnedShare> shares;
};
/// Checks each share by its proof.
struct CheckSharesJob {
  SiteId site;
  SharedBytes message;
  std::vector<OwnedShare> shares;
};

struct SignResult {
  Bytes signature;
};
/// Result of ShareJob and of ProveJob (then `proof` is not empty).
struct ShareResult {
  Bytes share;
  Bytes proof;
};
struct CombineResult {
  std::optional<Bytes> signature;  // nothing: at least one share was bad
};
struct CheckSharesResult {
  std::vector<bool> good;  // parallel to the job's shares
};
/// A record became durable.
struct Persisted {};

/// A signature or MAC that has to be checked: `auth` must be `signer`'s on `signed_bytes`.
struct Proof {
  Principal signer;
  std::uint8_t auth_kind = 0;  // AuthKind
  Span signed_bytes;
  Span auth;
  Digest id;  // hash of signed bytes and auth: what caches remember
};

/// Checks a message's proofs off the transition path; made by `Replica` when that costs more than a hand-off.
struct VerifyJob {
  std::vector<Proof> proofs;
  SharedBytes owner;  // keeps the spans alive
};
struct VerifyResult {
  bool good = false;
};

using Job = std::variant<SignJob, ShareJob, ProveJob, CombineJob, CheckSharesJob, VerifyJob>;
using JobResult = std::variant<Persisted, SignResult, ShareResult, CombineResult, CheckSharesResult, VerifyResult>;

/// Runs `job` with `keys`. Pure; may be called on any thread. `self` is the owner of the keys.
JobResult perform(const Job& job, const crypto::Keys& keys, const Principal& self);

/// True if the proof holds. `self` selects the slot of an authenticator.
bool check(const Proof& proof, const crypto::Keys& keys, const Principal& self);

struct Charge {
  Op op;
  std::uint64_t count;
};
/// What `job` costs its owner `self`, for the simulator.
std::vector<Charge> costs_of(const Job& job, const Principal& self);
/// The kind of work that checking `proof` is.
Op cost_of(const Proof& proof);

}  // namespace seneschal
