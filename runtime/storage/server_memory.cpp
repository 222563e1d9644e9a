#include "runtime/storage/server_memory.hpp"

#include <filesystem>

namespace seneschal::storage {
namespace {

Status leave_marker(const MemoryOptions& options, Disk& disk) {
  const std::string folder = std::filesystem::path(options.marker).parent_path().string();
  if (Status made = disk.make_folder(folder); !made) return made;
  auto file = disk.create(options.marker);
  if (!file) return std::unexpected(file.error());
  const std::string text = options.identity +
                           " has run. Without its log it must not vote again: remove this file only together with "
                           "the whole deployment.\n";
  if (Status written = (*file)->append(as_span(text)); !written) return written;
  if (Status synced = (*file)->sync(); !synced) return synced;
  return disk.sync_folder(folder);
}

ServerMemory lost(std::string why) {
  ServerMemory memory;
  memory.kind = ServerMemory::Kind::Lost;
  memory.note = std::move(why) + "; this server only learns, executes and answers queries, and counts as faulty";
  return memory;
}

}  // namespace

Result<ServerMemory> recall(const MemoryOptions& options, Disk& disk) {
  const bool has_run = disk.exists(options.marker);
  ServerMemory memory;
  if (!options.keep_log) {
    if (has_run) return lost("it has run before and keeps no log (durability is 'none')");
  } else {
    if (has_run && !WriteAheadLog::exists(options.log_folder, disk))
      return lost(options.log_folder + ": the log is gone, but " + options.marker + " says that it has run");
    LogOptions log;
    log.folder = options.log_folder;
    log.identity = options.identity;
    auto opened = WriteAheadLog::open(std::move(log), disk);
    if (!opened) {
      if (opened.error().fault == LogFault::Damaged) return lost(opened.error().message);
      return failure(opened.error().message);
    }
    memory.records = std::move(opened->records);
    memory.log = std::move(opened->log);
    memory.note = std::move(opened->note);
    if (has_run || !memory.records.empty()) memory.kind = ServerMemory::Kind::Whole;
  }
  // After the log: a crash in between leaves a log without records, which is what a fresh server has.
  if (!has_run)
    if (Status left = leave_marker(options, disk); !left) return std::unexpected(left.error());
  return memory;
}

}  // namespace seneschal::storage
