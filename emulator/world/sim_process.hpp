// A replica (or a client) as a process of the simulated world: core, gate and keys over virtual time.
//
// An input that starts at time s costs c (what the transition charges, by the cost model): the core is told s as
// `now`, and everything it causes leaves at s + c, both monotone per process. Jobs run on the host's cores and come
// back as inputs; records become durable in groups, each after the cost of Op::Persist.
#pragma once
#include "emulator/cost_model.hpp"
#include "emulator/world/host.hpp"
#include "emulator/world/local_clock.hpp"
#include "emulator/world/sim_disk.hpp"
#include "runtime/replica.hpp"

#include <functional>
#include <memory>

namespace seneschal::world {

class SimProcess;

/// What carries datagrams between processes.
class Transport {
 public:
  virtual ~Transport() = default;
  /// `sealed` leaves `from` at `at` (not before the world's now; monotone per process).
  virtual void send(Instant at, SimProcess& from, std::span<const Destination> to, const SharedBytes& sealed) = 0;
};

/// Sees what happens at processes, in the order in which inputs are taken: causes before consequences.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_event(Instant at, const Principal& self, const Event& event) = 0;
  virtual void on_accused(Instant at, const Principal& self, const Effects::Accuse& accusation) = 0;
  /// A message leaves a process, once however many it is for.
  virtual void on_sent(Instant at, const Principal& self, std::span<const Destination> to, Span sealed) = 0;
  /// A record of a process that keeps its log is on its disk.
  virtual void on_durable(Instant, const Principal&, Span /*record*/) {}
  /// The oldest records on its disk, so many, were given back.
  virtual void on_forgotten(Instant, const Principal&, std::size_t /*records*/) {}
};

struct ProcessSetup {
  Principal self;
  const Membership* membership = nullptr;
  MessageTable table;
  std::unique_ptr<Core> core;
  std::unique_ptr<crypto::Keys> keys;
  const emulator::CostModel* costs = nullptr;  // must outlive the process
  OpenCache* cache = nullptr;
  Observer* observer = nullptr;
  ReplicaLimits limits;
  bool keep_log = false;  // records can be read back by `restart`
};

class SimProcess final : private Process, private Handler, private Env {
 public:
  SimProcess(World& world, Host& host, Transport& transport, ProcessSetup setup);
  SimProcess(const SimProcess&) = delete;
  SimProcess& operator=(const SimProcess&) = delete;

  /// An input of the core's own, for `Replica::drive`.
  using Drive = std::function<void(Instant, Effects&)>;

  /// The core starts at `at`, with an empty log.
  void start(Instant at);
  /// A datagram from `origin` reaches this process at `at`.
  void deliver(Instant at, SharedBytes bytes, EndpointId origin = {}) {
    world_.schedule(at, *this, kArrive, inbox_.put({std::move(bytes), origin}));
  }
  /// The same, now.
  void take_in(SharedBytes bytes, EndpointId origin) {
    host_.submit(slot_, kArrive, inbox_.put({std::move(bytes), origin}));
  }
  /// Feeds the core an input that is not a message.
  void drive(Instant at, Drive input);
  /// Stops: nothing gets in or out any more.
  void kill() { crash(DiskFate::Lost); }
  /// Stops, and of its log so much is left.
  void crash(DiskFate fate);
  /// Starts again at `at` with `core` and what its disk kept; `lost`: it had said something that is not there any
  /// more.
  void restart(Instant at, std::unique_ptr<Core> core, bool lost);
  /// Its disk is full from now on.
  void fill_disk();
  /// What its disk takes for a group of records from now on, instead of the cost of Op::Persist.
  void set_persist(Duration persist) { persist_ = persist; }
  /// Its clock runs at a rate of its own from now on.
  void set_clock_rate(std::int32_t ppm) { clock_.set_rate(world_.now(), ppm); }
  bool alive() const { return alive_; }

  const Principal& self() const { return setup_.self; }
  Core& core() { return *setup_.core; }
  const Core& core() const { return *setup_.core; }
  const Replica& replica() const { return *replica_; }
  Host& host() { return host_; }
  /// Datagrams taken in so far.
  std::uint64_t taken() const { return taken_; }
  std::uint64_t records() const { return records_; }
  /// A number for the owner: where this process is attached.
  std::uint32_t tag = 0;

 private:
  enum Kind : std::uint32_t { kArrive, kWake, kStartJob, kJobDone, kPersisted, kStart, kDrive, kWritten, kLogLost };
  struct Arrival {
    SharedBytes bytes;
    EndpointId origin;
  };
  struct PendingJob {
    Job job;
    Ticket ticket;
    Duration cost{};
    std::uint32_t life = 0;
  };
  struct PendingRecord {
    Ticket ticket;
    std::uint32_t life = 0;
  };
  struct OutSend {
    std::vector<Destination> to;
    SharedBytes sealed;
  };

  // Handler: events of the world
  void fire(Instant now, std::uint32_t kind, std::uint32_t payload) override;
  // Process: inputs
  Duration run(Instant start, std::uint32_t kind, std::uint32_t payload) override;
  // Env
  void send(std::span<const Destination> to, const SharedBytes& sealed) override;
  void append(Bytes record, Ticket ticket) override;
  void run(Job job, Ticket ticket) override;
  void charge(Op op, std::uint64_t count) override { cost_ += setup_.costs->cost(op, count); }
  void wake_at(Instant at) override { wanted_ = clock_.true_time(at); }
  void forget_before(Ticket ticket) override;
  void event(const Event& event) override;
  void accused(const Effects::Accuse& accusation) override;

  std::uint64_t take(Instant start, std::uint32_t kind, std::uint32_t payload);
  void release(Instant finish);
  void make_replica();
  void write_disk(Instant from);
  void written(Instant now);
  void describe(Instant start, std::uint32_t kind, const Bytes* bytes);
  void mix(std::uint64_t value) { effects_hash_ = scatter(effects_hash_ ^ value); }

  World& world_;
  Host& host_;
  Transport& transport_;
  ProcessSetup setup_;
  std::uint32_t slot_;
  std::uint64_t identity_;  // for draws and traces
  /// Of lives that a restart ended. They do nothing any more, but messages that they opened may be in the cache that
  /// the whole world shares, and name types of their tables.
  std::vector<std::unique_ptr<Replica>> former_;
  std::unique_ptr<Replica> replica_;
  bool alive_ = true;
  std::uint32_t life_ = 0;  // what belongs to an earlier one is ignored
  bool log_lost_ = false;   // at the start of this life
  SimDisk disk_;
  std::optional<Duration> persist_;
  LocalClock clock_;

  Slab<Arrival> inbox_;
  Slab<PendingJob> jobs_;
  Slab<PendingRecord> persisting_;
  Slab<Drive> drives_;
  std::uint64_t taken_ = 0;
  std::uint64_t records_ = 0;

  Instant started_{};  // the input at hand
  Duration cost_{};
  std::uint64_t effects_hash_ = 0;
  std::vector<OutSend> sends_;
  std::vector<std::uint32_t> new_jobs_;
  std::size_t sends_used_ = 0;
  Instant wanted_ = Instant::never();     // what the core asked for
  Instant scheduled_ = Instant::never();  // the earliest wake event under way
};

/// A word for the trace that tells messages apart without reading them whole: senders' traces hash every byte.
std::uint64_t fingerprint(Span bytes);

}  // namespace seneschal::world
