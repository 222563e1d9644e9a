// Properties of the total order itself: agreement, prefix, equal states, validity, exactly once.
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include <map>

namespace seneschal::lab::sim {

/// One digest per seq, over all correct servers, ordered or executed.
class Agreement final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "agreement"; }
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  std::map<Seq, Digest> decided_;
};

/// A server's state after `event.seq`, computed or installed, with the digest that checkpoints sign. (One that tells
/// of what others signed has no state.)
inline bool tells_state(const Event& event) {
  return event.kind == EventKind::Checkpointed && event.state != Digest{};
}

/// A server holds the proof that the checkpoint at `event.seq` with this digest is stable.
inline bool tells_stable(const Event& event) {
  return event.kind == EventKind::Checkpointed && event.state == Digest{};
}

/// Each server executes seq 1, 2, 3, ..., but for those that an installed state covers, each only after it had it
/// ordered (in the flat baseline, where f+1 servers' word is enough for one that lags: after some correct server
/// had).
class Prefix final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "prefix"; }
  void on_event(Instant at, const Principal& self, const Event& event) override;
  /// It executes its log again, from the start: what it had ordered in that.
  void on_restarted(ServerId server, bool) override {
    Server& again = servers_[Principal::of(server)];
    again.executed = {};
    again.ordered = again.ever_ordered;
  }

 private:
  struct Server {
    Seq executed;
    std::set<Seq> ordered;  // above `executed`
    std::set<Seq> ever_ordered;
  };
  std::map<Principal, Server> servers_;
  std::set<Seq> ordered_somewhere_;
};

/// Equal application states after each seq, and one digest per checkpoint: an installed state is the one that others
/// computed.
class EqualStates final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "equal-states"; }
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  std::map<Seq, Digest> states_;
  std::map<Seq, Digest> checkpoints_;
};

/// What is executed was sent by that client, and all servers execute the same operations with the same results.
class Validity final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "validity"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_applied(Instant at, ServerId server, ClientId client, Span operation, Span result) override;
  void on_thawed(Instant at, ServerId server, std::uint64_t applied) override;
  void on_restarted(ServerId server, bool) override { applied_.erase(server); }

 private:
  struct Applied {
    ClientId client;
    std::uint64_t operation;
    std::uint64_t result;
    bool operator==(const Applied&) const = default;
  };
  std::map<ClientId, std::set<std::uint64_t>> issued_;
  std::vector<Applied> history_;  // of the furthest server
  std::map<ServerId, std::size_t> applied_;
};

/// No server executes an update twice, nor one that its client superseded.
class ExactlyOnce final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "exactly-once"; }
  void on_event(Instant at, const Principal& self, const Event& event) override;
  void on_restarted(ServerId server, bool) override {
    std::erase_if(last_, [&](const auto& entry) { return entry.first.first == Principal::of(server); });
  }

 private:
  std::map<std::pair<Principal, Principal>, Timestamp> last_;  // by server and client
};

/// A client takes only results that the ordered execution gave, and operations that follow each other in real time
/// follow each other in the order.
class ClientResults final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "client-results"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  struct Done {
    Seq seq;
    Digest result;
  };
  using Key = std::pair<Principal, Timestamp>;
  std::map<Key, Seq> floor_;  // highest seq that any client knew when the update was first sent
  std::map<Key, Done> done_;
  Seq accepted_;
};

}  // namespace seneschal::lab::sim
