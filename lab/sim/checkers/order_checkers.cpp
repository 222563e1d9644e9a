#include "lab/sim/checkers/order_checkers.hpp"

#include "replication/messages.hpp"

namespace seneschal::lab::sim {

namespace {
std::string at_seq(Seq seq) {
  return " at seq " + std::to_string(seq.value);
}

/// The update in a message that a client sends, if it is one.
std::optional<replication::Update> update_in(const Principal& from, const SealedParts& parts) {
  if (!from.is_client() || !header_fits<replication::Update>(parts.header, 0)) return std::nullopt;
  auto update = decode<replication::Update>(parts.body);
  if (!update) return std::nullopt;
  return std::move(*update);
}
}  // namespace

void Agreement::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind != EventKind::Ordered && event.kind != EventKind::Executed) return;
  const auto [found, fresh] = decided_.emplace(event.seq, event.digest);
  if (!fresh && found->second != event.digest)
    fail(at,
         to_string(self) + " has " + event.digest.brief() + at_seq(event.seq) + ", others " + found->second.brief());
}

void Prefix::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind == EventKind::Ordered) {
    Server& server = servers_[self];
    if (event.seq > server.executed) server.ordered.insert(event.seq);
    server.ever_ordered.insert(event.seq);
    ordered_somewhere_.insert(event.seq);
    return;
  }
  if (tells_state(event) && event.seq > servers_[self].executed) {
    Server& server = servers_[self];
    server.executed = event.seq;
    server.ordered.erase(server.ordered.begin(), server.ordered.upper_bound(event.seq));
  }
  if (event.kind != EventKind::Executed) return;
  Server& server = servers_[self];
  if (event.seq != server.executed.next())
    fail(at, to_string(self) + " executes seq " + std::to_string(event.seq.value) + " after seq " +
                 std::to_string(server.executed.value));
  const bool here = server.ordered.erase(event.seq) != 0;
  if (!here && (facts_.protocol == Protocol::Steward || !ordered_somewhere_.contains(event.seq)))
    fail(at, to_string(self) + " executes seq " + std::to_string(event.seq.value) + " before it is ordered");
  server.executed = event.seq;
}

void EqualStates::on_event(Instant at, const Principal& self, const Event& event) {
  if (tells_state(event)) {
    const auto [known, first] = checkpoints_.emplace(event.seq, event.digest);
    if (!first && known->second != event.digest)
      fail(at, to_string(self) + " has checkpoint " + event.digest.brief() + at_seq(event.seq) + ", others " +
                   known->second.brief());
  } else if (event.kind != EventKind::Executed) {
    return;
  }
  const auto [found, fresh] = states_.emplace(event.seq, event.state);
  if (!fresh && found->second != event.state)
    fail(at, to_string(self) + " is in state " + event.state.brief() + at_seq(event.seq) + ", others in " +
                 found->second.brief());
}

void Validity::on_sent(Instant, const Principal& from, const SealedParts& parts) {
  if (auto update = update_in(from, parts)) issued_[from.client()].insert(hash64(update->operation.value));
}

void Validity::on_applied(Instant at, ServerId server, ClientId client, Span operation, Span result) {
  const Applied applied{client, hash64(operation), hash64(result)};
  const std::string where = "server " + to_string(server) + ", operation " + std::to_string(applied_[server] + 1);
  if (!issued_[client].contains(applied.operation))
    fail(at, where + ": client " + std::to_string(client.value) + " never sent it");
  const std::size_t place = applied_[server]++;
  if (place == history_.size())
    history_.push_back(applied);
  else if (place < history_.size() && history_[place] != applied)
    fail(at, where + " differs from other servers'");
}

// An installed state stands for the operations that others applied until then.
void Validity::on_thawed(Instant at, ServerId server, std::uint64_t applied) {
  applied_[server] = applied;
  if (applied > history_.size())
    fail(at, "server " + to_string(server) + " installs a state of " + std::to_string(applied) +
                 " operations that no correct server reached");
}

void ExactlyOnce::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind != EventKind::UpdateDone) return;
  const auto [found, fresh] = last_.emplace(std::pair(self, event.who), event.timestamp);
  if (fresh) return;
  if (event.timestamp <= found->second)
    fail(at, to_string(self) + " executes timestamp " + std::to_string(event.timestamp.value) + " of " +
                 to_string(event.who) + " after " + std::to_string(found->second.value));
  found->second = event.timestamp;
}

void ClientResults::on_sent(Instant, const Principal& from, const SealedParts& parts) {
  if (auto update = update_in(from, parts)) floor_.emplace(Key(from, update->timestamp), accepted_);
}

void ClientResults::on_event(Instant at, const Principal& self, const Event& event) {
  if (event.kind == EventKind::UpdateDone) {
    const auto [found, fresh] = done_.emplace(Key(event.who, event.timestamp), Done{event.seq, event.digest});
    if (!fresh && (found->second.seq != event.seq || found->second.result != event.digest))
      fail(at, to_string(self) + " gives another result to " + to_string(event.who) + " for timestamp " +
                   std::to_string(event.timestamp.value));
    return;
  }
  if (event.kind != EventKind::Accepted) return;
  const Key key(event.who, event.timestamp);
  const auto sent = floor_.find(key);
  if (sent == floor_.end()) return;  // a query: answered from executed state
  const auto done = done_.find(key);
  if (done == done_.end())
    return fail(at, to_string(self) + " took a result of timestamp " + std::to_string(event.timestamp.value) +
                        " that no correct server executed");
  if (done->second.seq != event.seq || done->second.result != event.digest)
    fail(at, to_string(self) + " took a result" + at_seq(event.seq) + " that is not the ordered execution's" +
                 at_seq(done->second.seq));
  if (event.seq <= sent->second)
    fail(at, to_string(self) + "'s update" + at_seq(event.seq) + " was sent after somebody knew a result" +
                 at_seq(sent->second));
  accepted_ = std::max(accepted_, event.seq);
}

}  // namespace seneschal::lab::sim
