// Exactly-once execution of ordered batches: application and client table together.
#pragma once
#include "replication/application.hpp"
#include "replication/messages.hpp"
#include "replication/snapshot.hpp"
#include "runtime/effects.hpp"
#include "runtime/membership.hpp"

#include <map>

namespace seneschal::replication {

struct StoredReply {
  Timestamp timestamp;
  Seq seq;
  Bytes result;
};

/// Last executed timestamp and reply per client. Bounded: only members of the deployment have an entry.
class ClientTable {
 public:
  const StoredReply* find(ClientId client) const {
    auto it = last_.find(client);
    return it == last_.end() ? nullptr : &it->second;
  }
  /// True if this or a later timestamp of the client has been executed. Timestamp 0 only asks for the last one (see
  /// `Update`): it counts as executed, so that nobody orders it.
  bool executed(ClientId client, Timestamp timestamp) const {
    if (timestamp.value == 0) return true;
    const StoredReply* last = find(client);
    return last != nullptr && last->timestamp >= timestamp;
  }
  void put(ClientId client, StoredReply reply) { last_[client] = std::move(reply); }
  const std::map<ClientId, StoredReply>& entries() const { return last_; }

 private:
  std::map<ClientId, StoredReply> last_;
};

/// Executes batches in seq order. Skips updates whose timestamp is not above their client's last executed one
/// [Steward 3.4], so a client that signs two operations under one timestamp gets only the first, the same everywhere.
class Execution {
 public:
  Execution(std::unique_ptr<Application> application, const Membership& membership);

  /// Executes the batch of seq `executed()+1` (CHECKed). Emits `UpdateDone` per executed update and `Executed`;
  /// returns the clients whose updates were executed, in batch order.
  std::vector<ClientId> execute(Seq seq, const Batch& batch, const Digest& batch_digest, Effects& fx);
  Seq executed() const { return executed_; }
  const ClientTable& clients() const { return clients_; }
  const Application& application() const { return *application_; }
  /// Digest of application state and client table.
  Digest digest() const;
  /// The reply to send to `client` for `timestamp`: the stored one if it is the last executed; a `stale` one if a
  /// later timestamp was executed or the client asks with timestamp 0; nothing if it was not executed yet. Ask before
  /// ordering.
  std::optional<Reply> reply_for(ClientId client, Timestamp timestamp) const;
  Answer answer(const Query& query) const;

  /// The state after `executed()`, not hashed yet. Takes time for the client table and one pointer per 16 KiB of a
  /// well-made application.
  std::shared_ptr<Snapshot> freeze() const;
  /// Replaces the state by the snapshot of `seq`. The chunks must be genuine; if they cannot be read all the same,
  /// nothing changes.
  Status install(Seq seq, std::span<const SharedBytes> chunks);

 private:
  std::unique_ptr<Application> application_;
  Membership membership_;
  ClientTable clients_;
  Seq executed_;
};

}  // namespace seneschal::replication
