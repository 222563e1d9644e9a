// Who may have updates executed, and when: clients that join and leave.
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include <map>

namespace seneschal::lab::sim {

/// No update of a client is executed before the entry that enrolled it, nor after the entry that revoked it. (That
/// all servers have the same roster after each entry is part of their equal states.)
class Members final : public Checker {
 public:
  Members(const Facts& facts, Verdict& verdict);
  std::string_view property() const override { return "membership"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;
  bool left(ClientId client) const { return left_.contains(client); }

 private:
  void administered(const Event& event);
  template <class M>
  void proposed(const SealedParts& parts);
  void voted(Instant at, const Principal& self, const Event& event);

  std::map<Digest, std::vector<ClientId>> contents_;  // whose updates a proposed batch holds
  std::map<Timestamp, Bytes> orders_;                 // of the administrator, as it sent them
  std::set<Timestamp> done_;
  ClientId next_;
  std::map<ClientId, Seq> joined_;  // the first clients at 0
  std::map<ClientId, Seq> left_;
};

}  // namespace seneschal::lab::sim
