// What a server holds for each seq: votes and certificates of its own site, proposals, accepts and order certificates
// of all sites. Bounded: entries exist only for (aru - L, aru + 2W] and above the newest stable Checkpoint up to L.
#pragma once
#include "runtime/gate.hpp"
#include "steward/messages.hpp"

#include <map>

namespace seneschal::steward {

/// A proven signed message: the bytes that were received, and what they say.
template <class M>
struct Held {
  SharedBytes sealed;
  Principal signer;
  std::shared_ptr<const M> body;

  explicit operator bool() const { return body != nullptr; }
  const M& operator*() const { return *body; }
  const M* operator->() const { return body.get(); }
  /// As a field of another message.
  Signed<M> embed() const { return {*sealed, parse_sealed(*sealed)->header, *body}; }

  static Held of(const Verified<M>& message) {
    // Keeps the decoded message alive instead of copying it: receivers of one multicast share it.
    auto owner = std::make_shared<const Verified<M>>(message);
    const M* body = &owner->body();
    return {message.bytes(), message.signer(), std::shared_ptr<const M>(std::move(owner), body)};
  }
  static Held of(const Signed<M>& message) {
    return {share(message.sealed), message.signer(), std::make_shared<const M>(message.body)};
  }
};

/// A batch with its digest.
struct HeldBatch {
  std::shared_ptr<const Batch> batch;
  Digest digest;
  explicit operator bool() const { return batch != nullptr; }
};

/// A batch inside a proven message, kept alive with it.
template <class M>
std::shared_ptr<const Batch> batch_of(const Verified<M>& message) {
  auto owner = std::make_shared<const Verified<M>>(message);
  const Batch* batch;
  if constexpr (requires { message.body().batch.value; })
    batch = &owner->body().batch.value;
  else
    batch = &owner->body().batch;
  return {std::move(owner), batch};
}

/// A batch and 2f matching Prepares of distinct servers other than the representative, all of one (gv, lv, seq). The
/// PrePrepare would add nothing: two digests cannot both have 2f such Prepares. [Steward 2]
struct PrepareCertificate {
  GlobalView gv;
  LocalView lv;
  HeldBatch batch;
  std::map<ServerIndex, Held<Prepare>> prepares;
  const Digest& digest() const { return batch.digest; }
};

/// Proposal and M-1 matching Accepts of distinct other sites, all of one gv. Final. [Steward 2]
struct OrderCertificate {
  Held<Proposal> proposal;
  std::map<SiteId, Held<Accept>> accepts;
};

/// Doubling retransmission.
struct Retry {
  Instant due = Instant::never();
  std::uint32_t count = 0;
  void start(Instant now, Duration first) {
    due = now + first;
    count = 0;
  }
  /// True if it is time; then the next time is set.
  bool fire(Instant now, Duration first, Duration most) {
    if (now < due) return false;
    ++count;
    Duration wait = count < 16 ? first * (1 << count) : most;
    due = now + std::min(wait, most);
    return true;
  }
  void stop() { due = Instant::never(); }
};

struct Entry {
  // --- local history: only at a leader site ---
  Held<PrePrepare> pre_prepare;  // of the current (gv, lv): adopted, or early if not `adopted`
  Digest pre_prepare_digest;
  bool adopted = false;                           // checked and, unless this server sent it, answered with a Prepare
  std::map<ServerIndex, Held<Prepare>> prepares;  // one per server, of the current (gv, lv)
  std::optional<PrepareCertificate> certificate;  // the highest (gv, lv), kept until ordered [Steward 5]
  Instant shown_at;                               // when `pre_prepare` came
  Instant pre_prepared_at;
  Retry local_retry;

  // --- global history ---
  Held<Proposal> proposal;                 // highest gv
  HeldBatch batch;                         // of `proposal`, or of `order`
  std::map<SiteId, Held<Accept>> accepts;  // one per site, highest gv; may come before the proposal
  std::optional<OrderCertificate> order;
  Retry wide_retry;
  std::map<SiteId, Instant> relayed_at;   // when a message of that site was last passed on inside
  std::map<SiteId, Instant> answered_at;  // when that site was last told that this is ordered
  Instant proposed_at;                    // when `proposal` came
  std::optional<Instant> given_at;        // when this server showed it to its representative

  /// The batch with this digest, if any message held here brought it.
  HeldBatch batch_of(const Digest& wanted) const;
};

/// An ordered entry with its certificate, ready to be sent. The entry must be ordered and have its batch.
OrderedEntry ordered_entry(const Entry& entry);
/// About what it weighs on the wire.
std::size_t ordered_entry_size(const Entry& entry);

class History {
 public:
  History(std::uint64_t window, std::uint64_t span, std::uint64_t kept, std::size_t kept_bytes)
      : window_(window), span_(span), kept_(kept), kept_bytes_(kept_bytes) {}

  /// Highest seq with nothing missing at or below it; all of it is executed.
  Seq aru() const { return aru_; }
  std::uint64_t window() const { return window_; }
  bool in_window(Seq seq) const { return seq > aru_ && seq.value <= aru_.value + window_ && may_vote(seq); }
  /// Where early messages are kept, and Proposals accepted. [Steward 3.8]
  bool in_reach(Seq seq) const { return seq > aru_ && seq.value <= aru_.value + 2 * window_ && below_limit(seq); }

  /// Seq of the newest stable Checkpoint, also if it is above the ARU. [Steward 7]
  Seq stable() const { return stable_; }
  /// What a stable Checkpoint covers is settled: it is neither prepared nor accepted any more, whatever of it this
  /// server has seen; nor is anything further above it than what must be kept. [Steward 7]
  bool may_vote(Seq seq) const { return seq > stable_ && below_limit(seq); }
  /// Where Checkpoints of single sites are kept: above the newest stable one, as far as anybody may order. [Steward
  /// 7]
  bool may_become_stable(Seq seq) const { return may_vote(seq); }
  /// Everything above it, up to the ARU, is here with its order certificate.
  Seq base() const { return base_; }

  /// The entry of `seq`, made if it is within reach; null otherwise.
  Entry* at(Seq seq) {
    auto it = entries_.find(seq);
    if (it != entries_.end()) return &it->second;
    return in_reach(seq) ? &entries_[seq] : nullptr;
  }
  const Entry* find(Seq seq) const {
    auto it = entries_.find(seq);
    return it == entries_.end() ? nullptr : &it->second;
  }
  /// Entries above the ARU, ascending.
  auto open() { return std::ranges::subrange(entries_.upper_bound(aru_), entries_.end()); }
  auto open() const { return std::ranges::subrange(entries_.upper_bound(aru_), entries_.end()); }

  const std::map<Seq, Entry>& all() const { return entries_; }

  /// The entry after the ARU was executed. Drops what is too old to keep.
  void advance();
  /// The Checkpoint at `seq` is stable. False if that is no news.
  bool stabilize(Seq seq);
  /// The state after `seq` was installed: all up to it is executed, and gone. Must be above the ARU (CHECKed).
  void jump(Seq seq);
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  bool below_limit(Seq seq) const { return seq.value <= stable_.value + span_; }
  void trim();

  std::uint64_t window_;
  std::uint64_t span_;  // L
  std::uint64_t kept_;
  std::size_t kept_bytes_;
  std::size_t bytes_ = 0;  // of batches at or below the ARU
  Seq aru_;
  Seq base_;
  Seq stable_;
  std::map<Seq, Entry> entries_;
};

}  // namespace seneschal::steward
