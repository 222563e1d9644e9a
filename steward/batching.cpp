#include "steward/batching.hpp"

namespace seneschal::steward {

void BatchRule::update_arrived(Instant now) {
  if (last_arrival_) {
    Duration since = std::min<Duration>(now - *last_arrival_, std::chrono::seconds(1));
    between_arrivals_ += (since - between_arrivals_) / 8;
  }
  last_arrival_ = now;
}

void BatchRule::cut(Instant now, Seq seq) {
  last_cut_ = now;
  unsigned_.emplace(seq, now);
}

void BatchRule::signed_by_site(Instant now, Seq seq) {
  auto it = unsigned_.find(seq);
  if (it == unsigned_.end()) return;
  Duration took = now - it->second;
  signing_ = signing_.count() == 0 ? took : signing_ + (took - signing_) / 8;
  unsigned_.erase(it);
}

Instant BatchRule::ready_at() const {
  return unsigned_.empty() ? last_cut_ + gap() : Instant::never();
}

Duration BatchRule::gap() const {
  if (signing_ < between_arrivals_) return Duration{0};
  return std::min(signing_, gap_max_);
}

}  // namespace seneschal::steward
