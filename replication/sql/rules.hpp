// What a statement may use. Internal to this folder.
#pragma once
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace seneschal::replication::sql {

/// The tables that a statement uses, as SQLite tells while it compiles it.
struct Used {
  std::set<std::string> read, inserted, updated, deleted;
  std::set<std::string> shaped;  // created, dropped, or given or deprived of an index
  bool schema = false;           // reads the list of tables itself
  std::set<std::string> all() const;
};

/// Watches over one statement while SQLite compiles it: SQLite asks for each thing that the statement would use.
class Rules {
 public:
  using IsTable = std::function<bool(std::string_view)>;
  explicit Rules(IsTable is_table) : is_table_(std::move(is_table)) {}

  /// Before each statement.
  void begin();
  /// SQLite's authorizer callback: SQLITE_OK or SQLITE_DENY.
  int check(int action, const char* first, const char* second, const char* database);

  /// Why the statement was denied; empty if it was not.
  const std::string& objection() const { return objection_; }
  bool changes_schema() const { return schema_change_; }
  const Used& used() const { return used_; }
  /// The table that the statement drops, or empty.
  const std::string& dropped_table() const { return dropped_table_; }

 private:
  int deny(std::string reason);
  int read(std::string_view table, std::string_view column);
  int write(std::string_view table, std::set<std::string>& written);
  int change_schema(std::string_view object, std::string_view table);

  IsTable is_table_;
  bool schema_change_ = false;
  std::string created_table_;
  std::string dropped_table_;
  std::string objection_;
  Used used_;
};

/// ASCII only, as SQLite compares names.
std::string lower(std::string_view name);
/// Whether `word` (in lower case) stands in the statement outside of strings, quoted names and comments. For what
/// must be refused before SQLite reads it: it copies what a WITH names to each use of the name, again and again.
bool uses_word(std::string_view statement, std::string_view word);
/// The first words of that kind, in lower case.
std::vector<std::string> first_words(std::string_view statement, std::size_t most);

}  // namespace seneschal::replication::sql
