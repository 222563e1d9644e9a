#include "runtime/storage/server_memory.hpp"

#include "base/check.hpp"
#include "runtime/storage/segment.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>
#include <variant>

namespace seneschal::storage {
namespace {

ServerMemory lost(std::string why) {
  ServerMemory memory;
  memory.kind = ServerMemory::Kind::Lost;
  memory.note = std::move(why) + "; this server only learns, executes and answers queries, and counts as faulty";
  return memory;
}

/// The entries of a folder but those that begin with '.'; none if it cannot be read.
std::vector<std::string> entries(const std::string& folder, Disk& disk) {
  auto listed = disk.list(folder);
  if (!listed) return {};
  std::erase_if(*listed, [](const std::string& name) { return name.starts_with('.'); });
  for (std::string& name : *listed) name = folder + "/" + name;
  return std::move(*listed);
}

std::string text_of(const std::string& path, Disk& disk) {
  const auto bytes = disk.read(path);
  return bytes ? std::string(bytes->begin(), bytes->end()) : std::string();
}

/// A new file with these bytes, on the disk.
Status create_durably(const std::string& path, std::string_view text, Disk& disk) {
  auto file = disk.create(path);
  if (!file) return std::unexpected(file.error());
  if (Status written = (*file)->append(as_span(text)); !written) return written;
  return (*file)->sync();
}

Status write_mark(const std::string& path, const Mark& mark, Disk& disk) {
  const std::filesystem::path place(path);
  const std::string folder = place.parent_path().string();
  const std::string draft = folder + "/.draft-" + place.filename().string();
  if (Status gone = disk.remove(draft); !gone) return gone;
  if (Status made = create_durably(draft, to_text(mark), disk); !made) return made;
  if (Status moved = disk.rename(draft, path); !moved) return moved;
  return disk.sync_folder(folder);
}

/// A file that shows that a member of the group has run: a mark, also one of an older version of the program, or a
/// log, in whatever place below the two folders. Empty if there is none.
std::string trace_of_group(const MemoryOptions& options, Disk& disk) {
  const std::string begin = options.group + " ";
  const auto is_mark = [&](const std::string& path) {
    const std::string text = text_of(path, disk);
    const auto mark = parse_mark(text);
    return (mark && mark->group == options.group) || text.starts_with(begin);
  };
  const auto is_log = [&](const std::string& path) {
    if (!path.ends_with(".wal")) return false;
    const auto file = disk.read(path);
    const auto header = file ? decode_header(*file) : std::unexpected(HeaderFault::Torn);
    return header && header->identity.starts_with(begin);
  };
  for (const std::string& place : entries(options.marks, disk)) {
    if (is_mark(place)) return place;
    for (const std::string& path : entries(place, disk))
      if (is_mark(path)) return path;
  }
  for (const std::string& place : entries(options.logs, disk))
    for (const std::string& inner : entries(place, disk)) {
      if (is_log(inner)) return inner;
      for (const std::string& path : entries(inner, disk))
        if (is_log(path)) return path;
    }
  return {};
}

/// Marks all members as new, in one step: the folder of the group appears with all of them in it.
Status found_group(const MemoryOptions& options, Disk& disk) {
  const std::string folder = options.marks + "/" + file_name(options.group);
  const std::string draft = options.marks + "/.draft-" + file_name(options.group);
  for (const std::string& left : entries(draft, disk))  // by a crash
    if (Status gone = disk.remove(left); !gone) return gone;
  if (Status made = disk.make_folder(draft); !made) return made;
  std::vector<Member> members = options.members;
  if (std::ranges::find(members, options.member, &Member::name) == members.end())
    members.push_back({options.member, options.node});
  for (const Member& member : members) {
    const Mark mark{options.group, member.name, member.node, Mark::State::New, {}, options.facts};
    if (!valid(mark)) return failure("the mark of " + member.name + " would be too long");
    if (Status made = create_durably(draft + "/" + file_name(member.name), to_text(mark), disk); !made) return made;
  }
  if (Status synced = disk.sync_folder(draft); !synced) return synced;
  if (Status moved = disk.rename(draft, folder); !moved) return moved;
  return disk.sync_folder(options.marks);
}

/// Hundreds of servers may start at once: one of them makes the marks of all, the others wait.
Result<std::unique_ptr<FileLock>> lock_founding(const MemoryOptions& options, Disk& disk) {
  constexpr int kTries = 12'000;
  if (Status made = disk.make_folder(options.marks); !made) return std::unexpected(made.error());
  for (int i = 0; i < kTries; ++i) {
    auto lock = disk.lock(options.marks + "/.founding");
    if (!lock || *lock != nullptr) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return failure(options.marks + "/.founding: another process has been making marks for a minute");
}

/// The server's mark, or why it must not vote.
using Found = std::variant<Mark, std::string>;

Found read_own_mark(const MemoryOptions& options, Disk& disk) {
  const std::string path = options.mark_path();
  if (!disk.exists(path))
    return path + ": there is no mark of " + options.identity() + ", but others of " + options.group +
           " have run in this folder";
  auto mark = parse_mark(text_of(path, disk));
  if (!mark) return path + ": this mark is damaged";
  if (mark->group != options.group || mark->member != options.member)
    return path + ": this is the mark of " + mark->group + " " + mark->member + ", not of " + options.identity();
  return std::move(*mark);
}

Result<Found> find_mark(const MemoryOptions& options, Disk& disk) {
  const std::string folder = options.marks + "/" + file_name(options.group);
  if (disk.exists(folder)) return read_own_mark(options, disk);
  const auto lock = lock_founding(options, disk);
  if (!lock) return std::unexpected(lock.error());
  if (disk.exists(folder)) return read_own_mark(options, disk);
  const std::string trace = trace_of_group(options, disk);
  if (!trace.empty())
    return trace + ": says that " + options.group + " has run in this folder, but there is no mark of " +
           options.identity() + " (" + options.mark_path() + ")";
  if (Status founded = found_group(options, disk); !founded) return std::unexpected(founded.error());
  return read_own_mark(options, disk);
}

/// Opens the log of a server that may go on from it, or begin.
Result<ServerMemory> open_log(const MemoryOptions& options, Mark mark, std::unique_ptr<FileLock> lock, Disk& disk) {
  const bool begins = mark.state == Mark::State::New;
  if (!begins && !WriteAheadLog::exists(options.log_folder(), disk))
    return lost(options.log_folder() + ": the log is gone, but " + options.mark_path() + " says that it has run");
  LogOptions log;
  log.folder = options.log_folder();
  log.identity = options.identity();
  log.begins = begins;
  if (!begins) log.expected = mark.extent;
  mark.state = Mark::State::Logged;
  mark.node = options.node;
  mark.facts = options.facts;
  log.remember = [mark, path = options.mark_path(), &disk](const Extent& extent) mutable {
    mark.extent = extent;
    return write_mark(path, mark, disk);
  };
  auto opened = WriteAheadLog::open(std::move(log), disk, std::move(lock));
  if (!opened) {
    if (opened.error().fault == LogFault::Damaged) return lost(opened.error().message);
    return failure(opened.error().message);
  }
  ServerMemory memory;
  memory.kind = begins ? ServerMemory::Kind::Fresh : ServerMemory::Kind::Whole;
  memory.records = std::move(opened->records);
  memory.log = std::move(opened->log);
  memory.note = std::move(opened->note);
  return memory;
}

}  // namespace

Result<ServerMemory> recall(const MemoryOptions& options, Disk& disk) {
  CHECK(options.identity().size() <= kMaxIdentity);
  // Before the mark is read: another process that uses the log goes on writing both.
  std::unique_ptr<FileLock> lock;
  if (options.keep_log) {
    auto taken = WriteAheadLog::lock(options.log_folder(), disk);
    if (!taken) return failure(taken.error().message);
    lock = std::move(*taken);
  }
  auto found = find_mark(options, disk);
  if (!found) return std::unexpected(found.error());
  if (auto* why = std::get_if<std::string>(&*found)) return lost(std::move(*why));
  Mark mark = std::get<Mark>(std::move(*found));
  if (const std::string changed = differences(mark.facts, options.facts); !changed.empty())
    return failure(options.mark_path() + ": " + options.identity() + " has run with another configuration: " +
                   changed + "; put it back, or begin a new deployment in a new folder");
  if (mark.state == Mark::State::New && mark.node != options.node)
    return lost(options.mark_path() + ": this server was to begin on node " + std::to_string(mark.node.value) +
                ", and may have run there from another folder; here it is on node " +
                std::to_string(options.node.value));
  if (mark.state == Mark::State::Unkept)
    return lost(options.mark_path() + ": it has run before and kept no log (durability was 'none')");
  if (options.keep_log) return open_log(options, std::move(mark), std::move(lock), disk);
  if (mark.state == Mark::State::Logged)
    return lost(options.mark_path() + ": it has run before with a log, and keeps none now (durability is 'none')");
  mark.state = Mark::State::Unkept;
  mark.facts = options.facts;
  if (Status left = write_mark(options.mark_path(), mark, disk); !left) return std::unexpected(left.error());
  return ServerMemory{};
}

std::vector<Mark> marks_in(const std::string& folder, Disk& disk) {
  std::vector<Mark> marks;
  for (const std::string& group : entries(folder, disk))
    for (const std::string& path : entries(group, disk))
      if (auto mark = parse_mark(text_of(path, disk))) marks.push_back(std::move(*mark));
  return marks;
}

}  // namespace seneschal::storage
