// Who watches what is executed: the Accountability Graph, on any server that builds it.
//
// An update may say which earlier updates it depends on. Such an operation is wrapped; every server unwraps it before
// it executes it, whether it builds the graph or not, so that all have the same results.
#pragma once
#include "base/codec.hpp"
#include "replication/application.hpp"
#include "replication/messages.hpp"

#include <memory>

namespace seneschal::replication {

/// Told of every executed update, in order, on the thread of the core. Must be quick and cannot refuse.
class ExecutionObserver {
 public:
  struct Executed {
    Seq seq;
    ClientId client;
    Span signed_operation;  // what the client signed: wrapped or not
    Span dependencies;      // what it says that it depends on; empty if it says nothing
    Span operation;         // what the application executed
    Span result;
  };
  virtual ~ExecutionObserver() = default;
  virtual void executed(const Executed& update) = 0;
  /// Everything up to `seq` was told; `application` has just executed it.
  virtual void batch_done(Seq seq, const Application& application) = 0;
  /// The state was replaced by another server's: what was executed in between was not seen.
  virtual void replaced(const Application& application) = 0;
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

/// Unwraps operations and tells `observer` (may be null; shared because the host also asks it).
/// A core calls `settle` once per executed batch, in order: that is how seqs are known here.
class ObservedApplication final : public Application {
 public:
  ObservedApplication(std::unique_ptr<Application> application, std::shared_ptr<ExecutionObserver> observer)
      : application_(std::move(application)), observer_(std::move(observer)) {}

  Bytes apply(ClientId client, Span operation) override;
  void undo() override;
  void settle() override;
  Bytes query(Span operation) const override { return application_->query(operation); }
  Digest digest() const override { return application_->digest(); }
  Bytes snapshot() const override { return application_->snapshot(); }
  Status restore(Span snapshot) override;
  std::shared_ptr<const Frozen> freeze() const override { return application_->freeze(); }
  Status thaw(std::span<const SharedBytes> chunks) override;

 private:
  Status took_over(Status done);
  struct Waiting {
    ClientId client;
    Bytes signed_operation;
    Bytes result;
  };
  std::unique_ptr<Application> application_;
  std::shared_ptr<ExecutionObserver> observer_;
  std::vector<Waiting> waiting_;  // executed, not settled: may still be taken back
  Seq seq_;
};

}  // namespace seneschal::replication
