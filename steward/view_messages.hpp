// What servers and sites say to each other when views change. [Steward 4] [Steward 5]
#pragma once
#include "steward/messages.hpp"

namespace seneschal::steward {

/// What an exchange of states is about.
enum class StateContext : std::uint8_t {
  Pending,     // leader site: what may have been proposed in this global view
  Global,      // other sites: which Proposals still want an Accept
  Constraint,  // any site: what binds a new leader site
  kLast = Constraint,
};

/// How far an entry had come. Of two entries of one seq the first of these decides: an order certificate; the higher
/// gv; a Proposal before a prepare certificate; the higher lv. [Steward 5]
enum class EntryKind : std::uint8_t { Certificate, Proposed, Ordered, kLast = Ordered };

/// One entry, named by its digest; the proof and the batch are fetched by whoever lacks them.
struct StateItem {
  Seq seq;
  EntryKind kind = EntryKind::Certificate;
  GlobalView gv;
  LocalView lv;  // of a certificate; 0 otherwise: Proposals of one gv with equal digests are the same entry
  Digest digest;
  auto fields() { return std::tie(seq, kind, gv, lv, digest); }
  auto operator<=>(const StateItem&) const = default;
};
/// A server that is W ahead of the base still reports what lies 2W above its own ARU.
inline constexpr std::size_t kMaxStateItems = 3 * kMaxWindow;
inline constexpr std::size_t kStateItemSize = 8 + 1 + 8 + 8 + 32;
using StateItems = List<StateItem, kMaxStateItems>;

/// Which exchange a message belongs to.
struct StateKey {
  StateContext context = StateContext::Pending;
  GlobalView gv;
  LocalView lv;
  Seq base;
  auto fields() { return std::tie(context, gv, lv, base); }
  auto operator<=>(const StateKey&) const = default;
};

// ---- signed by servers, inside a site ----

/// "I have left all local views below `lv`." With lv 0 only a question. [Steward 4]
struct NewRep {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 10;
  static constexpr const char* kName = "NewRep";
  static constexpr std::size_t kMaxSize = 32 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  LocalView lv;
  std::uint32_t round_trip_us = 0;  // to the farthest connected site, as the sender measured it [Steward 6]
  auto fields() { return std::tie(lv, round_trip_us); }
  bool operator==(const NewRep&) const = default;
};

/// The representative of `lv` asks for everything above `base`.
struct StateRequest {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 11;
  static constexpr const char* kName = "StateRequest";
  static constexpr std::size_t kMaxSize = 32 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  StateKey key;
  auto fields() { return std::tie(key); }
  bool operator==(const StateRequest&) const = default;
};

/// A server's answer: for each seq above the base the entry it holds that outranks its others. Ascending by seq.
/// `stable`: the newest stable Checkpoint that it knows, if that lies above the base; its items begin above that.
/// (Type 12 was the form without it.) [Steward 7]
struct ServerState {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 43;
  static constexpr const char* kName = "ServerState";
  static constexpr std::size_t kMaxSize =
      64 + kMaxStateItems * kStateItemSize + StableProof::kMaxEncoded + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  StateKey key;
  StateItems items;
  std::optional<StableProof> stable;
  auto fields() { return std::tie(key, items, stable); }
  bool operator==(const ServerState&) const = default;
};

/// One of the q pieces of a bundle: `chosen` names all of its ServerStates by their hashes, `state` is one of them.
/// In pieces, because q states of a large site do not fit into one datagram.
struct CollectedState {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 44;
  static constexpr const char* kName = "CollectedState";
  static constexpr std::size_t kMaxSize = 64 + 32 * kMaxServersPerSite + ServerState::kMaxSize + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  SortedList<Digest, kMaxServersPerSite> chosen;
  Signed<ServerState> state;
  auto fields() { return std::tie(chosen, state); }
  bool operator==(const CollectedState&) const = default;
};

/// A server wants the site to leave its global view for `gv`. No promise: it goes on in the old one. [Steward 5]
struct GlobalViewAttempt {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 14;
  static constexpr const char* kName = "GlobalViewAttempt";
  static constexpr std::size_t kMaxSize = 32 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  GlobalView gv;
  std::uint32_t round_trip_us = 0;
  auto fields() { return std::tie(gv, round_trip_us); }
  bool operator==(const GlobalViewAttempt&) const = default;
};

/// How far a server of the new leader site has executed. [Steward 5]
struct AruClaim {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 15;
  static constexpr const char* kName = "AruClaim";
  static constexpr std::size_t kMaxSize = 32 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  GlobalView gv;
  Seq aru;
  auto fields() { return std::tie(gv, aru); }
  bool operator==(const AruClaim&) const = default;
};

// ---- signed by sites ----

/// The site wants view `gv`. M of them preinstall it. [Steward 5]
struct GlobalViewChange {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 24;
  static constexpr const char* kName = "GlobalViewChange";
  static constexpr std::size_t kMaxSize = 16 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kBySite;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  GlobalView gv;
  auto fields() { return std::tie(gv); }
  bool operator==(const GlobalViewChange&) const = default;
};

/// The leader site of `gv` has everything up to `aru` and asks for what lies above. [Steward 5]
struct AruMessage {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 25;
  static constexpr const char* kName = "AruMessage";
  static constexpr std::size_t kMaxSize = 32 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kBySite;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  GlobalView gv;
  Seq aru;
  auto fields() { return std::tie(gv, aru); }
  bool operator==(const AruMessage&) const = default;
};

/// A site's answer: what it holds above `base`, the ARU that was asked about, or above `stable`, the newest stable
/// Checkpoint of its servers' states, if that is higher. It never again accepts anything of a view below `gv`.
/// [Steward 5] [Steward 7]
struct GlobalConstraint {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 45;
  static constexpr const char* kName = "GlobalConstraint";
  static constexpr std::size_t kMaxSize =
      32 + kMaxStateItems * kStateItemSize + StableProof::kMaxEncoded + kSealOverhead;
  static constexpr std::uint8_t kSenders = kBySite;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  GlobalView gv;
  Seq base;
  StateItems items;
  std::optional<StableProof> stable;
  auto fields() { return std::tie(gv, base, items, stable); }
  bool operator==(const GlobalConstraint&) const = default;
};

static_assert(GlobalConstraint::kMaxSize <= CorruptedServer::kMaxMessage);

/// One of the M pieces of a constraint set, as `CollectedState` is of a bundle; signed by the representative of `lv`.
struct CollectedConstraint {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 46;
  static constexpr const char* kName = "CollectedConstraint";
  static constexpr std::size_t kMaxSize = 64 + 32 * kMaxSites + GlobalConstraint::kMaxSize + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kSigned;
  static constexpr Prefix kPrefix = Prefix::None;
  LocalView lv;
  SortedList<Digest, kMaxSites> chosen;
  Signed<GlobalConstraint> constraint;
  auto fields() { return std::tie(lv, chosen, constraint); }
  bool operator==(const CollectedConstraint&) const = default;
};

// ---- carriers: what they hold proves itself ----

/// NewReps of servers of one site: q of them at or above a view prove that it is preinstalled.
struct PreinstallProof {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 28;
  static constexpr const char* kName = "PreinstallProof";
  static constexpr std::size_t kMaxSize = kMaxServersPerSite * (NewRep::kMaxSize + 4) + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  List<Signed<NewRep>, kMaxServersPerSite> votes;
  auto fields() { return std::tie(votes); }
  bool operator==(const PreinstallProof&) const = default;
};

/// Asks for the proofs of entries, with their batches; or only for the batches, where a site's signature vouches for
/// the entries. With a MAC inside a site, bare between sites.
struct EntryRequest {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 29;
  static constexpr const char* kName = "EntryRequest";
  static constexpr std::size_t kMaxItems = 16;
  static constexpr std::size_t kMaxSize = 16 + kMaxItems * kStateItemSize + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kMaced | kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  List<StateItem, kMaxItems> items;
  auto fields() { return std::tie(items); }
  bool operator==(const EntryRequest&) const = default;
};

/// The batch of an entry and, inside a site, what proves that entry: its Proposal, or the Prepares of a certificate.
/// 2f Prepares of distinct servers other than the representative are as unique as with the PrePrepare, which would
/// bring a second copy of the batch.
struct EntryEvidence {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 30;
  static constexpr const char* kName = "EntryEvidence";
  static constexpr std::size_t kMaxSize = 128 + kMaxServersPerSite * (Prepare::kMaxSize + 4) + Proposal::kMaxSize +
                                          replication::kMaxBatchBytes + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  StateItem item;
  std::optional<Signed<Proposal>> proposal;
  List<Signed<Prepare>, kMaxServersPerSite> prepares;
  Vouched<Batch> batch;
  auto fields() { return std::tie(item, proposal, prepares, batch); }
  bool operator==(const EntryEvidence&) const = default;
};
static_assert(EntryEvidence::kMaxSize <= kMaxSealed);

/// Site messages about the global view. `relay`: the receiver passes them on to its site.
struct GlobalViewNews {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 47;
  static constexpr const char* kName = "GlobalViewNews";
  static constexpr std::size_t kMaxSize = kMaxSites * (GlobalViewChange::kMaxSize + 4) + AruMessage::kMaxSize +
                                          Proposal::kMaxSize + GlobalConstraint::kMaxSize + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  bool relay = false;
  List<Signed<GlobalViewChange>, kMaxSites> changes;
  std::optional<Signed<AruMessage>> aru;
  std::optional<Signed<Proposal>> proposal;  // of the highest view: proves it
  std::optional<Signed<GlobalConstraint>> constraint;
  auto fields() { return std::tie(relay, changes, aru, proposal, constraint); }
  bool operator==(const GlobalViewNews&) const = default;
};
static_assert(GlobalViewNews::kMaxSize <= kMaxSealed);

/// Measures a round trip: `token` comes back as it was sent, with how long a write to the disk takes there. It proves
/// nothing, so it decides nothing alone: see Timers.
struct RoundTrip {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 33;
  static constexpr const char* kName = "RoundTrip";
  static constexpr std::size_t kMaxSize = 16 + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  bool back = false;
  std::uint64_t token = 0;
  std::uint32_t write_us = 0;  // of who answers; 0 in a question
  auto fields() { return std::tie(back, token, write_us); }
  bool operator==(const RoundTrip&) const = default;
};

/// The q claims from which the leader site's ARU follows.
struct AruClaims {
  static constexpr ProtocolId kProtocol = ProtocolId::Steward;
  static constexpr std::uint8_t kType = 32;
  static constexpr const char* kName = "AruClaims";
  static constexpr std::size_t kMaxSize = kMaxServersPerSite * (AruClaim::kMaxSize + 4) + kSealOverhead;
  static constexpr std::uint8_t kSenders = kByServer;
  static constexpr std::uint8_t kAuth = kBare;
  static constexpr Prefix kPrefix = Prefix::None;
  List<Signed<AruClaim>, kMaxServersPerSite> claims;
  auto fields() { return std::tie(claims); }
  bool operator==(const AruClaims&) const = default;
};

}  // namespace seneschal::steward
