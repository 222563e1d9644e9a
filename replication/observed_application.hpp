// The watcher of what is executed: the Accountability Graph, on any server that builds it.
//
// An update may say which earlier updates it depends on. Such an operation is wrapped; every server unwraps it before
// it executes it, whether it builds the graph or not, so that all have the same results. Its result tells which
// update it became: that is how clients come to know the names of updates.
#pragma once
#include "base/codec.hpp"
#include "replication/application.hpp"
#include "replication/messages.hpp"

#include <memory>

namespace seneschal::replication {

/// How far the executed updates go: part of the replicated state, so that a server that takes over another's knows.
struct Position {
  Seq seq;                    // of the last batch
  std::uint64_t updates = 0;  // executed in all
  auto fields() { return std::tie(seq, updates); }
  bool operator==(const Position&) const = default;
};

/// Told of every executed update, in order, on the thread of the core. Must be quick and cannot refuse.
class ExecutionObserver {
 public:
  struct Executed {
    Seq seq;
    ClientId client;
    Span signed_operation;                 // what the client signed: wrapped or not
    Span dependencies;                     // what it says that it depends on; empty if it says nothing
    Span operation;                        // what the application executed
    Span evidence;                         // the sealed update, signature included; empty if the core does not tell
    const Footprint* footprint = nullptr;  // null: nothing is known
  };
  virtual ~ExecutionObserver() = default;
  virtual void executed(const Executed& update) = 0;
  /// Everything up to `at` was told; `application` has just executed it.
  virtual void batch_done(const Position& at, const Application& application) = 0;
  /// The state is about to be kept for good: who begins there again will not hear of what led to it.
  virtual void checkpointing() {}
  /// The state was replaced by one that so many updates led to: what was executed in between was not seen.
  virtual void replaced(const Position& at, const Application& application) = 0;
};

inline constexpr std::size_t kMaxDependencies = 12 * 1024;
/// An operation with its dependencies. The first byte is no application's own.
struct Dependent {
  static constexpr Byte kTag = 0xd5;
  Byte tag = kTag;
  BoundedBytes<kMaxDependencies> dependencies;
  BoundedBytes<kMaxOperation> operation;
  auto fields() { return std::tie(tag, dependencies, operation); }
};
Bytes with_dependencies(Bytes dependencies, Span operation);
/// The result of a wrapped operation.
struct Numbered {
  std::uint64_t update = 0;  // its id
  std::uint8_t refused = 0;  // why its dependencies are not taken, as the `Judge` has it; 0: they are
  BoundedBytes<kMaxResult> result;
  auto fields() { return std::tie(update, refused, result); }
};
/// Whether an update may depend on what its client says. The same at every server, so it goes by the declaration and
/// by the update's number alone.
using Judge = std::function<std::uint8_t(Span dependencies, std::uint64_t update)>;

/// Unwraps operations and tells `observer` (may be null; shared because the host also asks it).
/// A core calls `settle` once per executed batch, in order: that is how seqs are known here.
class ObservedApplication final : public Application {
 public:
  /// `judge` must be the same at all servers; without it every declaration is said to be taken.
  ObservedApplication(std::unique_ptr<Application> application, std::shared_ptr<ExecutionObserver> observer,
                      Judge judge = {})
      : application_(std::move(application)), observer_(std::move(observer)), judge_(std::move(judge)) {}

  void on_evidence(Span sealed) override;
  Bytes apply(ClientId client, Span operation) override;
  Footprint footprint(Span operation) const override { return application_->footprint(operation); }
  void undo() override;
  void settle() override;
  Bytes query(Span operation) const override { return application_->query(operation); }
  Digest digest() const override { return application_->digest(); }
  // States carry the position: as a prefix, and as the last chunk.
  Bytes snapshot() const override;
  Status restore(Span snapshot) override;
  std::shared_ptr<const Frozen> freeze() const override;
  Status thaw(std::span<const SharedBytes> chunks) override;
  void each_part(const Bytes& from, const std::function<bool(const Part&)>& visit) const override {
    application_->each_part(from, visit);
  }

  const Position& position() const { return position_; }

 private:
  struct Waiting {
    ClientId client;
    Bytes signed_operation, evidence;
    Footprint footprint;
  };
  Status replace(const Position& position, Status done);

  std::unique_ptr<Application> application_;
  std::shared_ptr<ExecutionObserver> observer_;
  Judge judge_;
  std::vector<Waiting> waiting_;  // the first `waits_` are executed and not settled: they may still be taken back
  std::size_t waits_ = 0;         // the others lend their memory to the next ones
  Bytes evidence_;
  Position position_;
};

}  // namespace seneschal::replication
