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

std::expected<std::unique_ptr<FileLock>, LogError> WriteAheadLog::lock(const std::string& folder, Disk& disk) {
  if (Status made = disk.make_folder(folder); !made) return std::unexpected(failed(made.error()));
  auto lock = disk.lock(folder + "/" + std::string(kLockName));
  if (!lock) return std::unexpected(failed(lock.error()));
  if (*lock == nullptr) return std::unexpected(LogError{LogFault::Busy, folder + ": another process uses this log"});
  return std::move(*lock);
}

std::expected<WriteAheadLog::Opened, LogError> WriteAheadLog::open(LogOptions options, Disk& disk,
                                                                   std::unique_ptr<FileLock> held) {
  CHECK(options.identity.size() <= kMaxIdentity);
  if (held == nullptr) {
    auto taken = lock(options.folder, disk);
    if (!taken) return std::unexpected(taken.error());
    held = std::move(*taken);
  }
  Opened opened;
  opened.log.reset(new WriteAheadLog(std::move(options), disk, std::move(held)));
  if (auto good = opened.log->recover(opened); !good) {
    opened.log->failed_ = true;  // it ends without telling how far it reaches
    return std::unexpected(good.error());
  }
  return opened;
}

// Reads all segments, cuts off what a crash left at the end, and makes sure that what was read is on the disk: it may
// have been in the system's memory only, and its owner is about to act on it.
std::expected<void, LogError> WriteAheadLog::recover(Opened& opened) {
  auto listed = disk_.list(options_.folder);
  if (!listed) return std::unexpected(failed(listed.error()));
  std::size_t last_size = 0;
  if (auto read = read_segments(segment_names(std::move(*listed)), opened, last_size); !read) return read;
  durable_index_ = next_index_;
  if (auto short_of = falls_short()) return std::unexpected(std::move(*short_of));
  if (segments_.empty()) {
    if (Status made = begin_segment(); !made) return std::unexpected(failed(made.error()));
    counters_.segments = segments_.size();
    return {};
  }
  auto file = disk_.reopen(segments_.back().path, last_size);
  if (!file) return std::unexpected(failed(file.error()));
  file_ = std::move(*file);
  file_size_ = last_size;
  Status synced = file_->sync();
  if (synced) synced = disk_.sync_folder(options_.folder);
  oldest_needed_ = options_.expected ? options_.expected->oldest : segments_.front().first_index;
  if (!synced) return std::unexpected(failed(synced.error()));
  // A full disk: what is remembered still holds, and the first append fails.
  if (!remember_extent()) named_ = options_.expected && options_.expected->newest == segments_.back().first_index;
  named_with_records_ = false;  // the first records of each life are remembered: a copy of an earlier life has none
  counters_.segments = segments_.size();
  return {};
}

std::expected<void, LogError> WriteAheadLog::read_segments(std::vector<std::string> names, Opened& opened,
                                                           std::size_t& last_size) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string path = options_.folder + "/" + names[i];
    const bool last = i + 1 == names.size();
    const auto file = disk_.read(path);
    if (!file) return std::unexpected(LogError{LogFault::Damaged, file.error().message});
    const auto header = decode_header(*file);
    if (!header) {
      // A segment that was being begun: nothing is written behind a header before the header is on the disk and the
      // owner remembers the segment.
      const bool begun = options_.expected && names[i] <= segment_name(options_.expected->newest);
      if (header.error() == HeaderFault::Torn && last && file->size() <= header_size() && !begun) {
        if (Status gone = disk_.remove(path); !gone) return std::unexpected(failed(gone.error()));
        opened.note = path + ": was being made when the server ended; removed";
        break;
      }
      if (header.error() == HeaderFault::Torn)
        return std::unexpected(damaged(path, file->empty() ? "it is empty" : "its header is damaged"));
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
    segments_.push_back({path, header->first, header->salt, 0});
    salt_ = header->salt;
    last_size = contents.good_size;
  }
  return {};
}

// What is wrong if the log that was read does not reach as far as its owner remembers. One segment may be newer than
// what is remembered: it was begun, and the crash came before that was remembered, so it has no records.
std::optional<LogError> WriteAheadLog::falls_short() const {
  if (options_.begins && next_index_ > 0)
    return damaged(options_.folder, "it has records, but by its mark this server never ran");
  if (!options_.expected) return std::nullopt;
  const Extent& expected = *options_.expected;
  const auto older = [&](const std::string& what) {
    return damaged(options_.folder, what + ": it is an older copy, or a part of it is gone");
  };
  if (segments_.empty() || segments_.front().first_index > expected.oldest)
    return older("the records from " + std::to_string(expected.oldest) + " on are not all there");
  const auto named = std::ranges::find(segments_, expected.newest, &Segment::first_index);
  if (named == segments_.end())
    return older("there is no segment " + segment_name(expected.newest) + ", which this server has used");
  if (named->salt != expected.salt)
    return older("segment " + segment_name(expected.newest) + " is not the one that this server has used");
  if (next_index_ < expected.known)
    return older("it has the records below " + std::to_string(next_index_) +
                 ", and this server has written those below " + std::to_string(expected.known));
  const auto newer = segments_.end() - named - 1;
  if (newer > 1 || (newer == 1 && segments_.back().first_index < next_index_))
    return damaged(options_.folder,
                   "it goes beyond segment " + segment_name(expected.newest) +
                       ", the newest that this server has used: the log or the mark was copied here");
  return std::nullopt;
}

WriteAheadLog::~WriteAheadLog() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  if (thread_.joinable()) thread_.join();
  // Nothing can be done about an error here, and nothing is lost by it: less is remembered than could be.
  if (!failed_ && file_ != nullptr) (void)remember_extent();
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
  if (segments_.empty()) oldest_needed_ = next_index_;
  segments_.push_back({path, next_index_, salt_, 0});
  named_ = named_with_records_ = false;
  return remember_extent();
}

Status WriteAheadLog::remember_extent() {
  const Segment& newest = segments_.back();
  if (options_.remember)
    if (Status told = options_.remember({oldest_needed_, newest.first_index, newest.salt, durable_index_}); !told)
      return told;
  named_ = true;
  named_with_records_ = durable_index_ > newest.first_index;
  return {};
}

Status WriteAheadLog::write(const std::deque<Waiting>& group) {
  if (file_size_ >= options_.segment_bytes)
    if (Status begun = begin_segment(); !begun) return begun;
  if (!named_)
    if (Status named = remember_extent(); !named) return named;
  if (segments_.back().first_ticket == 0 && file_size_ == header_size())
    segments_.back().first_ticket = group.front().ticket;
  buffer_.clear();
  for (const Waiting& waiting : group) append_frame(buffer_, salt_, next_index_++, durable_index_, waiting.record);
  if (Status written = file_->append(buffer_); !written) return written;
  if (Status synced = file_->sync(); !synced) return synced;
  durable_index_ = next_index_;
  file_size_ += buffer_.size();
  // From now on a segment without its records is noticed.
  if (!named_with_records_)
    if (Status remembered = remember_extent(); !remembered) return remembered;
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
  if (unneeded == 0) return;
  // First: a crash in between leaves segments that nobody needs, and no gap that nobody knows of.
  const std::uint64_t before = std::exchange(oldest_needed_, segments_[unneeded].first_index);
  if (!remember_extent()) {
    oldest_needed_ = before;
    return;
  }
  for (; unneeded > 0; --unneeded) {
    if (!disk_.remove(segments_.front().path) || !disk_.sync_folder(options_.folder)) return;
    segments_.pop_front();
  }
}

}  // namespace seneschal::storage
