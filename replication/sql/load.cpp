// SQLite's copy from the content: after a restore, and after an undo.
#include "base/check.hpp"
#include "replication/sql/database.hpp"

#include <limits>

namespace seneschal::replication::sql {

namespace {

// A null pointer would bind NULL instead of what is empty.
void bind(sqlite3_stmt* statement, int at, const Cell& cell) {
  int code = SQLITE_OK;
  if (const auto* integer = std::get_if<Integer>(&cell))
    code = sqlite3_bind_int64(statement, at, integer->value());
  else if (const auto* text = std::get_if<Text>(&cell))
    code = sqlite3_bind_text64(
        statement, at, text->bytes.value.empty() ? "" : reinterpret_cast<const char*>(text->bytes.value.data()),
        text->bytes.value.size(), SQLITE_STATIC, SQLITE_UTF8);
  else if (const auto* blob = std::get_if<Blob>(&cell))
    code = blob->bytes.value.empty() ? sqlite3_bind_zeroblob(statement, at, 0)
                                     : sqlite3_bind_blob64(statement, at, blob->bytes.value.data(),
                                                           blob->bytes.value.size(), SQLITE_STATIC);
  else
    code = sqlite3_bind_null(statement, at);
  CHECK(code == SQLITE_OK || code == SQLITE_TOOBIG);
}

std::optional<sqlite3_int64> rowid_of(const Bytes& key, std::size_t prefix) {
  Reader in(Span(key).subspan(prefix));
  std::uint64_t id = 0;
  if (!in.number(id, 8) || in.remaining() != 0) return std::nullopt;
  return static_cast<sqlite3_int64>(id ^ (std::uint64_t{1} << 63));
}

}  // namespace

Status Database::load(kv::Leaves entries) {
  CHECK(schema_.empty() && undo_.empty());
  const Bytes ours = *content_.find(Content::version_key());
  content_ = Content(std::move(entries));
  const Bytes* theirs = content_.find(Content::version_key());
  if (theirs == nullptr) return failure("sql state: it does not tell its version; is it of another application?");
  if (*theirs != ours)
    return failure("sql state: made by \"" + std::string(as_text(*theirs).substr(0, 80)) + "\", this is \"" +
                   std::string(as_text(ours)) + "\"; all servers need the same");
  if (content_.bytes() > limits_.max_bytes || content_.size() > limits_.max_entries)
    return failure("sql state: larger than its limit");
  return rebuild();
}

Status Database::rebuild() {
  std::vector<std::string> schema;
  content_.each(Content::schema_prefix(), [&](const Bytes& key, const Bytes& value) {
    if (key == Content::schema_key(schema.size())) schema.emplace_back(as_text(value));
    return true;
  });
  for (std::size_t i = 0; i < schema.size(); ++i) {
    problem_.reset();
    budget_.refill(limits_.max_steps);
    Done done;
    auto prepared = compile(schema[i]);
    const bool good = prepared && rules_.changes_schema() && !fetch(prepared->get(), done, true);
    if (prepared) prepared->reset();
    read_schema();
    check_schema();
    if (!good || problem_ || schema_.size() != i + 1 || schema_[i].sql != schema[i])
      return failure("sql state: schema item " + std::to_string(i) + " does not create one table or index");
  }
  must("BEGIN");
  changed_ = 0;
  const std::vector<SchemaItem> items = schema_;
  for (const SchemaItem& item : items)
    if (item.is_table)
      if (Status good = load_rows(item); !good) return good;
  must("COMMIT");
  if (content_.size() != 1 + schema.size() + changed_) return failure("sql state: rows that belong to no table");
  return {};
}

Status Database::load_rows(const SchemaItem& item) {
  const Table& table = tables_.at(item.name);
  std::string names, marks;
  for (const std::string& column : table.columns) {
    names += (names.empty() ? "" : ", ") + quoted(column);
    marks += marks.empty() ? "?" : ", ?";
  }
  if (!table.rowid.empty()) {
    names += ", " + table.rowid;
    marks += ", ?";
  }
  const Prepared insert = prepare_own("INSERT INTO " + quoted(item.name) + " (" + names + ") VALUES (" + marks + ")");
  const Bytes prefix = Content::table_prefix(item.name);
  bool good = true;
  budget_.refill(std::numeric_limits<std::uint64_t>::max());
  const Trust trust(trusted_);
  content_.each(prefix, [&](const Bytes& key, const Bytes& value) {
    const auto row = decode<Row>(value);
    const auto id = rowid_of(key, prefix.size());
    good = row && row->cells.size() == table.columns.size() && (id || table.rowid.empty());
    if (!good) return false;
    int at = 0;
    for (const Cell& cell : row->cells) bind(insert.get(), ++at, cell);
    if (!table.rowid.empty()) sqlite3_bind_int64(insert.get(), ++at, *id);
    const Entry entry{key, value};
    const std::uint64_t before = changed_;
    expected_ = &entry;
    good = sqlite3_step(insert.get()) == SQLITE_DONE && !problem_ && changed_ == before + 1;
    expected_ = nullptr;
    sqlite3_reset(insert.get());
    return good;
  });
  if (good) return {};
  return failure("sql state: a row of table " + item.name + " is damaged or breaks a rule of its table (" +
                 (problem_ ? std::string(as_text(problem_->reason.value)) : sqlite3_errmsg(connection_.get())) + ")");
}

bool Database::consistent() const {
  std::size_t entries = 1;
  for (const SchemaItem& item : schema_) {
    const Bytes* kept = content_.find(Content::schema_key(entries - 1));
    if (kept == nullptr || as_text(*kept) != item.sql) return false;
    ++entries;
  }
  const Trust trust(trusted_);
  for (const auto& [name, table] : tables_) {
    const std::string id = table.rowid.empty() ? "0" : table.rowid;
    const Prepared rows = prepare_own("SELECT " + id + ", * FROM " + quoted(name));
    while (sqlite3_step(rows.get()) == SQLITE_ROW) {
      Row row;
      for (int i = 1; i < sqlite3_column_count(rows.get()); ++i)
        row.cells.items.push_back(cell_of(sqlite3_column_value(rows.get(), i)).value());
      const Entry entry = entry_of(name, sqlite3_column_int64(rows.get(), 0), std::move(row));
      const Bytes* kept = content_.find(entry.key);
      if (kept == nullptr || *kept != entry.value) return false;
      ++entries;
    }
  }
  return entries == content_.size();
}

}  // namespace seneschal::replication::sql
