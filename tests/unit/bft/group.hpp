// A flat group over the in-memory bed, with clients that make their own work.
#pragma once
#include "bft/bft_core.hpp"
#include "replication/kv.hpp"
#include "replication/workload.hpp"
#include "tests/unit/replication/bed.hpp"

namespace seneschal::testing {

inline Principal server_id(std::uint16_t index) {
  return Principal::of(ServerId{SiteId(0), ServerIndex(index)});
}
inline Principal client_id(std::uint32_t id) {
  return Principal::of(ClientId(id));
}

/// Settings for tests in which the disk has no part: what waits for it leaves at once.
inline bft::Settings without_log() {
  bft::Settings settings;
  settings.durability = bft::Durability::None;
  return settings;
}

inline Membership with_administrator(Membership members, std::optional<ClientId> administrator) {
  members.administrator = administrator;
  return members;
}

class Group {
 public:
  explicit Group(std::uint16_t faults = 1, std::uint32_t known_clients = 4, bft::Settings s = without_log(),
                 std::uint64_t seed = 1, std::optional<ClientId> administrator = {})
      : bed(with_administrator(make_membership(1, faults, known_clients), administrator), seed), settings(s) {
    for (std::uint16_t i = 0; i < 3 * faults + 1; ++i) add_server(i);
  }

  Bed bed;
  bft::Settings settings;
  std::vector<std::unique_ptr<bft::BftCore>> servers;
  std::map<std::uint32_t, std::unique_ptr<replication::WorkloadCore>> clients;

  AuthKind client_auth() const {
    return settings.auth == bft::Auth::Mac ? AuthKind::Authenticator : AuthKind::Signature;
  }
  replication::ClientSettings client_settings(std::uint32_t id) const {
    auto s = replication::ClientSettings::bft(ClientId(id), bed.membership(), client_auth());
    s.retry = std::chrono::milliseconds(200);
    s.probe = false;
    return s;
  }
  void add_server(std::uint16_t index) {
    servers.push_back(std::make_unique<bft::BftCore>(ServerIndex(index), bed.membership(), settings,
                                                     std::make_unique<replication::kv::KvApplication>()));
    bed.add(server_id(index), *servers.back(), bft::BftCore::message_table());
  }
  /// A server that ended comes back, with its log or (`lost`) without.
  void restart_server(std::uint16_t index, bool lost = false) {
    servers[index] = std::make_unique<bft::BftCore>(ServerIndex(index), bed.membership(), settings,
                                                    std::make_unique<replication::kv::KvApplication>());
    bed.restart(server_id(index), *servers[index], bft::BftCore::message_table(), lost);
  }
  void add_clients(std::uint32_t count, std::uint64_t operations, replication::WorkloadSettings workload = {}) {
    workload.operations = operations;
    for (std::uint32_t id = 1; id <= count; ++id) {
      clients[id] = std::make_unique<replication::WorkloadCore>(bed.membership(), client_settings(id), workload);
      bed.add(client_id(id), *clients[id], replication::ClientCore::message_table());
    }
  }
  bool all_done() const {
    return std::ranges::all_of(clients, [](const auto& c) { return c.second->finished(); });
  }
  bool run(Duration limit = std::chrono::seconds(300)) {
    bed.start();
    return bed.run_until([&] { return all_done(); }, limit);
  }
  Seq executed(std::size_t index) const { return servers[index]->execution().executed(); }
  /// All servers but those left out have executed the same.
  bool equal(const std::set<std::size_t>& left_out = {}) const {
    std::optional<Digest> digest;
    for (std::size_t i = 0; i < servers.size(); ++i) {
      if (left_out.contains(i)) continue;
      Digest d = servers[i]->execution().digest();
      if (digest && *digest != d) return false;
      digest = d;
    }
    return true;
  }
  /// No two servers ordered different digests under one seq, and each ordered a seq once only.
  bool agreed() {
    std::map<Seq, Digest> ordered;
    for (std::uint16_t i = 0; i < servers.size(); ++i)
      for (const Event& event : bed.server(i).events)
        if (event.kind == EventKind::Executed && !ordered.emplace(event.seq, event.digest).second &&
            ordered[event.seq] != event.digest)
          return false;
    return true;
  }
  std::size_t count(std::uint16_t index, EventKind kind) {
    return static_cast<std::size_t>(
        std::ranges::count_if(bed.server(index).events, [&](const Event& e) { return e.kind == kind; }));
  }

  // Hand-made messages.
  Signed<replication::Update> update(std::uint32_t client, std::uint64_t timestamp, std::string_view value,
                                     AuthKind auth = AuthKind::Authenticator) {
    replication::Update u;
    u.timestamp = Timestamp(timestamp);
    u.operation.value = replication::kv::put("k", as_span(value));
    return bed.embed(client_id(client), u, auth, server_id(0));
  }
  bft::PrePrepare proposal(std::uint64_t seq, std::vector<Signed<replication::Update>> updates,
                           std::uint64_t view = 0) {
    bft::PrePrepare p;
    p.view = View(view);
    p.seq = Seq(seq);
    p.batch.updates.items = std::move(updates);
    return p;
  }
  template <class M>
  void inject(std::uint16_t to, std::uint16_t from, const M& message, AuthKind auth = AuthKind::Authenticator) {
    bed.inject(server_id(to), bed.seal(server_id(from), message, auth, server_id(to)));
  }
};

}  // namespace seneschal::testing
