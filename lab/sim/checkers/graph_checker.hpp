// Every correct server that builds the Accountability Graph from what it executes has the same one.
#pragma once
#include "accountability/ingest.hpp"
#include "lab/sim/checkers/checker.hpp"

#include <map>

namespace seneschal::lab::sim {

class GraphChecker final : public Checker {
 public:
  using Checker::Checker;
  std::string_view property() const override { return "accountability graph"; }
  void on_applied(Instant at, ServerId server, ClientId client, Span operation, Span result) override;
  /// A server that installed a state has not seen the updates that led to it: its graph has a hole.
  void on_thawed(Instant, ServerId server, std::uint64_t) override { holes_.insert(server); }
  /// It executes its log again, from the start.
  void on_restarted(ServerId server, bool) override {
    built_.erase(server);
    holes_.erase(server);
  }

 private:
  /// One server's graph, in memory.
  struct Built {
    Built();
    std::unique_ptr<accountability::Builder> builder;
    std::unique_ptr<accountability::Ingest> ingest;
  };
  /// Digests are compared after so many updates, and only while somebody can still be behind.
  static constexpr std::uint64_t kEvery = 32;

  std::map<ServerId, Built> built_;
  std::set<ServerId> holes_;
  std::map<std::uint64_t, std::pair<Digest, std::size_t>> expected_;  // after n updates: digest, servers that had it
};

}  // namespace seneschal::lab::sim
