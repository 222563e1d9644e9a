#include "bft/requests.hpp"

namespace seneschal::bft {
namespace {
/// Updates that a backup has passed on to the primary and not seen executed. Under overload all clients repeat
/// themselves to all servers, and every backup would pass all of it on: more than the primary's links carry.
constexpr std::size_t kRelaysAtOnce = 16;
}  // namespace

using replication::Update;

std::optional<Reject> Requests::on_update(Instant now, const Verified<Update>& message, Effects& fx) {
  // With signatures everywhere a batch must convince everybody, and so must each update in it.
  if (context_.signatures() && message.header().auth != AuthKind::Signature) return Reject::BadSignature;
  ClientId client = message.signer().client();
  Timestamp timestamp = message.body().timestamp;
  // The gate knows some who left: their updates may be in entries under way, but begin no new one. [Membership 4]
  if (execution_.roster().member(client) == nullptr) return Reject::UnknownClient;
  if (execution_.clients().executed(client, timestamp))  // the same reply again [PBFT 4.1]
    return service_.reply_again(now, client, timestamp, fx);
  if (context_.is_primary()) {
    auto distrusted = distrusted_until_.find(client);
    if (distrusted != distrusted_until_.end() && message.header().auth != AuthKind::Signature) {
      if (now < distrusted->second) return Reject::Overloaded;
      distrusted_until_.erase(distrusted);
    }
    return pool_.add(message.embed());
  }
  if (auto older = watched_.entries().find(client); older != watched_.entries().end()) {
    if (older->second.timestamp > timestamp) return Reject::StaleTimestamp;
    if (older->second.timestamp < timestamp) {
      leave_queue(client);
      relayed_.erase(client);
    }
  }
  watched_.watch(client, timestamp, now, message.bytes());
  if (relayed_.contains(client))  // its client insists: what was passed on may be lost
    fx.forward(Destination::to(Context::server(context_.primary())), message.bytes());
  else if (queued_.try_emplace(client, now).second)
    unrelayed_.emplace(now, client);
  relay(now, fx);
  return std::nullopt;
}

void Requests::leave_queue(ClientId client) {
  if (auto place = queued_.find(client); place != queued_.end()) {
    unrelayed_.erase({place->second, client});
    queued_.erase(place);
  }
}

void Requests::relay(Instant now, Effects& fx) {
  const Duration patience = std::max(context_.settings.retransmit_first, 2 * round_);
  std::erase_if(relayed_, [&](const auto& relayed) { return now - relayed.second > patience; });
  while (relayed_.size() < kRelaysAtOnce && !unrelayed_.empty()) {
    const ClientId client = unrelayed_.begin()->second;
    leave_queue(client);
    fx.forward(Destination::to(Context::server(context_.primary())), watched_.entries().at(client).sealed);
    relayed_[client] = now;
  }
}

void Requests::clients_left() {
  const auto gone = [&](ClientId client) { return execution_.roster().member(client) == nullptr; };
  pool_.forget_if(gone);
  watched_.forget_if(gone);
  std::erase_if(unrelayed_, [&](const auto& place) { return gone(place.second); });
  std::erase_if(queued_, [&](const auto& place) { return gone(place.first); });
  std::erase_if(relayed_, [&](const auto& relayed) { return gone(relayed.first); });
  service_.clients_left();
  std::erase_if(distrusted_until_, [&](const auto& client) { return gone(client.first); });
}

void Requests::put_back(Instant now, std::vector<Ordering::Returned> updates) {
  for (auto& [update, distrusted] : updates) {
    ClientId client = update.signer().client();
    pool_.forget_taken(client);
    if (execution_.roster().member(client) == nullptr) continue;  // left meanwhile
    if (distrusted)
      distrusted_until_[client] = now + context_.settings.doubt_pause;
    else
      pool_.add(std::move(update));
  }
}

void Requests::on_executed(Instant now, std::span<const ClientId> clients, Duration took, Effects& fx) {
  if (took.count() > 0) round_ = round_.count() == 0 ? took : round_ + (took - round_) / 8;
  for (ClientId client : clients) {
    service_.reply(client, fx);
    const replication::StoredReply* last = execution_.clients().find(client);
    pool_.discharge(client, last->timestamp);
    if (auto watch = watched_.entries().find(client);
        watch != watched_.entries().end() && watch->second.timestamp <= last->timestamp) {
      leave_queue(client);
      relayed_.erase(client);
      watched_.discharge(client, last->timestamp);
    }
  }
  if (!unrelayed_.empty()) relay(now, fx);
  service_.answer_waiting(fx);
}

Duration Requests::gap() const {
  return std::max(context_.settings.batch_gap, round_ / static_cast<std::int64_t>(context_.settings.batch_gap_share));
}

std::optional<Batch> Requests::cut(Instant now, std::uint64_t in_flight) {
  cut_at_ = Instant::never();
  if (pool_.empty()) return std::nullopt;
  const Settings& s = context_.settings;
  bool full = pool_.size() >= s.batch_max || pool_.bytes() >= s.batch_max_bytes;
  // Alone in the pipeline a request goes at once; behind others it may wait for company, a small part of the time
  // that the round takes anyway. [BFT 4]
  if (!full && in_flight > 0 && now < last_cut_ + gap()) {
    cut_at_ = last_cut_ + gap();
    return std::nullopt;
  }
  last_cut_ = now;
  return pool_.take(s.batch_max, s.batch_max_bytes);
}

}  // namespace seneschal::bft
