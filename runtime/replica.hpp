// A core with its gate and keys over an environment: sealing, verification, tickets, loopback.
#pragma once
#include "crypto/keys.hpp"
#include "runtime/allowance.hpp"
#include "runtime/core.hpp"
#include "runtime/env.hpp"

#include <array>
#include <deque>
#include <map>
#include <set>

namespace seneschal {

struct ReplicaLimits {
  /// Messages whose signatures are being checked in the pool; more are refused as Overloaded.
  std::size_t max_verifying = 1024;
  /// Verified proofs remembered.
  std::size_t remembered_proofs = 16384;
  /// More than this many client signatures owed by one message are checked in the pool instead of inline: one costs
  /// about as much as the hand-off.
  std::size_t inline_client_checks = 1;
  /// Signature checks in vain that one endpoint, and one node with all its endpoints, may cost this replica; beyond
  /// it nothing that needs a check is taken from there. Honest members only pass on what they have checked.
  Allowance endpoint_forgeries{32, 64};
  Allowance node_forgeries{512, 1024};
  /// Endpoints with accounts of their own; the nodes' accounts bound the others.
  std::size_t max_origins = 4096;
  /// Good signatures of one client that are checked when one endpoint carries them in messages that prove nothing
  /// about their sender. By endpoint, because the client may have signed them long ago and somebody replays them; by
  /// client, because an honest member passes on what a client sends without end.
  Allowance carried_per_client{1024, 1024};
  /// Such accounts; settled ones make room.
  std::size_t max_carriers = 65536;
  /// Peers with reject counters of their own; the rest share one.
  std::size_t max_counted_peers = 1024;
};

/// Works for replicas and for clients: anything that is a core and holds keys. Single-threaded.
class Replica {
 public:
  /// `core`, `keys` and `env` must outlive the replica. `self` owns the keys, which are told of clients that join.
  Replica(Principal self, const Membership& membership, MessageTable table, Core& core, crypto::Keys& keys, Env& env,
          OpenCache* cache = nullptr, ReplicaLimits limits = {});

  /// `lost`: this server has run before, and its log is gone (`log` is then empty).
  void start(Instant now, std::span<const Record> log, bool lost = false);
  /// Nothing will become durable any more. What waits for a record is never sent; the core is told, once.
  void lose_log(Instant now);
  /// Bytes from the network. `origin` is where the host's network says they come from (0/0 if it does not say):
  /// whoever is there pays for what turns out forged.
  void on_datagram(Instant now, const SharedBytes& bytes, EndpointId origin = {});
  void on_done(Instant now, Ticket ticket, JobResult result);
  void on_time(Instant now);
  /// Feeds the core an input that is not a message (a client's next operation): `input(fx)`, then carries the effects
  /// out.
  template <class F>
  void drive(Instant now, F&& input) {
    input(fx_);
    settle(now);
  }

  std::uint64_t rejected(Reject reason) const { return rejects_[static_cast<std::size_t>(reason)]; }
  std::uint64_t rejected_total() const;
  std::uint64_t delivered() const { return delivered_; }
  void status(StatusList& out) const;
  const Principal& self() const { return self_; }
  bool log_lost() const { return log_lost_; }

 private:
  struct PendingSeal {  // waiting for its signature
    Bytes unsealed;
    std::vector<Destination> to;
    Ticket after;
    bool loopback;
  };
  struct PendingSend {  // sealed, waiting for a record to become durable
    SharedBytes sealed;
    std::vector<Destination> to;
    bool loopback;
  };

  void settle(Instant now);
  void carry_out(Effects::Effect& effect);
  void seal(Effects::Send send);
  Bytes macs(const Header& header, Span message, const std::vector<Destination>& to);
  void release(SharedBytes sealed, std::vector<Destination> to, Ticket after, bool loopback);
  void transmit(const PendingSend& send);
  struct Verifying {  // in the pool
    std::shared_ptr<const Opened> opened;
    EndpointId origin;
    std::size_t checks;
    Unproven unproven;
  };

  void verify(Instant now, std::shared_ptr<const Opened> opened, EndpointId origin);
  void verify_in_pool(Instant now, std::shared_ptr<const Opened> opened, EndpointId origin, VerifyJob job);
  bool check_nested_macs(const Opened& opened, std::vector<Proof>& owed, Unproven& unproven);
  bool affordable(Instant now, const Opened& opened, EndpointId origin, const std::vector<Proof>& owed) const;
  void checked_in_vain(Instant now, EndpointId origin, std::size_t checks);
  void deliver(Instant now, std::shared_ptr<const Opened> opened, EndpointId origin, std::span<const Proof> proven,
               Unproven unproven);
  void reject(Reject reason, const Principal* peer);

  Principal self_;
  Core& core_;
  crypto::Keys& keys_;
  Env& env_;
  ReplicaLimits limits_;
  Gate gate_;
  Admission admission_;

  std::uint64_t next_ticket_ = 1;
  Effects fx_{next_ticket_};
  std::map<Ticket, PendingSeal> sealing_;
  std::map<Ticket, Verifying> verifying_;
  Accounts<EndpointId> endpoint_forgeries_;
  Accounts<NodeId> node_forgeries_;  // as many as there are node numbers
  Accounts<std::pair<EndpointId, ClientId>> carried_;
  std::set<Digest> being_verified_;  // their outer proofs
  std::set<Ticket> not_durable_;
  bool log_lost_ = false;
  Ticket lost_records_from_{~std::uint64_t{0}};  // records from this ticket on were never appended
  std::multimap<Ticket, PendingSend> held_;
  std::deque<SharedBytes> loopback_;
  bool settling_ = false;

  std::array<std::uint64_t, static_cast<std::size_t>(Reject::kLast) + 1> rejects_{};
  std::map<Principal, std::uint64_t> rejects_by_peer_;
  std::uint64_t delivered_ = 0;
};

}  // namespace seneschal
