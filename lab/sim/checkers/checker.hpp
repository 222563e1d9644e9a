// Checkers: what must always be true, worked out from what processes do, independently of protocol code. Incremental;
// the first broken property ends a run.
#pragma once
#include "emulator/world/sim_process.hpp"
#include "lab/deployment.hpp"

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace seneschal::replication {
class ExecutionObserver;
}

namespace seneschal::lab::sim {

class GraphChecker;

/// What checkers know about a run beforehand.
struct Facts {
  Protocol protocol = Protocol::Steward;
  Membership membership;
  std::set<ServerId> byzantine;
  std::set<ClientId> two_faced;  // clients that break the rules
  bool logs = false;             // servers keep logs that `on_durable` shows
  std::string application;       // what answers queries; empty: nobody asks, or answers are not looked at
  std::uint64_t window = 0;      // entries in flight, and updates in one of them; Steward, 0: not looked at
  std::uint64_t batch_max = 0;
  /// How many entries beyond the one that revoked a client may hold updates of it; 0: not looked at. [Membership 4]
  std::uint64_t reach = 0;
  Duration served_within{};  // see `Plan`
  Duration office_within{};  // see `Plan`

  bool correct(ServerId id) const { return !byzantine.contains(id); }
  /// Servers of a site that may say anything at any time.
  std::size_t byzantine_in(SiteId site) const {
    std::size_t count = 0;
    for (const ServerId& id : byzantine) count += id.site == site ? 1 : 0;
    return count;
  }
};

struct Violation {
  std::string property;
  std::string what;
  Instant at;
};

/// Collects the first violation.
class Verdict {
 public:
  void fail(std::string_view property, Instant at, std::string what) {
    if (!first_) first_ = Violation{std::string(property), std::move(what), at};
  }
  const std::optional<Violation>& first() const { return first_; }

 private:
  std::optional<Violation> first_;
};

/// One property. Inputs come in causal order: what caused something was seen before it. Events and applications of
/// Byzantine servers are left out; their messages and shares are not.
class Checker {
 public:
  Checker(const Facts& facts, Verdict& verdict) : facts_(facts), verdict_(verdict) {}
  virtual ~Checker() = default;
  virtual std::string_view property() const = 0;

  virtual void on_event(Instant, const Principal&, const Event&) {}
  /// A message leaves a process.
  virtual void on_sent(Instant, const Principal&, const SealedParts&) {}
  /// It is for this client alone.
  virtual void on_told(Instant, ServerId, ClientId, const SealedParts&) {}
  /// A server's application executes an operation.
  virtual void on_applied(Instant, ServerId, ClientId, Span /*operation*/, Span /*result*/) {}
  /// A server's application took over a state that so many operations led to.
  virtual void on_thawed(Instant, ServerId, std::uint64_t /*applied*/) {}
  /// A server uses its share of its site's key on `message` (header and body).
  virtual void on_share(Instant, ServerId, Span /*message*/) {}
  /// A record of a server is on its disk; only in runs with restarts.
  virtual void on_durable(Instant, ServerId, Span /*record*/) {}
  /// The oldest records of a server, so many, are not on its disk any more.
  virtual void on_forgotten(Instant, ServerId, std::size_t /*records*/) {}
  /// A server starts again; what its disk has is shown again after this. `lost`: what it said before is not on its
  /// disk any more.
  virtual void on_restarted(ServerId, bool /*lost*/) {}
  /// A client's process starts again and knows nothing.
  virtual void on_client_restarted(ClientId) {}
  /// A server combined a site signature on `message`.
  virtual void on_site_signed(Instant, SiteId, Span /*message*/) {}

 protected:
  void fail(Instant at, std::string what) { verdict_.fail(property(), at, std::move(what)); }
  const Facts& facts_;

 private:
  Verdict& verdict_;
};

/// All checkers of one run; also makes the witnesses that show them applications and keys.
class CheckerSet final : public world::Observer {
 public:
  explicit CheckerSet(Facts facts);

  const Facts& facts() const { return facts_; }
  const std::optional<Violation>& violation() const { return verdict_.first(); }
  void fail(std::string_view property, Instant at, std::string what) { verdict_.fail(property, at, std::move(what)); }
  /// Where the checkers read the time of applications and shares from; may be null.
  void set_world(const world::World* world) { world_ = world; }

  /// Accusations made by correct servers.
  std::uint64_t accusations() const { return accusations_; }

  void on_event(Instant at, const Principal& self, const Event& event) override;
  void on_accused(Instant at, const Principal& self, const Effects::Accuse& accusation) override;
  void on_sent(Instant at, const Principal& self, std::span<const Destination> to, Span sealed) override;
  void on_durable(Instant at, const Principal& self, Span record) override;
  void on_forgotten(Instant at, const Principal& self, std::size_t records) override;
  void on_restarted(ServerId server, bool lost);
  void on_client_restarted(ClientId client);
  void on_applied(ServerId server, ClientId client, Span operation, Span result);
  void on_thawed(ServerId server, std::uint64_t applied);
  void on_share(ServerId server, Span message);
  void on_site_signed(SiteId site, Span message);
  /// Whom a server's application tells what it executed; null for a Byzantine one.
  std::shared_ptr<replication::ExecutionObserver> graph_observer(ServerId server);

 private:
  Instant now() const { return world_ == nullptr ? Instant{} : world_->now(); }

  Facts facts_;
  Verdict verdict_;
  const world::World* world_ = nullptr;
  std::uint64_t accusations_ = 0;
  std::vector<std::unique_ptr<Checker>> checkers_;
  GraphChecker* graph_ = nullptr;  // one of them
};

/// Keys that report shares and combined site signatures of `owner`. `set` must outlive them.
std::unique_ptr<crypto::Keys> witness(std::unique_ptr<crypto::Keys> keys, ServerId owner, CheckerSet& set);

}  // namespace seneschal::lab::sim
