#include "lab/process.hpp"

#include "lab/files.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

namespace seneschal::lab {

namespace {

/// The fields of /proc/PID/stat after the program's name (which may hold anything), from field 3 on.
std::vector<std::string> stat_fields(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(in, text, '\0');
  const auto end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream rest(text.substr(end + 1));
  std::vector<std::string> fields;
  for (std::string field; rest >> field;) fields.push_back(field);
  return fields;
}
constexpr std::size_t kState = 0, kUserTime = 11, kSystemTime = 12, kThreads = 17, kStartTime = 19;

std::uint64_t start_time(pid_t pid) {
  const auto fields = stat_fields(pid);
  return fields.size() > kStartTime ? std::strtoull(fields[kStartTime].c_str(), nullptr, 10) : 0;
}

/// In the child: becomes the program, or reports errno through `report` and ends. It allocates nothing: another
/// thread of the parent may have held the allocator's lock at the fork, and here nobody will ever release it.
[[noreturn]] void become(char* const* args, const SpawnOptions& options, int report, pid_t parent) {
  if (options.die_with_parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);  // it ended before the call above
  }
  if (options.detach)
    ::setsid();
  else
    ::setpgid(0, 0);  // a Ctrl-C reaches the parent alone, which ends us in order
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (options.keep >= 0) ::fcntl(options.keep, F_SETFD, 0);
  const int null = ::open("/dev/null", O_RDONLY);
  if (null >= 0) ::dup2(null, 0);
  if (!options.output.empty()) {
    const int out = ::open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (out >= 0) {
      ::dup2(out, 1);
      ::dup2(out, 2);
    }
  }
  ::execvp(args[0], args);
  const int error = errno;
  [[maybe_unused]] const auto written = ::write(report, &error, sizeof error);
  ::_exit(127);
}

std::atomic<unsigned> g_interrupts{0};
void on_signal(int) {
  g_interrupts.fetch_add(1);
}

}  // namespace

Result<ProcessId> spawn(const std::vector<std::string>& argv, const SpawnOptions& options) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return failure(argv[0] + ": no pipe: " + std::strerror(errno));
  std::vector<char*> args;
  for (const std::string& arg : argv) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) become(args.data(), options, report[1], parent);
  ::close(report[1]);
  if (pid < 0) {
    ::close(report[0]);
    return failure(argv[0] + ": cannot be started: " + std::strerror(errno));
  }
  int error = 0;
  const auto got = ::read(report[0], &error, sizeof error);
  ::close(report[0]);
  if (got == sizeof error) {
    ::waitpid(pid, nullptr, 0);
    return failure(argv[0] + ": cannot be executed: " + std::strerror(error) + "; is it installed?");
  }
  return ProcessId{pid, start_time(pid)};
}

std::optional<ProcessId> identify(pid_t pid) {
  const std::uint64_t started = pid > 0 ? start_time(pid) : 0;
  if (started == 0) return std::nullopt;
  return ProcessId{pid, started};
}

bool alive(const ProcessId& process) {
  if (process.pid <= 0) return false;
  const auto fields = stat_fields(process.pid);
  if (fields.size() <= kStartTime) return false;
  if (std::strtoull(fields[kStartTime].c_str(), nullptr, 10) != process.started) return false;
  if (fields[kState] == "X") return false;
  // A killed process is a zombie from the moment its first thread has ended; until the last one has, its ports and
  // sockets are taken.
  return fields[kState] != "Z" || std::strtoull(fields[kThreads].c_str(), nullptr, 10) > 1;
}

std::optional<int> wait_for(const ProcessId& process, Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    int status = 0;
    const pid_t got = ::waitpid(process.pid, &status, WNOHANG);
    if (got == process.pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (got < 0 && errno != EINTR) return std::nullopt;
    if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
    std::this_thread::sleep_for(2ms);
  }
}

std::string ending_text(std::optional<int> status) {
  if (!status) return "in a way that is not known";
  if (*status <= 128) return fmt::format("with exit status {}", *status);
  return fmt::format("by signal {} ({})", *status - 128, ::strsignal(*status - 128));
}

bool send_signal(const ProcessId& process, int signal) {
  // The descriptor stands for one process: if the number was given to another one before it was opened, the start
  // time tells; if that happens afterwards, the signal reaches nobody.
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
  if (fd < 0) return false;
  const bool sent = alive(process) && ::syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0) == 0;
  ::close(fd);
  return sent;
}

Ended end_all(const std::vector<ProcessId>& processes, Duration grace) {
  const auto reap = [](const ProcessId& process) { ::waitpid(process.pid, nullptr, WNOHANG); };
  const unsigned interrupts = g_interrupts.load();
  for (const ProcessId& process : processes) send_signal(process, SIGTERM);
  const auto wait = [&](Duration time) {
    const auto deadline = std::chrono::steady_clock::now() + time;
    auto moved = std::chrono::steady_clock::now();  // somebody was alive and not stopped
    while (std::ranges::any_of(processes, alive) && g_interrupts.load() == interrupts) {
      const auto now = std::chrono::steady_clock::now();
      // Stopped for a moment is everybody whom a debugger or a leak checker looks at.
      if (!std::ranges::all_of(processes, [](const ProcessId& p) { return !alive(p) || is_stopped(p); })) moved = now;
      if (now >= deadline || now - moved > 1s) break;
      std::this_thread::sleep_for(5ms);
    }
  };
  wait(grace);
  Ended ended;
  for (const ProcessId& process : processes) ended.killed += send_signal(process, SIGKILL) ? 1 : 0;
  wait(2s);
  for (const ProcessId& process : processes) {
    if (alive(process)) ended.stayed.push_back(process);
    reap(process);
  }
  return ended;
}

bool is_stopped(const ProcessId& process) {
  const auto fields = stat_fields(process.pid);
  return fields.size() > kState && alive(process) && (fields[kState] == "T" || fields[kState] == "t");
}

std::string user_of(const ProcessId& process) {
  struct stat info{};
  if (::stat(("/proc/" + std::to_string(process.pid)).c_str(), &info) != 0) return "?";
  return user_name(info.st_uid);
}

std::optional<double> cpu_ms(const ProcessId& process) {
  // schedstat counts nanoseconds where the kernel keeps it; the sum over threads that are still there.
  const auto fields = stat_fields(process.pid);
  if (fields.size() <= kStartTime || std::strtoull(fields[kStartTime].c_str(), nullptr, 10) != process.started)
    return std::nullopt;
  const double ticks =
      std::strtod(fields[kUserTime].c_str(), nullptr) + std::strtod(fields[kSystemTime].c_str(), nullptr);
  return ticks * 1000 / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

MachineCpu machine_cpu() {
  std::ifstream in("/proc/stat");
  std::string word;
  in >> word;
  std::uint64_t user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0;
  in >> user >> nice >> system >> idle >> iowait >> irq >> softirq >> steal;
  MachineCpu cpu;
  cpu.busy = user + nice + system + irq + softirq;
  cpu.steal = steal;
  cpu.total = cpu.busy + idle + iowait + steal;
  return cpu;
}

std::string own_program() {
  char path[4096];
  const auto size = ::readlink("/proc/self/exe", path, sizeof path - 1);
  return size > 0 ? std::string(path, static_cast<std::size_t>(size)) : "seneschal";
}

std::string host_facts() {
  std::string model = "unknown processor";
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  utsname name{};
  ::uname(&name);
  return fmt::format("{}, {} cores, {} {}", model, std::thread::hardware_concurrency(), name.sysname, name.release);
}

void catch_interrupts() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGHUP, &action, nullptr);
}

bool interrupted() {
  return g_interrupts.load() > 0;
}

bool sleep_unless_interrupted(Duration time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!interrupted()) {
    const auto left = deadline - std::chrono::steady_clock::now();
    if (left <= 0s) return true;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, 50ms));
  }
  return false;
}

}  // namespace seneschal::lab
