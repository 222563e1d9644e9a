#include "replication/sql/database.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

#include <algorithm>
#include <limits>

namespace seneschal::replication::sql {

namespace {

Refused refused(Problem problem, std::string_view reason) {
  return {problem, {to_bytes(reason.substr(0, kMaxReason))}};
}

Span bytes_of(const void* data, int size) {
  return size == 0 ? Span() : Span(static_cast<const Byte*>(data), static_cast<std::size_t>(size));
}

// Reading order matters to SQLite: the pointer first, then its size.
Span blob_of(sqlite3_value* value) {
  const void* data = sqlite3_value_blob(value);
  return bytes_of(data, sqlite3_value_bytes(value));
}
Span text_of(sqlite3_value* value) {
  const void* data = sqlite3_value_text(value);
  return bytes_of(data, sqlite3_value_bytes(value));
}

/// Nothing for a real number.
std::optional<Cell> cell_of(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL: return Null{};
    case SQLITE_INTEGER: return Integer{static_cast<std::uint64_t>(sqlite3_value_int64(value))};
    case SQLITE_TEXT: return Text{{to_bytes(text_of(value))}};
    case SQLITE_BLOB: return Blob{{to_bytes(blob_of(value))}};
    default: return std::nullopt;
  }
}

constexpr std::size_t kCellOverhead = 16;

std::size_t weight(const Cell& cell) {
  if (const Text* text = std::get_if<Text>(&cell)) return kCellOverhead + text->bytes.value.size();
  if (const Blob* blob = std::get_if<Blob>(&cell)) return kCellOverhead + blob->bytes.value.size();
  return kCellOverhead;
}
std::size_t weight(const Row& row) {
  std::size_t sum = kCellOverhead;
  for (const Cell& cell : row.cells) sum += weight(cell);
  return sum;
}

Digest row_hash(const std::string& table, std::uint64_t id, const Row& row) {
  Bytes bytes;
  Writer out(bytes);
  out.number(table.size(), 4);
  out.raw(as_span(table));
  out.number(id, 8);
  encode_to(out, row);
  return crypto::sha256(bytes);
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

std::string lower(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

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

void limit(sqlite3* connection) {
  sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, kMaxCell);  // also of a row
  sqlite3_limit(connection, SQLITE_LIMIT_SQL_LENGTH, kMaxStatement);
  sqlite3_limit(connection, SQLITE_LIMIT_COLUMN, kMaxColumns);
  sqlite3_limit(connection, SQLITE_LIMIT_EXPR_DEPTH, 64);
  sqlite3_limit(connection, SQLITE_LIMIT_COMPOUND_SELECT, 8);
  sqlite3_limit(connection, SQLITE_LIMIT_VDBE_OP, 20'000);
  sqlite3_limit(connection, SQLITE_LIMIT_FUNCTION_ARG, 32);
  sqlite3_limit(connection, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(connection, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256);
  sqlite3_limit(connection, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
  sqlite3_limit(connection, SQLITE_LIMIT_WORKER_THREADS, 0);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_FKEY, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
}

/// While it lives, the rules and the limit of steps do not apply.
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

}  // namespace

Database::Database(const Limits& limits)
    : limits_(limits), rules_([this](std::string_view name) { return tables_.contains(name); }) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(":memory:", &opened,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY |
                                       SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                                   nullptr);
  connection_.reset(opened);
  CHECK(code == SQLITE_OK);
  limit(opened);
  must("PRAGMA temp_store = MEMORY");
  sqlite3_set_authorizer(opened, authorize, this);
  sqlite3_preupdate_hook(opened, before_change, this);
  read_schema();
}

int Database::authorize(void* self, int action, const char* first, const char* second, const char* database,
                        const char*) {
  auto* me = static_cast<Database*>(self);
  return me->trusted_ ? SQLITE_OK : me->rules_.check(action, first, second, database);
}

void Database::before_change(void* self, sqlite3*, int operation, const char*, const char* table,
                             sqlite3_int64 old_id, sqlite3_int64 new_id) {
  static_cast<Database*>(self)->changing(operation, table, old_id, new_id);
}

void Database::changing(int operation, const char* name, sqlite3_int64 old_id, sqlite3_int64 new_id) {
  const auto found = tables_.find(std::string_view(name));
  CHECK(found != tables_.end());
  const auto& [table, about] = *found;
  const auto side = [&](auto&& get) {
    Row row;
    for (int i = 0; i < sqlite3_preupdate_count(connection_.get()); ++i) {
      sqlite3_value* value = nullptr;
      CHECK(get(connection_.get(), i, &value) == SQLITE_OK);
      std::optional<Cell> cell = cell_of(value);
      if (!cell && !problem_)
        problem_ = refused(Problem::RealNumber, "table " + table + " would store a real number");
      row.cells.items.push_back(std::move(cell).value_or(Null{}));
    }
    return row;
  };
  const bool by_id = !about.rowid.empty();
  if (operation != SQLITE_INSERT) {
    const Row old = side(sqlite3_preupdate_old);
    totals_.rows.remove(row_hash(table, by_id ? static_cast<std::uint64_t>(old_id) : 0, old));
    totals_.bytes -= weight(old);
    --totals_.count;
  }
  if (operation != SQLITE_DELETE) {
    const Row now = side(sqlite3_preupdate_new);
    totals_.rows.add(row_hash(table, by_id ? static_cast<std::uint64_t>(new_id) : 0, now));
    totals_.bytes += weight(now);
    ++totals_.count;
    // After the greatest id SQLite chooses ids at random.
    if (by_id && new_id == std::numeric_limits<sqlite3_int64>::max() && !problem_)
      problem_ = refused(Problem::Forbidden, "the greatest row id");
    if ((totals_.bytes > limits_.max_bytes || totals_.count > limits_.max_rows) && !problem_)
      problem_ = refused(Problem::Full, "the database would be larger than its limit");
  }
  ++changed_;
}

Refused Database::failed(int code) const {
  // Out of memory is our own trouble, not the statement's: going on would be to differ from the others.
  CHECK(code != SQLITE_NOMEM && code != SQLITE_CORRUPT && code != SQLITE_MISUSE);
  if (code == SQLITE_INTERRUPT)
    return refused(Problem::TooMuchWork, "more than " + std::to_string(limits_.max_steps) + " steps");
  return refused(Problem::Failed, sqlite3_errmsg(connection_.get()));
}

std::expected<Prepared, Refused> Database::compile(std::string_view statement) {
  if (statement.size() > kMaxStatement) return std::unexpected(refused(Problem::Malformed, "statement too long"));
  if (statement.find('\0') != std::string_view::npos)
    return std::unexpected(refused(Problem::Malformed, "a zero byte in the statement"));
  const std::string text(statement);  // SQLite wants the zero at the end
  const char* rest = nullptr;
  sqlite3_stmt* made = nullptr;
  rules_.begin();
  int code = sqlite3_prepare_v3(connection_.get(), text.c_str(), static_cast<int>(text.size()) + 1, 0, &made, &rest);
  Prepared prepared(made);
  if (!rules_.objection().empty()) return std::unexpected(refused(Problem::Forbidden, rules_.objection()));
  if (code != SQLITE_OK) return std::unexpected(failed(code));
  if (prepared == nullptr) return std::unexpected(refused(Problem::Malformed, "no statement"));
  if (sqlite3_stmt_isexplain(made) != 0) return std::unexpected(refused(Problem::Forbidden, "EXPLAIN"));
  if (sqlite3_bind_parameter_count(made) != 0)
    return std::unexpected(refused(Problem::Malformed, "parameters: there is nothing to bind to them"));
  const bool schema = rules_.changes_schema();
  const std::string dropped = rules_.dropped_table();
  while (*rest != '\0') {  // comments and semicolons may follow
    sqlite3_stmt* more = nullptr;
    code = sqlite3_prepare_v3(connection_.get(), rest, -1, 0, &more, &rest);
    const Prepared second(more);
    if (code != SQLITE_OK || second != nullptr)
      return std::unexpected(refused(Problem::Malformed, "one statement per operation"));
  }
  CHECK(schema == rules_.changes_schema() && dropped == rules_.dropped_table());
  return prepared;
}

std::optional<Refused> Database::fetch(sqlite3_stmt* statement, Done& done, bool writes) {
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    const std::string_view name = sqlite3_column_name(statement, i);
    done.columns.items.push_back({to_bytes(name.substr(0, 256))});
  }
  const auto stop = [](void*) { return 1; };
  sqlite3_progress_handler(connection_.get(), static_cast<int>(limits_.max_steps), stop, nullptr);
  std::size_t size = 0;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
    if (done.more) continue;  // a write goes on without telling more
    Row row;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      std::optional<Cell> cell = cell_of(sqlite3_column_value(statement, i));
      if (!cell) {
        code = SQLITE_DONE;
        problem_ =
            refused(Problem::RealNumber, "column " + std::to_string(i + 1) + " of the result is a real number");
        break;
      }
      row.cells.items.push_back(std::move(*cell));
    }
    size += weight(row);
    done.more = size > kMaxRowBytes || done.rows.size() == kMaxRows;
    if (problem_ || (done.more && !writes)) break;
    if (!done.more) done.rows.items.push_back(std::move(row));
  }
  sqlite3_progress_handler(connection_.get(), 0, nullptr, nullptr);
  if (code == SQLITE_DONE || code == SQLITE_ROW) return std::nullopt;
  return failed(code);
}

Outcome Database::query(std::string_view statement) {
  problem_.reset();
  auto prepared = compile(statement);
  if (!prepared) return prepared.error();
  if (sqlite3_stmt_readonly(prepared->get()) == 0)
    return refused(Problem::WouldWrite, "a query must not write: send it to be ordered");
  Done done;
  const auto wrong = fetch(prepared->get(), done, false);
  if (problem_) return *problem_;
  if (wrong) return *wrong;
  return done;
}

Outcome Database::write(sqlite3_stmt* statement) {
  const bool schema = rules_.changes_schema();
  undo_.back().schema_changed = schema;
  if (!rules_.dropped_table().empty()) forget_rows(rules_.dropped_table());  // SQLite tells nothing of these
  Done done;
  std::optional<Refused> wrong = fetch(statement, done, true);
  if (wrong) return *wrong;
  if (problem_) return *problem_;
  done.changed = changed_;
  if (schema) {
    sqlite3_reset(statement);
    read_schema();
    if (problem_) return *problem_;
    if (wrong = check_schema(); wrong) return *wrong;
  }
  return done;
}

Outcome Database::execute(std::string_view statement) {
  must("SAVEPOINT u");
  undo_.push_back({totals_, false, {}});
  problem_.reset();
  changed_ = 0;
  Outcome outcome;
  {
    auto prepared = compile(statement);
    outcome = prepared ? write(prepared->get()) : Outcome(prepared.error());
  }
  if (std::holds_alternative<Done>(outcome))
    undo_.back().statement = statement;
  else
    take_back();
  return outcome;
}

// The latest statement failed: nothing of it stays, and its savepoint does.
void Database::take_back() {
  if (sqlite3_get_autocommit(connection_.get()) != 0) return replay();
  must("ROLLBACK TO u");
  totals_ = undo_.back().before;
  if (std::exchange(undo_.back().schema_changed, false)) read_schema();
}

// Too many steps in a write, and OR ROLLBACK, make SQLite give up the whole transaction, with it the earlier
// statements that are not settled yet. Executing them again gives what they gave.
void Database::replay() {
  std::vector<Undo> lost = std::exchange(undo_, {});
  lost.back().statement.clear();
  totals_ = lost.front().before;
  read_schema();
  for (const Undo& entry : lost) {
    CHECK(totals_.rows == entry.before.rows && totals_.bytes == entry.before.bytes);
    if (!entry.statement.empty()) {
      CHECK(std::holds_alternative<Done>(execute(entry.statement)));
      continue;
    }
    must("SAVEPOINT u");
    undo_.push_back({totals_, false, {}});
  }
  problem_.reset();
}

void Database::undo() {
  CHECK(!undo_.empty());
  must("ROLLBACK TO u");
  must("RELEASE u");
  totals_ = undo_.back().before;
  const bool schema = undo_.back().schema_changed;
  undo_.pop_back();
  if (schema) read_schema();
}

void Database::settle() {
  if (!undo_.empty()) must("COMMIT");
  undo_.clear();
}

Digest Database::digest() const {
  const Digest rows = totals_.rows.value();
  return crypto::sha256({as_span("seneschal sql state"), rows.bytes, schema_digest_.bytes});
}

void Database::read_schema() {
  tables_.clear();
  schema_.clear();
  const Prepared list = prepare_own("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid");
  const Trust trust(trusted_);
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(list.get())) == SQLITE_ROW) {
    const auto column = [&](int i) { return std::string(as_text(text_of(sqlite3_column_value(list.get(), i)))); };
    schema_.push_back({column(1), column(2), column(0) == "table"});
  }
  CHECK(code == SQLITE_DONE);
  Bytes bytes;
  Writer out(bytes);
  for (std::string_view text : {std::string_view("sqlite "), std::string_view(sqlite3_libversion())})
    out.raw(as_span(text));
  for (const SchemaItem& item : schema_) {
    out.number(item.sql.size(), 4);
    out.raw(as_span(item.sql));
    if (auto wrong = item.is_table ? describe(item) : std::nullopt; wrong && !problem_) problem_ = wrong;
  }
  schema_digest_ = crypto::sha256(bytes);
}

std::optional<Refused> Database::check_schema() const {
  if (schema_.size() > limits_.max_schema)
    return refused(Problem::Full, "more than " + std::to_string(limits_.max_schema) + " tables and indexes");
  return std::nullopt;
}

std::optional<Refused> Database::describe(const SchemaItem& item) {
  Table& table = tables_[item.name];
  std::vector<std::string> free{"rowid", "_rowid_", "oid"};
  const Prepared columns = prepare_own("PRAGMA table_xinfo(" + quoted(item.name) + ")");
  const Trust trust(trusted_);
  std::optional<Refused> wrong;
  while (sqlite3_step(columns.get()) == SQLITE_ROW) {
    const auto text = [&](int i) { return std::string(as_text(text_of(sqlite3_column_value(columns.get(), i)))); };
    ++table.columns;
    std::erase(free, lower(text(1)));
    if (sqlite3_column_int(columns.get(), 6) != 0) wrong = refused(Problem::Forbidden, "generated columns");
    // SQLite asks no leave for what a default does: CURRENT_TIMESTAMP would read the clock at every insertion.
    if (!is_literal(text(4))) wrong = refused(Problem::Forbidden, "a default that is not a literal");
    if (has_real_affinity(text(2))) wrong = refused(Problem::Forbidden, "columns of real numbers");
  }
  if (free.empty()) return refused(Problem::Forbidden, "columns rowid, _rowid_ and oid in one table");
  const std::string sql = "SELECT " + free.front() + " FROM " + quoted(item.name);
  sqlite3_stmt* made = nullptr;
  if (sqlite3_prepare_v2(connection_.get(), sql.c_str(), -1, &made, nullptr) == SQLITE_OK) table.rowid = free.front();
  sqlite3_finalize(made);
  return wrong;
}

void Database::forget_rows(const std::string& table) {
  const auto item = std::ranges::find_if(schema_, [&](const SchemaItem& i) { return i.is_table && i.name == table; });
  CHECK(item != schema_.end());
  const bool by_id = !tables_.at(table).rowid.empty();
  const Prepared rows = prepare_own(select_rows(*item));
  while (sqlite3_step(rows.get()) == SQLITE_ROW) {
    Row row;
    for (int i = 1; i < sqlite3_column_count(rows.get()); ++i)
      row.cells.items.push_back(cell_of(sqlite3_column_value(rows.get(), i)).value());
    const auto id = static_cast<std::uint64_t>(sqlite3_column_int64(rows.get(), 0));
    totals_.rows.remove(row_hash(table, by_id ? id : 0, row));
    totals_.bytes -= weight(row);
    --totals_.count;
    ++changed_;
  }
}

// All rows of a table in the order of its own key: first the row id (0 where there is none), then all columns.
std::string Database::select_rows(const SchemaItem& item) const {
  const Table& table = tables_.at(item.name);
  const std::string id = table.rowid.empty() ? "0" : table.rowid;
  return "SELECT " + id + ", * FROM " + quoted(item.name) + " NOT INDEXED" +
         (table.rowid.empty() ? "" : " ORDER BY " + table.rowid);
}

Prepared Database::prepare_own(const std::string& sql) const {
  const Trust trust(trusted_);
  sqlite3_stmt* made = nullptr;
  CHECK(sqlite3_prepare_v2(connection_.get(), sql.c_str(), -1, &made, nullptr) == SQLITE_OK);
  return Prepared(made);
}

void Database::must(const char* sql) {
  const Trust trust(trusted_);
  CHECK(sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK);
}

}  // namespace seneschal::replication::sql
