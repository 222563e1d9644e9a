#include "replication/sql/sql.hpp"

#include "base/check.hpp"
#include "replication/applications.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication::sql {
namespace {

Outcome outcome_of(const Bytes& result) {
  auto outcome = parse_result(result);
  EXPECT_TRUE(outcome.has_value());
  return outcome.value_or(Outcome(Refused{}));
}
Outcome run(Application& app, std::string_view statement) {
  return outcome_of(app.apply(ClientId(1), as_span(statement)));
}
std::string shown(Application& app, std::string_view statement) {
  return print_result(app.apply(ClientId(1), as_span(statement)));
}
std::optional<Problem> problem(const Outcome& outcome) {
  if (const auto* refused = std::get_if<Refused>(&outcome)) return refused->problem;
  return std::nullopt;
}
/// Executes; the statement must be refused with this problem and change nothing.
void refuses(Application& app, std::string_view statement, Problem expected) {
  const Bytes before = app.snapshot();
  const Digest digest = app.digest();
  const Outcome outcome = run(app, statement);
  EXPECT_EQ(problem(outcome), expected) << statement << ": " << print_result(encode(outcome));
  EXPECT_EQ(app.snapshot(), before) << statement;
  EXPECT_EQ(app.digest(), digest) << statement;
}
void good(Application& app, std::string_view statement) {
  const Outcome outcome = run(app, statement);
  EXPECT_FALSE(problem(outcome)) << statement << ": " << print_result(encode(outcome));
}

TEST(Sql, CreatesWritesAndReads) {
  SqlApplication app;
  good(app, "CREATE TABLE account(name TEXT PRIMARY KEY, cents INTEGER NOT NULL, note BLOB) WITHOUT ROWID");
  EXPECT_EQ(shown(app, "INSERT INTO account VALUES('ann', 100, NULL), ('bob', 50, x'00ff')"), "done, 2 rows written");
  EXPECT_EQ(shown(app, "UPDATE account SET cents = cents - 30 WHERE name = 'ann';"), "done, 1 rows written");
  EXPECT_EQ(shown(app, "SELECT name, cents, note FROM account ORDER BY name"),
            "ann\t70\tNULL\nbob\t50\tx'00ff'\n2 rows");
  EXPECT_EQ(shown(app, "DELETE FROM account WHERE cents < 60 RETURNING name"), "bob\n1 rows");
  EXPECT_EQ(shown(app, "SELECT count(*), sum(cents), max(name) FROM account -- that is all\n ; "),
            "1\t70\tann\n1 rows");
}

TEST(Sql, TellsItsPartsInOrder) {
  SqlApplication app;
  good(app, "CREATE TABLE account(name TEXT PRIMARY KEY, cents INTEGER) WITHOUT ROWID");
  good(app, "CREATE TABLE note(id INTEGER PRIMARY KEY, body TEXT)");
  good(app, "INSERT INTO account VALUES('ann', 100)");
  good(app, "INSERT INTO note VALUES(-2, 'first'), (9, NULL)");
  const auto parts_from = [&](const Bytes& from, std::size_t most) {
    std::vector<Application::Part> parts;
    app.each_part(from, [&](const Application::Part& part) {
      parts.push_back(part);
      return parts.size() < most;
    });
    return parts;
  };
  const auto parts = parts_from({}, 100);
  ASSERT_EQ(parts.size(), 6u);
  EXPECT_EQ(parts[0].name, "library");
  EXPECT_EQ(parts[1].text, "CREATE TABLE account(name TEXT PRIMARY KEY, cents INTEGER) WITHOUT ROWID");
  EXPECT_TRUE(parts[3].name.starts_with("account, row ")) << parts[3].name;
  EXPECT_EQ(parts[3].text, "ann | 100");
  EXPECT_EQ(parts[4].name + ": " + parts[4].text, "note, row -2: -2 | first");
  EXPECT_EQ(parts[5].name + ": " + parts[5].text, "note, row 9: 9 | NULL");
  EXPECT_TRUE(std::ranges::is_sorted(parts, {}, &Application::Part::key));
  EXPECT_EQ(parts_from(parts[4].key, 1)[0].name, "note, row -2");
}

TEST(Sql, IsSelectableByName) {
  auto app = make_application("sql");
  ASSERT_TRUE(app.has_value());
  EXPECT_EQ(shown(**app, "SELECT 1 + 1"), "2\n1 rows");
}

TEST(Sql, RefusesWhatIsNotTheSameEverywhere) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
  good(app, "INSERT INTO t VALUES(1, 'x')");
  for (std::string_view statement : {"SELECT random()",
                                     "INSERT INTO t(b) VALUES(hex(randomblob(4)))",
                                     "SELECT RANDOM()",
                                     "SELECT \"random\"()",
                                     "SELECT date('now')",
                                     "SELECT datetime()",
                                     "SELECT strftime('%s', 'now')",
                                     "SELECT julianday('now')",
                                     "SELECT CURRENT_TIMESTAMP",
                                     "SELECT current_date",
                                     "INSERT INTO t VALUES(2, CURRENT_TIME)",
                                     "SELECT last_insert_rowid()",
                                     "SELECT changes()",
                                     "SELECT total_changes()",
                                     "SELECT sqlite_version()",
                                     "SELECT sqlite_source_id()",
                                     "SELECT printf('%f', 1)",
                                     "SELECT avg(a) FROM t",
                                     "SELECT load_extension('x')",
                                     "SELECT rootpage FROM sqlite_master",
                                     "SELECT rowid FROM sqlite_schema",
                                     "SELECT * FROM sqlite_master"})
    refuses(app, statement, Problem::Forbidden);
  EXPECT_EQ(shown(app, "SELECT name FROM sqlite_master"), "t\n1 rows");
}

TEST(Sql, RefusesWhatReachesBeyondItsTables) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
  for (std::string_view statement :
       {"ATTACH 'x.db' AS other",
        "DETACH main",
        "PRAGMA user_version = 3",
        "PRAGMA journal_mode",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT s",
        "RELEASE u",
        "ROLLBACK TO u",
        "ANALYZE",

        "ALTER TABLE t ADD COLUMN c",
        "ALTER TABLE t RENAME TO s",
        "CREATE TEMP TABLE s(a)",
        "CREATE VIEW v AS SELECT 1",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END",
        "CREATE VIRTUAL TABLE f USING fts5(a)",
        "CREATE TABLE s AS SELECT * FROM t",
        "CREATE TABLE s(a INTEGER PRIMARY KEY AUTOINCREMENT)",
        "SELECT * FROM pragma_table_info('t')",
        "SELECT * FROM Pragma_table_info('t')",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "/* */ with x AS (SELECT 1) SELECT * FROM x",
        "EXPLAIN SELECT * FROM t",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n LIMIT 3",
        "CREATE TABLE s(a REAL)",
        "CREATE TABLE s(a DOUBLE PRECISION)",
        "CREATE TABLE s(a, b AS (a + 1))",
        "CREATE TABLE s(rowid, oid, _rowid_)"})
    refuses(app, statement, Problem::Forbidden);
  for (std::string_view statement :
       {"SELECT * FROM json_each('[1]')", "SELECT * FROM dbstat", "SELECT * FROM sqlite_stmt", "VACUUM",
        "VACUUM INTO 'file'", "DELETE FROM sqlite_master", "UPDATE sqlite_master SET sql = ''"}) {
    const Outcome outcome = run(app, statement);
    EXPECT_TRUE(problem(outcome)) << statement;
  }
  EXPECT_EQ(shown(app, "SELECT name FROM sqlite_master"), "t\n1 rows");
}

TEST(Sql, DefaultsAreLiterals) {
  SqlApplication app;
  for (std::string_view statement :
       {"CREATE TABLE t(a, b DEFAULT CURRENT_TIMESTAMP)", "CREATE TABLE t(a, b DEFAULT (random()))",
        "CREATE TABLE t(a, b DEFAULT (current_date))", "CREATE TABLE t(a DEFAULT ('x' || datetime('now') || 'y'))"})
    refuses(app, statement, Problem::Forbidden);
  good(app, "CREATE TABLE t(a DEFAULT -1, b DEFAULT 'x', c DEFAULT NULL, d DEFAULT x'00', e)");
  good(app, "INSERT INTO t(e) VALUES(1)");
  EXPECT_EQ(shown(app, "SELECT a, b, c, d FROM t"), "-1\tx\tNULL\tx'00'\n1 rows");
}

// Where SQLite keeps an expression for later, it must be refused when it is given or have nothing to say when it is
// used.
TEST(Sql, RefusesWhatIsHiddenInConstraintsDefaultsIndexesAndGeneratedColumns) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
  for (std::string_view statement :
       {"CREATE TABLE s(a CHECK(a > random()))", "CREATE TABLE s(a CHECK(a < CURRENT_TIMESTAMP))",
        "CREATE TABLE s(a CHECK(a < date('now')))", "CREATE TABLE s(a CHECK(changes() > 0))",
        "CREATE TABLE s(a, CONSTRAINT c CHECK(last_insert_rowid() < 5))",
        "CREATE TABLE s(a DEFAULT CURRENT_TIMESTAMP)", "CREATE TABLE s(a DEFAULT CURRENT_DATE)",
        "CREATE TABLE s(a DEFAULT (random()))", "CREATE TABLE s(a DEFAULT (datetime('now')))",
        "CREATE TABLE s(a, b GENERATED ALWAYS AS (random()))", "CREATE TABLE s(a, b AS (CURRENT_TIME) STORED)",
        "CREATE INDEX i ON t(random())", "CREATE INDEX i ON t(b || sqlite_version())",
        "CREATE INDEX i ON t(b) WHERE b > strftime('%s')", "CREATE UNIQUE INDEX i ON t(b) WHERE random() > 0",
        "CREATE VIEW v AS SELECT random()", "CREATE TEMP VIEW v AS SELECT random()",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET b = random(); END"})
    refuses(app, statement, Problem::Forbidden);
  for (std::string_view statement :
       {"INSERT INTO t(a, b) VALUES(1, 1) ON CONFLICT(a) DO UPDATE SET b = random()",
        "INSERT INTO t(b) VALUES(1) RETURNING random()", "UPDATE t SET b = (SELECT random())",
        "DELETE FROM t WHERE EXISTS(SELECT 1 FROM t WHERE a > random())", "SELECT a FROM t ORDER BY random()",
        "SELECT a FROM t LIMIT abs(random()) % 3", "SELECT count(*) FILTER (WHERE random() > 0) FROM t",
        "SELECT sum(a) OVER (PARTITION BY random()) FROM t", "SELECT x FROM (SELECT random() AS x)",
        "VALUES(random())"})
    refuses(app, statement, Problem::Forbidden);
  EXPECT_EQ(shown(app, "SELECT name FROM sqlite_master"), "t\n1 rows");
  good(app, "CREATE TABLE fine(a CHECK(length(a) < 5) DEFAULT 'random()', b DEFAULT -1)");
  good(app, "CREATE INDEX lower_b ON t(lower(b)) WHERE a > 3");
  good(app, "INSERT INTO fine(a, b) VALUES('now', 'random()')");
}

TEST(Sql, AWordInAStringANameOrACommentIsNoKeyword) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, \"with\" TEXT) -- with");
  good(app, "INSERT INTO t([with]) VALUES('it''s with '), ('with') /* with */");
  EXPECT_EQ(shown(app, "SELECT s.w FROM (SELECT `with` AS w FROM t) s WHERE s.w = 'with'"), "with\n1 rows");
  for (std::string_view statement :
       {"With x AS (SELECT 1) SELECT 1", "SELECT 1 FROM (WITH x AS (SELECT 1) SELECT * FROM x)",
        "SELECT 'a''' FROM(with x AS (SELECT 1) SELECT 2)",
        "INSERT INTO t WITH x(a) AS (SELECT 1) SELECT a,a FROM x"})
    refuses(app, statement, Problem::Forbidden);
}

TEST(Sql, RefusesRealNumbersInTablesAndResults) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER, c)");
  refuses(app, "INSERT INTO t VALUES(1, 1.5, 0)", Problem::RealNumber);
  refuses(app, "INSERT INTO t VALUES(1, '1.5', 0)", Problem::RealNumber);
  refuses(app, "INSERT INTO t VALUES(1, 9223372036854775807 + 1, 0)", Problem::RealNumber);
  good(app, "INSERT INTO t VALUES(1, '2', '1.5')");
  refuses(app, "UPDATE t SET c = 1e300 * b", Problem::RealNumber);
  refuses(app, "SELECT 1.5", Problem::RealNumber);
  EXPECT_EQ(shown(app, "SELECT a, b, c FROM t WHERE b > 1.5"), "1\t2\t1.5\n1 rows");
}

TEST(Sql, TakesOneStatementPerOperation) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a)");
  for (std::string_view statement :
       {"", "  ", "-- nothing", ";", "INSERT INTO t VALUES(1); INSERT INTO t VALUES(2)", "SELECT 1; SELECT random()",
        "SELECT ?", "SELECT :name", "INSERT INTO t VALUES(1); nonsense"})
    refuses(app, statement, Problem::Malformed);
  refuses(app, std::string_view("SELECT 1\0;", 10), Problem::Malformed);
  refuses(app, std::string(kMaxStatement + 1, ' '), Problem::Malformed);
  for (std::string_view statement :
       {"nonsense", "SELECT * FROM nothing", "INSERT INTO t VALUES(1, 2)", "SELECT \"x\""})
    refuses(app, statement, Problem::Failed);
}

TEST(Sql, AStatementIsExecutedWholeOrNotAtAll) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER UNIQUE CHECK(b < 100))");
  good(app, "INSERT INTO t VALUES(1, 1)");
  refuses(app, "INSERT INTO t VALUES(2, 2), (3, 3), (1, 4)", Problem::Failed);
  refuses(app, "INSERT OR FAIL INTO t VALUES(2, 2), (1, 4)", Problem::Failed);
  refuses(app, "INSERT INTO t VALUES(2, 100)", Problem::Failed);
  good(app, "INSERT OR REPLACE INTO t VALUES(2, 1)");
  good(app, "INSERT OR IGNORE INTO t VALUES(2, 5), (3, 3)");
  good(app, "INSERT INTO t VALUES(3, 3) ON CONFLICT(a) DO UPDATE SET b = 9");
  EXPECT_EQ(shown(app, "SELECT a, b FROM t ORDER BY a"), "2\t1\n3\t9\n2 rows");
  SqlApplication copy;
  ASSERT_TRUE(copy.restore(app.snapshot()).has_value());
  EXPECT_EQ(copy.digest(), app.digest());
}

// SQLite gives up its transaction in these cases; earlier statements that may still be undone must survive.
TEST(Sql, AnAbortedTransactionLosesNothingThatWasExecutedBefore) {
  SqlApplication app({.max_steps = 2000});
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
  good(app, "INSERT INTO t VALUES(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7), (8, 8), (9, 9)");
  const Bytes nine = app.snapshot();
  refuses(app, "INSERT OR ROLLBACK INTO t VALUES(10, 10), (1, 1)", Problem::Failed);
  refuses(app, "INSERT INTO t(b) SELECT x.b FROM t x, t y, t z, t w", Problem::TooMuchWork);
  refuses(app, "SELECT count(*) FROM t x, t y, t z, t w", Problem::TooMuchWork);
  good(app, "INSERT INTO t(b) VALUES(10)");
  refuses(app, "CREATE TABLE t(a)", Problem::Failed);
  app.undo();
  app.undo();
  for (int i = 0; i < 3; ++i) app.undo();
  EXPECT_EQ(app.snapshot(), nine);
  app.undo();
  app.undo();
  EXPECT_EQ(app.snapshot(), SqlApplication().snapshot());
  EXPECT_EQ(app.digest(), SqlApplication().digest());
}

TEST(Sql, WorkIsCountedAndSameEverywhere) {
  SqlApplication app({.max_steps = 5000}), other({.max_steps = 5000});
  for (SqlApplication* a : {&app, &other}) good(*a, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
  for (int i = 0; i < 300; ++i) good(app, "INSERT INTO t(b) VALUES(" + std::to_string(i) + ")");
  ASSERT_TRUE(other.restore(app.snapshot()).has_value());
  // Somewhere the limit is crossed: at the same row on both, whatever their pages look like.
  bool crossed = false;
  for (int rows = 1; rows <= 300; rows += 1) {
    const std::string statement = "SELECT sum(b) FROM t WHERE a <= " + std::to_string(rows) + " AND b % 3 = 1";
    const Outcome one = run(app, statement);
    ASSERT_EQ(one, run(other, statement)) << rows;
    crossed = crossed || problem(one) == Problem::TooMuchWork;
    app.settle();
    other.settle();
  }
  EXPECT_FALSE(crossed);
  EXPECT_EQ(problem(run(app, "SELECT count(*) FROM t x, t y WHERE x.b < y.b")), Problem::TooMuchWork);
}

TEST(Sql, LimitsKeepTheDatabaseSmall) {
  SqlApplication app({.max_bytes = 20'000, .max_entries = 52, .max_schema = 3});
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
  refuses(app, "INSERT INTO t VALUES(1, zeroblob(9000))", Problem::Failed);  // longer than a cell may be
  good(app, "INSERT INTO t VALUES(1, zeroblob(7900))");
  good(app, "INSERT INTO t VALUES(2, zeroblob(7900))");
  refuses(app, "INSERT INTO t VALUES(3, zeroblob(7900))", Problem::Full);
  good(app, "UPDATE t SET b = NULL");
  for (int i = 3; i <= 50; ++i) good(app, "INSERT INTO t(b) VALUES(0)");
  refuses(app, "INSERT INTO t(b) VALUES(0)", Problem::Full);
  good(app, "CREATE INDEX i ON t(b)");
  good(app, "CREATE TABLE u(a)");
  refuses(app, "CREATE TABLE v(a)", Problem::Full);
  good(app, "DELETE FROM t");
  good(app, "INSERT INTO t(b) VALUES(0)");
  good(app, "DROP TABLE t");  // takes its index along
  good(app, "CREATE TABLE v(a)");
}

TEST(Sql, RowIdsNeverBecomeRandom) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
  refuses(app, "INSERT INTO t VALUES(9223372036854775807, 1)", Problem::Forbidden);
  good(app, "INSERT INTO t VALUES(9223372036854775806, 1)");
  refuses(app, "INSERT INTO t(b) VALUES(2)", Problem::Forbidden);
}

TEST(Sql, ResultsAreCutToFitAReply) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)");
  for (int i = 0; i < 20; ++i) good(app, "INSERT INTO t(b) VALUES(zeroblob(7900))");
  const Bytes result = app.apply(ClientId(1), as_span("SELECT b FROM t"));
  EXPECT_LE(result.size(), kMaxResult);
  const auto rows = std::get<Done>(outcome_of(result));
  EXPECT_TRUE(rows.more);
  EXPECT_GT(rows.rows.size(), 3u);
  // A write whose answer is cut is still executed whole.
  const auto gone = std::get<Done>(run(app, "DELETE FROM t RETURNING b"));
  EXPECT_TRUE(gone.more);
  EXPECT_EQ(gone.changed, 20u);
  EXPECT_EQ(shown(app, "SELECT count(*) FROM t"), "0\n1 rows");
}

TEST(Sql, QueriesDoNotWrite) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a)");
  const auto query = [&](std::string_view statement) { return outcome_of(app.query(as_span(statement))); };
  for (std::string_view statement : {"INSERT INTO t VALUES(1)", "CREATE TABLE u(a)", "DROP TABLE t", "DELETE FROM t"})
    EXPECT_EQ(problem(query(statement)), Problem::WouldWrite) << statement;
  EXPECT_EQ(problem(query("BEGIN")), Problem::Forbidden);
  EXPECT_EQ(problem(query("SELECT random()")), Problem::Forbidden);
  EXPECT_EQ(print_result(app.query(as_span("SELECT count(*) FROM t"))), "0\n1 rows");
}

TEST(Sql, TheDigestCoversSchemaRowsAndRowIds) {
  SqlApplication a, b;
  EXPECT_EQ(a.digest(), b.digest());
  good(a, "CREATE TABLE t(x)");
  EXPECT_NE(a.digest(), b.digest());
  good(b, "CREATE TABLE t(y)");
  EXPECT_NE(a.digest(), b.digest());
  SqlApplication c;
  good(c, "CREATE TABLE t(x)");
  EXPECT_EQ(a.digest(), c.digest());
  good(a, "INSERT INTO t(rowid, x) VALUES(1, 'v')");
  good(c, "INSERT INTO t(rowid, x) VALUES(2, 'v')");
  EXPECT_NE(a.digest(), c.digest());
  good(c, "UPDATE t SET rowid = 1");
  EXPECT_EQ(a.digest(), c.digest());
  good(c, "UPDATE t SET x = x'76'");  // a blob of the same bytes is another value
  EXPECT_NE(a.digest(), c.digest());
}

TEST(Sql, RestoreKeepsWhatIsEmptyApartFromWhatIsMissing) {
  SqlApplication app, copy;
  good(app, "CREATE TABLE t(a, b, c)");
  good(app, "INSERT INTO t VALUES('', x'', NULL), (0, -1, '0')");
  ASSERT_TRUE(copy.restore(app.snapshot()).has_value());
  EXPECT_TRUE(copy.consistent());
  EXPECT_EQ(shown(copy, "SELECT typeof(a), typeof(b), typeof(c) FROM t"),
            "text\tblob\tnull\ninteger\tinteger\ttext\n2 rows");
}

TEST(Sql, DroppingATableTakesItsRowsOutOfTheDigest) {
  SqlApplication app;
  const Digest empty = app.digest();
  good(app, "CREATE TABLE t(x)");
  good(app, "INSERT INTO t VALUES(1), (2)");
  good(app, "CREATE TABLE \"odd \"\"name\"(x TEXT PRIMARY KEY) WITHOUT ROWID");
  good(app, "INSERT INTO \"odd \"\"name\" VALUES('k')");
  SqlApplication copy;
  ASSERT_TRUE(copy.restore(app.snapshot()).has_value());
  EXPECT_EQ(copy.digest(), app.digest());
  good(app, "DROP TABLE t");
  good(app, "DROP TABLE \"odd \"\"name\"");
  EXPECT_EQ(app.digest(), empty);
  app.undo();
  app.undo();
  EXPECT_EQ(app.digest(), copy.digest());
  EXPECT_EQ(app.snapshot(), copy.snapshot());
}

TEST(Sql, RestoreRefusesForeignAndDamagedSnapshotsAndKeepsItsState) {
  SqlApplication app;
  good(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE)");
  good(app, "INSERT INTO t VALUES(1, 'x'), (2, 'y')");
  const Bytes snapshot = app.snapshot();
  SqlApplication other;
  good(other, "CREATE TABLE mine(a)");
  const Bytes before = other.snapshot();
  for (std::size_t cut = 0; cut < snapshot.size(); ++cut)
    EXPECT_FALSE(other.restore(Span(snapshot).first(cut)).has_value()) << cut;
  for (std::size_t at = 0; at < snapshot.size(); ++at) {
    Bytes bent = snapshot;
    bent[at] ^= 0x21;
    SqlApplication victim;
    const Status taken = victim.restore(bent);
    // What it takes is another state; it never passes for this one.
    if (!taken) continue;
    EXPECT_NE(victim.digest(), app.digest()) << at;
    EXPECT_EQ(victim.snapshot(), bent) << at;
  }
  Bytes longer = snapshot;
  longer.push_back(0);
  EXPECT_FALSE(other.restore(longer).has_value());
  EXPECT_FALSE(other.restore(make_application("kv").value()->snapshot()).has_value());
  EXPECT_EQ(other.snapshot(), before);
  ASSERT_TRUE(other.restore(snapshot).has_value());
  EXPECT_EQ(other.digest(), app.digest());
}

}  // namespace
}  // namespace seneschal::replication::sql
