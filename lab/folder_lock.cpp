#include "lab/folder_lock.hpp"

#include "lab/files.hpp"

#include <fmt/format.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace seneschal::lab {

Result<FolderLock> FolderLock::take(const std::string& dir, Duration patience) {
  const std::string path = dir + "/lab.lock";
  asio::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd) {
    const std::string why = std::strerror(errno);
    return failure(errno == EACCES || errno == EPERM || errno == EROFS
                       ? fmt::format("{} belongs to user {}, and you may not change it ({})", dir, owner_of(dir), why)
                       : fmt::format("{}: cannot be opened: {}", path, why));
  }
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return failure(fmt::format("{}: cannot be locked: {}", path, std::strerror(errno)));
    if (std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(10ms);
      continue;
    }
    return failure(
        fmt::format("another 'seneschal lab' command (process {}) is at work on {}; try again when it has "
                    "ended",
                    read_file(path).value_or("?"), dir));
  }
  // For the message above only.
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd.get(), 0) == 0) (void)!::pwrite(fd.get(), pid.data(), pid.size(), 0);
  return FolderLock(std::move(fd));
}

}  // namespace seneschal::lab
