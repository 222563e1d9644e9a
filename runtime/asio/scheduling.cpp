#include "runtime/asio/scheduling.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace seneschal::asio {
namespace {

constexpr int kBefore = -10;
constexpr int kAfter = 10;
/// What sched_setattr takes; the kernel's own header for it clashes with <sched.h>.
struct SchedulingAttributes {
  std::uint32_t size = sizeof(SchedulingAttributes);
  std::uint32_t policy = SCHED_OTHER;
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime_ns = 0;  // of SCHED_OTHER: the slice
  std::uint64_t deadline_ns = 0;
  std::uint64_t period_ns = 0;
};
/// The shortest that Linux takes.
constexpr std::uint64_t kShortSliceNs = 100'000;

bool set_nice(int nice) {
  // On Linux a nice value is a thread's own.
  return ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), nice) == 0;
}

}  // namespace

void run_before_others(Promptness promptness) {
  if (promptness == Promptness::Exact) {
    // Measured with 20 replicas on 2 cores: 99th percentile of the delay error 2.4 to 3.7 ms without, below 2 ms with
    // it. Threads made later start as usual ones; the kernel keeps a share for all others if this one runs wild.
    sched_param level = {};
    level.sched_priority = 1;
    if (::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &level) == 0) return;
  }
  const bool privileged = set_nice(kBefore);
  SchedulingAttributes attributes;
  attributes.nice = privileged ? kBefore : 0;
  attributes.runtime_ns = kShortSliceNs;
  (void)::syscall(SYS_sched_setattr, ::gettid(), &attributes, 0u);
}

void run_after_others() {
  (void)set_nice(kAfter);
}

}  // namespace seneschal::asio
