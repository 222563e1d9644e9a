#include "lab/sim/checkers/member_checker.hpp"

#include "bft/messages.hpp"
#include "crypto/digest.hpp"
#include "replication/administration.hpp"
#include "replication/messages.hpp"
#include "steward/messages.hpp"

namespace seneschal::lab::sim {

using replication::Administered;
using replication::Administration;

Members::Members(const Facts& facts, Verdict& verdict) : Checker(facts, verdict) {
  for (const ClientInfo& client : facts.membership.clients) {
    joined_[client.id] = Seq{};
    next_ = std::max(next_, client.id.next());
  }
}

template <class M>
void Members::proposed(const SealedParts& parts) {
  if (facts_.reach == 0 || !header_fits<M>(parts.header, 0)) return;
  const auto message = decode<M>(parts.body);
  if (!message) return;
  auto [clients, fresh] = contents_.try_emplace(replication::digest_of(message->batch));
  if (!fresh) return;
  for (const auto& update : message->batch.updates) clients->second.push_back(update.signer().client());
}

void Members::on_sent(Instant, const Principal& from, const SealedParts& parts) {
  proposed<steward::PrePrepare>(parts);
  proposed<bft::PrePrepare>(parts);
  const auto& administrator = facts_.membership.administrator;
  if (!administrator || from != Principal::of(*administrator)) return;
  if (!header_fits<replication::Update>(parts.header, 0)) return;
  if (auto update = decode<replication::Update>(parts.body))
    orders_.emplace(update->timestamp, update->operation.value);
}

// Whether it was carried out is told by the result. The first server to execute an order executed all before it.
void Members::administered(const Event& event) {
  const auto sent = orders_.find(event.timestamp);
  if (sent == orders_.end() || !done_.insert(event.timestamp).second) return;
  const auto order = decode<Administration>(sent->second);
  if (!order) return;
  const auto* enrolled = std::get_if<replication::Enroll>(&order->what);
  const ClientId next = enrolled != nullptr ? enrolled->id.next() : next_;
  if (event.digest != crypto::sha256(encode(Administered{replication::Verdict::Done, next}))) return;
  next_ = next;
  if (enrolled != nullptr)
    joined_.emplace(enrolled->id, event.seq);
  else
    left_.emplace(std::get<replication::Revoke>(order->what).id, event.seq);
}

// [Membership 4] Who votes at `seq` has executed all that is further below it than the reach.
void Members::voted(Instant at, const Principal& self, const Event& event) {
  const auto content = contents_.find(event.digest);
  if (content == contents_.end()) return;
  for (const ClientId client : content->second) {
    const auto left = left_.find(client);
    if (left != left_.end() && event.seq.value > left->second.value + facts_.reach)
      fail(at, to_string(self) + " votes at seq " + std::to_string(event.seq.value) + " for an update of client " +
                   std::to_string(client.value) + ", who left at seq " + std::to_string(left->second.value));
  }
}

void Members::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind == EventKind::Prepared || event.kind == EventKind::Ordered) voted(at, self, event);
  if (event.kind != EventKind::UpdateDone || !event.who.is_client()) return;
  const auto& administrator = facts_.membership.administrator;
  if (administrator && event.who == Principal::of(*administrator)) return administered(event);
  const auto where = [&] {
    return to_string(self) + " executes an update of " + to_string(event.who) + " at seq " +
           std::to_string(event.seq.value);
  };
  const auto joined = joined_.find(event.who.client());
  if (joined == joined_.end() || event.seq < joined->second) return fail(at, where() + ", who had not joined");
  const auto left = left_.find(event.who.client());
  if (left != left_.end() && event.seq > left->second)
    fail(at, where() + ", who left at seq " + std::to_string(left->second.value));
}

}  // namespace seneschal::lab::sim
