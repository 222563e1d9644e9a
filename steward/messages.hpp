// What servers and sites say to each other in the normal case. [Steward 2]
#pragma once
#include "replication/messages.hpp"
#include "steward/config.hpp"

namespace seneschal::steward {

using replication::Batch;
using replication::Update;

inline constexpr std::size_t kMaxShare = 1024;
inline constexpr std::size_t kMaxProof = 2048;
inline constexpr std::size_t kSealOverhead = 1024;  // header and the longest authentication

constexpr std::uint8_t kBySite = bit(PrincipalKind::Site);
constexpr std::uint8_t kByServer = bit(PrincipalKind::Server);
constexpr std::uint8_t kSigned = bit(AuthKind::Signature);
constexpr std::uint8_t kMaced = bit(AuthKind::Mac);
constexpr std::uint8_t kBare = bit(AuthKind::Bare);

// ---- signed by servers, inside a site ----

/// The representative of the leader site gives `seq` to a batch. [Steward 3.4]
struct PrePrepare {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 1;
  static constexpr const char* kName = "PrePrepare";
  static constexpr std::size_t kMaxSize = replication::kMaxBatchBytes + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::ViewSubViewSeq;
  GlobalView gv;
  LocalView lv;
  Seq seq;
  Batch batch;
  auto fields() { return std::tie(gv, lv, seq, batch); }
  bool operator==(const PrePrepare&) const = default;
};

/// A server's vote for the batch with `digest` at `seq`; it votes once per (gv, lv, seq). [Steward 3.4]
struct Prepare {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 2;
  static constexpr const char* kName = "Prepare";
  static constexpr std::size_t kMaxSize = 128 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::ViewSubViewSeq;
  GlobalView gv;
  LocalView lv;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(gv, lv, seq, digest); }
  bool operator==(const Prepare&) const = default;
};

/// A share of the site's signature on the message whose unsigned bytes hash to `content`. `seq` tells when the share
/// is of no more use. The proof is there only if it was asked for. [Steward 3.6]
struct SigShare {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 3;
  static constexpr const char* kName = "SigShare";
  static constexpr std::size_t kMaxSize = 64 + kMaxShare + kMaxProof + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  Seq seq;
  Digest content;
  BoundedBytes<kMaxShare> share;
  BoundedBytes<kMaxProof> proof;
  auto fields() { return std::tie(seq, content, share, proof); }
  bool operator==(const SigShare&) const = default;
};

/// Asks one server for its share of `content`, with a proof if `prove`.
struct ShareRequest {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 4;
  static constexpr const char* kName = "ShareRequest";
  static constexpr std::size_t kMaxSize = 64 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kMaced;
  static constexpr Prefix kPrefix = Prefix::None;
  Seq seq;
  Digest content;
  bool prove = false;
  auto fields() { return std::tie(seq, content, prove); }
  bool operator==(const ShareRequest&) const = default;
};

/// The representative of `lv` says in advance whom it wants shares from, so that asking costs no round trip. The
/// highest `epoch` counts; epoch 0 is the representative and the q-1 servers after it, and is never sent.
struct SignerSet {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 5;
  static constexpr const char* kName = "SignerSet";
  static constexpr std::size_t kMaxSize = 64 + 2 * kMaxServersPerSite + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  LocalView lv;
  std::uint64_t epoch = 0;
  SortedList<ServerIndex, kMaxServersPerSite> signers;
  auto fields() { return std::tie(lv, epoch, signers); }
  bool operator==(const SignerSet&) const = default;
};

/// Evidence that the signer of `share` is faulty: its proof fails for `message`. [Steward 3.6]
struct CorruptedServer {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 6;
  static constexpr const char* kName = "CorruptedServer";
  static constexpr std::size_t kMaxMessage = 56 * 1024;  // the longest is a GlobalConstraint
  static constexpr std::size_t kMaxSize = SigShare::kMaxSize + kMaxMessage + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  Signed<SigShare> share;
  BoundedBytes<kMaxMessage> message;  // unsigned site message
  auto fields() { return std::tie(share, message); }
  bool operator==(const CorruptedServer&) const = default;
};

// ---- signed by sites ----

/// The leader site gives `seq` to the batch with `digest`. The signature covers `lv`: shares of different local views
/// must never combine. [Steward 1]
struct Proposal {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 7;
  static constexpr const char* kName = "Proposal";
  static constexpr std::size_t kMaxSize = 64 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kBySite;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  GlobalView gv;
  LocalView lv;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(gv, lv, seq, digest); }
  bool operator==(const Proposal&) const = default;
};

/// A site's consent to a Proposal. [Steward 3.8]
struct Accept {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 8;
  static constexpr const char* kName = "Accept";
  static constexpr std::size_t kMaxSize = 64 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kBySite;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  GlobalView gv;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(gv, seq, digest); }
  bool operator==(const Accept&) const = default;
};

/// Tells other sites who the representative is. [Steward 2]
struct LocalViewNotice {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 9;
  static constexpr const char* kName = "LocalViewNotice";
  static constexpr std::size_t kMaxSize = 16 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kBySite;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  LocalView lv;
  auto fields() { return std::tie(lv); }
  bool operator==(const LocalViewNotice&) const = default;
};

/// A site's word that the state after `seq` has this digest: f+1 correct servers of it computed that state and can
/// rebuild it from their disks. It settles nothing alone: see `StableProof`. [Steward 7]
struct Checkpoint {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 40;
  static constexpr const char* kName = "Checkpoint";
  static constexpr std::size_t kMaxSize = 64 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kBySite;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  Seq seq;
  Digest digest;  // `replication::snapshot_digest`
  auto fields() { return std::tie(seq, digest); }
  bool operator==(const Checkpoint&) const = default;
};

/// Checkpoints of M distinct sites with one seq and one digest, ascending by site: that Checkpoint is *stable*. Any M
/// sites include one of the signers, so its state outlives every tolerated loss of sites. A field of other messages;
/// `Context::stable_of` checks it. [Steward 7]
struct StableProof {
  static constexpr std::size_t kMaxSigners = kMaxSites / 2 + 1;
  static constexpr std::size_t kMaxEncoded = 8 + kMaxSigners * (Checkpoint::kMaxSize + 4);
  List<Signed<Checkpoint>, kMaxSigners> checkpoints;
  auto fields() { return std::tie(checkpoints); }
  bool operator==(const StableProof&) const = default;
};

// ---- carriers: what they hold proves itself, so they are bare and cross sites ----

/// The newest stable Checkpoint that the sender knows. `relay`: the receiver passes it on to its site.
struct StableCheckpoint {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 41;
  static constexpr const char* kName = "StableCheckpoint";
  static constexpr std::size_t kMaxSize = 16 + StableProof::kMaxEncoded + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  bool relay = false;
  StableProof proof;
  auto fields() { return std::tie(relay, proof); }
  bool operator==(const StableCheckpoint&) const = default;
};
static_assert(StableCheckpoint::kMaxSize <= kMaxSealed);

/// Checkpoints of the sender's site that are not stable yet, sent again: the lowest and the highest. A receiver that
/// knows a newer stable one answers with it. `relay`: the receiver passes them on to its site.
struct CheckpointNews {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 42;
  static constexpr const char* kName = "CheckpointNews";
  static constexpr std::size_t kMaxItems = 2;
  static constexpr std::size_t kMaxSize = 16 + kMaxItems * (Checkpoint::kMaxSize + 4) + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  bool relay = false;
  List<Signed<Checkpoint>, kMaxItems> checkpoints;
  auto fields() { return std::tie(relay, checkpoints); }
  bool operator==(const CheckpointNews&) const = default;
};

/// A Proposal with its batch, which the Proposal's digest vouches for. `relay`: the receiver passes it on to its
/// site.
struct ProposalCarrier {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 16;
  static constexpr const char* kName = "ProposalCarrier";
  static constexpr std::size_t kMaxSize = replication::kMaxBatchBytes + Proposal::kMaxSize + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  bool relay = false;
  Signed<Proposal> proposal;
  Vouched<Batch> batch;
  auto fields() { return std::tie(relay, proposal, batch); }
  bool operator==(const ProposalCarrier&) const = default;
};

/// An Accept that the receiver passes on to its site.
struct RelayedAccept {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 17;
  static constexpr const char* kName = "RelayedAccept";
  static constexpr std::size_t kMaxSize = Accept::kMaxSize + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  Signed<Accept> accept;
  auto fields() { return std::tie(accept); }
  bool operator==(const RelayedAccept&) const = default;
};

/// How far an update has come on its way to the leader site's representative. [Steward 3.2] [Steward 3.3]
enum class Leg : std::uint8_t {
  ToRepresentative,  // a server to its own representative
  ToLeaderSite,      // another site's server to one of the leader site
  InsideLeaderSite,  // passed on to all servers of the leader site
  kLast = InsideLeaderSite,
};

/// Inside a site with a MAC: the receiver begins to watch, and must know that a neighbour sent it. Bare
/// between sites, where servers share no keys.
struct ForwardedUpdate {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 18;
  static constexpr const char* kName = "ForwardedUpdate";
  static constexpr std::size_t kMaxSize = Update::kMaxSize + 2 * kSealOverhead;  // a MAC for each server of a site
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kMaced | bit(AuthKind::Authenticator) | kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  Leg leg = Leg::ToRepresentative;
  Signed<Update> update;
  auto fields() { return std::tie(leg, update); }
  bool operator==(const ForwardedUpdate&) const = default;
};

/// "I have executed up to `aru`; the newest stable Checkpoint that I know is at `stable`": a server that has more
/// answers with ordered entries or a newer stable Checkpoint. With a MAC inside a site, so that nobody can use up a
/// neighbour's answers in its name; bare between sites, where servers share no keys. Answers are rate limited per
/// sender. [Steward 7]
struct ReconcileRequest {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 19;
  static constexpr const char* kName = "ReconcileRequest";
  static constexpr std::size_t kMaxSize = 32 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kMaced | kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  Seq aru;
  Seq stable;
  auto fields() { return std::tie(aru, stable); }
  bool operator==(const ReconcileRequest&) const = default;
};

/// An order certificate with its batch: final, whatever view it is of. [Steward 2]
struct OrderedEntry {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 20;
  static constexpr const char* kName = "OrderedEntry";
  static constexpr std::size_t kMaxSize =
      replication::kMaxBatchBytes + Proposal::kMaxSize + kMaxSites / 2 * Accept::kMaxSize + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  Signed<Proposal> proposal;
  List<Signed<Accept>, kMaxSites / 2> accepts;
  Vouched<Batch> batch;
  auto fields() { return std::tie(proposal, accepts, batch); }
  bool operator==(const OrderedEntry&) const = default;
};
static_assert(OrderedEntry::kMaxSize <= kMaxSealed);

}  // namespace seneschal::steward
