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
#include <set>
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
  /// Of the statement that `execute` took last; neither taken back nor settled since.
  Footprint footprint(std::string_view statement) const;
  const Content& content() const { return content_; }
  /// Into an empty database. On failure this object is to be thrown away.
  Status load(kv::Leaves entries);
  /// What SQLite holds, read row by row, is the content.
  bool consistent() const;

 private:
  /// Columns of which no two rows may have the same values.
  struct UniqueKey {
    std::string index;
    std::vector<std::size_t> columns;
  };
  /// How to name the rows of a table.
  struct Table {
    std::string rowid;  // a name for it that no column has; empty: WITHOUT ROWID
    std::vector<std::string> columns;
    std::vector<UniqueKey> keys;
    bool plain = true;  // rows get into each other's way by `keys` and row id alone, compared byte by byte
  };
  /// What a statement did to the rows of one table.
  struct Touched {
    std::set<Bytes> names;     // of the rows that it rewrote, as they were and as they are
    std::set<Bytes> written;   // of those among them that are not as they were
    std::set<Bytes> entries;   // of rows that were there before
    std::optional<Row> first;  // the first of those
    bool bulk = false;         // too many names, or none that tell rows apart
    bool differs = false;      // a row is not as it was
    Digest changes;            // of all such rows, as they were and as they are, in the order of the changes
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

  void describe_keys(const SchemaItem& item, Table& table);

  // footprint.cpp
  std::map<std::string, Touched> touched_rows() const;
  bool differs(const Bytes& key, const Bytes* before) const;
  Digest shape_changes() const;
  void add_names(const std::string& name, const Table& table, const Bytes& key, const Bytes& value, bool differs,
                 Touched& touched) const;
  bool searched_by_key(std::string_view statement, const std::string& name, const Touched& touched) const;
  std::vector<std::string> plan_of(std::string_view statement) const;

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
  Used used_;                        // by the latest statement executed
  bool refused_ = false;             // that one
  bool full_ = false;                // for want of room
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
