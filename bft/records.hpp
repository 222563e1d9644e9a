// What a server writes to its log, so that a restart contradicts nothing it ever said. [BFT 10]
#pragma once
#include "bft/messages.hpp"
#include "replication/snapshot.hpp"

#include <variant>

namespace seneschal::bft {

/// A proposal that this server made, as primary, or accepted: before the PrePrepare or Prepare leaves.
struct AdoptedRecord {
  Vouched<PrePrepare> proposal;
  auto fields() { return std::tie(proposal); }
  bool operator==(const AdoptedRecord&) const = default;
};
/// A prepared certificate: before the Commit leaves.
struct PreparedRecord {
  View view;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(view, seq, digest); }
  bool operator==(const PreparedRecord&) const = default;
};
/// The promise in a final Doubt, never to prepare the digest in this view: before it leaves.
struct PromiseRecord {
  View view;
  Seq seq;
  Digest digest;
  auto fields() { return std::tie(view, seq, digest); }
  bool operator==(const PromiseRecord&) const = default;
};
/// An executed entry. Nothing waits for it: whoever lost it orders it again from the Commits, which are durable.
struct ExecutedRecord {
  Seq seq;
  Digest digest;
  std::optional<Vouched<Batch>> batch;  // only if no AdoptedRecord has it
  auto fields() { return std::tie(seq, digest, batch); }
  bool operator==(const ExecutedRecord&) const = default;
};
/// A stable checkpoint: where the window of the message log starts.
struct StableRecord {
  Seq seq;
  Digest digest;
  List<Signed<Checkpoint>, kMaxServers> proof;
  auto fields() { return std::tie(seq, digest, proof); }
  bool operator==(const StableRecord&) const = default;
};

/// Some chunks of the state after `seq`, a stable checkpoint. When all of them are here the state is, and nothing
/// before it is needed to execute on.
struct SnapshotRecord {
  static constexpr std::size_t kMaxChunks = 64;
  Seq seq;
  std::uint32_t first = 0;
  std::uint32_t total = 0;
  List<BoundedBytes<replication::kMaxChunk>, kMaxChunks> chunks;
  auto fields() { return std::tie(seq, first, total, chunks); }
  bool operator==(const SnapshotRecord&) const = default;
};

struct LogRecord {
  static constexpr std::uint8_t kVersion = 1;
  std::uint8_t version = kVersion;
  std::variant<AdoptedRecord, PreparedRecord, PromiseRecord, ExecutedRecord, StableRecord, SnapshotRecord> what;
  auto fields() { return std::tie(version, what); }
  bool operator==(const LogRecord&) const = default;
};

/// Refuses records that were not written by this version of the program.
std::expected<LogRecord, Reject> decode_record(Span bytes);

}  // namespace seneschal::bft
