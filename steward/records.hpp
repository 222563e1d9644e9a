// What a server writes to its log, so that a restart contradicts nothing it ever said. [Steward 8]
#pragma once
#include "replication/snapshot.hpp"
#include "runtime/core.hpp"
#include "steward/messages.hpp"

namespace seneschal::steward {

/// Never again below `gv`.
struct PromiseRecord {
  GlobalView gv;
  auto fields() { return std::tie(gv); }
  bool operator==(const PromiseRecord&) const = default;
};
/// The local view entered or asked for.
struct LocalViewRecord {
  LocalView lv;
  auto fields() { return std::tie(lv); }
  bool operator==(const LocalViewRecord&) const = default;
};
/// A PrePrepare this server is about to send. Sealing it again gives the same bytes.
struct ProposedRecord {
  Vouched<PrePrepare> pre_prepare;
  auto fields() { return std::tie(pre_prepare); }
  bool operator==(const ProposedRecord&) const = default;
};
/// A PrePrepare this server is about to answer with its Prepare: vote and batch in one.
struct PreparedRecord {
  Vouched<Signed<PrePrepare>> pre_prepare;
  auto fields() { return std::tie(pre_prepare); }
  bool operator==(const PreparedRecord&) const = default;
};
/// A prepare certificate; its batch is in an earlier record. The Proposal share that follows is determined by
/// it.
struct CertificateRecord {
  GlobalView gv;
  LocalView lv;
  Seq seq;
  Digest digest;
  List<Signed<Prepare>, kMaxServersPerSite> prepares;
  auto fields() { return std::tie(gv, lv, seq, digest, prepares); }
  bool operator==(const CertificateRecord&) const = default;
};
/// A Proposal this server is about to share an Accept for.
struct AcceptedRecord {
  Signed<Proposal> proposal;
  Vouched<Batch> batch;
  auto fields() { return std::tie(proposal, batch); }
  bool operator==(const AcceptedRecord&) const = default;
};
/// An order certificate with its batch.
struct OrderedRecord {
  Vouched<OrderedEntry> entry;
  auto fields() { return std::tie(entry); }
  bool operator==(const OrderedRecord&) const = default;
};

/// The global view this server asked for. No promise. [Steward 5]
struct AttemptRecord {
  GlobalView gv;
  auto fields() { return std::tie(gv); }
  bool operator==(const AttemptRecord&) const = default;
};
/// Whom this representative of `lv` asks for shares. Others take a set only if its epoch is higher than the last
/// one's, so a restarted representative must not begin at 0 again.
struct SignerSetRecord {
  LocalView lv;
  std::uint64_t epoch = 0;
  SortedList<ServerIndex, kMaxServersPerSite> signers;
  auto fields() { return std::tie(lv, epoch, signers); }
  bool operator==(const SignerSetRecord&) const = default;
};
/// The newest stable Checkpoint: durable before anything at or below it is forgotten. [Steward 7]
struct StableRecord {
  StableProof proof;
  auto fields() { return std::tie(proof); }
  bool operator==(const StableRecord&) const = default;
};
/// Some chunks of the state of the stable Checkpoint at `seq`. When all of them are in the log the state is: the next
/// start begins with it, and takes from all other records what they say about entries above it.
struct SnapshotRecord {
  static constexpr std::size_t kMaxChunks = 64;
  Seq seq;
  std::optional<StableProof> proof;  // in the first piece only
  std::uint32_t first = 0;
  std::uint32_t total = 0;
  List<BoundedBytes<replication::kMaxChunk>, kMaxChunks> chunks;
  auto fields() { return std::tie(seq, proof, first, total, chunks); }
  bool operator==(const SnapshotRecord&) const = default;
};

/// A batch that a CertificateRecord after it names: the PrePrepare that brought it may be forgotten.
struct BatchRecord {
  Seq seq;
  Vouched<Batch> batch;
  auto fields() { return std::tie(seq, batch); }
  bool operator==(const BatchRecord&) const = default;
};
/// The highest order certificate held, and the view it was made in: timers follow it. [Steward 6]
struct ProgressRecord {
  Seq last_ordered;
  GlobalView ordered_in;
  auto fields() { return std::tie(last_ordered, ordered_in); }
  bool operator==(const ProgressRecord&) const = default;
};

/// The whole state of `seq` above is genuine and of no use to this program: the log is read as if it were not there.
struct DiscardedRecord {
  Seq seq;
  auto fields() { return std::tie(seq); }
  bool operator==(const DiscardedRecord&) const = default;
};

struct LogRecord {
  /// 3: a state and what is forgotten behind it rest on a stable Checkpoint. Earlier versions, which took the word of
  /// one site for that, are refused: see `check_log`.
  static constexpr std::uint8_t kVersion = 3;
  std::uint8_t version = kVersion;
  std::variant<PromiseRecord, LocalViewRecord, ProposedRecord, PreparedRecord, CertificateRecord, AcceptedRecord,
               OrderedRecord, AttemptRecord, SignerSetRecord, StableRecord, SnapshotRecord, BatchRecord,
               ProgressRecord, DiscardedRecord>
      what;
  auto fields() { return std::tie(version, what); }
  bool operator==(const LogRecord&) const = default;
};

/// Refuses records of another version.
std::expected<LogRecord, Reject> decode_record(Span bytes);

/// An error that names both formats if another version of the program wrote this log, and says what to do.
Status check_log_format(std::span<const Record> log);

/// False if `bytes` is certainly not a record of kind R: spares decoding it.
template <class R>
bool may_be(Span bytes) {
  constexpr auto kind = []<class... Rs>(std::type_identity<std::variant<Rs...>>) {
    std::size_t index = 0;
    (void)((std::is_same_v<R, Rs> || (++index, false)) || ...);
    return index;
  }(std::type_identity<decltype(LogRecord::what)>{});
  return bytes.size() > 1 && bytes[1] == kind;  // behind the version
}

}  // namespace seneschal::steward
