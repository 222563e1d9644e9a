// Builds the graph of a running replica, beside it: the core's thread copies what was executed into a bounded queue,
// a thread of its own does everything else. Ordering never waits for it. [Graph 6]
#pragma once
#include "accountability/ingest.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace seneschal::accountability {

class Recorder final : public replication::ExecutionObserver {
 public:
  struct Settings {
    std::string folder;
    Source source = Source::Flow;
    /// At most so much waits for the thread; beyond it the graph ends, which is told, until the replica starts again.
    std::size_t max_queued = 65536;
    std::size_t max_queued_bytes = 64 * 1024 * 1024;
    std::chrono::milliseconds seal_every{5000};
  };
  /// `signer` is used on the recorder's thread, at each seal.
  static Result<std::shared_ptr<Recorder>> start(const Settings& settings, Signer signer);
  ~Recorder() override;

  // A replica that starts again executes its log once more: updates that are in the graph already are compared with
  // it and not added.
  void executed(const Executed& update) override;
  void batch_done(Seq seq, const replication::Application& application) override;
  void replaced(const replication::Application& application) override;

  /// Waits until everything told so far is in the file and sealed.
  void settle();
  struct Facts {
    std::uint64_t updates = 0;  // in the graph
    std::uint64_t refused = 0;  // declarations that were not believed
    std::uint64_t cpu_ns = 0;   // of the recorder's thread
    Digest digest;              // at the last seal
    std::string trouble;        // why the graph ends, if it does
  };
  Facts facts() const;

 private:
  struct Item {
    Seq seq;
    ClientId client;
    Bytes signed_operation, dependencies, operation;
    std::size_t bytes() const { return signed_operation.size() + dependencies.size() + operation.size(); }
  };
  Recorder(const Settings& settings, std::unique_ptr<StoreWriter> writer);
  void run();
  void take(const std::deque<Item>& items);
  std::expected<UpdateId, Refusal> add(const NewUpdate& update);
  void stop_at(const std::string& trouble);
  void seal();

  Settings settings_;
  // The thread's own.
  std::unique_ptr<StoreWriter> writer_;
  Ingest ingest_;
  UpdateId position_{1};  // of the next update executed; behind `writer_->next()` while the log is executed again
  // Shared.
  mutable std::mutex mutex_;
  std::condition_variable work_, done_;
  std::deque<Item> queue_;
  std::size_t queued_bytes_ = 0;
  bool busy_ = false, ending_ = false, want_seal_ = false;
  Facts facts_;
  std::thread thread_;
};

}  // namespace seneschal::accountability
