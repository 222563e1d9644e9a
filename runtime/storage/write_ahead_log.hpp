// A write-ahead log: records go in, and some time later the log says that they are on the disk.
//
// Group commit: a thread of the log's own writes everything that was appended while the last fdatasync ran, then
// calls fdatasync once for all of it. Whoever appends never waits for the disk.
//
// After a crash the log is read back as far as it was ever acknowledged, perhaps further; what a crash cut short at
// its end is cut off. If something is bad that had been acknowledged, the log is damaged: reading on would make its
// owner forget what it said.
//
// The log tells its owner how far it reaches (`LogOptions::remember`), to be kept apart from it. When it is opened
// with what was kept, a log that does not reach as far is damaged: it is an older copy, or a part of it is gone.
//
// A failed write or fdatasync ends the log for this run: what the disk holds then is known to nobody until it is read
// again.
#pragma once
#include "runtime/storage/disk.hpp"
#include "runtime/storage/mark.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace seneschal::storage {

struct LogOptions {
  std::string folder;
  std::string identity;  // whose log it is; another owner's is refused
  /// A new file is begun when one has grown to this.
  std::size_t segment_bytes = 1024 * 1024;
  /// Appended and not written yet. More means that the disk cannot keep up: the log fails.
  std::size_t max_waiting_bytes = 64 * 1024 * 1024;
  /// How far the log reached when that was last told; nothing: it is not known.
  std::optional<Extent> expected;
  /// True: its owner never appended anything, so a log with records is damaged.
  bool begins = false;
  /// Makes the extent durable, apart from the log. Called when the log is opened, before a segment is used, before
  /// the first records of a segment, or of this run, are reported, before segments are given back, and when the log
  /// ends without a failure. On the log's thread, or where the log is opened or destroyed. An error is a failure of
  /// the log, or keeps segments that could be given back.
  std::function<Status(const Extent&)> remember;
};

enum class LogFault : std::uint8_t {
  Busy,     // another process uses it
  Foreign,  // it belongs to somebody else, or to another version of the program
  Damaged,  // records that had been acknowledged cannot be read
  Failed,   // the system refuses an operation
};
struct LogError {
  LogFault fault;
  std::string message;
};

class WriteAheadLog {
 public:
  struct Opened {
    std::unique_ptr<WriteAheadLog> log;
    std::vector<Bytes> records;  // oldest first
    std::string note;            // what was repaired, for people; empty if nothing
  };
  /// Called on the log's thread, never from inside a call to the log.
  struct Callbacks {
    std::function<void(std::span<const std::uint64_t> tickets)> durable;
    /// Once: nothing appended and not reported yet will ever be durable.
    std::function<void(const std::string& reason)> failed;
  };

  /// True if `folder` holds a log, readable or not.
  static bool exists(const std::string& folder, Disk& disk = real_disk());
  /// Keeps others from the log of `folder`, which is made.
  static std::expected<std::unique_ptr<FileLock>, LogError> lock(const std::string& folder, Disk& disk = real_disk());
  /// Opens the log, or makes a new one. `disk` must outlive it. `lock` is what the function above returned for the
  /// folder; null: the log is locked here.
  static std::expected<Opened, LogError> open(LogOptions options, Disk& disk = real_disk(),
                                              std::unique_ptr<FileLock> lock = nullptr);
  WriteAheadLog(const WriteAheadLog&) = delete;
  WriteAheadLog& operator=(const WriteAheadLog&) = delete;
  /// Writes what waits, then ends.
  ~WriteAheadLog();

  /// To be called once, before the first append.
  void start(Callbacks callbacks);
  /// `ticket` is reported when the record is on the disk; tickets must grow. False if the log has failed.
  bool append(std::uint64_t ticket, Span record);
  /// Records appended before that of `ticket`, which has been reported durable, are not needed any more. Their space
  /// is given back a segment at a time, so some of them may be read again.
  void forget_before(std::uint64_t ticket);

  struct Counters {
    std::uint64_t records = 0;  // made durable in this run
    std::uint64_t groups = 0;   // with so many fdatasyncs
    std::uint64_t bytes = 0;
    std::uint64_t segments = 0;  // there now
  };
  Counters counters() const;

 private:
  struct Segment {
    std::string path;
    std::uint64_t first_index = 0;
    std::uint64_t salt = 0;
    std::uint64_t first_ticket = 0;  // of the first record written in this run; 0: an older segment
  };
  struct Waiting {
    std::uint64_t ticket;
    Bytes record;
  };

  WriteAheadLog(LogOptions options, Disk& disk, std::unique_ptr<FileLock> lock);
  std::expected<void, LogError> recover(Opened& opened);
  std::expected<void, LogError> read_segments(std::vector<std::string> names, Opened& opened, std::size_t& last_size);
  std::optional<LogError> falls_short() const;
  Status begin_segment();
  Status remember_extent();
  void work();
  Status write(const std::deque<Waiting>& group);
  void drop_segments(std::uint64_t ticket);

  const LogOptions options_;
  Disk& disk_;
  const std::unique_ptr<FileLock> lock_;
  Callbacks callbacks_;

  // The log's thread only (before `start`: the opener's).
  std::deque<Segment> segments_;
  std::unique_ptr<DiskFile> file_;
  std::size_t file_size_ = 0;
  std::uint64_t salt_ = 0;
  std::uint64_t oldest_needed_ = 0;  // index of the oldest record that may not be missing
  bool named_ = false;               // the owner remembers the newest segment
  bool named_with_records_ = false;  // and that it has records of this run
  std::uint64_t next_index_ = 0;
  std::uint64_t durable_index_ = 0;
  Bytes buffer_;

  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Waiting> waiting_;  // from here on guarded by mutex_
  std::size_t waiting_bytes_ = 0;
  std::uint64_t forget_ticket_ = 0;
  bool stopping_ = false;
  bool failed_ = false;
  bool overrun_ = false;
  Counters counters_;
  std::thread thread_;
};

}  // namespace seneschal::storage
