// What a statement read and wrote, for the Accountability Graph.
//
// Writes are exact: every row that changed, as it was and as it is. SQLite does not tell which rows a statement
// looked at, only which tables it uses; so a table that is read counts as read whole, every row that is or ever was
// in it. Where that would be a gross exaggeration and the contrary can be shown, it is left out: inserting a row
// looks at its keys only, replacing it at nothing, and a statement that changed one row, which SQLite searched by a
// unique key, looked at that row only. Naming too much is safe. docs/sql.md, "Footprints"
#include "base/check.hpp"
#include "crypto/digest.hpp"
#include "replication/sql/database.hpp"

namespace seneschal::replication::sql {

namespace {

/// Statements that change more rows, by their names, write the name of the whole table instead.
constexpr std::size_t kMostNames = 1024;

Bytes schema_name(std::string_view table) {
  Bytes name{1};
  append(name, as_span(lower(table)));
  return name;
}

/// Every shape of every table, also of those that are gone.
Footprint::Range all_schemas() {
  return {Bytes{1}, Bytes{2}};
}

/// Of many rows at once; names of single rows begin with it.
Bytes table_name(std::string_view table) {
  Bytes name{2};
  append(name, as_span(lower(table)));
  name.push_back(0);
  return name;
}

Footprint::Range whole(std::string_view table) {
  Footprint::Range range{table_name(table), table_name(table)};
  range.last->back() = 1;
  return range;
}

}  // namespace

void Database::add_names(const std::string& name, const Table& table, const Bytes& key, const Bytes& value,
                         Touched& touched) const {
  touched.bulk = touched.bulk || touched.names.size() > kMostNames || (table.rowid.empty() && !table.plain);
  if (touched.bulk) return;
  const Bytes begin = table_name(name);
  if (!table.rowid.empty()) {
    Bytes by_id = begin;
    by_id.push_back(0);
    append(by_id, Span(key).subspan(Content::table_prefix(name).size()));
    touched.names.insert(std::move(by_id));
  }
  const auto row = decode<Row>(value);
  CHECK(row.has_value());
  for (const UniqueKey& unique : table.keys) {
    Row cells;
    for (const std::size_t column : unique.columns) cells.cells.items.push_back(row->cells.items.at(column));
    Bytes by_key = begin;
    by_key.push_back(1);
    append(by_key, as_span(unique.index));
    by_key.push_back(0);
    append(by_key, crypto::sha256(encode(cells)).bytes);
    touched.names.insert(std::move(by_key));
  }
}

std::map<std::string, Database::Touched> Database::touched_rows() const {
  std::map<std::string, Touched> all;
  std::set<Bytes> seen;
  content_.each_change(undo_.back(), [&](const Bytes& key, const Bytes* before) {
    if (key.size() < 2 || key[0] != 2) return;  // not a row
    const std::string name(as_text(Span(key).subspan(1)).substr(0, as_text(Span(key).subspan(1)).find('\0')));
    Touched& touched = all[name];
    const auto table = tables_.find(name);
    if (table == tables_.end()) {  // dropped
      touched.bulk = true;
      return;
    }
    const bool first = seen.insert(key).second;
    if (before != nullptr) {
      if (first) touched.entries.insert(key);
      if (!touched.first) touched.first = decode<Row>(*before).value_or(Row{});
      add_names(name, table->second, key, *before, touched);
    }
    // What came of it; what was there in between is the `before` of a later change.
    if (const Bytes* now = content_.find(key); first && now != nullptr)
      add_names(name, table->second, key, *now, touched);
  });
  return all;
}

std::vector<std::string> Database::plan_of(std::string_view statement) const {
  const std::string sql = "EXPLAIN QUERY PLAN " + std::string(statement);
  const Trust trust(trusted_);
  sqlite3_stmt* made = nullptr;
  const int code = sqlite3_prepare_v2(connection_.get(), sql.c_str(), -1, &made, nullptr);
  const Prepared prepared(made);
  std::vector<std::string> lines;
  if (code != SQLITE_OK || made == nullptr) return lines;  // longer than a statement may be, for one
  while (sqlite3_step(made) == SQLITE_ROW) lines.push_back(text_of(sqlite3_column_value(made, 3)));
  return lines;
}

/// Whether the statement, which reads table `name` alone and changed one row in it, cannot have looked at another
/// one. IN and OR search for several keys and show the same plan.
bool Database::searched_by_key(std::string_view statement, const std::string& name, const Touched& touched) const {
  if (touched.bulk || touched.entries.size() != 1 || !touched.first) return false;
  for (const std::string_view word : {"or", "in", "select"})
    if (uses_word(statement, word)) return false;
  const std::vector<std::string> plan = plan_of(statement);
  if (plan.size() != 1) return false;
  const Table& table = tables_.at(name);
  const std::string search = "SEARCH " + name + " USING ";
  if (!table.rowid.empty() && plan[0] == search + "INTEGER PRIMARY KEY (rowid=?)") return true;
  for (const UniqueKey& key : table.keys) {
    std::string terms;
    bool null = false;  // may stand in several rows, and IS NULL shows as "=" as well
    for (const std::size_t column : key.columns) {
      terms += (terms.empty() ? "" : " AND ") + table.columns.at(column) + "=?";
      null = null || std::holds_alternative<Null>(touched.first->cells.items.at(column));
    }
    if (null || key.columns.empty()) continue;
    for (const std::string& how : {"INDEX " + key.index, "COVERING INDEX " + key.index, std::string("PRIMARY KEY")}) {
      if (how == "PRIMARY KEY" && !table.rowid.empty()) continue;
      if (plan[0] == search + how + " (" + terms + ")") return true;
    }
  }
  return false;
}

Footprint Database::footprint(std::string_view statement) const {
  CHECK(!undo_.empty());
  Footprint print;
  const std::map<std::string, Touched> rows = touched_rows();
  const auto touched = [&](const std::string& table) {
    const auto it = rows.find(table);
    return it == rows.end() ? Touched{} : it->second;
  };
  // Everything rests on the shape of the tables it uses; what failed perhaps on that of others ("no such table"), and
  // names of indexes must differ over all tables.
  const std::set<std::string> tables = used_.all();
  if (refused_ || used_.schema || tables.empty() || !used_.shaped.empty()) print.ranges.push_back(all_schemas());
  for (const std::string& table : tables) {
    print.reads.push_back(schema_name(table));
    print.reads.push_back(table_name(table));
  }
  const std::vector<std::string> words = first_words(statement, 3);
  const bool replaces =
      !words.empty() && (words[0] == "replace" || words == std::vector<std::string>{"insert", "or", "replace"});
  const bool may_skip = !replaces && (uses_word(statement, "or") || uses_word(statement, "conflict"));
  for (const std::string& table : tables) {
    const Touched changed = touched(table);
    const auto known = tables_.find(table);
    bool all = refused_ || used_.shaped.contains(table);
    if (used_.read.contains(table) || used_.updated.contains(table)) {
      const bool alone = tables.size() == 1 && used_.inserted.empty();
      all = all || !alone || !searched_by_key(statement, table, changed);
    }
    if (used_.inserted.contains(table) && !replaces)
      all = all || may_skip || changed.names.empty() || known == tables_.end() || !known->second.plain;
    // A changed row keeps what the statement did not set, an inserted one was not there; but what is replaced or
    // deleted without a look may have been anything.
    const bool blind =
        !used_.read.contains(table) && !used_.updated.contains(table) && (replaces || used_.deleted.contains(table));
    if (!blind && changed.bulk) all = true;
    if (!blind && !all) print.reads.insert(print.reads.end(), changed.names.begin(), changed.names.end());
    if (all) print.ranges.push_back(whole(table));
    if (changed.bulk)
      print.writes.push_back(table_name(table));
    else
      print.writes.insert(print.writes.end(), changed.names.begin(), changed.names.end());
  }
  if (!refused_ && content_.mark() != undo_.back())
    for (const std::string& table : used_.shaped) print.writes.push_back(schema_name(table));
  return print;
}

}  // namespace seneschal::replication::sql
