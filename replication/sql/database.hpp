// One database in memory with its digest, kept row by row. Internal to this folder.
#pragma once
#include "base/result.hpp"
#include "replication/multiset_hash.hpp"
#include "replication/sql/rules.hpp"
#include "replication/sql/sql.hpp"
#include "replication/sql/sqlite.hpp"

#include <map>
#include <optional>
#include <vector>

namespace seneschal::replication::sql {

/// For one thread at a time. Holds callbacks to itself inside SQLite: stays where it is.
class Database {
 public:
  explicit Database(const Limits& limits);
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// One statement, whole or not at all. With `may_write` it can be taken back until `settle`.
  Outcome execute(std::string_view statement);
  /// Refuses statements that write.
  Outcome query(std::string_view statement);
  void undo();
  void settle();
  Digest digest() const;

  Bytes snapshot();
  /// Into an empty database. On failure this object is to be thrown away.
  Status load(Span snapshot);

 private:
  /// How to name the rows of a table.
  struct Table {
    std::string rowid;  // a name for it that no column has; empty: WITHOUT ROWID, the primary key orders
    std::size_t columns = 0;
  };
  struct SchemaItem {
    std::string name, sql;
    bool is_table = false;
  };
  /// What changes with every statement besides SQLite's own state.
  struct Totals {
    MultisetHash rows;
    std::size_t bytes = 0;
    std::size_t count = 0;
  };
  struct Undo {
    Totals before;
    bool schema_changed = false;
    std::string statement;  // what was executed since; empty: it was refused
  };

  static int authorize(void* self, int action, const char* first, const char* second, const char* database,
                       const char*);
  static void before_change(void* self, sqlite3*, int operation, const char*, const char* table, sqlite3_int64 old_id,
                            sqlite3_int64 new_id);
  void changing(int operation, const char* table, sqlite3_int64 old_id, sqlite3_int64 new_id);

  std::expected<Prepared, Refused> compile(std::string_view statement);
  std::optional<Refused> fetch(sqlite3_stmt* statement, Done& done, bool writes);
  Outcome write(sqlite3_stmt* statement);
  void take_back();
  void replay();

  void read_schema();
  std::optional<Refused> check_schema() const;
  std::optional<Refused> describe(const SchemaItem& item);
  void forget_rows(const std::string& table);

  Refused failed(int code) const;
  void must(const char* sql);
  Prepared prepare_own(const std::string& sql) const;
  std::string select_rows(const SchemaItem& item) const;
  Status load_rows(Reader& in, const SchemaItem& item);

  Limits limits_;
  Connection connection_;
  Rules rules_;
  mutable bool trusted_ = false;    // our own statement: the rules do not apply
  std::optional<Refused> problem_;  // found while rows or schema change; the statement is taken back
  std::uint64_t changed_ = 0;       // rows written by the statement
  std::map<std::string, Table, std::less<>> tables_;
  std::vector<SchemaItem> schema_;  // in the order of creation
  Digest schema_digest_;
  Totals totals_;
  std::vector<Undo> undo_;  // one open savepoint each
};

}  // namespace seneschal::replication::sql
