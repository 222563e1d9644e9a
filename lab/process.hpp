// Child processes: started, watched and ended by id, safe against ids that the system uses again.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace seneschal::lab {

/// A process as the kernel tells it apart from later ones with the same number: by its start time (clock ticks since
/// boot, /proc/PID/stat).
struct ProcessId {
  pid_t pid = 0;
  std::uint64_t started = 0;
  auto operator<=>(const ProcessId&) const = default;
};

struct SpawnOptions {
  std::string output;           // file for standard output and error; empty: inherited
  bool die_with_parent = true;  // killed when its parent ends, however that happens
  bool detach = false;          // its own session: survives the terminal
  int keep = -1;                // a descriptor that it inherits, others do not
};

/// Starts `argv` (argv[0] is a path or found in PATH). An error if it cannot be executed.
Result<ProcessId> spawn(const std::vector<std::string>& argv, const SpawnOptions& options);

/// The process that has this number now; nothing if there is none.
std::optional<ProcessId> identify(pid_t pid);
/// True while the very process (not a later one with its number) runs; a zombie does not. Reaps our own children.
bool alive(const ProcessId& process);
/// Exit status once it has ended (128 + signal if killed); only for our own children that nobody reaped yet.
std::optional<int> wait_for(const ProcessId& process, Duration timeout);
/// What wait_for told, for messages: "with exit status 66", "by signal 11 (Segmentation fault)".
std::string ending_text(std::optional<int> status);
struct Ended {
  std::size_t killed = 0;         // did not end when they were asked to
  std::vector<ProcessId> stayed;  // still there: they belong to another user
};
/// SIGTERM to all, then SIGKILL to those still there after `grace`; after a second if all that are left are
/// stopped, and at once if the user interrupts.
Ended end_all(const std::vector<ProcessId>& processes, Duration grace);
/// Sends `signal` to the very process; false if it is gone, or belongs to another user.
bool send_signal(const ProcessId& process, int signal);
/// It was stopped by a signal (or a debugger) and does nothing until it is continued.
bool is_stopped(const ProcessId& process);
/// Name of the user to whom the process belongs; "?" if it is gone.
std::string user_of(const ProcessId& process);

/// User and system CPU time so far in milliseconds; nothing if it is gone.
std::optional<double> cpu_ms(const ProcessId& process);

/// Of the whole machine, in clock ticks since boot.
struct MachineCpu {
  std::uint64_t busy = 0;  // everything but idle, I/O wait and steal
  std::uint64_t steal = 0;
  std::uint64_t total = 0;
};
MachineCpu machine_cpu();

/// Path of the running program.
std::string own_program();
/// "AMD EPYC 7763, 2 cores, Linux 6.1.0".
std::string host_facts();

/// Ctrl-C and SIGTERM set a flag instead of ending the program, from the first call on.
void catch_interrupts();
bool interrupted();
/// Sleeps in small steps; false if interrupted meanwhile.
bool sleep_unless_interrupted(Duration time);

}  // namespace seneschal::lab
