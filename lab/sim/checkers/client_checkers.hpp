// What a client is owed: answers from executed states that are new enough, timestamps of its own, and its turn.
#pragma once
#include "lab/sim/checkers/checker.hpp"
#include "replication/application.hpp"

#include <deque>
#include <map>

namespace seneschal::lab::sim {

/// The application once more, led through all executed states by what correct servers executed.
class Shadow {
 public:
  struct Operation {
    ClientId client;
    Bytes bytes;
  };
  explicit Shadow(const std::string& application);
  /// The operations of the next seq.
  void extend(std::vector<Operation> operations) { history_.push_back(std::move(operations)); }
  Seq highest() const { return Seq(history_.size()); }
  /// The answer to `operation` in the state after `seq`, which must not be above `highest()`.
  Bytes query(Seq seq, Span operation);

 private:
  std::unique_ptr<replication::Application> application_;
  std::vector<std::vector<Operation>> history_;  // by seq, from 1
  std::size_t at_ = 0;                           // the state that `application_` is in
};

/// A query is answered from a state that was executed, which has all that its client knew when it asked: its own
/// updates, and what it read before. [Steward 3]
class Queries final : public Checker {
 public:
  Queries(const Facts& facts, Verdict& verdict);
  std::string_view property() const override { return "query-results"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_told(Instant at, ServerId server, ClientId client, const SealedParts& parts) override;
  void on_applied(Instant at, ServerId server, ClientId client, Span operation, Span result) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;
  void on_restarted(ServerId server, bool) override { servers_.erase(server); }
  void on_client_restarted(ClientId client) override { clients_.erase(client); }

 private:
  struct Asked {
    Timestamp timestamp;
    Seq min_seq;
    Bytes operation;
    bool ordered = false;  // it went on as an update
  };
  struct Client {
    Seq known;  // the highest seq in any result that it took
    Asked asked;
  };
  struct Server {
    std::deque<Shadow::Operation> applied;  // whose UpdateDone is still to come
    std::vector<Shadow::Operation> of_this_seq;
  };
  void executed(Server& server, Seq seq);
  void taken(Instant at, const Principal& self, const Event& event);

  Shadow shadow_;
  std::map<ClientId, Client> clients_;
  std::map<ServerId, Server> servers_;
};

/// A client never says two things under one timestamp, not in another life either. A client that takes the result
/// of one operation for that of another reads what it never wrote. [Steward 3.1]
class OwnTimestamps final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "own-timestamps"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;

 private:
  std::map<std::pair<Principal, Timestamp>, std::uint64_t> said_;  // hash of the operation
};

/// No update waits for long while others, issued that much later, are executed. Asked for only where `Facts` say how
/// long that is. [Steward 4]
class Served final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "served"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  struct Issued {
    Timestamp timestamp;
    Instant at;
  };
  std::map<Principal, Issued> waiting_;
};

/// Faulty representatives of a site that ordering depends on are not in office for long while clients wait: of the
/// leader site, and of any other while too few of the others have correct ones. Asked for only where `Facts` say how
/// long. [Steward 6]
class Office final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "office"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  /// The representative of the highest local view that f+1 correct servers of the site are in.
  ServerId in_office(SiteId site) const;
  /// Nothing is ordered without what its representative does.
  bool needed(SiteId site) const;
  void pass(Instant at);

  Instant looked_;
  std::map<Principal, Timestamp> waiting_;  // clients
  GlobalView global_;
  std::map<ServerId, std::uint64_t> views_;
  std::map<SiteId, Duration> spent_;
};

}  // namespace seneschal::lab::sim
