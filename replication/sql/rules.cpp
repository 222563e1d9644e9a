#include "replication/sql/rules.hpp"

#include "replication/sql/sqlite.hpp"

#include <algorithm>
#include <array>

namespace seneschal::replication::sql {

namespace {
// Functions whose result depends on their arguments alone and is no real number. Absent on purpose: random(), dates
// and times, changes() and last_insert_rowid() (state of a connection), versions, avg(), total(), round() and
// mathematics (real numbers), printf() (formats them), JSON (holds them), load_extension().
constexpr std::array<std::string_view, 37> kFunctions = {
    "abs",      "char",      "coalesce", "count",       "glob",      "group_concat", "hex",      "ifnull",
    "iif",      "instr",     "length",   "like",        "likely",    "lower",        "ltrim",    "max",
    "min",      "nullif",    "quote",    "rank",        "replace",   "row_number",   "rtrim",    "sign",
    "substr",   "substring", "sum",      "trim",        "typeof",    "unicode",      "unlikely", "upper",
    "zeroblob", "lag",       "lead",     "first_value", "last_value"};

bool is_schema_table(std::string_view name) {
  return name == "sqlite_master" || name == "sqlite_schema";
}
std::string_view text(const char* maybe) {
  return maybe == nullptr ? std::string_view() : std::string_view(maybe);
}
bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$' ||
         (static_cast<unsigned char>(c) & 0x80) != 0;
}

/// Where what begins at `at` with a quote or as a comment ends; `at` itself if nothing of that kind begins there.
std::size_t skip_quoted(std::string_view statement, std::size_t at) {
  const auto after = [&](std::string_view end, std::size_t from) {
    const std::size_t found = statement.find(end, from);
    return found == std::string_view::npos ? statement.size() : found + end.size();
  };
  const std::string_view rest = statement.substr(at);
  if (rest.starts_with("--")) return after("\n", at);
  if (rest.starts_with("/*")) return after("*/", at + 2);
  if (rest[0] == '[') return after("]", at + 1);
  // A doubled quote inside ends one string here and begins the next: the same in the end.
  if (rest[0] == '\'' || rest[0] == '"' || rest[0] == '`') return after(rest.substr(0, 1), at + 1);
  return at;
}

}  // namespace

std::string lower(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return text;
}

namespace {
/// Calls `visit` with each word in lower case until it returns false.
template <class F>
void each_word(std::string_view statement, F&& visit) {
  std::size_t at = 0;
  while (at < statement.size()) {
    if (const std::size_t end = skip_quoted(statement, at); end != at) {
      at = end;
      continue;
    }
    std::size_t end = at;
    while (end < statement.size() && is_name(statement[end])) ++end;
    if (end > at && !visit(lower(statement.substr(at, end - at)))) return;
    at = std::max(end, at + 1);
  }
}
}  // namespace

bool uses_word(std::string_view statement, std::string_view word) {
  bool found = false;
  each_word(statement, [&](const std::string& each) {
    found = each == word;
    return !found;
  });
  return found;
}

std::vector<std::string> first_words(std::string_view statement, std::size_t most) {
  std::vector<std::string> words;
  each_word(statement, [&](std::string each) {
    words.push_back(std::move(each));
    return words.size() < most;
  });
  return words;
}

std::set<std::string> Used::all() const {
  std::set<std::string> tables = read;
  for (const auto* more : {&inserted, &updated, &deleted, &shaped}) tables.insert(more->begin(), more->end());
  return tables;
}

void Rules::begin() {
  schema_change_ = false;
  created_table_.clear();
  dropped_table_.clear();
  objection_.clear();
  used_ = {};
}

int Rules::deny(std::string reason) {
  if (objection_.empty()) objection_ = std::move(reason);
  return SQLITE_DENY;
}

int Rules::read(std::string_view table, std::string_view column) {
  if (is_table_(table)) used_.read.emplace(table);
  if (is_table_(table) || (!created_table_.empty() && table == created_table_)) return SQLITE_OK;
  // Root pages and positions tell about the layout of pages, which differs after a restore; changes of the schema
  // need them internally.
  if (is_schema_table(table)) {
    used_.schema = true;
    const bool harmless =
        column == "type" || column == "name" || column == "tbl_name" || column == "sql" || column.empty();
    return harmless || schema_change_ ? SQLITE_OK : deny("column " + std::string(column) + " of the schema");
  }
  // Else it is a subquery. Virtual tables there are none, but for those that SQLite makes from pragmas when asked.
  return lower(table).starts_with("pragma_") ? deny("table " + std::string(table)) : SQLITE_OK;
}

int Rules::write(std::string_view table, std::set<std::string>& written) {
  if (is_table_(table)) written.emplace(table);
  // SQLite asks this before it asks about CREATE and DROP; it lets nobody write the schema by hand.
  if (is_table_(table) || is_schema_table(table)) return SQLITE_OK;
  return deny("writing table " + std::string(table));
}

int Rules::change_schema(std::string_view object, std::string_view table) {
  if (object.starts_with("sqlite_") && !object.starts_with("sqlite_autoindex_"))
    return deny("AUTOINCREMENT and names that begin with sqlite_");  // a counter outside of the rows
  schema_change_ = true;
  used_.shaped.emplace(table);
  return SQLITE_OK;
}

int Rules::check(int action, const char* first, const char* second, const char* database) {
  if (database != nullptr && text(database) != "main") return deny("database " + std::string(database));
  switch (action) {
    case SQLITE_SELECT: return schema_change_ ? deny("CREATE ... AS SELECT") : SQLITE_OK;
    case SQLITE_READ: return read(text(first), text(second));
    case SQLITE_INSERT: return write(text(first), used_.inserted);
    case SQLITE_UPDATE: return write(text(first), used_.updated);
    case SQLITE_DELETE: return write(text(first), used_.deleted);
    case SQLITE_CREATE_TABLE: created_table_ = text(first); return change_schema(created_table_, created_table_);
    case SQLITE_CREATE_INDEX: return change_schema(text(first), text(second));
    case SQLITE_DROP_INDEX: return change_schema(text(first), text(second));
    case SQLITE_DROP_TABLE: dropped_table_ = text(first); return change_schema(text(first), dropped_table_);
    case SQLITE_REINDEX: return schema_change_ ? SQLITE_OK : deny("REINDEX");  // filling a new index
    case SQLITE_FUNCTION: {
      const std::string name = lower(text(second));
      if (std::ranges::find(kFunctions, name) != kFunctions.end()) return SQLITE_OK;
      return deny("function " + name + "()");
    }
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT: return deny("transactions (each statement is one)");
    case SQLITE_PRAGMA: return deny("PRAGMA");
    case SQLITE_ATTACH:
    case SQLITE_DETACH: return deny("other databases");
    case SQLITE_RECURSIVE: return deny("recursive queries");
    case SQLITE_ANALYZE: return deny("ANALYZE");  // statistics would change plans
    case SQLITE_ALTER_TABLE: return deny("ALTER TABLE");
    default: return deny("this kind of statement or object (temporary, view, trigger, virtual table)");
  }
}

}  // namespace seneschal::replication::sql
