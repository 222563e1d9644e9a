// Exactly-once execution of ordered batches: application and client table together.
#pragma once
#include "replication/application.hpp"
#include "replication/client_roster.hpp"
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

/// Last executed timestamp and reply per client. Bounded: only members have an entry. Who leaves loses it, and no old
/// update of his is executed again: his id is never anybody's again. [Membership 3]
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
  void forget(ClientId client) { last_.erase(client); }
  const std::map<ClientId, StoredReply>& entries() const { return last_; }

 private:
  std::map<ClientId, StoredReply> last_;
};

/// What an entry did.
struct Executed {
  std::vector<ClientId> clients;  // whose updates were executed, in batch order
  bool some_left = false;         // were revoked: nothing of theirs is executed any more
};

/// Executes batches in seq order. Skips updates of those who are no members by then, and updates whose timestamp is
/// not above their client's last executed one [Steward 3.4], so a client that signs two operations under one
/// timestamp gets only the first, the same everywhere.
class Execution {
 public:
  /// `reach` as of `ClientRoster`.
  Execution(std::unique_ptr<Application> application, const Membership& membership, std::uint64_t reach = 0);

  /// Executes the batch of seq `executed()+1` (CHECKed). Emits `UpdateDone` per executed update and `Executed`, and
  /// who joins or leaves.
  Executed execute(Seq seq, const Batch& batch, const Digest& batch_digest, Effects& fx);
  Seq executed() const { return executed_; }
  const ClientTable& clients() const { return clients_; }
  const ClientRoster& roster() const { return roster_; }
  /// False: a correct server takes no part in ordering this batch at `seq`, since some update in it is of a client
  /// that left too long before. [Membership 4]
  bool may_order(const Batch& batch, Seq seq) const;
  const Application& application() const { return *application_; }
  /// What `Executed` events show: the application's digest, and the roster's where it changes.
  Digest state() const;
  /// Digest of application state and client table, and of the roster where it changes.
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
  Status install(Seq seq, std::span<const SharedBytes> chunks, Effects& fx);

 private:
  void finish_update(Seq seq, ClientId client, Timestamp timestamp, Bytes result, Effects& fx);

  std::unique_ptr<Application> application_;
  ClientRoster roster_;
  ClientTable clients_;
  Seq executed_;
};

}  // namespace seneschal::replication
