// What the servers of the flat group say to each other. [BFT 2]
#pragma once
#include "replication/messages.hpp"

namespace seneschal::bft {

using replication::Batch;
using replication::kMaxBatchBytes;

/// Votes are kept as bits of one word.
inline constexpr std::size_t kMaxServers = 64;
inline constexpr std::size_t kAuthSize = kMaxServers * 16;  // an authenticator is longer than any signature
inline constexpr std::uint8_t kServers = bit(PrincipalKind::Server);
inline constexpr std::uint8_t kOrderingAuth = bit(AuthKind::Signature) | bit(AuthKind::Authenticator);

/// The primary's proposal for one seq. [PBFT 4.2]
struct PrePrepare {
  static constexpr ProtocolId kProtocol = ProtocolId::Bft;
  static constexpr std::uint8_t kType = 1;
  static constexpr const char* kName = "PrePrepare";
  /// A client's authenticator may be good at other servers: that is for the core to weigh. [BFT 9]
  static constexpr bool kMayBeUnproven = true;
  static constexpr std::size_t kMaxSize = kMaxBatchBytes + 64 + kAuthSize;
  static constexpr std::uint8_t kSenders = kServers;
  static constexpr std::uint8_t kAuth = kOrderingAuth;
  static constexpr Prefix kPrefix = Prefix::ViewSeq;
  View view;
  Seq seq;
  Batch batch;  // last, so that its encoding is the rest of the body: that is what is hashed
  auto fields() { return std::tie(view, seq, batch); }
  bool operator==(const PrePrepare&) const = default;
};

/// A backup accepted the proposal. [PBFT 4.2]
struct Prepare {
  static constexpr ProtocolId kProtocol = ProtocolId::Bft;
  static constexpr std::uint8_t kType = 2;
  static constexpr const char* kName = "Prepare";
  static constexpr std::size_t kMaxSize = 128 + kAuthSize;
  static constexpr std::uint8_t kSenders = kServers;
  static constexpr std::uint8_t kAuth = kOrderingAuth;
  static constexpr Prefix kPrefix = Prefix::ViewSeq;
  View view;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(view, seq, digest); }
  bool operator==(const Prepare&) const = default;
};

/// The sender holds a prepared certificate. [PBFT 4.2]
struct Commit {
  static constexpr ProtocolId kProtocol = ProtocolId::Bft;
  static constexpr std::uint8_t kType = 3;
  static constexpr const char* kName = "Commit";
  static constexpr std::size_t kMaxSize = 128 + kAuthSize;
  static constexpr std::uint8_t kSenders = kServers;
  static constexpr std::uint8_t kAuth = kOrderingAuth;
  static constexpr Prefix kPrefix = Prefix::ViewSeq;
  View view;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(view, seq, digest); }
  bool operator==(const Commit&) const = default;
};

/// Digest of the state after executing `seq`. Always signed: 2f+1 of them prove a state to anybody. [PBFT 4.3]
struct Checkpoint {
  static constexpr ProtocolId kProtocol = ProtocolId::Bft;
  static constexpr std::uint8_t kType = 4;
  static constexpr const char* kName = "Checkpoint";
  static constexpr std::size_t kMaxSize = 128 + kAuthSize;
  static constexpr std::uint8_t kSenders = kServers;
  static constexpr std::uint8_t kAuth = bit(AuthKind::Signature);
  static constexpr Prefix kPrefix = Prefix::None;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(seq, digest); }
  bool operator==(const Checkpoint&) const = default;
};

/// "I cannot check these updates of the proposal", by position in the batch. `final`: a promise never to prepare it
/// in this view. Only with authenticators: a signature is good everywhere or nowhere. [BFT 9]
struct Doubt {
  static constexpr ProtocolId kProtocol = ProtocolId::Bft;
  static constexpr std::uint8_t kType = 7;
  static constexpr const char* kName = "Doubt";
  static constexpr std::size_t kMaxSize = 128 + 2 * replication::kMaxBatchUpdates + kAuthSize;
  static constexpr std::uint8_t kSenders = kServers;
  static constexpr std::uint8_t kAuth = bit(AuthKind::Authenticator);
  static constexpr Prefix kPrefix = Prefix::ViewSeq;
  View view;
  Seq seq;
  Digest digest;
  bool final = false;
  SortedList<std::uint16_t, replication::kMaxBatchUpdates> updates;
  auto fields() { return std::tie(view, seq, digest, final, updates); }
  bool operator==(const Doubt&) const = default;
};

/// What a server holds for one seq; votes as bits by server index.
struct SlotStatus {
  Seq seq;
  bool batch = false;
  std::uint64_t prepares = 0;
  std::uint64_t commits = 0;
  auto fields() { return std::tie(seq, batch, prepares, commits); }
  auto operator<=>(const SlotStatus&) const = default;
};

/// "This is how far I am": the others send what is missing. [BFT 6]
struct Status {
  static constexpr ProtocolId kProtocol = ProtocolId::Bft;
  static constexpr std::uint8_t kType = 5;
  static constexpr const char* kName = "Status";
  static constexpr std::size_t kMaxSlots = 32;
  static constexpr std::size_t kMaxSize = 128 + kMaxSlots * 25 + kAuthSize;
  static constexpr std::uint8_t kSenders = kServers;
  static constexpr std::uint8_t kAuth = bit(AuthKind::Authenticator);
  static constexpr Prefix kPrefix = Prefix::None;
  View view;
  Seq executed;
  Seq stable;
  std::uint32_t turn = 0;  // how often it asked: chooses who sends batches
  SortedList<SlotStatus, kMaxSlots> slots;
  auto fields() { return std::tie(view, executed, stable, turn, slots); }
  bool operator==(const Status&) const = default;
};

/// One seq for a server that misses it. `committed`: the sender holds a commit certificate for the digest (in
/// whatever view); f+1 such claims are proof. Otherwise it only supplies the batch to a server that has f+1 votes for
/// the digest. The updates inside need no proof of their own: some correct server has checked them. [BFT 6]
struct Entry {
  static constexpr ProtocolId kProtocol = ProtocolId::Bft;
  static constexpr std::uint8_t kType = 6;
  static constexpr const char* kName = "Entry";
  static constexpr std::size_t kMaxSize = kMaxBatchBytes + 256;
  static constexpr std::uint8_t kSenders = kServers;
  static constexpr std::uint8_t kAuth = bit(AuthKind::Mac);
  static constexpr Prefix kPrefix = Prefix::None;
  View view;
  Seq seq;
  bool committed = false;
  Digest digest;
  std::optional<Vouched<Batch>> batch;
  auto fields() { return std::tie(view, seq, committed, digest, batch); }
  bool operator==(const Entry&) const = default;
};

}  // namespace seneschal::bft
