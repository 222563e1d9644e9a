// Listening on a path: sockets that only their owner can use, and that leave nothing behind.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "runtime/asio/fd.hpp"

#include <string>

namespace seneschal::asio {

/// A listening Unix-domain socket with mode 0600. A stale file of a dead process is replaced; the file is removed
/// with the object.
class UnixListener {
 public:
  /// `type`: SOCK_STREAM or SOCK_SEQPACKET. Errors say whether the path is too long, in use, or cannot be made.
  static Result<UnixListener> open(const std::string& path, int type);
  UnixListener(UnixListener&& other) noexcept = default;
  UnixListener& operator=(UnixListener&&) = delete;
  ~UnixListener();

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  /// Non-blocking; nothing if nobody waits.
  Fd accept();

 private:
  UnixListener(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Fd fd_;
  std::string path_;
};

/// Connects; the descriptor is blocking. Errors name the path and what to do. With a `patience`, connecting, sending
/// and receiving fail (EAGAIN) after so long: a process that is stopped still has its socket.
Result<Fd> connect_unix(const std::string& path, int type, Duration patience = {});

}  // namespace seneschal::asio
