// When the representative of the leader site cuts a batch. [Steward 3, Batching]
#pragma once
#include "replication/pending_updates.hpp"
#include "steward/config.hpp"

namespace seneschal::steward {

/// Another update would have fitted in. How large the one was that was next in turn is not known: at most kMaxSize.
inline bool has_room(const replication::Batch& batch, const Settings& settings) {
  return batch.updates.size() < settings.batch_max &&
         replication::encoded_size(batch) + replication::Update::kMaxSize <= settings.batch_max_bytes;
}

/// Integer arithmetic throughout: the rule decides what is ordered when.
class BatchRule {
 public:
  explicit BatchRule(Duration gap_max) : gap_max_(gap_max) {}

  /// A new update began to wait.
  void update_arrived(Instant now);
  /// A batch was cut: its PrePrepare is unsigned by the site until `signed_by_site`.
  void cut(Instant now, Seq seq);
  /// The site signed the Proposal of `seq`, or ordered it.
  void signed_by_site(Instant now, Seq seq);

  /// What was cut in another view is not waited for.
  void view_changed() { unsigned_.clear(); }

  /// When a waiting update may be cut; `Instant::never()` while a PrePrepare is unsigned.
  Instant ready_at() const;
  /// The measured time from PrePrepare to combined signature, or 0 when the site signs faster than updates arrive.
  Duration gap() const;
  Duration signing_time() const { return signing_; }
  std::size_t unsigned_count() const { return unsigned_.size(); }

 private:
  Duration gap_max_;
  Duration signing_{};
  Duration between_arrivals_ = std::chrono::seconds(1);
  std::optional<Instant> last_arrival_;
  Instant last_cut_{std::numeric_limits<std::int64_t>::min() / 2};
  std::map<Seq, Instant> unsigned_;
};

}  // namespace seneschal::steward
