// Sealed messages: the envelope around every replication message, and messages embedded in others.
//
// Wire form: header (21 bytes) | body | authentication. What is signed is header and body, so the domain tag of every
// signed byte string is (version, protocol, type, authentication kind, deployment, sender).
#pragma once
#include "base/codec.hpp"
#include "base/principal.hpp"
#include "runtime/cost.hpp"

#include <vector>

namespace seneschal {

inline constexpr std::uint8_t kWireVersion = 1;
/// No sealed message is longer: the overlay carries datagrams up to 256 KiB.
inline constexpr std::size_t kMaxSealed = 256 * 1024;

enum class ProtocolId : std::uint8_t { Replication, Steward, Bft, Test, kLast = Test };

/// How a message is authenticated. `Signature` means the sender's own scheme (server, client or site threshold key).
/// `Mac` is one pairwise MAC for a single receiver, `Authenticator` a vector of MACs, one per server of the
/// receiver's group in index order. `Bare` proves nothing about the sender: only for carriers whose whole content
/// proves itself (site-signed messages between sites, where servers of one site do not know the keys of another's).
enum class AuthKind : std::uint8_t { Signature, Mac, Authenticator, Bare, kLast = Bare };

struct Header {
  std::uint8_t version = kWireVersion;
  ProtocolId protocol = ProtocolId::Replication;
  std::uint8_t type = 0;
  AuthKind auth = AuthKind::Signature;
  DeploymentId deployment;
  Principal sender;
  std::uint32_t body_size = 0;

  static constexpr std::size_t kSize = 21;
  auto fields() { return std::tie(version, protocol, type, auth, deployment, sender, body_size); }
  auto operator<=>(const Header&) const = default;
};

/// The parts of one sealed message; all spans point into the bytes that were parsed.
struct SealedParts {
  Header header;
  Span signed_bytes;  // header and body: what the authentication covers
  Span body;
  Span auth;
};

/// Splits a sealed message. Checks sizes and enum ranges only; proves nothing.
std::expected<SealedParts, Reject> parse_sealed(Span sealed);

/// Header and body, ready to be signed: `sealed = unsealed + authentication`.
Bytes unsealed(const Header& header, Span body);

/// Bits for `M::kSenders` and `M::kAuth`.
constexpr std::uint8_t bit(PrincipalKind kind) {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(kind));
}
constexpr std::uint8_t bit(AuthKind kind) {
  return static_cast<std::uint8_t>(1u << static_cast<unsigned>(kind));
}

/// Which numbers a message type starts with, so that admission can read them without decoding.
enum class Prefix : std::uint8_t {
  None,
  ViewSeq,         // u64 view, u64 seq
  ViewSubViewSeq,  // u64 global view, u64 local view, u64 seq
};

/// Every message type M has
///   static constexpr ProtocolId kProtocol; static constexpr std::uint8_t kType; static constexpr const char* kName;
///   static constexpr std::size_t kMaxSize;   // of the sealed form
///   static constexpr std::uint8_t kSenders;  // bits of PrincipalKind
///   static constexpr std::uint8_t kAuth;     // bits of AuthKind
///   static constexpr Prefix kPrefix;
///   auto fields();
template <class M>
concept Message = HasFields<M> && requires {
  { M::kProtocol } -> std::convertible_to<ProtocolId>;
  { M::kType } -> std::convertible_to<std::uint8_t>;
  { M::kName } -> std::convertible_to<const char*>;
  { M::kMaxSize } -> std::convertible_to<std::size_t>;
  { M::kSenders } -> std::convertible_to<std::uint8_t>;
  { M::kAuth } -> std::convertible_to<std::uint8_t>;
  { M::kPrefix } -> std::convertible_to<Prefix>;
};

/// True if a message of type M may come from this sender with this authentication and size.
template <Message M>
bool header_fits(const Header& h, std::size_t sealed_size) {
  return h.protocol == M::kProtocol && h.type == M::kType && (M::kSenders & bit(h.sender.kind)) != 0 &&
         (M::kAuth & bit(h.auth)) != 0 && sealed_size <= M::kMaxSize;
}

/// A signed message as a field of another. It keeps the very bytes that were received: those are what was signed,
/// hashed and is passed on, never a re-encoding. Decoding reports its span to the reader, so that the gate
/// can prove it; only the gate hands out messages whose nested ones are proven.
template <class M>
struct Signed {
  Bytes sealed;
  Header header;
  M body;

  const Principal& signer() const { return header.sender; }
  bool operator==(const Signed& other) const { return sealed == other.sealed; }
  auto operator<=>(const Signed& other) const { return sealed <=> other.sealed; }
  std::string brief() const { return to_string(header.sender) + ":" + print(body); }
};

template <class M>
struct Codec<Signed<M>> {
  static void encode(Writer& out, const Signed<M>& value) {
    out.number(value.sealed.size(), 4);
    out.raw(value.sealed);
  }
  static bool decode(Reader& in, Signed<M>& value) {
    static_assert(Message<M>);
    std::size_t size = 0;
    Span sealed;
    if (!in.count(size, M::kMaxSize, 1) || !in.raw(sealed, size)) return false;
    auto parts = parse_sealed(sealed);
    if (!parts) return in.fail(parts.error());
    if (!header_fits<M>(parts->header, size)) return in.fail(Reject::Malformed);
    if (in.nested() != nullptr) in.nested()->push_back(sealed);
    auto body = seneschal::decode<M>(parts->body, in.nested());
    if (!body) return in.fail(body.error());
    value.sealed.assign(sealed.begin(), sealed.end());
    value.header = parts->header;
    value.body = std::move(*body);
    return true;
  }
};

/// A field whose embedded messages need no proof: something else in the message vouches for them (a digest under a
/// site's signature, say). Same wire form as T.
template <class T>
struct Vouched {
  T value;
  bool operator==(const Vouched&) const = default;
};

template <class T>
struct Codec<Vouched<T>> {
  static void encode(Writer& out, const Vouched<T>& v) { encode_to(out, v.value); }
  static bool decode(Reader& in, Vouched<T>& v) {
    auto* nested = in.exchange_nested(nullptr);
    bool good = decode_from(in, v.value);
    in.exchange_nested(nested);
    return good;
  }
};

}  // namespace seneschal
