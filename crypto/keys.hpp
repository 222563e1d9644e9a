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
#include <tuple>

namespace seneschal::crypto {

/// HMAC-SHA256 cut to 16 bytes.
using Mac = std::array<Byte, 16>;

inline constexpr std::size_t kExchangeKeyBytes = 32;
/// An X25519 public key, as it travels.
using ExchangePublicKey = std::array<Byte, kExchangeKeyBytes>;

/// Public keys of a client that joined at run time: Ed25519 for its signatures, X25519 for its MACs.
struct ClientKeys {
  std::array<Byte, 32> signing{};
  ExchangePublicKey exchange{};
  auto fields() { return std::tie(signing, exchange); }
  auto operator<=>(const ClientKeys&) const = default;
};

struct ShareOf {
  ServerIndex owner;  // 0-based; the threshold scheme's share id is owner + 1
  Span share;
};

struct ShareWithProof {
  Bytes share;
  Bytes proof;
};

/// Keys of one principal, plus the public keys of all others. Every method may be called from several threads at
/// once. Only `enroll` and `dismiss` change anything, and nothing but what is known of clients that joined at run
/// time.
class Keys {
 public:
  virtual ~Keys() = default;

  /// From now on `client` is known by `keys`, which must be `acceptable`. Repeated: the last ones count. By default
  /// nobody can be enrolled.
  virtual void enroll(ClientId /*client*/, const ClientKeys& /*keys*/) {}
  /// An enrolled client is not known any more. Those of the deployment's key files stay: the gate turns them away.
  virtual void dismiss(ClientId /*client*/) {}

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
