// A machine with k cores and the processes on it.
//
// Each process takes one input at a time; inputs start first come, first served, as soon as their process and a core
// are free. Jobs (the crypto pool) take a core each, with lower priority: an input that finds no idle core takes one
// away from a job, which ends that much later (real pools run at nice +10). Work is arithmetic on instants: an input
// that need not wait costs no event.
#pragma once
#include "emulator/world/world.hpp"

#include <deque>
#include <map>

namespace seneschal::world {

class Process {
 public:
  virtual ~Process() = default;
  /// Takes one input that starts at `start`; returns the CPU time it needed. What it causes leaves at the end of
  /// that.
  virtual Duration run(Instant start, std::uint32_t kind, std::uint32_t payload) = 0;
};

class Host final : private Handler {
 public:
  Host(World& world, unsigned cores);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  /// Places a process here; it must outlive the world's run. Returns its number on this host.
  std::uint32_t add(Process& process);
  /// An input for a process arrives now.
  void submit(std::uint32_t process, std::uint32_t kind, std::uint32_t payload);
  /// A job of `cost` is ready to run now; `done` fires when it has finished.
  void run_job(Duration cost, Handler& done, std::uint32_t kind, std::uint32_t payload);

  /// Everything takes `percent`/100 of its cost from now on; 100 is normal speed.
  void set_slowness(std::uint32_t percent) { percent_ = percent; }
  Duration scaled(Duration cost) const { return percent_ == 100 ? cost : Duration(cost.count() * percent_ / 100); }
  /// CPU time used so far, over all cores.
  Duration busy() const { return busy_; }
  unsigned cores() const { return static_cast<unsigned>(cores_.size()); }
  /// Inputs waiting for their process or for a core.
  std::size_t waiting() const { return waiting_inputs_; }

 private:
  enum Kind : std::uint32_t { kWake, kJobEnd };
  struct Job {
    Duration cost;
    Handler* done;
    std::uint32_t kind;
    std::uint32_t payload;
  };
  struct Input {
    std::uint64_t order;
    std::uint32_t kind;
    std::uint32_t payload;
  };
  struct Slot {
    Process* process;
    Instant busy_until;
    std::deque<Input> queue;
  };
  struct CpuCore {
    Instant input_until;  // taken by an input until then
    bool has_job = false;
    Instant job_end;
    Job job;
  };

  void fire(Instant now, std::uint32_t kind, std::uint32_t payload) override;
  CpuCore* free_core(Instant now);
  void execute(Slot& slot, CpuCore& core, std::uint32_t kind, std::uint32_t payload);
  void dispatch(Instant now);
  void start_jobs(Instant now);
  void want_wake(Instant now);

  World& world_;
  std::vector<CpuCore> cores_;
  std::deque<Slot> slots_;
  std::map<std::uint64_t, std::uint32_t> waiting_;  // order of the head input -> process with inputs waiting
  std::deque<Job> jobs_;
  std::uint64_t next_order_ = 0;
  std::size_t waiting_inputs_ = 0;
  Instant wake_ = Instant::never();
  std::uint32_t percent_ = 100;
  Duration busy_{};
};

}  // namespace seneschal::world
