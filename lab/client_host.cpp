#include "lab/client_host.hpp"

#include "crypto/joining.hpp"
#include "replication/client_core.hpp"

#include <poll.h>

#include <deque>

namespace seneschal::lab {

using overlay::Session;
using overlay::Target;

/// Sends over a session; jobs (a signature takes 40 us) run at once, their results come in the next round.
class ClientHost::SessionEnv final : public Env {
 public:
  SessionEnv(Session& session, Port port, Principal self, const Directory& directory, const crypto::Keys& keys)
      : session_(session), port_(port), self_(self), directory_(directory), keys_(keys) {}

  void send(std::span<const Destination> to, const SharedBytes& sealed) override {
    targets_.clear();
    for (const Destination& d : to) {
      switch (d.kind) {
        case Destination::Kind::Server: targets_.emplace_back(directory_.endpoint(d.server)); break;
        case Destination::Kind::Site: targets_.emplace_back(Directory::group(d.server.site)); break;
        case Destination::Kind::AllServers: targets_.emplace_back(Directory::all_servers()); break;
        case Destination::Kind::Client:
          if (const auto place = directory_.endpoint(d.client)) targets_.emplace_back(*place);
          break;
      }
    }
    // A full queue is a lost datagram: the client tries again.
    if (!targets_.empty()) (void)session_.send(port_, targets_, *sealed);
  }
  void append(Bytes, Ticket ticket) override { done_.emplace_back(ticket, std::make_unique<JobResult>(Persisted{})); }
  void run(Job job, Ticket ticket) override {
    done_.emplace_back(ticket, std::make_unique<JobResult>(perform(job, keys_, self_)));
  }
  void charge(Op, std::uint64_t) override {}
  void wake_at(Instant at) override { deadline = at; }
  void event(const Event&) override {}
  void accused(const Effects::Accuse&) override {}

  /// Hands finished jobs to the replica, which may start others.
  void deliver_done(Replica& replica, Instant now) {
    while (!done_.empty()) {
      std::pair<Ticket, std::unique_ptr<JobResult>> first = std::move(done_.front());
      done_.pop_front();
      replica.on_done(now, first.first, std::move(*first.second));
    }
  }

  Instant deadline = Instant::never();

 private:
  Session& session_;
  Port port_;
  Principal self_;
  const Directory& directory_;
  const crypto::Keys& keys_;
  std::vector<Target> targets_;
  std::deque<std::pair<Ticket, std::unique_ptr<JobResult>>> done_;
};

Instant ClientHost::now() {
  return {std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()).count()};
}

Timestamp ClientHost::first_timestamp() {
  const auto day = std::chrono::system_clock::now().time_since_epoch();
  return Timestamp(static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(day).count()));
}

ClientHost::~ClientHost() = default;

Result<std::unique_ptr<ClientHost>> ClientHost::attach(const Deployment& deployment, const Cluster& cluster,
                                                       const std::string& keys, const std::vector<ClientId>& clients,
                                                       const MakeCore& make) {
  std::unique_ptr<ClientHost> host(new ClientHost);
  host->roster_ = deployment.roster();
  for (ClientId id : clients)
    if (Status good = host->locate(deployment, keys, id); !good) return std::unexpected(good.error());
  auto known = crypto::load_public_keys_for(keys, clients);
  if (!known) return std::unexpected(known.error());
  host->known_ = std::make_shared<const crypto::PublicKeys>(std::move(*known));
  for (ClientId id : clients)
    if (Status good = host->add(cluster, keys, id, make); !good) return std::unexpected(good.error());
  return host;
}

Status ClientHost::locate(const Deployment& deployment, const std::string& keys, ClientId id) {
  // One that joined at run time is in no deployment file: its keys say where it belongs.
  if (!roster_.directory.endpoint(id) && crypto::has_joined(keys, id)) {
    const auto joined = crypto::load_joined(keys, id, roster_.membership.deployment);
    if (!joined) return std::unexpected(joined.error());
    if (joined->home.value >= roster_.membership.sites.size())
      return failure("client " + std::to_string(id.value) + " has the unknown home site " +
                     std::to_string(joined->home.value));
    roster_.membership.add({id, joined->home});
    roster_.directory.add(id, joined->node);
  }
  if (roster_.directory.endpoint(id)) return {};
  return failure("client " + std::to_string(id.value) + " does not belong to '" + deployment.name +
                 "', which has clients 1 to " + std::to_string(deployment.clients) +
                 " and those whose keys 'seneschal client enroll' put into " + keys);
}

Result<Session*> ClientHost::session(const Cluster& cluster, NodeId id) {
  Sessions& sessions = sessions_[id];
  if (sessions.list.empty() || sessions.ports == overlay::kMaxSessionPorts) {
    const ClusterNode* node = cluster.find(id);
    if (node == nullptr) return failure("node " + std::to_string(id.value) + " does not run on this machine");
    auto connected = Session::connect(node->session);
    if (!connected) return std::unexpected(connected.error());
    sessions.list.push_back(std::make_unique<Session>(std::move(*connected)));
    sessions.ports = 0;
  }
  ++sessions.ports;
  return sessions.list.back().get();
}

// What a client needs does not grow with the number of others: it hears servers alone.
Status ClientHost::add(const Cluster& cluster, const std::string& keys, ClientId id, const MakeCore& make) {
  const EndpointId place = *roster_.directory.endpoint(id);
  auto attached = session(cluster, place.node);
  if (!attached) return std::unexpected(attached.error());
  crypto::KeyRing::Options options;
  options.deployment = roster_.membership.deployment;
  auto ring = crypto::KeyRing::load(keys, Principal::of(id), known_, std::move(options));
  if (!ring) return std::unexpected(ring.error());
  if (Status opened = (*attached)->open(place.port); !opened)
    return failure("client " + std::to_string(id.value) + ": " + opened.error().message);
  const Membership members{
      roster_.membership.deployment, roster_.membership.sites, {*roster_.membership.client(id)}, std::nullopt};
  auto member = std::make_unique<Member>();
  member->id = id;
  member->keys = std::move(*ring);
  member->core = make(members, id);
  member->env =
      std::make_unique<SessionEnv>(**attached, place.port, Principal::of(id), roster_.directory, *member->keys);
  member->replica = std::make_unique<Replica>(Principal::of(id), members, replication::ClientCore::message_table(),
                                              *member->core, *member->keys, *member->env);
  by_port_.emplace(place.port, member.get());
  members_.push_back(std::move(member));
  return {};
}

void ClientHost::start() {
  for (auto& member : members_) member->replica->start(now(), {});
}

Instant ClientHost::advance() {
  Instant next = Instant::never();
  for (auto& member : members_) {
    member->env->deliver_done(*member->replica, now());
    if (member->env->deadline <= now()) {
      member->env->deadline = Instant::never();
      member->replica->on_time(now());
      member->env->deliver_done(*member->replica, now());
    }
    next = std::min(next, member->env->deadline);
  }
  return next;
}

void ClientHost::receive(Session& session) {
  while (auto got = session.receive()) {
    const auto it = by_port_.find(got->port);
    if (it != by_port_.end()) it->second->replica->on_datagram(now(), got->bytes);
  }
}

Status ClientHost::run(Instant until, const std::function<bool()>& done) {
  std::vector<pollfd> waits;
  for (;;) {
    const Instant next = std::min(advance(), until);
    if (done() || now() >= until) return {};
    waits.clear();
    std::vector<Session*> open;
    for (auto& [node, sessions] : sessions_)
      for (auto& session : sessions.list)
        if (session->alive()) {
          waits.push_back({session->fd(), POLLIN, 0});
          open.push_back(session.get());
        }
    if (open.empty()) return failure("every node has closed its session; do the daemons still run?");
    const Duration left = std::max<Duration>(next - now(), Duration(0));
    const timespec timeout{static_cast<time_t>(left / 1s), static_cast<long>((left % 1s).count())};
    if (::ppoll(waits.data(), waits.size(), &timeout, nullptr) <= 0) continue;
    for (std::size_t i = 0; i < waits.size(); ++i)
      if (waits[i].revents != 0) receive(*open[i]);
  }
}

}  // namespace seneschal::lab
