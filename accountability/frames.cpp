#include "accountability/frames.hpp"

#include "accountability/block.hpp"
#include "base/crc32c.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>
#include <cerrno>
#include <filesystem>

namespace seneschal::accountability {
namespace {

struct FrameHeader {
  std::uint32_t magic = 0x31474353;  // "SCG1"
  std::uint32_t kind = 0;
  std::uint64_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t size = 0;
  std::uint32_t content_crc = 0;
  std::uint32_t header_crc = 0;  // of what is before
};
static_assert(sizeof(FrameHeader) == 32);

std::uint32_t crc_of(const FrameHeader& header) {
  return crc32c({reinterpret_cast<const Byte*>(&header), offsetof(FrameHeader, header_crc)});
}

FrameHeader header_of(FrameKind kind, UpdateId first, std::uint32_t count, Span content) {
  FrameHeader header;
  header.kind = static_cast<std::uint32_t>(kind);
  header.first = first.value;
  header.count = count;
  header.size = static_cast<std::uint32_t>(content.size());
  header.content_crc = crc32c(content);
  header.header_crc = crc_of(header);
  return header;
}

Status system_error(const std::string& path, const char* what) {
  return failure(path + ": " + what + ": " + std::strerror(errno));
}

/// Makes the name of a new file durable.
void sync_folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  const int dir = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0) return;
  (void)::fsync(dir);
  ::close(dir);
}

}  // namespace

namespace {

/// What is wrong with the header, and where the frame would be; its content is not looked at.
const char* read_header(Span bytes, std::size_t at, FrameHeader& header, Frame& frame) {
  const Span rest = bytes.subspan(at);
  if (rest.size() < sizeof header) return "cut off in a header";
  std::memcpy(&header, rest.data(), sizeof header);
  if (header.magic != FrameHeader{}.magic) return "not a frame of the graph";
  if (header.header_crc != crc_of(header)) return "damaged header";
  if (header.kind < 1 || header.kind > static_cast<std::uint32_t>(FrameKind::kLast) || header.size > kMaxFrame ||
      header.first > (std::uint64_t{1} << 62))
    return "a frame of unknown kind";
  if (rest.size() - sizeof header < header.size) return "cut off";
  frame = {static_cast<FrameKind>(header.kind), UpdateId(header.first), header.count,
           rest.subspan(sizeof header, header.size), at + sizeof header + header.size};
  return nullptr;
}

}  // namespace

FrameScan scan_frames(Span bytes) {
  FrameScan scan;
  while (scan.good < bytes.size()) {
    FrameHeader header;
    Frame frame;
    const char* problem = read_header(bytes, scan.good, header, frame);
    if (problem == nullptr && crc32c(frame.content) != header.content_crc) problem = "damaged content";
    if (problem != nullptr) {
      scan.problem = "at byte " + std::to_string(scan.good) + ": " + problem;
      break;
    }
    scan.good = frame.end;
    scan.frames.push_back(frame);
  }
  return scan;
}

std::optional<Frame> frame_at(Span bytes, std::size_t at) {
  FrameHeader header;
  Frame frame;
  return at < bytes.size() && read_header(bytes, at, header, frame) == nullptr ? std::optional(frame) : std::nullopt;
}

Bytes make_frame(FrameKind kind, UpdateId first, std::uint32_t count, Span content) {
  const FrameHeader header = header_of(kind, first, count, content);
  Bytes bytes(sizeof header + content.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  std::ranges::copy(content, bytes.begin() + sizeof header);
  return bytes;
}

Result<FrameFile> FrameFile::open(const std::string& path, std::size_t keep) {
  FrameFile file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file.fd_ < 0 && errno == ENOENT) {
    file.fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file.fd_ >= 0) sync_folder_of(path);
  }
  if (file.fd_ < 0) return std::unexpected(system_error(path, "cannot write").error());
  if (Status done = file.cut(keep); !done) return std::unexpected(done.error());
  return file;
}

FrameFile::FrameFile(FrameFile&& other) noexcept {
  *this = std::move(other);
}

FrameFile& FrameFile::operator=(FrameFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

FrameFile::~FrameFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status FrameFile::cut(std::size_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return system_error(path_, "cannot cut");
  size_ = size;
  return {};
}

Status FrameFile::append(FrameKind kind, UpdateId first, std::uint32_t count, Span content) {
  FrameHeader header = header_of(kind, first, count, content);
  const std::size_t total = sizeof header + content.size();
  std::size_t done = 0;
  while (done < total) {
    // The header first; whatever a short write left out, again.
    std::array<iovec, 2> parts;
    std::size_t used = 0;
    if (done < sizeof header) parts[used++] = {reinterpret_cast<Byte*>(&header) + done, sizeof header - done};
    const std::size_t from = done < sizeof header ? 0 : done - sizeof header;
    if (from < content.size()) parts[used++] = {const_cast<Byte*>(content.data()) + from, content.size() - from};
    const ssize_t n = ::pwritev(fd_, parts.data(), static_cast<int>(used), static_cast<off_t>(size_ + done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const Status error = system_error(path_, "cannot append");
      [[maybe_unused]] const int cut =
          ::ftruncate(fd_, static_cast<off_t>(size_));  // no torn frame if it can be helped
      return error;
    }
    done += static_cast<std::size_t>(n);
  }
  size_ += total;
  return {};
}

Status FrameFile::sync() {
  if (fd_ >= 0 && ::fdatasync(fd_) != 0) return system_error(path_, "cannot make durable");
  return {};
}

Result<FileLock> FileLock::take(const std::string& path, bool wait) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd < 0) return std::unexpected(system_error(path, "cannot lock").error());
  FileLock lock(fd);
  int done = 0;
  do {
    done = ::flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
  } while (done != 0 && errno == EINTR);
  if (done != 0) return std::unexpected(system_error(path, "cannot lock").error());
  return lock;
}

FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileLock::~FileLock() {
  if (fd_ >= 0) ::close(fd_);
}

Status replace_file(const std::string& path, Span content) {
  const std::string fresh = path + ".new";
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return system_error(fresh, "cannot write");
  std::size_t done = 0;
  while (done < content.size()) {
    const ssize_t n = ::write(fd, content.data() + done, content.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += static_cast<std::size_t>(n);
  }
  const bool good = done == content.size() && ::fdatasync(fd) == 0;
  ::close(fd);
  if (!good || ::rename(fresh.c_str(), path.c_str()) != 0) return system_error(path, "cannot replace");
  sync_folder_of(path);
  return {};
}

}  // namespace seneschal::accountability
