// What a server may prepare at all, whatever binds it. [Steward 3.4]
#pragma once
#include "lab/sim/checkers/member_checker.hpp"

#include <map>

namespace seneschal::lab::sim {

/// A correct server votes inside the window above what it has executed, and for a batch that was proposed anew in its
/// view only if that is not empty, is within its limits, names each update once and none that another vote of the
/// view names (remembered until W below what is executed), or that is its client's last and was executed long ago.
/// (What an earlier view proposed may be what binds this one; of clients that left nobody remembers what was
/// executed, and `Members` says how long they may be ordered.)
class Ballots final : public Checker {
 public:
  Ballots(const Facts& facts, Verdict& verdict, const Members& members)
      : Checker(facts, verdict), members_(members) {}
  std::string_view property() const override { return "ballots"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;
  void on_restarted(ServerId server, bool) override { servers_.erase(server); }

 private:
  using ViewPair = std::pair<GlobalView, LocalView>;
  using Name = std::pair<ClientId, Timestamp>;
  struct Content {
    ViewPair first;  // the lowest view in which it was proposed
    std::vector<Name> updates;
    std::size_t bytes = 0;
  };
  struct Server {
    Seq executed;
    ViewPair views;
    std::map<Name, Seq> named;                           // by its votes of `views`
    std::map<ClientId, std::pair<Timestamp, Seq>> done;  // the last of each client
  };
  void voted(Instant at, ServerId id, const Event& event);
  std::optional<std::string> wrong(const Server& server, const Content& content, Seq seq) const;

  const Members& members_;
  std::map<Digest, Content> contents_;
  std::map<ServerId, Server> servers_;
};

}  // namespace seneschal::lab::sim
