// One database in memory, and its content kept a second time. Internal to this folder.
#pragma once
#include "base/result.hpp"
#include "replication/sql/content.hpp"
#include "replication/sql/functions.hpp"
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
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// One statement, whole or not at all. It can be taken back until `settle`.
  Outcome execute(std::string_view statement);
  /// Refuses statements that write.
  Outcome query(std::string_view statement);
  /// Takes time for the whole state: SQLite's copy is built anew.
  void undo();
  void settle();
  const Content& content() const { return content_; }
  /// Into an empty database. On failure this object is to be thrown away.
  Status load(kv::Leaves entries);
  /// What SQLite holds, read row by row, is the content.
  bool consistent() const;

 private:
  /// How to name the rows of a table.
  struct Table {
    std::string rowid;  // a name for it that no column has; empty: WITHOUT ROWID
    std::vector<std::string> columns;
  };
  struct SchemaItem {
    std::string name, sql;
    bool is_table = false;
  };
  struct Entry {
    Bytes key, value;
  };
  struct Heap;

  static int authorize(void* self, int action, const char* first, const char* second, const char* database,
                       const char*);
  static void before_change(void* self, sqlite3*, int operation, const char*, const char* table, sqlite3_int64 old_id,
                            sqlite3_int64 new_id);
  static int progress(void* self);
  void changing(int operation, const char* table, sqlite3_int64 old_id, sqlite3_int64 new_id);
  Entry entry_of(const std::string& table, sqlite3_int64 id, const Row& row) const;
  void object(Problem problem, std::string_view reason);

  // database.cpp
  void open();
  std::expected<Prepared, Refused> compile(std::string_view statement);
  std::optional<Refused> fetch(sqlite3_stmt* statement, Done& done, bool writes);
  Outcome write(std::string_view statement);
  Refused failed(int code) const;
  void must(const char* sql);
  Prepared prepare_own(const std::string& sql) const;

  // schema.cpp
  void read_schema();
  void check_schema();
  void describe(const SchemaItem& item);
  void write_schema();
  void forget_rows(const std::string& table);

  // load.cpp
  Status rebuild();
  Status load_rows(const SchemaItem& item);

  Limits limits_;
  std::unique_ptr<Heap> heap_;  // this database's share of SQLite's memory
  Budget budget_;               // before the connection, whose functions use it
  Connection connection_;
  Rules rules_;
  Content content_;
  mutable bool trusted_ = false;     // our own statement: the rules do not apply
  const Entry* expected_ = nullptr;  // while loading: what the next row must be
  std::optional<Refused> problem_;   // found while rows or schema change; the statement is taken back
  std::uint64_t changed_ = 0;        // rows written by the statement
  std::map<std::string, Table, std::less<>> tables_;
  std::vector<SchemaItem> schema_;  // in the order of creation
  std::vector<std::size_t> undo_;   // per statement since `settle`, where its changes begin
};

/// While it lives, the rules do not apply.
class Trust {
 public:
  explicit Trust(bool& trusted) : trusted_(trusted), before_(std::exchange(trusted, true)) {}
  ~Trust() { trusted_ = before_; }
  Trust(const Trust&) = delete;
  Trust& operator=(const Trust&) = delete;

 private:
  bool& trusted_;
  bool before_;
};

Refused refused(Problem problem, std::string_view reason);
/// Nothing for a real number.
std::optional<Cell> cell_of(sqlite3_value* value);
std::string text_of(sqlite3_value* value);
/// A name as it is written in SQL.
std::string quoted(std::string_view name);

}  // namespace seneschal::replication::sql
