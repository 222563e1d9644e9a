#include "steward/history.hpp"

namespace seneschal::steward {

void History::advance() {
  ++aru_;
  Entry& entry = entries_.at(aru_);
  CHECK(entry.order && entry.batch);
  // An ordered entry is final: what led to it is of no more use. [Steward 5]
  entry.pre_prepare = {};
  entry.prepares.clear();
  entry.certificate.reset();
  entry.local_retry.stop();
  entry.wide_retry.stop();
  bytes_ += replication::encoded_size(*entry.batch.batch);
  trim();
}

// Nothing above the stable Checkpoint is dropped: a server that lags behind it needs all of that, and the state.
// [Steward 7]
void History::trim() {
  Seq settled = std::min(aru_, stable_);
  while (!entries_.empty() && entries_.begin()->first <= settled &&
         (entries_.begin()->first.value + kept_ <= aru_.value || bytes_ > kept_bytes_)) {
    bytes_ -= replication::encoded_size(*entries_.begin()->second.batch.batch);
    base_ = entries_.begin()->first;
    entries_.erase(entries_.begin());
  }
}

HeldBatch Entry::batch_of(const Digest& wanted) const {
  if (batch && batch.digest == wanted) return batch;
  if (pre_prepare && pre_prepare_digest == wanted) return {{pre_prepare.body, &pre_prepare->batch}, wanted};
  if (certificate && certificate->digest() == wanted) return certificate->batch;
  return {};
}

bool History::stabilize(Seq seq) {
  if (seq <= stable_) return false;
  stable_ = seq;
  trim();
  return true;
}

void History::jump(Seq seq) {
  CHECK(seq > aru_);
  entries_.erase(entries_.begin(), entries_.upper_bound(seq));
  bytes_ = 0;  // of batches at or below the ARU: none is left
  aru_ = base_ = seq;
}

OrderedEntry ordered_entry(const Entry& entry) {
  OrderedEntry message;
  message.proposal = entry.order->proposal.embed();
  for (const auto& [site, accept] : entry.order->accepts) message.accepts.items.push_back(accept.embed());
  message.batch.value = *entry.batch.batch;
  return message;
}

std::size_t ordered_entry_size(const Entry& entry) {
  std::size_t size = entry.order->proposal.sealed->size() + replication::encoded_size(*entry.batch.batch);
  for (const auto& [site, accept] : entry.order->accepts) size += accept.sealed->size();
  return size;
}

}  // namespace seneschal::steward
