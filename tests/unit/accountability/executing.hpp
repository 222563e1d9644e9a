// Operations executed one by one, as a core would, and what the ingest makes of them.
#pragma once
#include "accountability/ingest.hpp"
#include "accountability/recorder.hpp"
#include "replication/kv.hpp"

namespace seneschal::accountability {

namespace kv = replication::kv;
using replication::ExecutionObserver;
using replication::ObservedApplication;

inline Bytes put(std::string_view key, std::string_view value) {
  return kv::put(key, as_span(value));
}

/// Keeps what the ingest made of what was executed.
class Bed : public ExecutionObserver {
 public:
  explicit Bed(Source source) : ingest(source, [this](const NewUpdate& u) { return take(u); }) {}
  void executed(const Executed& update) override {
    seqs.push_back(update.seq.value);
    ids.push_back(ingest.take(update));
  }
  void batch_done(const replication::Position&, const replication::Application&) override {}
  void replaced(const replication::Position&, const replication::Application&) override {}

  std::expected<UpdateId, Refusal> take(const NewUpdate& u) {
    Builder probe = builder;  // refused ones leave no trace
    auto id = probe.add(u.client, u.seq, u.formula);
    if (id) {
      builder = std::move(probe);
      formulas.push_back(u.formula.simplified(UpdateId(0)).text());
    }
    return id;
  }

  Builder builder{nullptr};
  Ingest ingest;
  std::vector<std::string> formulas;
  std::vector<std::uint64_t> seqs;
  std::vector<std::optional<UpdateId>> ids;
};

struct Executing {
  explicit Executing(Source source)
      : bed(std::make_shared<Bed>(source)), app(std::make_unique<kv::KvApplication>(), bed, judge) {}
  void operator()(std::uint32_t client, Bytes operation) {
    app.apply(ClientId(client), operation);
    app.settle();
  }
  std::shared_ptr<Bed> bed;
  ObservedApplication app;
};

}  // namespace seneschal::accountability
