// Builds the graph of a running replica, beside it: the core's thread copies what was executed into a bounded queue,
// a thread of its own does everything else. Ordering never waits for it. [Graph 6]
#pragma once
#include "accountability/ingest.hpp"
#include "accountability/told.hpp"
#include "runtime/core.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace seneschal::accountability {

class Recorder final : public replication::ExecutionObserver {
 public:
  struct Settings {
    std::string folder;
    std::string application;  // its name, for whoever makes states of the graph
    Source source = Source::Flow;
    /// At most so much waits for the thread; beyond it the graph ends, which is told. Where the next snapshot would
    /// be taken, or a state is taken over, one begins anew.
    std::size_t max_queued = 65536;
    std::size_t max_queued_bytes = 64 * 1024 * 1024;
    /// A signature and what makes files durable cost as much as hundreds of updates. So the head is signed after
    /// `seal_updates`, but not more often than `seal_every`; and after `seal_latest` however few there are.
    std::chrono::milliseconds seal_every{10'000};
    std::chrono::milliseconds seal_latest{60'000};
    std::uint64_t seal_updates = 4096;
    /// Updates are gathered so long before they are written: waking and writing for each batch would cost more than
    /// everything else. What a crash loses by that, the replica executes again: nothing is gathered any longer when
    /// it takes a checkpoint.
    std::chrono::milliseconds gather{1000};
    /// A snapshot of the state at the end of the first batch after so many updates; 0: none.
    std::uint64_t epoch_updates = 65536;
    /// So many snapshots are kept; what is before the oldest leaves the graph. 0: everything is kept.
    std::uint64_t keep_epochs = 0;
  };
  /// `signer` is used on the recorder's thread, at each seal.
  static Result<std::shared_ptr<Recorder>> start(const Settings& settings, Signer signer);
  ~Recorder() override;

  // A replica that starts again executes its log once more: updates that are in the graph already are compared with
  // it and not added.
  void executed(const Executed& update) override;
  void batch_done(const replication::Position& at, const replication::Application& application) override;
  void checkpointing() override;
  /// If updates are missing in between, a graph begins there anew, with that state as its snapshot; the one before it
  /// is kept beside it.
  void replaced(const replication::Position& at, const replication::Application& application) override;

  /// Waits until everything told so far is in the file and sealed.
  void settle();
  struct Facts {
    std::uint64_t begin = 1;        // the graph's first update
    std::uint64_t told = 0;         // the last update that the core's thread told of
    std::uint64_t updates = 0;      // the last update in the graph
    std::uint64_t refused = 0;      // declarations that were not believed
    std::uint64_t cpu_ns = 0;       // of the recorder's thread
    std::uint64_t core_cpu_ns = 0;  // of the core's thread, in here: estimated from every kTimed-th batch
    std::uint64_t sealed = 0;       // updates that the signed head covers
    Digest digest;                  // of those
    std::uint64_t snapshots = 0;    // taken in this life
    std::uint64_t overflows = 0;    // times that a graph began anew because the queue had been full
    std::string trouble;            // why the graph ends, if it does
    std::string overflow;           // why it ended and will begin anew
  };
  Facts facts() const;
  /// `facts` as lines for `ctl status`. Daemons ask often, for their own sake, so asking alone writes nothing. Who
  /// will look at the files puts a file `kWanted` into the folder: all is written and signed at once, and then the
  /// file is removed.
  void status(StatusList& out);
  static constexpr const char* kWanted = "/wanted";
  const Settings& settings() const { return settings_; }

 private:
  /// The state after some updates, or where execution goes on.
  struct State {
    std::size_t behind = 0;  // so many updates of the queue
    Seq seq;
    std::shared_ptr<const replication::Frozen> frozen;
    Digest digest;
    std::optional<replication::Position> moved_to;
  };
  /// What waits for the thread.
  struct Queue {
    Told updates;
    std::vector<State> states;  // in order
    bool empty() const { return updates.updates() == 0 && states.empty(); }
  };
  Recorder(const Settings& settings, std::unique_ptr<StoreWriter> writer);
  Ingest fresh_ingest();
  Status remember();
  void run();
  bool enough() const;  // to be written; under the lock
  void hand_over();     // under the lock
  std::uint64_t since(std::uint64_t began) const;
  void push_state(const replication::Position& at, const replication::Application& application, bool moved);
  void take(Queue& queue);
  void take_state(State& state);
  void take_snapshot(const State& state);
  void begin_anew(const State& state);
  std::expected<UpdateId, Refusal> add(const NewUpdate& update);
  void stop_at(const std::string& trouble);
  void seal();
  bool wanted_on_disk() const;

  Settings settings_;
  // The thread's own.
  std::unique_ptr<StoreWriter> writer_;
  Ingest ingest_;
  UpdateId position_{1};  // of the next update executed; behind `writer_->next()` while the log is executed again
  std::vector<UpdateId> snapshots_;
  std::uint64_t refused_before_ = 0;  // by earlier graphs of this life
  bool broken_ = false;               // its files are half moved: nothing may be written any more
  // The core's thread's own.
  Told telling_;  // of this batch
  Seq last_seq_;  // of its last update
  /// Asking for a thread's processor time costs as much as telling of an update, so it is asked in one batch of so
  /// many; what it tells counts so often.
  static constexpr std::uint64_t kTimed = 16;
  std::uint64_t batches_ = 0;
  const std::uint64_t asking_ns_;
  std::uint64_t core_cpu_ns_ = 0;  // its processor time in here, of this batch
  std::uint64_t epoch_ = 0;        // updates executed over `epoch_updates`
  // Shared.
  mutable std::mutex mutex_;
  std::condition_variable work_, done_;
  Queue queue_;
  /// States that were written. The core's thread lets go of them: what it shares with them it may then change again
  /// without racing with whoever read it last.
  std::vector<std::shared_ptr<const replication::Frozen>> spent_;
  bool busy_ = false, ending_ = false, want_seal_ = false, gathering_ = false, hurry_ = false;
  Facts facts_;
  bool overflowed_ = false;            // the queue was full; unlike a trouble, that is mended
  std::atomic<bool> stopped_ = false;  // either
  std::thread thread_;
};

}  // namespace seneschal::accountability
