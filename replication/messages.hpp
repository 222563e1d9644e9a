// What clients say to servers and servers to clients: the same for every replication protocol.
#pragma once
#include "runtime/message.hpp"

namespace seneschal::replication {

inline constexpr std::size_t kMaxOperation = 16 * 1024;
inline constexpr std::size_t kMaxResult = 64 * 1024;
inline constexpr std::size_t kMaxBatchUpdates = 1024;
/// Encoded size of a batch; proposals with certificates stay below the overlay's datagram limit.
inline constexpr std::size_t kMaxBatchBytes = 64 * 1024;

/// An operation to be ordered. The client is the sender. [Steward 2] At most one per client is outstanding;
/// timestamps grow. Timestamp 0 is never ordered: with it a restarted client asks for its last executed timestamp,
/// and gets a `stale` reply.
struct Update {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 1;
  static constexpr const char* kName = "Update";
  static constexpr std::size_t kMaxSize = kMaxOperation + 1024 + 64 * 16;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Client);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Signature) | bit(AuthKind::Authenticator);
  static constexpr Prefix kPrefix = Prefix::None;
  Timestamp timestamp;
  BoundedBytes<kMaxOperation> operation;
  auto fields() { return std::tie(timestamp, operation); }
  bool operator==(const Update&) const = default;
};

/// A read-only operation, answered from executed state without being ordered. A server waits until it has executed
/// `min_seq`, so that clients read their own writes.
struct Query {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 2;
  static constexpr const char* kName = "Query";
  static constexpr std::size_t kMaxSize = kMaxOperation + 1024 + 64 * 16;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Client);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Signature) | bit(AuthKind::Authenticator);
  static constexpr Prefix kPrefix = Prefix::None;
  Timestamp timestamp;
  Seq min_seq;
  BoundedBytes<kMaxOperation> operation;
  auto fields() { return std::tie(timestamp, min_seq, operation); }
  bool operator==(const Query&) const = default;
};

/// A server's answer to an update. Two replies are equal if all fields are; a client takes f+1 equal ones of distinct
/// servers. `stale` tells a restarted client its last executed timestamp when it asked with an older one: then
/// `timestamp` is that newer one.
struct Reply {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 3;
  static constexpr const char* kName = "Reply";
  static constexpr std::size_t kMaxSize = kMaxResult + 1024;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac);
  static constexpr Prefix kPrefix = Prefix::None;
  Timestamp timestamp;
  Seq seq;
  bool stale = false;
  BoundedBytes<kMaxResult> result;
  auto fields() { return std::tie(timestamp, seq, stale, result); }
  bool operator==(const Reply&) const = default;
};

/// A server's answer to a query: `seq` is what it had executed.
struct Answer {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 4;
  static constexpr const char* kName = "Answer";
  static constexpr std::size_t kMaxSize = kMaxResult + 1024;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac);
  static constexpr Prefix kPrefix = Prefix::None;
  Timestamp timestamp;
  Seq seq;
  BoundedBytes<kMaxResult> result;
  auto fields() { return std::tie(timestamp, seq, result); }
  bool operator==(const Answer&) const = default;
};

/// A server's word that an update waits, since it reaches fewer sites than ordering needs. No refusal for good: the
/// update is ordered when enough sites are back. Queries are answered meanwhile.
struct NoMajority {
  static constexpr ProtocolId kProtocol = ProtocolId::Replication;
  static constexpr std::uint8_t kType = 5;
  static constexpr const char* kName = "NoMajority";
  static constexpr std::size_t kMaxSize = 1024;
  static constexpr std::uint8_t kSenders = bit(PrincipalKind::Server);
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac);
  static constexpr Prefix kPrefix = Prefix::None;
  Timestamp timestamp;
  std::uint16_t reached = 0;  // sites, the server's own among them
  std::uint16_t needed = 0;
  auto fields() { return std::tie(timestamp, reached, needed); }
  bool operator==(const NoMajority&) const = default;
};

/// The content of one seq: updates in execution order. The empty batch is the no-op.
struct Batch {
  List<Signed<Update>, kMaxBatchUpdates> updates;
  auto fields() { return std::tie(updates); }
  bool operator==(const Batch&) const = default;
};

/// SHA-256 over a domain tag and the encoded batch.
Digest digest_of(const Batch& batch);
/// Size of the encoded batch in bytes.
std::size_t encoded_size(const Batch& batch);

}  // namespace seneschal::replication
