// One command at a time works on a deployment's folder.
#pragma once
#include "base/result.hpp"
#include "base/time.hpp"
#include "runtime/asio/fd.hpp"

#include <string>

namespace seneschal::lab {

/// `DIR/lab.lock`, locked (flock) by the command that starts or ends daemons of the folder or writes its files. The
/// daemons that it starts inherit the lock until each holds its own (`overlay::DaemonLock`): the next holder
/// finds every daemon of the folder by those, also if the command before was killed between two steps.
class FolderLock {
 public:
  /// The folder must exist. Errors: another command works on it; the folder belongs to another user.
  static Result<FolderLock> take(const std::string& dir, Duration patience = 3s);
  int fd() const { return fd_.get(); }

 private:
  explicit FolderLock(asio::Fd fd) : fd_(std::move(fd)) {}
  asio::Fd fd_;
};

}  // namespace seneschal::lab
