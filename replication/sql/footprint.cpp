// What a statement read and wrote, for the Accountability Graph.
//
// Writes are exact: every row that changed, as it was and as it is. A row that was rewritten as it had been is none
// of them: its last writer is who made it so. SQLite does not tell which rows a statement looked at, only which
// tables it uses; so a table that is read counts as read whole, every row that is or ever was in it. Where that would
// be a gross exaggeration and the contrary can be shown, it is left out: inserting a row looks at its keys only,
// replacing it at nothing, and a statement that changed one row, which SQLite searched by a unique key, looked at
// that row only. Naming too much is safe. docs/sql.md, "Footprints"
#include "base/check.hpp"
#include "crypto/digest.hpp"
#include "replication/sql/database.hpp"
#include "replication/sql/names.hpp"

#include <algorithm>

namespace seneschal::replication::sql {

namespace {

/// Statements that change more rows, by their names, write one name instead that stands for just those changes.
constexpr std::size_t kMostNames = 1024;

/// `name` and all that begins with it and has one byte more.
Footprint::Range below(Bytes name) {
  Footprint::Range range{name, std::move(name)};
  ++range.last->back();
  return range;
}

/// Of a table's shape. Each statement that changes it keeps the rest of it.
Bytes schema_name(std::string_view table) {
  Bytes name{1};
  append(name, as_span(lower(table)));
  name.push_back(0);
  return name;
}

/// Every shape of every table, also of those that are gone.
Footprint::Range all_schemas() {
  return {Bytes{1}, Bytes{2}};
}

/// What the names of a table's rows begin with.
Bytes table_name(std::string_view table) {
  Bytes name{2};
  append(name, as_span(lower(table)));
  name.push_back(0);
  return name;
}

Footprint::Range whole(std::string_view table) {
  return below(table_name(table));
}

/// What the names of changes of many rows at once begin with.
Bytes bulk_name(std::string_view table) {
  Bytes name = table_name(table);
  name.push_back(2);
  return name;
}

/// Of changes that are written as one. A write hides the one before it of the same name, so two have the same only if
/// they left the same rows the same: nothing of the first one is left then that is not the second one's.
Bytes with_changes(Bytes name, const Digest& changes) {
  append(name, changes.bytes);
  return name;
}

Digest with_change(const Digest& changes, const Bytes& key, const Bytes* before, const Bytes* now) {
  const auto digest_of = [](const Bytes* value) { return value == nullptr ? Digest{} : crypto::sha256(*value); };
  return crypto::sha256({changes.bytes, crypto::sha256(key).bytes, digest_of(before).bytes, digest_of(now).bytes});
}

}  // namespace

/// Whether an entry is not as it was before the statement.
bool Database::differs(const Bytes& key, const Bytes* before) const {
  const Bytes* const now = content_.find(key);
  return before == nullptr || now == nullptr ? before != now : *before != *now;
}

/// Zero if tables and indexes are as they were before the statement.
Digest Database::shape_changes() const {
  Digest changes;
  std::set<Bytes> seen;
  content_.each_change(undo_.back(), [&](const Bytes& key, const Bytes* before) {
    if (key.empty() || key[0] != Content::schema_prefix()[0] || !seen.insert(key).second || !differs(key, before))
      return;
    changes = with_change(changes, key, before, content_.find(key));
  });
  return changes;
}

std::string print_name(Span name) {
  const auto end = std::ranges::find(name, Byte{0});
  if (name.size() < 2 || end == name.end()) return {};
  const Bytes table(name.begin() + 1, end);
  const std::string text(as_text(table));
  if (name[0] == 1) return "shape of " + text;
  const Span rest = name.subspan(static_cast<std::size_t>(end - name.begin()) + 1);
  if (rest.empty()) return {};
  if (rest[0] == 1) return text + ", a row by its key";
  if (rest[0] == 2) return text + ", many rows";
  Bytes key = Content::table_prefix(text);
  append(key, rest.subspan(1));
  return Content::describe(key);
}

void Database::add_names(const std::string& name, const Table& table, const Bytes& key, const Bytes& value,
                         bool differs, Touched& touched) const {
  touched.differs = touched.differs || differs;
  touched.bulk = touched.bulk || touched.names.size() > kMostNames || (table.rowid.empty() && !table.plain);
  if (touched.bulk) return;
  const Bytes begin = table_name(name);
  if (!table.rowid.empty()) {
    Bytes by_id = begin;
    by_id.push_back(0);
    append(by_id, Span(key).subspan(Content::table_prefix(name).size()));
    if (differs) touched.written.insert(by_id);
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
    if (differs) touched.written.insert(by_key);
    touched.names.insert(std::move(by_key));
  }
}

std::map<std::string, Database::Touched> Database::touched_rows() const {
  std::map<std::string, Touched> all;
  std::map<Bytes, bool> seen;  // and whether they differ
  content_.each_change(undo_.back(), [&](const Bytes& key, const Bytes* before) {
    if (key.size() < 2 || key[0] != 2) return;  // not a row
    const std::string name(as_text(Span(key).subspan(1)).substr(0, as_text(Span(key).subspan(1)).find('\0')));
    Touched& touched = all[name];
    const auto table = tables_.find(name);
    const bool first = !seen.contains(key);
    if (first) {
      seen.emplace(key, differs(key, before));
      if (seen.at(key)) touched.changes = with_change(touched.changes, key, before, content_.find(key));
    }
    const bool other = seen.at(key);
    if (table == tables_.end()) {  // dropped
      touched.bulk = true;
      touched.differs = touched.differs || other;
      return;
    }
    if (before != nullptr) {
      if (first) touched.entries.insert(key);
      if (!touched.first) touched.first = decode<Row>(*before).value_or(Row{});
      add_names(name, table->second, key, *before, other, touched);
    }
    // What came of it; what was there in between is the `before` of a later change.
    if (const Bytes* now = content_.find(key); first && now != nullptr)
      add_names(name, table->second, key, *now, other, touched);
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
  if (full_) print.ranges.push_back({Bytes{}, std::nullopt});
  for (const std::string& table : tables) {
    print.ranges.push_back(below(schema_name(table)));
    print.ranges.push_back(below(bulk_name(table)));
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
    if (!changed.bulk)
      print.writes.insert(print.writes.end(), changed.written.begin(), changed.written.end());
    else if (changed.differs)
      print.writes.push_back(with_changes(bulk_name(table), changed.changes));
  }
  if (const Digest changes = shape_changes(); !refused_ && !changes.is_zero())
    for (const std::string& table : used_.shaped) print.writes.push_back(with_changes(schema_name(table), changes));
  return print;
}

}  // namespace seneschal::replication::sql
