#include "overlay/daemon/daemon_lock.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

namespace seneschal::overlay {
namespace {

constexpr mode_t kMode = 0644;  // others may see who runs
constexpr std::size_t kMaxText = 16 * 1024;

struct flock whole_file() {
  struct flock lock{};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

/// The process that holds the lock. The pid is below zero for another machine (NFS), 0 for another container.
std::optional<pid_t> holder(int fd) {
  struct flock lock = whole_file();
  if (::fcntl(fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return std::nullopt;
  return std::max<pid_t>(lock.l_pid, 0);
}

}  // namespace

Result<DaemonLock> DaemonLock::take(const std::string& path, std::string_view text, Duration patience) {
  std::error_code ignored;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  asio::Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (!fd) return failure(path + ": cannot be opened: " + std::strerror(errno) + "; check the folder's owner");
  const auto deadline = std::chrono::steady_clock::now() + patience;
  struct flock lock = whole_file();
  while (::fcntl(fd.get(), F_SETLK, &lock) != 0) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR)
      return failure(path + ": cannot be locked: " + std::strerror(errno));
    if (std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(10ms);
      continue;
    }
    const pid_t pid = holder(fd.get()).value_or(0);
    return failure(path + ": a daemon of this node already runs from this folder (process " +
                   (pid > 0 ? std::to_string(pid) : std::string("of another machine")) + "); end it first");
  }
  // For people and tools; a full disk is no reason not to run.
  if (::ftruncate(fd.get(), 0) == 0) (void)!::pwrite(fd.get(), text.data(), text.size(), 0);
  return DaemonLock(std::move(fd));
}

Result<std::optional<LockHolder>> holder_of(const std::string& path) {
  const asio::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) return failure(path + ": cannot be read: " + std::strerror(errno));
  const auto pid = holder(fd.get());
  if (!pid) return std::nullopt;
  LockHolder found{*pid, std::string(kMaxText, '\0')};
  const auto size = ::pread(fd.get(), found.text.data(), found.text.size(), 0);
  found.text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return found;
}

}  // namespace seneschal::overlay
