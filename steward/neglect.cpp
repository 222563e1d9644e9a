#include "steward/neglect.hpp"

#include "steward/batching.hpp"

#include <algorithm>

namespace seneschal::steward {

void Neglect::executed(Instant now, Seq seq, const std::vector<ClientId>& clients, const replication::Batch& batch) {
  progress_ = now;
  if (!subject_ || !subject_->counts || subject_->passed_over) return;
  if (std::ranges::find(clients, subject_->client) != clients.end()) return subject_.reset();
  if (seq <= subject_->proposed) return;
  // First come, first served leaves an update out only where the batch is full before its turn comes.
  if (has_room(batch, settings_)) subject_->passed_over = true;
  // One update of a client waits at the representative at a time: of two in batches that were cut after the oldest
  // one had arrived, the second took its place in the queue behind it. Those that were under way before say nothing:
  // a client may issue the next update before the one before is executed.
  for (ClientId client : clients)
    if (!subject_->served.insert(client).second) subject_->passed_over = true;
}

std::optional<Instant> Neglect::since(Instant now, const std::optional<Waiting>& oldest, Duration transit,
                                      Seq proposed) {
  if (!oldest) {
    subject_.reset();
    return std::nullopt;
  }
  const auto& [client, since] = *oldest;
  if (!subject_ || subject_->since != since || subject_->client != client) subject_ = Subject{client, since};
  if (!subject_->counts && now - std::max(since, view_since_) > transit) {
    subject_->counts = true;
    subject_->proposed = proposed;
  }
  return subject_->passed_over ? since : std::max(since, progress_);
}

}  // namespace seneschal::steward
