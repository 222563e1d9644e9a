// What a server said binds it, over crashes too: it never says the opposite, it says nothing that is not on its disk
// yet, and once its log is gone it says nothing that others count on.
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include <compare>
#include <map>

namespace seneschal::lab::sim {

class KeptWord final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "kept-word"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_share(Instant at, ServerId server, Span message) override;
  void on_durable(Instant at, ServerId server, Span record) override;
  void on_restarted(ServerId server, bool lost) override;

 private:
  /// Something that may be said once: by kind of message, views and seq.
  struct Statement {
    std::uint8_t type = 0;
    std::uint64_t view = 0;
    std::uint64_t sub_view = 0;
    Seq seq;
    auto operator<=>(const Statement&) const = default;
  };
  /// The highest of each, on the disk or revealed by a message.
  struct Views {
    GlobalView promised{};
    GlobalView attempted{};
    LocalView local{};
  };
  struct Server {
    std::map<Statement, Digest> said;
    std::map<Statement, Digest> on_disk;
    Views views;
    bool lost = false;
  };

  void says(Instant at, ServerId server, const char* what, const Statement& statement, const Digest& digest,
            bool recorded);
  void prepares(Instant at, ServerId server, const Statement& statement, const Digest& digest);
  void promises(Instant at, ServerId server, const Statement& statement, const Digest& digest);
  void reveals(Instant at, ServerId server, const char* what, const Views& views);
  bool given_up(const Statement& statement, const Digest& digest) const;
  void record_steward(Server& server, Span record);
  void record_bft(ServerId server, Span record);

  using Promise = std::pair<Statement, Digest>;
  std::map<ServerId, Server> servers_;
  /// Flat baseline: who promised never to prepare a digest. What 2f+1 promised frees its seq for another. [BFT 9]
  std::map<Promise, std::set<ServerId>> promised_;
  std::map<Promise, std::set<ServerId>> promised_on_disk_;
};

}  // namespace seneschal::lab::sim
