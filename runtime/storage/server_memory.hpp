// What a server finds of its earlier life when it starts.
//
// Two things are kept apart: the log, and a marker that says "this server has run", beside the deployment's file. A
// server whose marker is there but whose log is gone, unreadable, or was never kept must not vote: it may have said
// something that it does not know any more.
#pragma once
#include "runtime/storage/write_ahead_log.hpp"

namespace seneschal::storage {

struct MemoryOptions {
  std::string log_folder;
  std::string marker;    // path of the marker file
  std::string identity;  // whose memory it is, at most kMaxIdentity bytes
  bool keep_log = true;
};

struct ServerMemory {
  enum class Kind : std::uint8_t {
    Fresh,  // it never ran
    Whole,  // everything it acknowledged is in `records`
    Lost,   // it has run, and what it said is not known: there is no log to append to
  };
  Kind kind = Kind::Fresh;
  std::vector<Bytes> records;
  std::unique_ptr<WriteAheadLog> log;  // null unless kept
  std::string note;                    // for people; empty if there is nothing to tell
};

/// Opens the log and leaves the marker, both durable before this returns. Errors: another process uses the log, it
/// belongs to another server, or nothing can be written; then the server must not start.
Result<ServerMemory> recall(const MemoryOptions& options, Disk& disk = real_disk());

}  // namespace seneschal::storage
