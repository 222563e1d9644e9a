#include "runtime/storage/write_ahead_log.hpp"

#include "base/check.hpp"
#include "runtime/storage/segment.hpp"

#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <random>

namespace seneschal::storage {
namespace {

constexpr std::string_view kSuffix = ".wal";
constexpr std::string_view kLockName = "lock";

/// Names sort like the indexes they stand for.
std::string segment_name(std::uint64_t first) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string name;
  for (int shift = 60; shift >= 0; shift -= 4) name += kDigits[first >> shift & 0xf];
  return name + std::string(kSuffix);
}

std::vector<std::string> segment_names(std::vector<std::string> names) {
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(kSuffix); });
  return names;
}

std::uint64_t random_salt() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32 | device();
}

LogError failed(const Error& error) {
  return {LogFault::Failed, error.message};
}

LogError damaged(const std::string& path, const std::string& what) {
  return {LogFault::Damaged, path + ": " + what};
}

}  // namespace

bool WriteAheadLog::exists(const std::string& folder, Disk& disk) {
  const auto names = disk.list(folder);
  return !names || !segment_names(*names).empty();
}

WriteAheadLog::WriteAheadLog(LogOptions options, Disk& disk, std::unique_ptr<FileLock> lock)
    : options_(std::move(options)), disk_(disk), lock_(std::move(lock)) {}

std::expected<WriteAheadLog::Opened, LogError> WriteAheadLog::open(LogOptions options, Disk& disk) {
  CHECK(options.identity.size() <= kMaxIdentity);
  if (Status made = disk.make_folder(options.folder); !made) return std::unexpected(failed(made.error()));
  auto lock = disk.lock(options.folder + "/" + std::string(kLockName));
  if (!lock) return std::unexpected(failed(lock.error()));
  if (*lock == nullptr)
    return std::unexpected(LogError{LogFault::Busy, options.folder + ": another process uses this log"});
  Opened opened;
  opened.log.reset(new WriteAheadLog(std::move(options), disk, std::move(*lock)));
  if (auto good = opened.log->recover(opened); !good) return std::unexpected(good.error());
  return opened;
}

// Reads all segments, cuts off what a crash left at the end, and makes sure that what was read is on the disk: it may
// have been in the system's memory only, and its owner is about to act on it.
std::expected<void, LogError> WriteAheadLog::recover(Opened& opened) {
  auto listed = disk_.list(options_.folder);
  if (!listed) return std::unexpected(failed(listed.error()));
  const std::vector<std::string> names = segment_names(std::move(*listed));
  std::size_t last_size = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string path = options_.folder + "/" + names[i];
    const bool last = i + 1 == names.size();
    const auto file = disk_.read(path);
    if (!file) return std::unexpected(LogError{LogFault::Damaged, file.error().message});
    const auto header = decode_header(*file);
    if (!header) {
      if (header.error() == HeaderFault::Torn && last && file->size() <= header_size()) {
        // A segment that was being begun: nothing is written behind a header before the header is on the disk.
        if (Status gone = disk_.remove(path); !gone) return std::unexpected(failed(gone.error()));
        opened.note = path + ": was being made when the server ended; removed";
        break;
      }
      if (header.error() == HeaderFault::Torn) return std::unexpected(damaged(path, "its header is damaged"));
      const bool version = header.error() == HeaderFault::Version;
      return std::unexpected(LogError{LogFault::Foreign, path + (version ? ": is of another version of seneschal"
                                                                         : ": is not a log of seneschal")});
    }
    if (header->identity != options_.identity)
      return std::unexpected(LogError{
          LogFault::Foreign, path + ": is the log of " + header->identity + ", not of " + options_.identity});
    if (i == 0) next_index_ = header->first;
    if (header->first != next_index_ || names[i] != segment_name(header->first))
      return std::unexpected(damaged(path, "records before it are missing"));
    const Contents contents = read_frames(*file, *header);
    for (const Span record : contents.records) opened.records.push_back(to_bytes(record));
    next_index_ += contents.records.size();
    // A segment is whole on the disk before the next one is begun.
    if (contents.end == Contents::End::Damaged || (contents.end == Contents::End::Torn && !last))
      return std::unexpected(damaged(
          path, "record " + std::to_string(next_index_) + " is damaged, and it is not the end of what was written"));
    if (contents.end == Contents::End::Torn)
      opened.note = path + ": its last " + std::to_string(file->size() - contents.good_size) +
                    " bytes are of a write that was cut short; removed";
    segments_.push_back({path, 0});
    salt_ = header->salt;
    last_size = contents.good_size;
  }
  durable_index_ = next_index_;
  if (segments_.empty()) {
    if (Status made = begin_segment(); !made) return std::unexpected(failed(made.error()));
    return {};
  }
  auto file = disk_.reopen(segments_.back().path, last_size);
  if (!file) return std::unexpected(failed(file.error()));
  file_ = std::move(*file);
  file_size_ = last_size;
  Status synced = file_->sync();
  if (synced) synced = disk_.sync_folder(options_.folder);
  if (!synced) return std::unexpected(failed(synced.error()));
  counters_.segments = segments_.size();
  return {};
}

WriteAheadLog::~WriteAheadLog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void WriteAheadLog::start(Callbacks callbacks) {
  CHECK(!thread_.joinable());
  callbacks_ = std::move(callbacks);
  thread_ = std::thread([this] { work(); });
}

bool WriteAheadLog::append(std::uint64_t ticket, Span record) {
  {
    std::lock_guard lock(mutex_);
    if (failed_ || overrun_) return false;
    if (record.size() > kMaxRecord || waiting_bytes_ + record.size() > options_.max_waiting_bytes) {
      overrun_ = true;
    } else {
      waiting_bytes_ += record.size();
      waiting_.push_back({ticket, to_bytes(record)});
    }
  }
  ready_.notify_one();
  return true;  // an overrun is reported by `failed`, like every other failure
}

void WriteAheadLog::forget_before(std::uint64_t ticket) {
  {
    std::lock_guard lock(mutex_);
    forget_ticket_ = std::max(forget_ticket_, ticket);
  }
  ready_.notify_one();
}

WriteAheadLog::Counters WriteAheadLog::counters() const {
  std::lock_guard lock(mutex_);
  return counters_;
}

void WriteAheadLog::work() {
  sigset_t all;
  sigfillset(&all);
  ::pthread_sigmask(SIG_BLOCK, &all, nullptr);
  (void)::pthread_setname_np(::pthread_self(), "log");
  std::unique_lock lock(mutex_);
  for (;;) {
    ready_.wait(lock, [this] { return stopping_ || overrun_ || !waiting_.empty() || forget_ticket_ != 0; });
    std::deque<Waiting> group;
    group.swap(waiting_);
    waiting_bytes_ = 0;
    const std::uint64_t forget = std::exchange(forget_ticket_, 0);
    const bool overrun = overrun_;
    const bool stopping = stopping_;
    lock.unlock();
    Status good = group.empty() ? Status{} : write(group);
    if (good && overrun) good = failure(options_.folder + ": the disk does not keep up with what is written");
    if (good && forget != 0) drop_segments(forget);
    std::vector<std::uint64_t> tickets;
    std::size_t bytes = 0;
    for (const Waiting& waiting : group) {
      tickets.push_back(waiting.ticket);
      bytes += waiting.record.size();
    }
    lock.lock();
    if (!good) failed_ = true;
    if (good && !group.empty()) {
      counters_.records += group.size();
      ++counters_.groups;
      counters_.bytes += bytes;
    }
    counters_.segments = segments_.size();
    lock.unlock();
    if (!good) return callbacks_.failed(good.error().message);
    if (!tickets.empty()) callbacks_.durable(tickets);
    lock.lock();
    if (stopping && waiting_.empty()) return;
  }
}

Status WriteAheadLog::begin_segment() {
  const std::string path = options_.folder + "/" + segment_name(next_index_);
  auto file = disk_.create(path);
  if (!file) return std::unexpected(file.error());
  salt_ = random_salt();
  const Bytes header = encode_header({next_index_, salt_, options_.identity});
  if (Status written = (*file)->append(header); !written) return written;
  if (Status synced = (*file)->sync(); !synced) return synced;
  if (Status synced = disk_.sync_folder(options_.folder); !synced) return synced;
  file_ = std::move(*file);
  file_size_ = header.size();
  segments_.push_back({path, 0});
  return {};
}

Status WriteAheadLog::write(const std::deque<Waiting>& group) {
  if (file_size_ >= options_.segment_bytes)
    if (Status begun = begin_segment(); !begun) return begun;
  if (segments_.back().first_ticket == 0 && file_size_ == header_size())
    segments_.back().first_ticket = group.front().ticket;
  buffer_.clear();
  for (const Waiting& waiting : group) append_frame(buffer_, salt_, next_index_++, durable_index_, waiting.record);
  if (Status written = file_->append(buffer_); !written) return written;
  if (Status synced = file_->sync(); !synced) return synced;
  durable_index_ = next_index_;
  file_size_ += buffer_.size();
  // One group may have been large; the buffer need not stay so.
  constexpr std::size_t kKept = 1024 * 1024;
  if (buffer_.capacity() > kKept) Bytes().swap(buffer_);
  return {};
}

// The segment that holds the record of `ticket` stays, and all after it. What cannot be removed is only space. One at
// a time and durably, oldest first: a gap would look like damage.
void WriteAheadLog::drop_segments(std::uint64_t ticket) {
  std::size_t unneeded = segments_.size();
  while (unneeded > 0 && (segments_[unneeded - 1].first_ticket == 0 || segments_[unneeded - 1].first_ticket > ticket))
    --unneeded;
  if (unneeded > 0) --unneeded;  // the one that holds the record
  for (; unneeded > 0; --unneeded) {
    if (!disk_.remove(segments_.front().path) || !disk_.sync_folder(options_.folder)) return;
    segments_.pop_front();
  }
}

}  // namespace seneschal::storage
