// Every correct server that builds the Accountability Graph from what it executes has the same one. The graph is
// built as beside a live replica, from the same observer; only without a thread and in memory.
#pragma once
#include "accountability/ingest.hpp"
#include "lab/sim/checkers/checker.hpp"

#include <map>

namespace seneschal::lab::sim {

class GraphChecker final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "accountability graph"; }
  /// It executes its log again, from the start, and its graph is built again.
  void on_restarted(ServerId server, bool) override { built_.erase(server); }
  /// To be told by the server's `ObservedApplication`; a server that starts again gets a new one. The checker must
  /// outlive it; `now` tells when something was found.
  std::shared_ptr<replication::ExecutionObserver> observer(ServerId server, std::function<Instant()> now);

 private:
  class Observer;
  /// One server's graph.
  struct Built {
    Built();
    std::unique_ptr<accountability::Builder> builder;
    std::unique_ptr<accountability::Ingest> ingest;
    bool hole = false;  // it took over a state: it has not seen the updates that led to it
  };
  void take(Instant at, ServerId server, const replication::ExecutionObserver::Executed& update);
  void lose(ServerId server) { built_[server].hole = true; }

  /// Digests are compared after so many updates, and only while somebody can still be behind.
  static constexpr std::uint64_t kEvery = 32;

  std::map<ServerId, Built> built_;
  std::map<std::uint64_t, std::pair<Digest, std::size_t>> expected_;  // after n updates: digest, servers that had it
};

}  // namespace seneschal::lab::sim
