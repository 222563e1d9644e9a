// A deployment in memory: real replicas and gates, simulated keys, virtual time, and a network whose faults the test
// chooses. The same seed gives the same run.
#pragma once
#include "base/prng.hpp"
#include "crypto/fake/fake_keys.hpp"
#include "replication/applications.hpp"
#include "replication/client_core.hpp"
#include "replication/kv.hpp"
#include "runtime/replica.hpp"
#include "steward/core.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace seneschal::steward::testing {

inline Membership make_membership(std::uint16_t sites, std::uint16_t faults, std::uint32_t clients_per_site,
                                  std::optional<ClientId> administrator = {}) {
  Membership m;
  m.deployment = DeploymentId(11);
  m.administrator = administrator;
  std::uint32_t id = 1;
  for (std::uint16_t s = 0; s < sites; ++s) {
    m.sites.push_back({static_cast<std::uint16_t>(3 * faults + 1), faults});
    for (std::uint32_t c = 0; c < clients_per_site; ++c) m.clients.push_back({ClientId(id++), SiteId(s)});
  }
  return m;
}

inline crypto::KeyPlan plan_for(const Membership& m) {
  crypto::KeyPlan plan;
  plan.deployment = m.deployment;
  for (std::uint16_t s = 0; s < m.sites.size(); ++s)
    plan.sites.push_back({SiteId(s), m.sites[s].servers, m.sites[s].faults, true});
  for (const auto& client : m.clients) plan.clients.push_back({client.id, client.home});
  return plan;
}

inline ServerId server(unsigned site, unsigned index) {
  return {SiteId(static_cast<std::uint16_t>(site)), ServerIndex(static_cast<std::uint16_t>(index))};
}

class Bed {
 public:
  struct Datagram {
    Principal from;
    Principal to;
    SharedBytes bytes;
    std::uint8_t type() const { return parse_sealed(*bytes)->header.type; }
    ProtocolId protocol() const { return parse_sealed(*bytes)->header.protocol; }
    template <class M>
    bool is() const {
      return protocol() == M::kProtocol && type() == M::kType;
    }
    template <class M>
    M body() const {
      std::vector<Span> nested;
      return *decode<M>(parse_sealed(*bytes)->body, &nested);
    }
  };
  struct Node;
  class NodeEnv final : public Env {
   public:
    NodeEnv(Bed& bed, Node& node) : bed_(bed), node_(node) {}
    void send(std::span<const Destination> to, const SharedBytes& sealed) override { bed_.route(node_, to, sealed); }
    void append(Bytes record, Ticket ticket) override {
      node_.log.push_back(std::move(record));
      node_.tickets.push_back(ticket);
      const std::size_t size = node_.log.back().size();
      node_.unwritten += size;
      node_.most_unwritten = std::max(node_.most_unwritten, node_.unwritten);
      bed_.after(node_.persist_delay.value_or(bed_.persist_delay), [this, ticket, size] {
        node_.unwritten -= size;
        bed_.done(node_, ticket, Persisted{});
      });
    }
    void forget_before(Ticket ticket) override {
      const auto forgotten = std::ranges::lower_bound(node_.tickets, ticket) - node_.tickets.begin();
      node_.log.erase(node_.log.begin(), node_.log.begin() + forgotten);
      node_.tickets.erase(node_.tickets.begin(), node_.tickets.begin() + forgotten);
    }
    void run(Job job, Ticket ticket) override {
      ++node_.jobs[job.index()];
      JobResult result = perform(job, *node_.keys, node_.self);
      if (bed_.tamper) bed_.tamper(node_.self, result);
      // Jobs of one replica finish in any order.
      Duration took = bed_.job_delay + Duration(bed_.prng_.below(bed_.job_delay.count() / 2 + 1));
      bed_.after(took, [this, ticket, r = std::move(result)]() mutable { bed_.done(node_, ticket, std::move(r)); });
    }
    void charge(Op, std::uint64_t) override {}
    void wake_at(Instant at) override {
      at = std::max(at, bed_.now);
      if (node_.wake == at) return;
      node_.wake = at;
      bed_.at(at, [this, at] {
        if (node_.wake != at || node_.down) return;
        node_.wake.reset();
        node_.replica->on_time(bed_.now);
      });
    }
    void event(const Event& event) override { bed_.note(node_, event); }
    void accused(const Effects::Accuse& accusation) override { node_.accusations.push_back(accusation); }

   private:
    Bed& bed_;
    Node& node_;
  };
  struct Node {
    Principal self;
    std::unique_ptr<crypto::Keys> keys;
    std::unique_ptr<NodeEnv> env;
    std::unique_ptr<Core> core;
    std::unique_ptr<Replica> replica;
    std::optional<Instant> wake;
    bool down = false;
    std::optional<Duration> persist_delay;  // instead of the bed's
    std::vector<Event> events;
    std::vector<Effects::Accuse> accusations;
    std::vector<Record> log;
    std::vector<Ticket> tickets;  // of its records, in this life
    std::size_t unwritten = 0;    // bytes appended and not durable yet
    std::size_t most_unwritten = 0;
    std::array<std::size_t, std::variant_size_v<Job>> jobs{};
    StewardCore& steward() { return static_cast<StewardCore&>(*core); }
    replication::ClientCore& client() { return static_cast<replication::ClientCore&>(*core); }
  };

  explicit Bed(std::uint16_t sites = 3, std::uint16_t faults = 1, std::uint32_t clients_per_site = 1,
               Settings settings = {}, std::uint64_t seed = 1, std::optional<ClientId> administrator = {})
      : membership(make_membership(sites, faults, clients_per_site, administrator)),
        registry(plan_for(membership), seed),
        prng_(seed) {
    for (std::uint16_t s = 0; s < sites; ++s)
      for (std::uint16_t i = 0; i < membership.sites[s].servers; ++i) {
        ServerId id{SiteId(s), ServerIndex(i)};
        add(Principal::of(id), StewardCore::message_table(),
            std::make_unique<StewardCore>(id, membership, settings, *replication::make_application("kv")));
      }
    for (const auto& client : membership.clients) add_client(client);
  }
  /// Also one that the servers do not know (yet).
  void add_client(const ClientInfo& client) {
    auto cs = replication::ClientSettings::steward(client);
    cs.probe = false;
    homes_[client.id] = client.home;
    add(Principal::of(client.id), replication::ClientCore::message_table(),
        std::make_unique<replication::ClientCore>(membership, cs));
  }

  void start() {
    for (auto& [who, node] : nodes)
      if (!node->down) node->replica->start(now, {});
  }
  Node& at(ServerId id) { return *nodes.at(Principal::of(id)); }
  Node& at(ClientId id) { return *nodes.at(Principal::of(id)); }
  StewardCore& steward(ServerId id) { return at(id).steward(); }
  void kill(ServerId id) { at(id).down = true; }

  void run_for(Duration time) { run_until(now + time); }
  void run_until(Instant end) {
    while (!queue_.empty() && queue_.begin()->first.first <= end) step();
    now = end;
  }
  template <class F>
  bool run_while(Duration limit, F&& condition) {
    Instant end = now + limit;
    while (condition() && !queue_.empty() && queue_.begin()->first.first <= end) step();
    return !condition();
  }

  void put(ClientId id, std::string key, std::string value) {
    operate(id, replication::kv::put(key, as_span(value)), false);
  }
  void operate(ClientId id, Bytes operation, bool query) {
    Node& node = at(id);
    node.replica->drive(now, [&](Effects& fx) {
      ASSERT_TRUE(node.client().submit(now, std::move(operation), query, fx).has_value());
    });
  }
  /// Every client issues `count` updates, one after the other; false if that takes longer than `limit`.
  bool all_clients_put(int count, Duration limit) {
    std::map<ClientId, int> left;
    for (const auto& c : membership.clients) left[c.id] = count;
    return run_while(limit, [&] {
      bool busy = false;
      for (auto& [id, n] : left) {
        auto& client = at(id).client();
        for (auto& completion : client.take_completions()) {
          completions.push_back(completion);
          --n;
        }
        if (n > 0 && client.idle()) put(id, "k" + std::to_string(id.value), std::to_string(n));
        busy = busy || n > 0;
      }
      return busy;
    });
  }
  /// All live servers executed the same batches with the same states, each update once.
  void expect_agreement(Seq at_least = Seq(1)) {
    for (auto& [who, node] : nodes) {
      if (!who.is_server()) continue;
      if (!node->down) {
        EXPECT_GE(node->steward().execution().executed(), at_least) << to_string(who);
        EXPECT_TRUE(node->accusations.empty()) << to_string(who) << " accuses " << to_string(node->accusations[0].who)
                                               << ": " << node->accusations[0].reason;
      }
      std::set<std::pair<Principal, Timestamp>> done;
      Seq next(1);
      for (const Event& e : node->events) {
        if (e.kind == EventKind::UpdateDone) {
          EXPECT_TRUE(done.emplace(e.who, e.timestamp).second) << "executed twice at " << to_string(who);
        }
        if (e.kind == EventKind::Checkpointed && e.state != Digest{} && e.seq >= next)
          next = e.seq.next();  // the state was installed
        if (e.kind != EventKind::Executed) continue;
        EXPECT_EQ(e.seq, next);
        ++next;
        auto [first, fresh] = executed_.try_emplace(e.seq, std::pair{e.digest, e.state});
        EXPECT_TRUE(fresh || first->second == std::pair(e.digest, e.state))
            << "seq " << e.seq.value << " differs at " << to_string(who);
      }
    }
  }

  /// A message sealed with the key of `signer` (a site's needs q shares: all of its servers' keys are used).
  template <seneschal::Message M>
  SharedBytes seal(const Principal& signer, const M& body, AuthKind auth = AuthKind::Signature,
                   std::optional<Principal> peer = {}) {
    Header header;
    header.protocol = M::kProtocol;
    header.type = M::kType;
    header.auth = auth;
    header.deployment = membership.deployment;
    header.sender = signer;
    Bytes bytes = unsealed(header, encode(body));
    if (auth == AuthKind::Bare) return share(std::move(bytes));
    if (signer.is_site()) {
      append(bytes, site_signature(signer.site(), bytes));
    } else if (auth == AuthKind::Mac) {
      append(bytes, nodes.at(signer)->keys->mac(*peer, bytes));
    } else {
      append(bytes, nodes.at(signer)->keys->sign(bytes));
    }
    return share(std::move(bytes));
  }
  template <seneschal::Message M>
  Signed<M> sign(const Principal& signer, const M& body) {
    SharedBytes sealed = seal(signer, body);
    return {*sealed, parse_sealed(*sealed)->header, body};
  }
  Signed<Update> update(ClientId client, std::uint64_t timestamp, std::string value = "v") {
    return sign(Principal::of(client), Update{Timestamp(timestamp), {replication::kv::put("key", as_span(value))}});
  }
  Bytes site_signature(SiteId site, Span message) {
    std::vector<Bytes> shares;
    std::vector<crypto::ShareOf> of;
    for (std::uint16_t i = 0; i < membership.site(site).quorum(); ++i)
      shares.push_back(nodes.at(Principal::of(ServerId{site, ServerIndex(i)}))->keys->share(message));
    for (std::uint16_t i = 0; i < shares.size(); ++i) of.push_back({ServerIndex(i), shares[i]});
    return *nodes.at(Principal::of(ServerId{site, ServerIndex(0)}))->keys->combine(site, message, of);
  }
  /// Hands sealed bytes to a server at once, as if they had come from the network.
  void deliver(ServerId to, const SharedBytes& bytes) { at(to).replica->on_datagram(now, bytes); }
  std::size_t count_sent(const std::function<bool(const Datagram&)>& matches) const {
    return static_cast<std::size_t>(std::ranges::count_if(sent, matches));
  }
  template <class M>
  std::size_t count_sent(std::optional<ServerId> from = {}) const {
    return count_sent([&](const Datagram& m) { return m.is<M>() && (!from || m.from == Principal::of(*from)); });
  }
  std::uint64_t rejects(ServerId id, Reject reason) { return at(id).replica->rejected(reason); }

  Membership membership;
  crypto::fake::Registry registry;
  Instant now{};
  std::map<Principal, std::unique_ptr<Node>> nodes;
  std::vector<replication::Completion> completions;

  // the network
  Duration local_delay = 200us;
  Duration wide_delay = 50ms;
  Duration jitter{};  // reorders
  Duration job_delay = 1ms;
  Duration persist_delay = 100us;
  std::uint64_t loss_per_mille = 0;
  std::uint64_t duplicate_per_mille = 0;
  std::function<bool(const Datagram&)> drop;                 // true: lost
  std::function<void(const Principal&, JobResult&)> tamper;  // a faulty server's own results
  bool record = false;
  std::vector<Datagram> sent;  // with `record`: one per receiver

 private:
  using Action = std::function<void()>;

  void add(Principal who, MessageTable table, std::unique_ptr<Core> core) {
    auto node = std::make_unique<Node>();
    node->self = who;
    const bool newcomer = who.is_client() && membership.client(who.client()) == nullptr;
    node->keys = newcomer ? registry.joining(who.client()) : registry.keys(who);
    node->env = std::make_unique<NodeEnv>(*this, *node);
    node->core = std::move(core);
    node->replica =
        std::make_unique<Replica>(who, membership, std::move(table), *node->core, *node->keys, *node->env);
    nodes.emplace(who, std::move(node));
  }
  void at(Instant when, Action action) { queue_.emplace(std::pair{when, next_++}, std::move(action)); }
  void after(Duration wait, Action action) { at(now + wait, std::move(action)); }
  void step() {
    auto node = queue_.extract(queue_.begin());
    now = node.key().first;
    node.mapped()();
  }
  void done(Node& node, Ticket ticket, JobResult result) {
    if (!node.down) node.replica->on_done(now, ticket, std::move(result));
  }
  void note(Node& node, const Event& event) { node.events.push_back(event); }
  SiteId site_of(const Principal& who) const { return who.is_server() ? who.server().site : homes_.at(who.client()); }
  void route(Node& from, std::span<const Destination> to, const SharedBytes& sealed) {
    for (const Destination& d : to) {
      if (d.kind == Destination::Kind::Client) transmit(from, Principal::of(d.client), sealed);
      if (d.kind == Destination::Kind::Server) transmit(from, Principal::of(d.server), sealed);
      if (d.kind != Destination::Kind::Site && d.kind != Destination::Kind::AllServers) continue;
      for (auto& [who, node] : nodes)
        if (who.is_server() && who != from.self &&
            (d.kind == Destination::Kind::AllServers || who.server().site == d.server.site))
          transmit(from, who, sealed);
    }
  }
  void transmit(Node& from, Principal to, const SharedBytes& sealed) {
    Datagram message{from.self, to, sealed};
    if (record) sent.push_back(message);
    if (from.down || (drop && drop(message))) return;
    std::uint64_t copies = prng_.chance(duplicate_per_mille, 1000) ? 2 : 1;
    for (std::uint64_t i = 0; i < copies; ++i) {
      if (prng_.chance(loss_per_mille, 1000)) continue;
      Duration delay = site_of(from.self) == site_of(to) ? local_delay : wide_delay;
      if (jitter.count() > 0) delay += Duration(prng_.below(static_cast<std::uint64_t>(jitter.count())));
      after(delay, [this, to, sealed] {
        Node& node = *nodes.at(to);
        if (!node.down) node.replica->on_datagram(now, sealed);
      });
    }
  }

  Prng prng_;
  std::map<ClientId, SiteId> homes_;
  std::map<std::pair<Instant, std::uint64_t>, Action> queue_;
  std::uint64_t next_ = 0;
  std::map<Seq, std::pair<Digest, Digest>> executed_;
};

}  // namespace seneschal::steward::testing
