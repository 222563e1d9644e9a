#include "steward/neglect.hpp"

#include "steward/batching.hpp"

#include <algorithm>

namespace seneschal::steward {

void Neglect::executed(Instant now, const std::vector<ClientId>& clients, const replication::Batch& batch) {
  progress_ = now;
  if (!subject_ || !subject_->counts || subject_->passed_over) return;
  if (std::ranges::find(clients, subject_->client) != clients.end()) return subject_.reset();
  // Who orders first come first served leaves an update out only of a batch that is full before its turn comes.
  if (has_room(batch, settings_)) subject_->passed_over = true;
  // One update per client is outstanding: of two that are executed now the second was issued after the first, and so
  // after the oldest one had arrived.
  for (ClientId client : clients)
    if (!subject_->served.insert(client).second) subject_->passed_over = true;
}

std::optional<Instant> Neglect::since(Instant now, const replication::WatchList& watched, Duration transit) {
  auto oldest = watched.oldest();
  if (!oldest) {
    subject_.reset();
    return std::nullopt;
  }
  const ClientId client = watched.oldest_client();
  if (!subject_ || subject_->since != *oldest || subject_->client != client) subject_ = Subject{client, *oldest};
  if (now - std::max(*oldest, view_since_) > transit) subject_->counts = true;
  return subject_->passed_over ? *oldest : std::max(*oldest, progress_);
}

}  // namespace seneschal::steward
