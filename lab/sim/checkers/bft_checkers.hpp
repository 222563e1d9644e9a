// What stands behind the flat baseline's order: prepares behind commits, commits behind every ordered entry.
#pragma once
#include "lab/sim/checkers/checker.hpp"

#include <map>
#include <tuple>

namespace seneschal::lab::sim {

class CommitQuorums final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "certificates"; }
  void on_sent(Instant at, const Principal& from, const SealedParts& parts) override;
  void on_event(Instant at, const Principal& self, const Event& event) override;

 private:
  using Voters = std::set<ServerIndex>;
  using Key = std::tuple<Seq, Digest, View>;

  bool enough(const Voters& voters) const;
  bool committed(Seq seq, const Digest& digest) const;

  std::map<Key, Voters> prepared_;
  std::map<Key, Voters> committed_;
};

}  // namespace seneschal::lab::sim
