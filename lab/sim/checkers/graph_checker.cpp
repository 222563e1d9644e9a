#include "lab/sim/checkers/graph_checker.hpp"

#include "base/check.hpp"

namespace seneschal::lab::sim {

using namespace accountability;
using replication::Position;

class GraphChecker::Observer final : public replication::ExecutionObserver {
 public:
  Observer(GraphChecker& checker, ServerId server, std::function<Instant()> now)
      : checker_(checker), server_(server), now_(std::move(now)) {
    if (!checker_.built_.contains(server_)) checker_.begin(server_, 1);
  }

  void executed(const Executed& update) override {
    // What an earlier life of the server executed, or it itself before it fell back to an older state, is in the
    // graph, or before it.
    if (++updates_ >= checker_.built_[server_].builder->next().value) checker_.take(now_(), server_, update);
  }
  void batch_done(const Position&, const replication::Application&) override {}
  void replaced(const Position& at, const replication::Application&) override {
    if (at.updates >= checker_.built_[server_].builder->next().value) checker_.begin(server_, at.updates + 1);
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

void GraphChecker::begin(ServerId server, std::uint64_t first) {
  Built& built = built_[server];
  built.begin = first;
  built.builder = std::make_unique<Builder>(nullptr, UpdateId(first), UpdateId(first));
  built.ingest = std::make_unique<Ingest>(Source::Conservative, [this, &built](const NewUpdate& update) {
    const auto id = built.builder->add(update.client, update.seq, update.formula);
    if (id && built.begin == 1 && id->value > history_.size())
      history_.push_back({update.client, update.seq, update.formula});
    return id;
  });
}

GraphChecker::Expected& GraphChecker::expected(std::uint64_t begin) {
  Expected& graph = expected_[begin];
  if (graph.builder == nullptr) graph.builder = std::make_unique<Builder>(nullptr, UpdateId(begin), UpdateId(begin));
  return graph;
}

void GraphChecker::extend(Instant at, Expected& graph) {
  while (graph.builder->next().value <= history_.size()) {
    const Row& row = history_[graph.builder->next().value - 1];
    const auto id = graph.builder->add(row.client, row.seq, row.formula);
    CHECK(id.has_value());  // it was taken before
    if (id->value % kEvery != 0) continue;
    const Digest& right = graph.digests[id->value] = graph.builder->digest();
    for (const auto& [server, digest] : graph.waiting[id->value]) compare(at, server, id->value, digest, right);
    graph.waiting.erase(id->value);
  }
}

void GraphChecker::take(Instant at, ServerId server, const replication::ExecutionObserver::Executed& update) {
  Built& built = built_[server];
  (void)built.ingest->take(update);
  const std::uint64_t last = built.builder->next().value - 1;
  if (last % kEvery != 0) return;
  Expected& graph = expected(built.begin);
  for (auto& [begin, each] : expected_) extend(at, each);
  const Digest digest = built.builder->digest();
  if (const auto right = graph.digests.find(last); right != graph.digests.end())
    compare(at, server, last, digest, right->second);
  else
    graph.waiting[last].emplace_back(server, digest);
}

void GraphChecker::compare(Instant at, ServerId server, std::uint64_t count, const Digest& digest,
                           const Digest& right) {
  if (digest != right)
    fail(at, "server " + to_string(server) + " has another graph after " + std::to_string(count) + " updates");
}

}  // namespace seneschal::lab::sim
