#include "runtime/storage/disk.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace seneschal::storage {
namespace {

namespace fs = std::filesystem;

Error failed(const std::string& what, const std::string& path, int error) {
  return Error{path + ": " + what + ": " + std::strerror(error)};
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

int open_retrying(const std::string& path, int flags) {
  constexpr ::mode_t kMode = 0600;  // what clients wrote is nobody else's business
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, kMode);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

class RealFile final : public DiskFile {
 public:
  RealFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status append(Span bytes) override {
    while (!bytes.empty()) {
      const ::ssize_t written = ::write(fd_.get(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return std::unexpected(failed("cannot be written", path_, written < 0 ? errno : ENOSPC));
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }
  // Not retried, not even when interrupted: after a failed fsync the system may have dropped what it could not write
  // and would report success.
  Status sync() override {
    if (::fdatasync(fd_.get()) != 0) return std::unexpected(failed("cannot be made durable", path_, errno));
    return {};
  }

 private:
  Descriptor fd_;
  std::string path_;
};

class RealLock final : public FileLock {
 public:
  explicit RealLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  Descriptor fd_;
};

class RealDisk final : public Disk {
 public:
  Status make_folder(const std::string& folder) override {
    if (fs::is_directory(folder)) return {};
    const std::string above = fs::path(folder).parent_path().string();
    if (!above.empty() && above != folder)
      if (Status made = make_folder(above); !made) return made;
    constexpr ::mode_t kMode = 0700;
    if (::mkdir(folder.c_str(), kMode) != 0 && errno != EEXIST)
      return std::unexpected(failed("cannot be made", folder, errno));
    return sync_folder(above.empty() ? "." : above);
  }

  bool exists(const std::string& path) override {
    std::error_code ignored;
    return fs::exists(path, ignored);
  }

  Result<std::vector<std::string>> list(const std::string& folder) override {
    std::vector<std::string> names;
    std::error_code error;
    fs::directory_iterator it(folder, error);
    if (error == std::errc::no_such_file_or_directory) return names;
    for (; !error && it != fs::directory_iterator(); it.increment(error))
      names.push_back(it->path().filename().string());
    if (error) return failure(folder + ": cannot be listed: " + error.message());
    std::ranges::sort(names);
    return names;
  }

  Result<Bytes> read(const std::string& path) override {
    const Descriptor fd(open_retrying(path, O_RDONLY));
    if (fd.get() < 0) return std::unexpected(failed("cannot be opened", path, errno));
    struct ::stat info{};
    if (::fstat(fd.get(), &info) != 0) return std::unexpected(failed("cannot be read", path, errno));
    Bytes bytes(static_cast<std::size_t>(info.st_size));
    std::size_t at = 0;
    while (at < bytes.size()) {
      const ::ssize_t got = ::read(fd.get(), bytes.data() + at, bytes.size() - at);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return std::unexpected(failed("cannot be read", path, errno));
      if (got == 0) break;
      at += static_cast<std::size_t>(got);
    }
    bytes.resize(at);
    return bytes;
  }

  Result<std::unique_ptr<DiskFile>> create(const std::string& path) override {
    Descriptor fd(open_retrying(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND));
    if (fd.get() < 0) return std::unexpected(failed("cannot be made", path, errno));
    return std::make_unique<RealFile>(std::move(fd), path);
  }

  Result<std::unique_ptr<DiskFile>> reopen(const std::string& path, std::uint64_t size) override {
    Descriptor fd(open_retrying(path, O_WRONLY | O_APPEND));
    if (fd.get() < 0) return std::unexpected(failed("cannot be opened", path, errno));
    if (::ftruncate(fd.get(), static_cast<::off_t>(size)) != 0)
      return std::unexpected(failed("cannot be cut", path, errno));
    return std::make_unique<RealFile>(std::move(fd), path);
  }

  Status remove(const std::string& path) override {
    if (::remove(path.c_str()) != 0 && errno != ENOENT)
      return std::unexpected(failed("cannot be removed", path, errno));
    return {};
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return std::unexpected(failed("cannot be renamed", from, errno));
    return {};
  }

  Status sync_folder(const std::string& folder) override {
    const Descriptor fd(open_retrying(folder, O_RDONLY | O_DIRECTORY));
    if (fd.get() < 0) return std::unexpected(failed("cannot be opened", folder, errno));
    if (::fsync(fd.get()) != 0) return std::unexpected(failed("cannot be made durable", folder, errno));
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    Descriptor fd(open_retrying(path, O_RDWR | O_CREAT));
    if (fd.get() < 0) return std::unexpected(failed("cannot be opened", path, errno));
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return std::make_unique<RealLock>(std::move(fd));
    if (errno == EWOULDBLOCK) return nullptr;
    return std::unexpected(failed("cannot be locked", path, errno));
  }
};

}  // namespace

Disk& real_disk() {
  static RealDisk disk;
  return disk;
}

}  // namespace seneschal::storage
