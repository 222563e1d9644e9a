// Every correct server that builds the Accountability Graph from what it executes has the same one. The graph is
// built as beside a live replica, from the same observer; only without a thread and in memory. A server that takes
// over a state begins anew there, and its graph must be that of the others without what was before.
#pragma once
#include "accountability/ingest.hpp"
#include "lab/sim/checkers/checker.hpp"

#include <map>

namespace seneschal::lab::sim {

class GraphChecker final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "accountability graph"; }
  /// To be told by the server's `ObservedApplication`. A server that starts again gets a new one and goes on with its
  /// graph. The checker must outlive it; `now` tells when something was found.
  std::shared_ptr<replication::ExecutionObserver> observer(ServerId server, std::function<Instant()> now);

 private:
  class Observer;
  struct Row {
    ClientId client;
    Seq seq;
    accountability::Formula formula;
  };
  /// One server's graph.
  struct Built {
    std::uint64_t begin = 1;  // its first update: it took over a state that those before led to
    std::unique_ptr<accountability::Builder> builder;
    std::unique_ptr<accountability::Ingest> ingest;
  };
  /// The graph that one with such a beginning must be, made from what the first server executed that saw everything.
  struct Expected {
    std::unique_ptr<accountability::Builder> builder;
    std::map<std::uint64_t, Digest> digests;                                    // after n updates
    std::map<std::uint64_t, std::vector<std::pair<ServerId, Digest>>> waiting;  // of servers that are ahead of it
  };
  void begin(ServerId server, std::uint64_t first);
  Expected& expected(std::uint64_t begin);
  /// As far as the history goes.
  void extend(Instant at, Expected& graph);
  void take(Instant at, ServerId server, const replication::ExecutionObserver::Executed& update);
  void compare(Instant at, ServerId server, std::uint64_t count, const Digest& digest, const Digest& right);

  /// Digests are compared after so many updates.
  static constexpr std::uint64_t kEvery = 32;

  std::map<ServerId, Built> built_;
  std::vector<Row> history_;                    // everything, as the first server had it that saw it all
  std::map<std::uint64_t, Expected> expected_;  // by first update
};

}  // namespace seneschal::lab::sim
