// What a server finds of its earlier life when it starts.
//
// Two things are kept apart: the log, and a mark that says "this server has run" (mark.hpp), beside the deployment's
// file. Both are named by the group (the deployment) and the member (the server), never by where the server runs.
//
// A server that may have said something that it does not know any more must not vote: its mark is there, and its log
// is gone, unreadable, older than the mark says, or was never kept; or it has no mark where others of its group have
// one. The members that may begin in a folder are therefore marked as new all at once, by the first of them that
// starts there.
#pragma once
#include "runtime/storage/write_ahead_log.hpp"

namespace seneschal::storage {

/// A server that may begin in this folder, and where.
struct Member {
  std::string name;
  NodeId node;
};

struct MemoryOptions {
  std::string logs;    // folder; the log is in GROUP/MEMBER below it
  std::string marks;   // folder; the mark is GROUP/MEMBER below it
  std::string group;   // what the members belong to: "deployment 7"
  std::string member;  // whose memory it is: "server 1.0". With the group at most kMaxIdentity - 1 bytes
  NodeId node;         // where it runs now
  bool keep_log = true;
  std::vector<Fact> facts;  // what the log means: a server that ran with others must not start
  /// Those that may begin in this folder if nobody of the group has yet. The server itself is one of them in any
  /// case.
  std::vector<Member> members;

  std::string identity() const { return group + " " + member; }
  std::string log_folder() const { return logs + "/" + file_name(group) + "/" + file_name(member); }
  std::string mark_path() const { return marks + "/" + file_name(group) + "/" + file_name(member); }
};

struct ServerMemory {
  enum class Kind : std::uint8_t {
    Fresh,  // it never ran
    Whole,  // everything it acknowledged is in `records`
    Lost,   // it has run, or may have, and what it said is not known: there is no log to append to
  };
  Kind kind = Kind::Fresh;
  std::vector<Bytes> records;
  std::unique_ptr<WriteAheadLog> log;  // null unless kept
  std::string note;                    // for people; empty if there is nothing to tell
};

/// Opens the log and leaves the mark, both durable before this returns. Errors: another process uses the log, it
/// belongs to another server, the server ran with other facts, or nothing can be written; then it must not start.
Result<ServerMemory> recall(const MemoryOptions& options, Disk& disk = real_disk());

/// All marks below a folder, of all groups; what is no mark is passed over.
std::vector<Mark> marks_in(const std::string& folder, Disk& disk = real_disk());

}  // namespace seneschal::storage
