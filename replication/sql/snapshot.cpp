// The canonical form of a database: schema in the order of creation, then the rows of each table in the order of its
// key.
#include "base/check.hpp"
#include "replication/sql/database.hpp"

namespace seneschal::replication::sql {

namespace {
constexpr std::string_view kTag = "seneschal/sql/1";

void put_text(Writer& out, std::string_view text) {
  out.number(text.size(), 4);
  out.raw(as_span(text));
}
bool get_text(Reader& in, std::string& text, std::size_t max) {
  std::size_t size = 0;
  Span bytes;
  if (!in.count(size, max, 1) || !in.raw(bytes, size)) return false;
  text = as_text(bytes);
  return true;
}

void bind(sqlite3_stmt* statement, int at, const Cell& cell) {
  int code = SQLITE_OK;
  if (const auto* integer = std::get_if<Integer>(&cell))
    code = sqlite3_bind_int64(statement, at, integer->value());
  else if (const auto* text = std::get_if<Text>(&cell))
    code = sqlite3_bind_text64(statement, at, reinterpret_cast<const char*>(text->bytes.value.data()),
                               text->bytes.value.size(), SQLITE_STATIC, SQLITE_UTF8);
  else if (const auto* blob = std::get_if<Blob>(&cell))
    code = blob->bytes.value.empty() ? sqlite3_bind_zeroblob(statement, at, 0)
                                     : sqlite3_bind_blob64(statement, at, blob->bytes.value.data(),
                                                           blob->bytes.value.size(), SQLITE_STATIC);
  else
    code = sqlite3_bind_null(statement, at);
  CHECK(code == SQLITE_OK || code == SQLITE_TOOBIG);
}
}  // namespace

Bytes Database::snapshot() {
  Bytes bytes;
  Writer out(bytes);
  out.raw(as_span(kTag));
  put_text(out, sqlite3_libversion());
  out.number(schema_.size(), 4);
  for (const SchemaItem& item : schema_) put_text(out, item.sql);
  for (const SchemaItem& item : schema_) {
    if (!item.is_table) continue;
    Bytes rows;
    Writer row_out(rows);
    std::uint64_t count = 0;
    const Prepared all = prepare_own(select_rows(item));
    while (sqlite3_step(all.get()) == SQLITE_ROW) {
      row_out.number(static_cast<std::uint64_t>(sqlite3_column_int64(all.get(), 0)), 8);
      Row row;
      for (int i = 1; i < sqlite3_column_count(all.get()); ++i) {
        sqlite3_value* value = sqlite3_column_value(all.get(), i);
        switch (sqlite3_value_type(value)) {
          case SQLITE_INTEGER:
            row.cells.items.push_back(Integer{static_cast<std::uint64_t>(sqlite3_value_int64(value))});
            break;
          case SQLITE_TEXT: {
            const auto* text = sqlite3_value_text(value);
            row.cells.items.push_back(Text{{Bytes(text, text + sqlite3_value_bytes(value))}});
            break;
          }
          case SQLITE_BLOB: {
            const auto* blob = static_cast<const Byte*>(sqlite3_value_blob(value));
            row.cells.items.push_back(Blob{{Bytes(blob, blob + sqlite3_value_bytes(value))}});
            break;
          }
          default: CHECK(sqlite3_value_type(value) == SQLITE_NULL); row.cells.items.push_back(Null{});
        }
      }
      encode_to(row_out, row);
      ++count;
    }
    out.number(count, 8);
    out.raw(rows);
  }
  return bytes;
}

Status Database::load(Span snapshot) {
  CHECK(schema_.empty() && undo_.empty());
  Reader in(snapshot);
  Span tag;
  std::string version, sql;
  if (!in.raw(tag, kTag.size()) || as_text(tag) != kTag)
    return failure("sql snapshot: does not start with \"" + std::string(kTag) +
                   "\"; is it a snapshot of another application?");
  if (!get_text(in, version, 64) || version != sqlite3_libversion())
    return failure("sql snapshot: made by SQLite \"" + version + "\", this is " + sqlite3_libversion() +
                   "; all servers need the same version");
  std::size_t items = 0;
  if (!in.count(items, limits_.max_schema, 4))
    return failure("sql snapshot: its number of tables is missing or too large");
  for (std::size_t i = 0; i < items; ++i) {
    if (!get_text(in, sql, kMaxStatement))
      return failure("sql snapshot: schema item " + std::to_string(i) + " is damaged");
    const Outcome outcome = execute(sql);
    if (schema_.size() != i + 1 || !std::holds_alternative<Done>(outcome))
      return failure("sql snapshot: schema item " + std::to_string(i) + " does not create one table or index");
    settle();
  }
  const std::vector<SchemaItem> schema = schema_;
  must("BEGIN");
  problem_.reset();
  for (const SchemaItem& item : schema)
    if (item.is_table)
      if (Status good = load_rows(in, item); !good) return good;
  must("COMMIT");
  if (in.remaining() != 0)
    return failure("sql snapshot: " + std::to_string(in.remaining()) + " bytes too many at its end");
  // Catches whatever else is not as it should be: order of rows, spelling of the schema, conversions by affinity.
  if (!equal(this->snapshot(), snapshot)) return failure("sql snapshot: not in canonical form");
  return {};
}

Status Database::load_rows(Reader& in, const SchemaItem& item) {
  const Table& table = tables_.at(item.name);
  std::string names, marks;
  const Prepared header = prepare_own(select_rows(item));
  for (std::size_t i = 1; i <= table.columns; ++i) {
    std::string name = "\"";
    for (const char* c = sqlite3_column_name(header.get(), static_cast<int>(i)); *c != '\0'; ++c)
      name += *c == '"' ? std::string("\"\"") : std::string(1, *c);
    names += (i > 1 ? ", " : "") + name + "\"";
    marks += i > 1 ? ", ?" : "?";
  }
  if (!table.rowid.empty()) {
    names += ", " + table.rowid;
    marks += ", ?";
  }
  std::string quoted = "\"";
  for (char c : item.name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  const Prepared insert = prepare_own("INSERT INTO " + quoted + "\" (" + names + ") VALUES (" + marks + ")");
  const std::string where = "sql snapshot: table " + item.name;
  std::uint64_t count = 0;
  if (!in.number(count, 8) || count > limits_.max_rows)
    return failure(where + ": number of rows missing or above the limit");
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t id = 0;
    Row row;
    if (!in.number(id, 8) || !decode_from(in, row) || row.cells.size() != table.columns)
      return failure(where + ": row " + std::to_string(i) + " is damaged");
    int at = 0;
    for (const Cell& cell : row.cells) bind(insert.get(), ++at, cell);
    if (!table.rowid.empty()) sqlite3_bind_int64(insert.get(), ++at, static_cast<sqlite3_int64>(id));
    if (sqlite3_step(insert.get()) != SQLITE_DONE || problem_)
      return failure(where + ": row " + std::to_string(i) + " breaks a rule of its table or a limit");
    sqlite3_reset(insert.get());
  }
  return {};
}

}  // namespace seneschal::replication::sql
