// Folders that disappear after a test, and disks that fail.
#pragma once
#include "runtime/storage/write_ahead_log.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace seneschal::storage::testing {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "seneschal-log-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string path(const std::string& name = "") const { return name.empty() ? path_ : path_ + "/" + name; }

 private:
  std::string path_;
};

inline Bytes read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void write_all(const std::string& path, Span bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

/// The real disk until told otherwise.
class FailingDisk final : public Disk {
 public:
  std::atomic<int> appends_left{1 << 30};  // then "no space left"
  std::atomic<int> syncs_left{1 << 30};    // then an I/O error, once; later ones would succeed
  std::atomic<int> syncs{0};
  std::atomic<bool> slow{false};  // a sync takes a while
  bool quick = false;             // a sync does nothing: for tests that cut and change files themselves

  Status make_folder(const std::string& folder) override { return real_disk().make_folder(folder); }
  bool exists(const std::string& path) override { return real_disk().exists(path); }
  Result<std::vector<std::string>> list(const std::string& folder) override { return real_disk().list(folder); }
  Result<Bytes> read(const std::string& path) override { return real_disk().read(path); }
  Result<std::unique_ptr<DiskFile>> create(const std::string& path) override {
    return wrap(real_disk().create(path));
  }
  Result<std::unique_ptr<DiskFile>> reopen(const std::string& path, std::uint64_t size) override {
    return wrap(real_disk().reopen(path, size));
  }
  Status remove(const std::string& path) override { return real_disk().remove(path); }
  Status rename(const std::string& from, const std::string& to) override { return real_disk().rename(from, to); }
  Status sync_folder(const std::string& folder) override {
    return quick ? Status{} : real_disk().sync_folder(folder);
  }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return real_disk().lock(path); }

 private:
  struct File final : DiskFile {
    File(std::unique_ptr<DiskFile> f, FailingDisk& d) : file(std::move(f)), disk(d) {}
    Status append(Span bytes) override {
      if (disk.appends_left-- <= 0) {
        (void)file->append(bytes.first(bytes.size() / 2));  // as a full disk does
        return failure("no space left on device");
      }
      return file->append(bytes);
    }
    Status sync() override {
      ++disk.syncs;
      if (disk.slow) std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (disk.syncs_left-- == 0) return failure("input/output error");
      return disk.quick ? Status{} : file->sync();
    }
    std::unique_ptr<DiskFile> file;
    FailingDisk& disk;
  };
  Result<std::unique_ptr<DiskFile>> wrap(Result<std::unique_ptr<DiskFile>> file) {
    if (!file) return file;
    return std::make_unique<File>(std::move(*file), *this);
  }
};

/// What a log reported.
class Reports {
 public:
  WriteAheadLog::Callbacks callbacks() {
    return {[this](std::span<const std::uint64_t> tickets) {
              std::lock_guard lock(mutex_);
              durable_.insert(durable_.end(), tickets.begin(), tickets.end());
              changed_.notify_all();
            },
            [this](const std::string& reason) {
              std::lock_guard lock(mutex_);
              failure_ = reason;
              ++failures_;
              changed_.notify_all();
            }};
  }
  /// Waits until `count` tickets were reported; false after ten seconds.
  bool wait_durable(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return durable_.size() >= count; });
  }
  bool wait_failed() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return failures_ > 0; });
  }
  std::vector<std::uint64_t> durable() {
    std::lock_guard lock(mutex_);
    return durable_;
  }
  std::string failure_text() {
    std::lock_guard lock(mutex_);
    return failure_;
  }
  int failures() {
    std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::uint64_t> durable_;
  std::string failure_;
  int failures_ = 0;
};

inline LogOptions options_in(const std::string& folder) {
  LogOptions options;
  options.folder = folder;
  options.identity = "deployment 7 server 1.0";
  return options;
}

inline Bytes record(std::size_t i, std::size_t size = 0) {
  Bytes bytes = to_bytes("record " + std::to_string(i));
  if (size > bytes.size()) bytes.resize(size, static_cast<Byte>(i));
  return bytes;
}

}  // namespace seneschal::storage::testing
