// Tables and indexes: what they may look like, and their part of the content.
#include "base/check.hpp"
#include "replication/sql/database.hpp"

#include <algorithm>

namespace seneschal::replication::sql {

namespace {

/// Rows that fall with their table cost as if they were deleted one by one.
constexpr std::uint64_t kStepsPerDroppedRow = 10;

/// SQLite's rule for column affinity, as far as it leads to real numbers: the first match counts.
bool has_real_affinity(const std::string& declared) {
  const std::string type = lower(declared);
  for (std::string_view other : {"int", "char", "clob", "text", "blob"})
    if (type.find(other) != std::string::npos) return false;
  return type.find("real") != std::string::npos || type.find("floa") != std::string::npos ||
         type.find("doub") != std::string::npos;
}

/// Whether a column's default, as the schema spells it, is no default, a number, a string, a blob, or NULL.
bool is_literal(const std::string& spelled) {
  const std::string text = lower(spelled);
  if (text.empty() || text == "null" || text == "true" || text == "false") return true;
  const bool number = text.find_first_not_of("+-0123456789") == std::string::npos;
  const std::size_t open = text[0] == 'x' ? 1 : 0;
  const bool quoted_whole = text.size() > open + 1 && text[open] == '\'' && text.back() == '\'' &&
                            text.find('\'', open + 1) == text.size() - 1;
  return number || quoted_whole;
}

}  // namespace

void Database::read_schema() {
  tables_.clear();
  schema_.clear();
  const Prepared list = prepare_own("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid");
  const Trust trust(trusted_);
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(list.get())) == SQLITE_ROW) {
    const auto column = [&](int i) { return text_of(sqlite3_column_value(list.get(), i)); };
    schema_.push_back({column(1), column(2), column(0) == "table"});
  }
  CHECK(code == SQLITE_DONE);
  for (const SchemaItem& item : schema_)
    if (item.is_table) describe(item);
}

void Database::describe(const SchemaItem& item) {
  Table& table = tables_[item.name];
  std::vector<std::string> free{"rowid", "_rowid_", "oid"};
  const Prepared columns = prepare_own("PRAGMA table_xinfo(" + quoted(item.name) + ")");
  const Trust trust(trusted_);
  while (sqlite3_step(columns.get()) == SQLITE_ROW) {
    const auto text = [&](int i) { return text_of(sqlite3_column_value(columns.get(), i)); };
    table.columns.push_back(text(1));
    std::erase(free, lower(text(1)));
    if (sqlite3_column_int(columns.get(), 6) != 0) object(Problem::Forbidden, "generated columns");
    if (has_real_affinity(text(2))) object(Problem::Forbidden, "columns of real numbers");
    // SQLite asks no leave for what a default does: CURRENT_TIMESTAMP would read the clock at every insertion.
    if (!is_literal(text(4))) object(Problem::Forbidden, "a default that is not a literal");
  }
  if (free.empty()) return object(Problem::Forbidden, "columns rowid, _rowid_ and oid in one table");
  const std::string sql = "SELECT " + free.front() + " FROM " + quoted(item.name);
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.c_str(), -1, &made, nullptr) == SQLITE_OK) table.rowid = free.front();
  sqlite3_finalize(made);
  describe_keys(item, table);
}

void Database::describe_keys(const SchemaItem& item, Table& table) {
  // INSERT may then leave rows out that it met, without a word of it in the statement.
  table.plain = !uses_word(item.sql, "conflict");
  const Prepared indexes = prepare_own("PRAGMA index_list(" + quoted(item.name) + ")");
  const Trust trust(trusted_);
  while (sqlite3_step(indexes.get()) == SQLITE_ROW) {
    if (sqlite3_column_int(indexes.get(), 2) == 0) continue;             // not unique
    if (sqlite3_column_int(indexes.get(), 4) != 0) table.plain = false;  // of some rows only
    UniqueKey key{text_of(sqlite3_column_value(indexes.get(), 1)), {}};
    const Prepared columns = prepare_own("PRAGMA index_xinfo(" + quoted(key.index) + ")");
    while (sqlite3_step(columns.get()) == SQLITE_ROW) {
      if (sqlite3_column_int(columns.get(), 5) == 0) continue;  // kept with the key, not part of it
      const int column = sqlite3_column_int(columns.get(), 1);
      const bool plain = column >= 0 && text_of(sqlite3_column_value(columns.get(), 4)) == "BINARY";
      if (plain) key.columns.push_back(static_cast<std::size_t>(column));
      table.plain = table.plain && plain;
    }
    table.keys.push_back(std::move(key));
  }
}

void Database::check_schema() {
  if (schema_.size() > limits_.max_schema)
    object(Problem::Full, "more than " + std::to_string(limits_.max_schema) + " tables and indexes");
  for (const SchemaItem& item : schema_) {
    if (item.is_table && item.name.size() > kMaxTableName) object(Problem::Full, "a table's name is too long");
    if (item.sql.size() > kMaxEntry) object(Problem::Full, "a table or index takes too long to describe");
  }
}

// Those behind a dropped one move up.
void Database::write_schema() {
  std::size_t position = 0;
  for (const SchemaItem& item : schema_) {
    const Bytes key = Content::schema_key(position++);
    const Bytes* old = content_.find(key);
    if (old == nullptr || as_text(*old) != item.sql) content_.put(key, to_bytes(item.sql));
  }
  while (content_.find(Content::schema_key(position)) != nullptr) content_.erase(Content::schema_key(position++));
}

void Database::forget_rows(const std::string& table) {
  std::vector<Bytes> keys;
  content_.each(Content::table_prefix(table), [&](const Bytes& key, const Bytes&) {
    if (!budget_.spend(kStepsPerDroppedRow)) object(Problem::TooMuchWork, "too many rows: delete some first");
    keys.push_back(key);
    return !problem_;
  });
  if (problem_) return;
  for (const Bytes& key : keys) content_.erase(key);
  changed_ += keys.size();
}

}  // namespace seneschal::replication::sql
