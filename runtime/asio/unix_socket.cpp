#include "runtime/asio/unix_socket.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <cerrno>
#include <cstring>

namespace seneschal::asio {
namespace {

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path)
    return failure("socket path '" + path + "' has " + std::to_string(path.size()) + " characters; expected 1 to " +
                   std::to_string(sizeof address.sun_path - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

std::string reason() {
  return std::strerror(errno);
}

}  // namespace

Result<Fd> connect_unix(const std::string& path, int type, Duration patience) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (!fd) return failure("cannot make a socket: " + reason());
  if (patience.count() > 0) {
    const timeval time{patience.count() / 1'000'000'000, patience.count() / 1000 % 1'000'000};
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  }
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return failure(path + ": cannot connect: " + reason() + "; is the node running, and is this its socket?");
  return fd;
}

Result<UnixListener> UnixListener::open(const std::string& path, int type) {
  const auto address = address_of(path);
  if (!address) return std::unexpected(address.error());
  struct stat info{};
  if (::lstat(path.c_str(), &info) == 0) {
    if (!S_ISSOCK(info.st_mode)) return failure(path + ": exists and is not a socket; choose another path");
    if (connect_unix(path, type))
      return failure(path + ": another process listens here; stop it or choose another path");
    ::unlink(path.c_str());
  }
  Fd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return failure("cannot make a socket: " + reason());
  // The mode is right from the first moment on: bind applies it to the new file.
  const mode_t before = ::umask(0177);
  const int bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  ::umask(before);
  if (bound != 0) return failure(path + ": cannot listen here: " + reason() + "; does its folder exist?");
  UnixListener listener(std::move(fd), path);
  if (::listen(listener.fd(), 64) != 0) return failure(path + ": cannot listen here: " + reason());
  return listener;
}

UnixListener::~UnixListener() {
  if (fd_) ::unlink(path_.c_str());
}

Fd UnixListener::accept() {
  return Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

}  // namespace seneschal::asio
