#include "replication/sql/database.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <limits>
#include <mutex>

namespace seneschal::replication::sql {

namespace {

/// SQLite counts bytes per process, and a process may host several servers. What a database may hold and what its
/// statements may need meanwhile is limited by rules that are the same everywhere, far below this; so whoever meets
/// this cap has met a defect, and stops instead of differing from the others.
constexpr std::int64_t kHeapPerDatabase = std::int64_t{1} << 29;

class HeapShare {
 public:
  HeapShare() { change(kHeapPerDatabase); }
  ~HeapShare() { change(-kHeapPerDatabase); }

 private:
  static void change(std::int64_t by) {
    static std::mutex mutex;
    static std::int64_t total = 0;
    const std::scoped_lock lock(mutex);
    total += by;
    // The soft limit follows, so that nothing happens before the hard one is met. 0: none.
    sqlite3_hard_heap_limit64(total);
    sqlite3_soft_heap_limit64(total);
  }
};

Span bytes_of(const void* data, int size) {
  return size == 0 ? Span() : Span(static_cast<const Byte*>(data), static_cast<std::size_t>(size));
}

/// Query flattener, transitive terms, push-down and constant propagation, as SQLite numbers them. They copy what a
/// subquery computes to wherever it is used, so that a statement of 600 bytes can compile to gigabytes. Compiling has
/// no limit of its own that could be told from a lack of memory; without these it is proportional to the text.
constexpr int kCopyingOptimizations = 0x1 | 0x80 | 0x1000 | 0x8000;

void limit(sqlite3* connection) {
  sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, kMaxCell);  // also of a row
  sqlite3_limit(connection, SQLITE_LIMIT_SQL_LENGTH, kMaxStatement);
  sqlite3_limit(connection, SQLITE_LIMIT_COLUMN, kMaxColumns);
  sqlite3_limit(connection, SQLITE_LIMIT_EXPR_DEPTH, 64);
  sqlite3_limit(connection, SQLITE_LIMIT_COMPOUND_SELECT, 8);
  sqlite3_limit(connection, SQLITE_LIMIT_FUNCTION_ARG, 32);
  sqlite3_limit(connection, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_limit(connection, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, kMaxPattern);
  sqlite3_limit(connection, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
  sqlite3_limit(connection, SQLITE_LIMIT_WORKER_THREADS, 0);
  CHECK(sqlite3_test_control(SQLITE_TESTCTRL_OPTIMIZATIONS, connection, kCopyingOptimizations) == SQLITE_OK);
  sqlite3_drop_modules(connection, nullptr);  // virtual tables
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_FKEY, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
  sqlite3_db_config(connection, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
}

// What the same statements may do differently elsewhere: plans differ between versions, and how decimal digits become
// a real number depends on the width of `long double`.
Bytes version() {
  return to_bytes("sqlite " + std::string(sqlite3_libversion()) + ", long double " +
                  std::to_string(std::numeric_limits<long double>::digits));
}

}  // namespace

Refused refused(Problem problem, std::string_view reason) {
  return {problem, {to_bytes(reason.substr(0, kMaxReason))}};
}

// Reading order matters to SQLite: the pointer first, then its size.
std::optional<Cell> cell_of(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_NULL: return Null{};
    case SQLITE_INTEGER: return Integer{static_cast<std::uint64_t>(sqlite3_value_int64(value))};
    case SQLITE_TEXT: return Text{{to_bytes(text_of(value))}};
    case SQLITE_BLOB: {
      const void* data = sqlite3_value_blob(value);
      return Blob{{to_bytes(bytes_of(data, sqlite3_value_bytes(value)))}};
    }
    default: return std::nullopt;
  }
}

std::string text_of(sqlite3_value* value) {
  const void* data = sqlite3_value_text(value);
  return std::string(as_text(bytes_of(data, sqlite3_value_bytes(value))));
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

struct Database::Heap : HeapShare {};

Database::Database(const Limits& limits)
    : limits_(limits),
      heap_(std::make_unique<Heap>()),
      rules_([this](std::string_view name) { return tables_.contains(name); }) {
  open();
  content_.put(Content::version_key(), version());
  content_.settle();
}
Database::~Database() = default;

void Database::open() {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(":memory:", &opened,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY |
                                       SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                                   nullptr);
  connection_.reset(opened);
  CHECK(code == SQLITE_OK);
  limit(opened);
  must("PRAGMA temp_store = MEMORY");
  install_functions(opened, budget_);
  sqlite3_set_authorizer(opened, authorize, this);
  sqlite3_preupdate_hook(opened, before_change, this);
  sqlite3_progress_handler(opened, kBudgetStride, progress, this);
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

int Database::progress(void* self) {
  auto* me = static_cast<Database*>(self);
  return !me->trusted_ && !me->budget_.spend(kBudgetStride) ? 1 : 0;
}

void Database::object(Problem problem, std::string_view reason) {
  if (!problem_) problem_ = refused(problem, reason);
}

Database::Entry Database::entry_of(const std::string& table, sqlite3_int64 id, const Row& row) const {
  Bytes value = encode(row);
  if (tables_.at(table).rowid.empty()) return {Content::row_key(table, value), std::move(value)};
  return {Content::row_key(table, id), std::move(value)};
}

// What is found wrong here takes the whole statement back, so rows that cannot be kept may be kept wrongly until
// then.
void Database::changing(int operation, const char* name, sqlite3_int64 old_id, sqlite3_int64 new_id) {
  const std::string table(name);
  const auto side = [&](auto&& get) {
    Row row;
    for (int i = 0; i < sqlite3_preupdate_count(connection_.get()); ++i) {
      sqlite3_value* value = nullptr;
      CHECK(get(connection_.get(), i, &value) == SQLITE_OK);
      std::optional<Cell> cell = cell_of(value);
      if (!cell) object(Problem::RealNumber, "table " + table + " would store a real number");
      row.cells.items.push_back(std::move(cell).value_or(Null{}));
    }
    return row;
  };
  ++changed_;
  if (expected_ != nullptr) {  // loading: the content is there already
    const Entry entry = entry_of(table, new_id, side(sqlite3_preupdate_new));
    if (operation != SQLITE_INSERT || entry.key != expected_->key || entry.value != expected_->value)
      object(Problem::Failed, "not the row that was expected");
    return;
  }
  if (operation != SQLITE_INSERT) {
    const Entry old = entry_of(table, old_id, side(sqlite3_preupdate_old));
    content_.erase(old.key);
  }
  if (operation == SQLITE_DELETE) return;
  Entry now = entry_of(table, new_id, side(sqlite3_preupdate_new));
  if (now.value.size() > kMaxEntry)
    object(Problem::Full, "a row of more than " + std::to_string(kMaxEntry) + " bytes");
  // After the greatest id SQLite chooses ids at random.
  if (!tables_.at(table).rowid.empty() && new_id == std::numeric_limits<sqlite3_int64>::max())
    object(Problem::Forbidden, "the greatest row id");
  content_.put(now.key, std::move(now.value));
  if (content_.bytes() > limits_.max_bytes || content_.size() > limits_.max_entries)
    object(Problem::Full, "the database would be larger than its limit");
}

Refused Database::failed(int code) const {
  // Out of memory is our own trouble, not the statement's: going on would be to differ from the others.
  CHECK(code != SQLITE_NOMEM && code != SQLITE_CORRUPT && code != SQLITE_MISUSE);
  if (budget_.spent())
    return refused(Problem::TooMuchWork, "more than " + std::to_string(limits_.max_steps) + " steps");
  return refused(Problem::Failed, sqlite3_errmsg(connection_.get()));
}

std::expected<Prepared, Refused> Database::compile(std::string_view statement) {
  if (statement.size() > kMaxStatement) return std::unexpected(refused(Problem::Malformed, "statement too long"));
  if (statement.find('\0') != std::string_view::npos)
    return std::unexpected(refused(Problem::Malformed, "a zero byte in the statement"));
  if (uses_word(statement, "with")) return std::unexpected(refused(Problem::Forbidden, "WITH"));
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
  std::size_t size = 0;
  int code = SQLITE_ROW;
  while (!problem_ && (code = sqlite3_step(statement)) == SQLITE_ROW) {
    if (done.more) continue;  // a write goes on without telling more
    Row row;
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      std::optional<Cell> cell = cell_of(sqlite3_column_value(statement, i));
      if (!cell) object(Problem::RealNumber, "column " + std::to_string(i + 1) + " of the result is a real number");
      row.cells.items.push_back(std::move(cell).value_or(Null{}));
    }
    if (problem_) break;
    size += encode(row).size();
    done.more = size > kMaxRowBytes || done.rows.size() == kMaxRows;
    if (done.more && !writes) break;
    if (!done.more) done.rows.items.push_back(std::move(row));
  }
  if (code == SQLITE_DONE || code == SQLITE_ROW) return std::nullopt;
  return failed(code);
}

Outcome Database::query(std::string_view statement) {
  problem_.reset();
  budget_.refill(limits_.max_steps);
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

Outcome Database::write(std::string_view statement) {
  auto prepared = compile(statement);
  if (!prepared) return prepared.error();
  const bool schema = rules_.changes_schema();
  if (!rules_.dropped_table().empty()) forget_rows(rules_.dropped_table());  // SQLite tells nothing of these
  if (problem_) return *problem_;
  Done done;
  const std::optional<Refused> wrong = fetch(prepared->get(), done, true);
  if (problem_) return *problem_;
  if (wrong) return *wrong;
  done.changed = changed_;
  if (schema) {
    prepared->reset();
    read_schema();
    check_schema();
    if (problem_) return *problem_;
    write_schema();
  }
  return done;
}

Outcome Database::execute(std::string_view statement) {
  undo_.push_back(content_.mark());
  problem_.reset();
  changed_ = 0;
  budget_.refill(limits_.max_steps);
  must("BEGIN");
  Outcome outcome = write(statement);
  used_ = rules_.used();
  refused_ = std::holds_alternative<Refused>(outcome);
  full_ = refused_ && std::get<Refused>(outcome).problem == Problem::Full;
  if (std::holds_alternative<Done>(outcome)) {
    must("COMMIT");
    return outcome;
  }
  // SQLite may have given up the transaction by itself: OR ROLLBACK, too many steps.
  if (sqlite3_get_autocommit(connection_.get()) == 0) must("ROLLBACK");
  content_.take_back(undo_.back());
  if (rules_.changes_schema()) read_schema();
  return outcome;
}

void Database::undo() {
  CHECK(!undo_.empty());
  const std::size_t mark = undo_.back();
  undo_.pop_back();
  if (content_.mark() == mark) return;
  content_.take_back(mark);
  open();
  CHECK(rebuild().has_value());
}

void Database::settle() {
  content_.settle();
  undo_.clear();
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
