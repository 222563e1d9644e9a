// What a replica, a client or a node can do with keys. Cores never see this; hosts do.
//
// Two implementations: `KeyRing` (real keys from files) and `fake::Keys` (simulation: cannot be forged because
// only their owner is given the key object).
#pragma once
#include "base/bytes.hpp"
#include "base/principal.hpp"

#include <array>
#include <optional>
#include <span>

namespace seneschal::crypto {

/// HMAC-SHA256 cut to 16 bytes.
using Mac = std::array<Byte, 16>;

struct ShareOf {
  ServerIndex owner;  // 0-based; the threshold scheme's share id is owner + 1
  Span share;
};

struct ShareWithProof {
  Bytes share;
  Bytes proof;
};

/// Keys of one principal, plus the public keys of all others. Immutable after construction: every method is
/// const and may be called from several threads at once.
class Keys {
 public:
  virtual ~Keys() = default;

  /// Signature with the owner's own key.
  virtual Bytes sign(Span message) const = 0;
  /// True if `signature` is `signer`'s on `message`; false for unknown signers. A `Site` signer means the site's
  /// threshold public key.
  virtual bool verify(const Principal& signer, Span message, Span signature) const = 0;

  /// MAC under the pairwise key of the owner and `peer`. Zero if there is no such key.
  virtual Mac mac(const Principal& peer, Span message) const = 0;
  /// Constant-time comparison; false for unknown peers.
  virtual bool verify_mac(const Principal& peer, Span message, Span mac) const = 0;

  /// The owner's share of its site's signature on `message`. Only servers of a site with a threshold key.
  virtual Bytes share(Span message) const = 0;
  /// The share together with the proof that it is good.
  virtual ShareWithProof prove(Span message) const = 0;
  /// Optimistic combination: a site signature that verifies, or nothing if some share was bad. Shares of unknown or
  /// duplicate owners never count towards the quorum.
  virtual std::optional<Bytes> combine(SiteId site, Span message, std::span<const ShareOf> shares) const = 0;
  /// True if `proof` shows that `share` is `owner`'s good share of `site`'s signature on `message`.
  virtual bool check_share(ServerId owner, Span message, Span share, Span proof) const = 0;
};

}  // namespace seneschal::crypto
