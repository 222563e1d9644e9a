// Clients of a running deployment inside this process, attached to the daemons' sessions. One thread, one poll loop.
#pragma once
#include "crypto/key_ring.hpp"
#include "lab/cluster.hpp"
#include "overlay/session.hpp"
#include "runtime/replica.hpp"

#include <functional>
#include <map>

namespace seneschal::lab {

class ClientHost {
 public:
  using MakeCore = std::function<std::unique_ptr<Core>(const Membership&, ClientId)>;

  /// Loads the clients' keys and attaches each to the node of its site. Errors: a client that does not belong to the
  /// deployment, keys that cannot be used, a node that does not answer or whose port is taken.
  static Result<std::unique_ptr<ClientHost>> attach(const Deployment& deployment, const Cluster& cluster,
                                                    const std::string& keys, const std::vector<ClientId>& clients,
                                                    const MakeCore& make);
  ~ClientHost();

  /// Starts the cores, once.
  void start();
  /// Handles what comes in and what is due until `done()` is true (asked after every round) or `until` has passed. An
  /// error if every session was closed.
  Status run(Instant until, const std::function<bool()>& done);

  std::size_t size() const { return members_.size(); }
  Core& core(std::size_t i) { return *members_[i]->core; }
  Replica& replica(std::size_t i) { return *members_[i]->replica; }
  static Instant now();
  /// What a client that starts now gives its first update: the time of day, so that no two lives of it begin with the
  /// same timestamp. [Steward 3.1]
  static Timestamp first_timestamp();

 private:
  class SessionEnv;
  struct Member {
    ClientId id;
    std::unique_ptr<crypto::KeyRing> keys;
    std::unique_ptr<Core> core;
    std::unique_ptr<SessionEnv> env;
    std::unique_ptr<Replica> replica;
  };

  ClientHost() = default;
  Status locate(const Deployment& deployment, const std::string& keys, ClientId id);
  Status add(const Cluster& cluster, const std::string& keys, ClientId id, const MakeCore& make);
  /// A session with `node` that has a port to spare.
  Result<overlay::Session*> session(const Cluster& cluster, NodeId node);
  /// Finished jobs and passed deadlines; returns the next deadline.
  Instant advance();
  void receive(overlay::Session& session);

  struct Sessions {
    std::vector<std::unique_ptr<overlay::Session>> list;
    std::size_t ports = 0;  // of the last one
  };

  Roster roster_;
  std::shared_ptr<const crypto::PublicKeys> known_;
  std::map<NodeId, Sessions> sessions_;
  std::vector<std::unique_ptr<Member>> members_;
  std::map<Port, Member*> by_port_;
};

}  // namespace seneschal::lab
