// A world in memory for protocol tests: real gates and replicas, simulated keys, virtual time, and a network whose
// faults are chosen by the test.
#pragma once
#include "base/prng.hpp"
#include "crypto/fake/fake_keys.hpp"
#include "runtime/replica.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>

namespace seneschal::testing {

/// A flat group or sites of `3 * faults + 1` servers, and clients 1..clients with home site (id - 1) mod sites.
inline Membership make_membership(std::uint16_t sites, std::uint16_t faults, std::uint32_t clients) {
  Membership membership;
  membership.deployment = DeploymentId(7);
  for (std::uint16_t i = 0; i < sites; ++i)
    membership.sites.push_back({static_cast<std::uint16_t>(3 * faults + 1), faults});
  for (std::uint32_t id = 1; id <= clients; ++id)
    membership.clients.push_back({ClientId(id), SiteId(static_cast<std::uint16_t>((id - 1) % sites))});
  return membership;
}

inline crypto::KeyPlan plan_for(const Membership& membership) {
  crypto::KeyPlan plan;
  plan.deployment = membership.deployment;
  for (std::uint16_t i = 0; i < membership.sites.size(); ++i)
    plan.sites.push_back({SiteId(i), membership.sites[i].servers, membership.sites[i].faults, false});
  for (const auto& client : membership.clients) plan.clients.push_back({client.id, client.home});
  return plan;
}

class Bed {
 public:
  struct Datagram {
    Principal from;
    Principal to;
    SharedBytes bytes;
  };
  struct Node {
    std::unique_ptr<crypto::Keys> keys;
    std::unique_ptr<Env> env;
    Core* core = nullptr;
    std::unique_ptr<Replica> replica;
    std::optional<Instant> wake;
    bool down = false;
    std::vector<Event> events;
    std::vector<Effects::Accuse> accusations;
    std::vector<Record> log;      // what is durable
    std::vector<Ticket> tickets;  // of its records; 0 for those of earlier lives
    std::uint32_t life = 0;
  };

  explicit Bed(Membership membership, std::uint64_t seed = 1)
      : membership_(std::move(membership)), registry_(plan_for(membership_), seed), prng_(seed) {}

  // Faults, changeable at any time.
  std::uint64_t loss_per_mille = 0;
  std::uint64_t duplicate_per_mille = 0;
  Duration delay = std::chrono::milliseconds(1);
  Duration jitter{};  // more delay, uniform: reorders
  /// May change or swallow a datagram: false drops it.
  std::function<bool(Datagram&)> filter;
  bool record = false;  // keep every datagram sent
  std::vector<Datagram> sent;

  Instant now() const { return now_; }
  const Membership& membership() const { return membership_; }
  const crypto::fake::Registry& registry() const { return registry_; }
  Node& node(const Principal& who) { return *nodes_.at(who); }
  Node& server(std::uint16_t index, std::uint16_t site = 0) {
    return node(Principal::of(ServerId{SiteId(site), ServerIndex(index)}));
  }
  Node& client(std::uint32_t id) { return node(Principal::of(ClientId(id))); }

  /// `core` must outlive the bed.
  Node& add(const Principal& who, Core& core, MessageTable table) {
    auto node = std::make_unique<Node>();
    // Also a client that the servers do not know (yet).
    const bool newcomer = who.is_client() && membership_.client(who.client()) == nullptr;
    node->keys = newcomer ? registry_.joining(who.client()) : registry_.keys(who);
    node->core = &core;
    node->env = std::make_unique<NodeEnv>(*this, *node, who);
    node->replica = std::make_unique<Replica>(who, membership_, std::move(table), core, *node->keys, *node->env);
    return *(nodes_[who] = std::move(node));
  }
  /// A server that ended starts again with `core`, and with its log unless that is lost.
  void restart(const Principal& who, Core& core, MessageTable table, bool lost = false) {
    Node& n = node(who);
    ++n.life;
    n.tickets.assign(n.log.size(), Ticket{});
    n.wake.reset();
    n.core = &core;
    n.replica = std::make_unique<Replica>(who, membership_, std::move(table), core, *n.keys, *n.env);
    n.down = false;
    n.replica->start(now_, lost ? std::vector<Record>() : n.log, lost);
  }
  void start() {
    for (auto& [who, node] : nodes_)
      if (!node->down) node->replica->start(now_, {});
  }
  /// Hands a core an input of its own, e.g. a client's operation.
  template <class F>
  void drive(Node& node, F&& input) {
    node.replica->drive(now_, std::forward<F>(input));
  }
  /// A datagram as if it had come from the network now.
  void inject(const Principal& to, SharedBytes bytes) { node(to).replica->on_datagram(now_, bytes); }

  /// Runs until `done()` or until `limit` has passed; returns done().
  bool run_until(const std::function<bool()>& done, Duration limit) {
    Instant end = now_ + limit;
    while (!done()) {
      if (!step(end)) {
        now_ = end;
        return done();
      }
    }
    return true;
  }
  void run_for(Duration span) {
    run_until([] { return false; }, span);
  }

  /// Seals `message` with the keys of `from` for `to` (MACs) or with a signature.
  template <class M>
  SharedBytes seal(const Principal& from, const M& message, AuthKind auth, const Principal& to) {
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.auth = auth;
    header.deployment = membership_.deployment;
    header.sender = from;
    Bytes bytes = unsealed(header, encode(message));
    auto keys = registry_.keys(from);
    Bytes proof;
    if (auth == AuthKind::Signature) proof = keys->sign(bytes);
    if (auth == AuthKind::Mac) append(proof, keys->mac(to, bytes));
    if (auth == AuthKind::Authenticator) {
      SiteId site = to.server().site;
      for (std::uint16_t i = 0; i < membership_.site(site).servers; ++i)
        append(proof, keys->mac(Principal::of(ServerId{site, ServerIndex(i)}), bytes));
    }
    append(bytes, proof);
    return share(std::move(bytes));
  }
  /// `message` sealed by `from`, as a field of another message.
  template <class M>
  Signed<M> embed(const Principal& from, const M& message, AuthKind auth, const Principal& to = {}) {
    SharedBytes sealed = seal(from, message, auth, to);
    auto parts = parse_sealed(*sealed);
    CHECK(parts.has_value());
    return {*sealed, parts->header, message};
  }

 private:
  class NodeEnv final : public Env {
   public:
    NodeEnv(Bed& bed, Node& node, Principal self) : bed_(bed), node_(node), self_(self) {}
    void send(std::span<const Destination> to, const SharedBytes& sealed) override {
      for (const Destination& d : to)
        for (const Principal& receiver : bed_.resolve(self_, d)) bed_.transmit({self_, receiver, sealed});
    }
    void append(Bytes record, Ticket ticket) override {
      bed_.at(bed_.now_ + std::chrono::microseconds(50), [this, ticket, r = std::move(record), life = node_.life] {
        if (node_.down || life != node_.life) return;
        node_.log.push_back(r);
        node_.tickets.push_back(ticket);
        done(ticket, Persisted{}, life);
      });
    }
    void forget_before(Ticket ticket) override {
      const auto forgotten = std::ranges::lower_bound(node_.tickets, ticket) - node_.tickets.begin();
      node_.log.erase(node_.log.begin(), node_.log.begin() + forgotten);
      node_.tickets.erase(node_.tickets.begin(), node_.tickets.begin() + forgotten);
    }
    void run(Job job, Ticket ticket) override {
      bed_.at(bed_.now_, [this, ticket, job = std::move(job), life = node_.life] {
        done(ticket, perform(job, *node_.keys, self_), life);
      });
    }
    void charge(Op, std::uint64_t) override {}
    void wake_at(Instant at) override { node_.wake = at; }
    void event(const Event& event) override { node_.events.push_back(event); }
    void accused(const Effects::Accuse& accusation) override { node_.accusations.push_back(accusation); }

   private:
    void done(Ticket ticket, JobResult result, std::uint32_t life) {
      if (!node_.down && life == node_.life) node_.replica->on_done(bed_.now_, ticket, std::move(result));
    }
    Bed& bed_;
    Node& node_;
    Principal self_;
  };

  std::vector<Principal> resolve(const Principal& self, const Destination& to) const {
    std::vector<Principal> all;
    if (to.kind == Destination::Kind::Client) return {Principal::of(to.client)};
    if (to.kind == Destination::Kind::Server) return {Principal::of(to.server)};
    for (std::uint16_t site = 0; site < membership_.sites.size(); ++site) {
      if (to.kind == Destination::Kind::Site && to.server.site.value != site) continue;
      for (std::uint16_t i = 0; i < membership_.sites[site].servers; ++i)
        if (Principal who = Principal::of(ServerId{SiteId(site), ServerIndex(i)}); who != self) all.push_back(who);
    }
    return all;
  }
  void transmit(Datagram datagram) {
    if (record) sent.push_back(datagram);
    if (filter && !filter(datagram)) return;
    int copies = prng_.chance(duplicate_per_mille, 1000) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (prng_.chance(loss_per_mille, 1000)) continue;
      Duration extra(static_cast<std::int64_t>(prng_.below(static_cast<std::uint64_t>(jitter.count()) + 1)));
      at(now_ + delay + extra, [this, datagram] {
        auto it = nodes_.find(datagram.to);
        if (it != nodes_.end() && !it->second->down) it->second->replica->on_datagram(now_, datagram.bytes);
      });
    }
  }
  void at(Instant when, std::function<void()> task) { tasks_.emplace(std::pair(when, order_++), std::move(task)); }
  bool step(Instant end) {
    Node* waking = nullptr;
    Instant when = Instant::never();
    for (auto& [who, node] : nodes_)
      if (!node->down && node->wake && *node->wake < when) {
        when = *node->wake;
        waking = node.get();
      }
    if (!tasks_.empty() && tasks_.begin()->first.first <= when) {
      if (tasks_.begin()->first.first > end) return false;
      auto task = tasks_.extract(tasks_.begin());
      now_ = std::max(now_, task.key().first);
      task.mapped()();
      return true;
    }
    if (waking == nullptr || when > end) return false;
    now_ = std::max(now_, when);
    waking->wake.reset();
    waking->replica->on_time(now_);
    return true;
  }

  Membership membership_;
  crypto::fake::Registry registry_;
  Prng prng_;
  Instant now_;
  std::uint64_t order_ = 0;
  std::map<Principal, std::unique_ptr<Node>> nodes_;
  std::map<std::pair<Instant, std::uint64_t>, std::function<void()>> tasks_;
};

}  // namespace seneschal::testing
