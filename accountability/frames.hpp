// Frames: what the graph's files are made of. Appended, never changed; each with its own checksum, so that a torn or
// damaged one is found and what is before it stays usable. [Graph 4]
#pragma once
#include "accountability/formula.hpp"
#include "base/result.hpp"

#include <string>
#include <utility>
#include <vector>

namespace seneschal::accountability {

enum class FrameKind : std::uint32_t {
  Block = 1,    // `Block`, full
  Rows = 2,     // `Block`, the updates of one flush, until their block is full
  Digests = 3,  // 32 bytes per update
  // 4 was a form of Payloads without the digest in front.
  Snapshot = 5,  // state of the application
  Time = 6,      // the digest of the frame before; when `first` was the next update
  Payloads = 7,  // the digest of the frame before; client, operation, names written per update
  State = 8,     // the digest of the frame before; which state there is a snapshot of
  kLast = State,
};

/// Content of at most this many bytes.
inline constexpr std::size_t kMaxFrame = std::size_t{1} << 30;

struct Frame {
  FrameKind kind = FrameKind::Block;
  UpdateId first;
  std::uint32_t count = 0;
  Span content;
  std::size_t end = 0;  // offset in the file after it
  UpdateId end_id() const { return first + count; }
};

struct FrameScan {
  std::vector<Frame> frames;
  std::size_t good = 0;  // bytes before the first that are not a good frame
  std::optional<std::string> problem;
};

/// Splits a file's bytes into frames, checking each; stops at the first that is not good. Any bytes are safe.
FrameScan scan_frames(Span bytes);
/// The frame that begins at `at`, without a look at whether its content is what was written. Nothing if there is
/// none.
std::optional<Frame> frame_at(Span bytes, std::size_t at);
/// A frame's bytes.
Bytes make_frame(FrameKind kind, UpdateId first, std::uint32_t count, Span content);

/// Appends to a file. After an error the file is as before the call, as far as the system lets it.
class FrameFile {
 public:
  FrameFile() = default;
  /// Opens or makes the file and cuts it to `keep` bytes.
  static Result<FrameFile> open(const std::string& path, std::size_t keep);
  FrameFile(FrameFile&& other) noexcept;
  FrameFile& operator=(FrameFile&& other) noexcept;
  ~FrameFile();

  bool is_open() const { return fd_ >= 0; }
  Status append(FrameKind kind, UpdateId first, std::uint32_t count, Span content);
  Status cut(std::size_t size);
  Status sync();
  std::size_t size() const { return size_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  int fd_ = -1;
  std::size_t size_ = 0;
};

/// Held by one program at a time, and until the end of this object: a file that is only there to be locked.
class FileLock {
 public:
  /// Makes the file if it is not there. If another program holds it: waits, or is an error.
  static Result<FileLock> take(const std::string& path, bool wait);
  FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileLock& operator=(FileLock&& other) noexcept;
  ~FileLock();

 private:
  explicit FileLock(int fd) : fd_(fd) {}
  int fd_;
};

/// Writes a whole file so that after a crash there is the old one or the new one.
Status replace_file(const std::string& path, Span content);

}  // namespace seneschal::accountability
