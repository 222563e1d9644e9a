#include "emulator/world/host.hpp"

#include <algorithm>

namespace seneschal::world {

Host::Host(World& world, unsigned cores) : world_(world), cores_(cores) {
  CHECK(cores > 0);
}

std::uint32_t Host::add(Process& process) {
  slots_.push_back({&process, {}, {}});
  return static_cast<std::uint32_t>(slots_.size() - 1);
}

void Host::submit(std::uint32_t process, std::uint32_t kind, std::uint32_t payload) {
  const Instant now = world_.now();
  Slot& slot = slots_[process];
  if (slot.queue.empty() && slot.busy_until <= now) {
    if (CpuCore* core = free_core(now)) return execute(slot, *core, kind, payload);
  }
  const std::uint64_t order = next_order_++;
  if (slot.queue.empty()) waiting_.emplace(order, process);
  slot.queue.push_back({order, kind, payload});
  ++waiting_inputs_;
  want_wake(now);
}

void Host::run_job(Duration cost, Handler& done, std::uint32_t kind, std::uint32_t payload) {
  jobs_.push_back({scaled(cost), &done, kind, payload});
  start_jobs(world_.now());
  if (!jobs_.empty()) want_wake(world_.now());
}

// A core without a job if there is one; else one whose job can wait; null if inputs occupy them all.
Host::CpuCore* Host::free_core(Instant now) {
  CpuCore* preempted = nullptr;
  for (CpuCore& core : cores_) {
    if (core.input_until > now) continue;
    if (!core.has_job) return &core;
    if (preempted == nullptr) preempted = &core;
  }
  return preempted;
}

void Host::execute(Slot& slot, CpuCore& core, std::uint32_t kind, std::uint32_t payload) {
  const Instant now = world_.now();
  // Reserved while the process runs: it may submit inputs (its own or others') and start jobs meanwhile.
  slot.busy_until = core.input_until = Instant::never();
  const Duration cost = slot.process->run(now, kind, payload);
  slot.busy_until = core.input_until = now + cost;
  if (core.has_job) core.job_end = core.job_end + cost;
  busy_ += cost;
  if (waiting_.empty() && jobs_.empty()) return;
  if (core.input_until < wake_) {
    wake_ = core.input_until;
    world_.schedule(wake_, *this, kWake);
  }
}

void Host::dispatch(Instant now) {
  auto it = waiting_.begin();
  while (it != waiting_.end()) {
    const std::uint32_t process = it->second;
    Slot& slot = slots_[process];
    if (slot.busy_until > now) {
      ++it;
      continue;
    }
    CpuCore* core = free_core(now);
    if (core == nullptr) break;
    const Input input = slot.queue.front();
    slot.queue.pop_front();
    --waiting_inputs_;
    waiting_.erase(it);
    if (!slot.queue.empty()) waiting_.emplace(slot.queue.front().order, process);
    execute(slot, *core, input.kind, input.payload);
    it = waiting_.begin();  // the run may have changed the list
  }
  start_jobs(now);
}

void Host::start_jobs(Instant now) {
  for (std::size_t i = 0; i < cores_.size() && !jobs_.empty(); ++i) {
    CpuCore& core = cores_[i];
    if (core.has_job || core.input_until > now) continue;
    core.has_job = true;
    core.job = jobs_.front();
    jobs_.pop_front();
    core.job_end = now + core.job.cost;
    busy_ += core.job.cost;
    world_.schedule(core.job_end, *this, kJobEnd, static_cast<std::uint32_t>(i));
  }
}

// Something waits: look again when the next core comes free. Ends of jobs look by themselves.
void Host::want_wake(Instant now) {
  Instant next = Instant::never();
  for (const CpuCore& core : cores_)
    if (core.input_until > now) next = std::min(next, core.input_until);
  if (next == Instant::never() || next >= wake_) return;
  wake_ = next;
  world_.schedule(next, *this, kWake);
}

void Host::fire(Instant now, std::uint32_t kind, std::uint32_t payload) {
  if (kind == kWake) {
    if (now == wake_) wake_ = Instant::never();
  } else {
    CpuCore& core = cores_[payload];
    if (core.job_end > now) return world_.schedule(core.job_end, *this, kJobEnd, payload);  // inputs took the core
    core.has_job = false;
    const Job job = core.job;
    job.done->fire(now, job.kind, job.payload);
  }
  dispatch(now);
  if (!waiting_.empty() || !jobs_.empty()) want_wake(now);
}

}  // namespace seneschal::world
