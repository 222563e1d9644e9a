// One daemon per node and folder, and who it is: a file that the daemon keeps locked for as long as it runs.
//
// The kernel holds the lock (fcntl, of the process): it names the process that has it, and gives it up when the
// process ends, however that happens. A file that is there, or what is written in it, proves nothing.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "runtime/asio/fd.hpp"

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

namespace seneschal::overlay {

class DaemonLock {
 public:
  /// Locks the file, which is made with its folder if it is missing, and writes `text` into it. A daemon that is just
  /// ending still holds the lock: `patience` is for that. Errors name the process that has it.
  static Result<DaemonLock> take(const std::string& path, std::string_view text, Duration patience = 1s);

 private:
  explicit DaemonLock(asio::Fd fd) : fd_(std::move(fd)) {}
  /// No other descriptor of the file may be closed by this process: the kernel would give up the lock.
  asio::Fd fd_;
};

/// The process that has such a file locked.
struct LockHolder {
  pid_t pid = 0;     // 0: it is not a process of this machine (or of this container)
  std::string text;  // what it wrote; may be cut short while it does
};
/// Nothing if nobody has it locked. Not for a file that this process locked itself. Error: it cannot be read.
Result<std::optional<LockHolder>> holder_of(const std::string& path);

}  // namespace seneschal::overlay
