// SQLite's interface with what it hides by default, and ownership of its objects. Internal to this folder.
#pragma once
#define SQLITE_ENABLE_PREUPDATE_HOOK 1  // Debian's library has it; the header shows it only on demand
#include <sqlite3.h>

#include <memory>

namespace seneschal::replication::sql {

struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Prepared = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;
struct CloseDatabase {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
};
using Connection = std::unique_ptr<sqlite3, CloseDatabase>;

}  // namespace seneschal::replication::sql
