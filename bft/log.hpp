// The message log: a ring of slots for the seqs that are being ordered. [PBFT 4.2] [BFT 3]
#pragma once
#include "base/check.hpp"
#include "bft/doubtful.hpp"

namespace seneschal::bft {

/// Votes of one kind for one seq. The first vote of a server is its only one; votes may come before the digest is
/// known.
class Votes {
 public:
  explicit Votes(std::uint16_t servers = 0) : digests_(servers) {}
  /// False if the server has voted already.
  bool add(ServerIndex from, const Digest& digest) {
    if ((seen_ & bit_of(from)) != 0) return false;
    seen_ |= bit_of(from);
    digests_[from.value] = digest;
    return true;
  }
  /// The servers that voted for `digest`.
  std::uint64_t voters(const Digest& digest) const {
    std::uint64_t mask = 0;
    for (std::size_t i = 0; i < digests_.size(); ++i)
      if ((seen_ >> i & 1) != 0 && digests_[i] == digest) mask |= std::uint64_t{1} << i;
    return mask;
  }
  std::size_t count(const Digest& digest) const { return static_cast<std::size_t>(std::popcount(voters(digest))); }
  std::uint64_t seen() const { return seen_; }
  /// The servers that voted for `digest` may vote again.
  void forget(const Digest& digest) { seen_ &= ~voters(digest); }
  void clear() { seen_ = 0; }

 private:
  std::uint64_t seen_ = 0;
  std::vector<Digest> digests_;  // by server; meaningful where seen
};

struct Slot {
  Seq seq;  // 0: free
  std::shared_ptr<const Batch> batch;
  Digest digest;         // of `batch`
  SharedBytes proposal;  // the sealed PrePrepare, if it was received as such
  Votes prepares;        // of backups
  Votes commits;
  bool saved = false;  // the log has its batch
  Ticket adopted;      // the record that our PrePrepare or Prepare waits for
  Ticket certified;    // the record that our Commit waits for
  bool prepare_sent = false;
  bool prepared = false;                    // prepared certificate; our Commit was sent
  bool committed = false;                   // commit certificate
  Instant since;                            // when the batch became known
  std::vector<SharedBytes> prepare_proofs;  // sealed Prepares that match; with signatures only

  std::unique_ptr<Doubtful> doubtful;  // rarely there

  bool known() const { return batch != nullptr; }
};

class Log {
 public:
  /// Holds (base, base + span].
  Log(std::uint64_t span, std::uint16_t servers);

  bool contains(Seq seq) const { return seq > base_ && seq.value <= base_.value + span_; }
  /// The slot of a seq inside the window (CHECKed), opened if it was free.
  Slot& at(Seq seq);
  /// The slot if something is known about `seq`, else null.
  Slot* find(Seq seq);
  const Slot* find(Seq seq) const { return const_cast<Log*>(this)->find(seq); }
  /// Moves the window up; slots at or below `base` are freed.
  void advance(Seq base);
  Seq base() const { return base_; }
  Seq top() const { return base_ + span_; }
  /// Highest seq that any slot was opened for.
  Seq highest() const { return highest_; }

 private:
  Slot& slot(Seq seq) { return slots_[seq.value & mask_]; }
  static void reset(Slot& slot);

  std::uint64_t span_;
  std::uint64_t mask_;
  Seq base_;
  Seq highest_;
  std::vector<Slot> slots_;
};

}  // namespace seneschal::bft
