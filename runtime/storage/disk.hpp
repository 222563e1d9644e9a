// The file operations that a log needs, and nothing else: thin, so that tests can put a disk that fails in their
// place.
#pragma once
#include "base/bytes.hpp"
#include "base/result.hpp"

#include <memory>
#include <string>
#include <vector>

namespace seneschal::storage {

/// A file that only grows.
class DiskFile {
 public:
  virtual ~DiskFile() = default;
  /// All of `bytes`, at the end. After an error the end of the file is unknown.
  virtual Status append(Span bytes) = 0;
  /// Returns when everything appended is on the disk. After an error nobody knows what is: never try again.
  virtual Status sync() = 0;
};

/// Held while its object lives; the system lets go of it when the process ends, however it ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

/// Errors name the path and what the system says. Any thread.
class Disk {
 public:
  virtual ~Disk() = default;
  /// Makes a folder and what is missing above it, durably.
  virtual Status make_folder(const std::string& folder) = 0;
  virtual bool exists(const std::string& path) = 0;
  /// Names in a folder, sorted; empty if there is no such folder.
  virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
  virtual Result<Bytes> read(const std::string& path) = 0;
  /// A new file. There must be none of that name.
  virtual Result<std::unique_ptr<DiskFile>> create(const std::string& path) = 0;
  /// An existing file, cut to `size` bytes.
  virtual Result<std::unique_ptr<DiskFile>> reopen(const std::string& path, std::uint64_t size) = 0;
  /// A file, or an empty folder. None there is no error.
  virtual Status remove(const std::string& path) = 0;
  /// A file takes the place of another in one step; a folder only that of none, or of an empty one.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// Makes names in the folder durable: files that are new or gone.
  virtual Status sync_folder(const std::string& folder) = 0;
  /// Nothing if another process, or another object of this one, holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

/// The file system.
Disk& real_disk();

}  // namespace seneschal::storage
