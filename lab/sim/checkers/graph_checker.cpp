#include "lab/sim/checkers/graph_checker.hpp"

#include <algorithm>

namespace seneschal::lab::sim {

using namespace accountability;
using replication::Position;

GraphChecker::Built::Built() : builder(std::make_unique<Builder>(nullptr)) {
  ingest = std::make_unique<Ingest>(Source::Conservative, [b = builder.get()](const NewUpdate& update) {
    return b->add(update.client, update.seq, update.formula);
  });
}

class GraphChecker::Observer final : public replication::ExecutionObserver {
 public:
  Observer(GraphChecker& checker, ServerId server, std::function<Instant()> now)
      : checker_(checker), server_(server), now_(std::move(now)) {}

  void executed(const Executed& update) override {
    // What an earlier life of the server executed, or it itself before it fell back to an older state, is in the
    // graph.
    if (++updates_ > checker_.built_[server_].ingest->taken()) checker_.take(now_(), server_, update);
  }
  void batch_done(const Position&, const replication::Application&) override {}
  void replaced(const Position& at, const replication::Application&) override {
    if (at.updates > checker_.built_[server_].ingest->taken()) checker_.lose(server_);
    updates_ = at.updates;
  }

 private:
  GraphChecker& checker_;
  ServerId server_;
  std::function<Instant()> now_;
  std::uint64_t updates_ = 0;
};

std::shared_ptr<replication::ExecutionObserver> GraphChecker::observer(ServerId server,
                                                                       std::function<Instant()> now) {
  return std::make_shared<Observer>(*this, server, std::move(now));
}

void GraphChecker::take(Instant at, ServerId server, const replication::ExecutionObserver::Executed& update) {
  Built& built = built_[server];
  if (built.hole) return;
  (void)built.ingest->take(update);
  const std::uint64_t count = built.ingest->taken();
  if (count % kEvery != 0) return;
  const Digest digest = built.builder->digest();
  const auto [known, first] = expected_.emplace(count, std::pair(digest, std::size_t{0}));
  if (known->second.first != digest)
    return fail(at, "server " + to_string(server) + " has another graph after " + std::to_string(count) + " updates");
  std::size_t correct = 0;
  for (const SiteInfo& site : facts_.membership.sites) correct += site.servers;
  correct -= facts_.byzantine.size();
  correct -= static_cast<std::size_t>(std::ranges::count_if(built_, [](const auto& b) { return b.second.hole; }));
  if (++known->second.second >= correct) expected_.erase(known);
}

}  // namespace seneschal::lab::sim
