// The receiving end of a snapshot: what is asked for, what is here, and whether it is genuine. Pure bookkeeping: who
// is asked, and when, is the protocol's business.
#pragma once
#include "replication/snapshot_messages.hpp"

#include <map>
#include <set>

namespace seneschal::replication {

/// Collects one snapshot at a time. Aiming at a newer one keeps all chunks that both share, and so does a server's
/// own older state: only what changed travels. Bounded by kMaxChunks and `max_bytes`.
class SnapshotAssembly {
 public:
  explicit SnapshotAssembly(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  /// From now on the snapshot with this digest is wanted. `have` may be null.
  void aim(Seq seq, const Digest& digest, std::shared_ptr<const Snapshot> have);
  void drop();
  bool active() const { return active_; }
  Seq seq() const { return seq_; }

  enum class Piece : std::uint8_t {
    Useful,
    Known,   // here already, or of another snapshot
    Forged,  // not part of the snapshot that was signed
    TooLarge,
  };
  Piece add(const SnapshotBlock& block);
  Piece add(const SnapshotChunk& chunk);
  /// A chunk of another snapshot, which may well be in this one, too: never Forged.
  Piece add_shared(Span chunk);

  /// Something to ask for that is neither here nor in `asked`; nothing if there is none.
  std::optional<std::uint32_t> missing_block(const std::set<std::uint32_t>& asked) const;
  /// Chunks from `share` of `shares` on (and then from the first): several who fetch the same and pass on what they
  /// have got begin at different places.
  std::vector<std::uint32_t> missing_chunks(const std::set<std::uint32_t>& asked, std::size_t most,
                                            std::size_t share = 0, std::size_t shares = 1) const;
  bool complete() const;
  /// All chunks, in order. Only when complete (CHECKed).
  std::vector<SharedBytes> chunks() const;

  std::size_t held_bytes() const { return held_bytes_; }
  std::size_t wanted_chunks() const { return leaves_.size(); }
  std::size_t missing() const { return missing_.size(); }

 private:
  void leaves_known();
  Piece keep(std::uint32_t index, Span chunk);

  std::size_t max_bytes_;
  bool active_ = false;
  Seq seq_;
  Digest digest_;
  std::vector<Digest> leaves_;       // of the wanted snapshot, zero where not known yet
  std::set<std::uint32_t> unknown_;  // blocks whose leaves are not known; block 0 until anything is known
  std::set<std::uint32_t> missing_;  // chunks that are not here, once all leaves are known
  std::map<Digest, std::uint32_t> missing_leaves_;  // of these, to tell them by what they are
  std::map<Digest, SharedBytes> held_;
  std::size_t held_bytes_ = 0;
  std::shared_ptr<const Snapshot> have_;
  std::map<Digest, std::uint32_t> mine_;  // leaves of `have_`
};

}  // namespace seneschal::replication
