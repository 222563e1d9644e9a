// What the flow of the `sql` application says of who depends on whom, against what dependence means: leave out one
// update and all that depend on it, and every other one does exactly what it did.
#include "accountability/ingest.hpp"
#include "accountability/trace.hpp"
#include "base/prng.hpp"
#include "replication/sql/sql.hpp"

#include <gtest/gtest.h>

namespace seneschal::accountability {
namespace {

namespace sql = replication::sql;
using replication::ExecutionObserver;

std::string pick(Prng& random, std::initializer_list<const char*> texts) {
  const std::size_t which = random.below(texts.size());
  return *(texts.begin() + static_cast<std::ptrdiff_t>(which));
}

std::string fill_in(Prng& random, const std::string& pattern) {
  std::string text;
  for (const char c : pattern) text += c == '#' ? std::to_string(random.below(5)) : std::string(1, c);
  return text;
}

/// '#' stands for a small number, so that statements meet each other's rows.
std::string any_statement(Prng& random) {
  return fill_in(random,
                 pick(random, {"INSERT INTO a VALUES(#, #, 'x#')",
                               "INSERT INTO a VALUES(#, #, 'x#'), (#, #, NULL)",
                               "INSERT OR IGNORE INTO a VALUES(#, #, 'x#')",
                               "REPLACE INTO a VALUES(#, #, 'x#')",
                               "INSERT OR REPLACE INTO a(id, v) VALUES(#, #)",
                               "INSERT INTO a VALUES(#, #, 'x#') ON CONFLICT(id) DO UPDATE SET v = v + excluded.v",
                               "UPDATE a SET v = v + 1 WHERE id = # RETURNING v, name",
                               "UPDATE a SET v = v + 1 WHERE id = # AND v > # RETURNING v",
                               "UPDATE a SET v = # WHERE name = 'x#' RETURNING id",
                               "UPDATE a SET v = # WHERE name IS NULL RETURNING id",
                               "UPDATE a SET v = v + # WHERE id IN (#, #) RETURNING id, v",
                               "UPDATE a SET v = v + # WHERE id = # OR id = # RETURNING id, v",
                               "UPDATE a SET v = v + # WHERE v > # RETURNING id, v",
                               "UPDATE a SET v = 0",
                               "UPDATE a SET id = # WHERE id = #",
                               "UPDATE OR REPLACE a SET name = 'x#' WHERE id = #",
                               "UPDATE a SET v = (SELECT max(v) FROM b) WHERE id = # RETURNING v",
                               "UPDATE a SET v = b.v FROM b WHERE b.k = 'k#' AND a.id = # RETURNING v",
                               "DELETE FROM a WHERE id = # RETURNING v",
                               "DELETE FROM a WHERE id = # AND v < # RETURNING v",
                               "SELECT count(*), sum(v) FROM a",
                               "SELECT v FROM a WHERE id = #",
                               "INSERT INTO b VALUES('k#', #)",
                               "REPLACE INTO b VALUES('k#', #)",
                               "UPDATE b SET v = v + # WHERE k = 'k#' RETURNING v",
                               "UPDATE b SET k = 'k#' WHERE k = 'k#' AND v > # RETURNING v",
                               "DELETE FROM b WHERE k = 'k#' RETURNING v",
                               "INSERT INTO b SELECT name, v FROM a WHERE name NOTNULL",
                               "REPLACE INTO b SELECT 'k' || id, v FROM a",
                               "INSERT INTO c VALUES(#, #)",
                               "UPDATE c SET y = y + # WHERE x = # RETURNING y",
                               "DELETE FROM c",
                               "SELECT x, y FROM c ORDER BY x, y",
                               "INSERT INTO d VALUES(#, #)",
                               "SELECT id, v FROM d ORDER BY id",
                               "INSERT INTO e VALUES('K#', #)",
                               "INSERT INTO e VALUES('k#', #)",
                               "UPDATE e SET v = v + # WHERE k = 'k#' RETURNING k, v",
                               "SELECT k, v FROM e ORDER BY k",
                               "DROP TABLE c",
                               "CREATE TABLE c(x INTEGER, y INTEGER)",
                               "CREATE TABLE IF NOT EXISTS c(x INTEGER, y INTEGER)",
                               "CREATE UNIQUE INDEX u ON a(v)",
                               "CREATE UNIQUE INDEX IF NOT EXISTS u ON c(x, y)",
                               "CREATE UNIQUE INDEX u ON a(v) WHERE v > 2",
                               "DROP INDEX IF EXISTS u",
                               "SELECT count(*) FROM sqlite_master WHERE type = 'index'"}));
}

std::vector<std::string> history(Prng& random, std::size_t length) {
  std::vector<std::string> all = {"CREATE TABLE a(id INTEGER PRIMARY KEY, v INTEGER, name TEXT UNIQUE)",
                                  "CREATE TABLE b(k TEXT PRIMARY KEY, v INTEGER) WITHOUT ROWID",
                                  "CREATE TABLE c(x INTEGER, y INTEGER)",
                                  "CREATE TABLE d(id INTEGER PRIMARY KEY ON CONFLICT IGNORE, v INTEGER)",
                                  "CREATE TABLE e(k TEXT PRIMARY KEY COLLATE NOCASE, v INTEGER) WITHOUT ROWID"};
  while (all.size() < length) all.push_back(any_statement(random));
  return all;
}

/// What a statement did, without how many rows it found in its way where it does not care what they were.
Bytes effect_of(const std::string& statement, const Bytes& result) {
  auto outcome = sql::parse_result(result);
  EXPECT_TRUE(outcome.has_value());
  const bool blind = statement.starts_with("REPLACE") || statement.starts_with("INSERT OR REPLACE") ||
                     statement == "DELETE FROM c" || statement == "DROP TABLE c";
  if (auto* done = std::get_if<sql::Done>(&*outcome); done != nullptr && blind) done->changed = 0;
  return encode(*outcome);
}

struct LivedThrough {
  std::vector<Bytes> effects;
  std::vector<Block> blocks;
  Bytes bytes;
};

LivedThrough live(const std::vector<std::string>& statements) {
  LivedThrough lived;
  Builder builder(nullptr);
  Ingest ingest(Source::Flow, [&](const NewUpdate& u) { return builder.add(u.client, u.seq, u.formula); });
  sql::SqlApplication app;
  for (const std::string& statement : statements) {
    const Span operation = as_span(statement);
    lived.effects.push_back(effect_of(statement, app.apply(ClientId(1), operation)));
    const auto footprint = app.footprint(operation);
    ingest.take({Seq(1), ClientId(1), operation, {}, operation, {}, &footprint});
    app.settle();
  }
  EXPECT_EQ(ingest.refused(), 0u);
  lived.bytes = builder.open_block();
  lived.blocks.push_back(*Block::parse(lived.bytes));
  return lived;
}

TEST(SqlFlow, WithoutAnUpdateAndAllThatDependOnItTheOthersDoWhatTheyDid) {
  std::uint64_t kept = 0, left_out = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    Prng random(seed);
    const auto statements = history(random, 48);
    const LivedThrough lived = live(statements);
    const Graph graph = *Graph::of(lived.blocks);
    ReverseIndex index(graph);
    for (int round = 0; round < 5; ++round) {
      const UpdateId out(1 + random.below(statements.size()));
      const auto reached = blast(graph, index, out, 1000);
      std::set<UpdateId> gone(reached.begin(), reached.end());
      gone.insert(out);
      left_out += gone.size();
      sql::SqlApplication app;
      for (UpdateId id(1); id < graph.end(); ++id) {
        if (gone.contains(id)) continue;
        const std::string& statement = statements[id.value - 1];
        ASSERT_EQ(effect_of(statement, app.apply(ClientId(1), as_span(statement))), lived.effects[id.value - 1])
            << "seed " << seed << ": update " << id.value << " (" << statement << ") is said not to depend on "
            << out.value << " (" << statements[out.value - 1] << ")";
        app.settle();
        ++kept;
      }
    }
  }
  EXPECT_GT(kept, left_out) << "dependence on everything would be right, and of no use";
}

std::vector<std::string> formulas_of(const std::vector<std::string>& statements) {
  const LivedThrough lived = live(statements);
  const Graph graph = *Graph::of(lived.blocks);
  std::vector<std::string> all;
  for (UpdateId id(1); id < graph.end(); ++id) all.push_back(graph.formula(id).text());
  return all;
}

TEST(SqlFlow, ABlindReplaceDependsOnTheTableAloneAndAKeyedUpdateOnItsRow) {
  EXPECT_EQ(formulas_of({"CREATE TABLE account(name TEXT PRIMARY KEY, cents INTEGER)",                // 1
                         "REPLACE INTO account VALUES('ann', 100)",                                   // 2
                         "REPLACE INTO account VALUES('bob', 50)",                                    // 3
                         "UPDATE account SET cents = cents - 30 WHERE name = 'ann' AND cents >= 30",  // 4
                         "REPLACE INTO account VALUES('bob', 60)",                                    // 5
                         "UPDATE account SET cents = cents + 30 WHERE name = 'bob'",                  // 6
                         "DELETE FROM account WHERE name = 'ann'",                                    // 7
                         "INSERT INTO account VALUES('ann', 1)"}),                                    // 8
            (std::vector<std::string>{"", "1", "1", "1 and 2", "1", "1 and 5", "1 and 4", "1 and 7"}));
}

TEST(SqlFlow, ATableThatIsSearchedIsReadWholeAlsoRowsThatAreGone) {
  EXPECT_EQ(formulas_of({"CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)", "REPLACE INTO t VALUES(1, 10)",
                         "REPLACE INTO t VALUES(2, 20)", "DELETE FROM t WHERE id = 1", "SELECT sum(v) FROM t",
                         "UPDATE t SET v = 0 WHERE v > 15", "UPDATE t SET v = 1 WHERE id IN (1, 2)",
                         "UPDATE t SET v = 1 WHERE id = 7"}),
            (std::vector<std::string>{"", "1", "1", "1 and 2", "1 and 3 and 4", "1 and 3 and 4", "1 and 4 and 6",
                                      "1 and 4 and 7"}));
}

TEST(SqlFlow, AStatementOfManyRowsWritesTheTableAndIsReadByWhoReadsOneOfThem) {
  std::vector<std::string> statements = {"CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)"};
  std::string many = "REPLACE INTO t VALUES(1000000, 0)";
  for (int i = 0; i < 1100; ++i) many += ",(" + std::to_string(i) + ",0)";
  statements.insert(statements.end(), {many, "UPDATE t SET v = 1 WHERE id = 7", "SELECT count(*) FROM t"});
  EXPECT_EQ(formulas_of(statements), (std::vector<std::string>{"", "1", "1 and 2", "1 and 2 and 3"}));
}

TEST(SqlFlow, WhatFailedReadAllItUsedAndWroteNothing) {
  EXPECT_EQ(formulas_of({"CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)", "REPLACE INTO t VALUES(1, 10)",
                         "INSERT INTO t VALUES(1, 11)", "SELECT v FROM nowhere", "UPDATE t SET v = 2 WHERE id = 1"}),
            (std::vector<std::string>{"", "1", "1 and 2", "1", "1 and 2"}));
}

// What left the rows as they were depends on them and writes none: who reads them rests on who made them so.
TEST(SqlFlow, AStatementWithoutEffectIsNobodysLastWriter) {
  const std::string create = "CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)",
                    lie = "REPLACE INTO t VALUES(1, 10)";
  for (const char* const statement :
       {"UPDATE t SET v = 10 WHERE id = 1", "UPDATE t SET v = v WHERE id = 1", "UPDATE t SET v = 10",
        "UPDATE t SET v = 11 WHERE id = 2", "UPDATE t SET v = 11 WHERE 0", "REPLACE INTO t VALUES(1, 10)",
        "INSERT OR IGNORE INTO t VALUES(1, 11)", "INSERT INTO t VALUES(1, 11) ON CONFLICT DO NOTHING",
        "INSERT INTO t VALUES(1, 11) ON CONFLICT(id) DO UPDATE SET v = 10", "DELETE FROM t WHERE id = 2",
        "INSERT INTO t VALUES(1, 12)", "UPDATE t SET id = 1 WHERE v = 10", "CREATE TABLE IF NOT EXISTS t(x INTEGER)",
        "DROP INDEX IF EXISTS nothing"}) {
    const LivedThrough lived = live({create, lie, statement, "SELECT v FROM t WHERE id = 1"});
    const Graph graph = *Graph::of(lived.blocks);
    EXPECT_EQ(graph.formula(UpdateId(4)).text(), "1 and 2") << statement;
  }
}

TEST(SqlFlow, WhoChangesManyRowsHidesNobodyWhoChangedOthers) {
  std::string some = "REPLACE INTO t VALUES(0, 0)", others = "REPLACE INTO t VALUES(5000, 0)";
  for (int i = 1; i < 1100; ++i) {
    some += ",(" + std::to_string(i) + ",0)";
    others += ",(" + std::to_string(5000 + i) + ",0)";
  }
  const LivedThrough lived = live({"CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)", some, others,
                                   "UPDATE t SET v = v", "UPDATE t SET v = 7 WHERE id = 3"});
  const Graph graph = *Graph::of(lived.blocks);
  EXPECT_EQ(graph.formula(UpdateId(5)).text(), "1 and 2 and 3") << "not 4, which changed nothing";
}

TEST(SqlFlow, WhoAddsToATablesShapeHidesNobodyWhoMadeIt) {
  const auto formulas = formulas_of({"CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)",
                                     "CREATE UNIQUE INDEX u ON t(v)", "INSERT INTO t VALUES(1, 1)"});
  EXPECT_EQ(formulas.back(), "1 and 2");
}

}  // namespace
}  // namespace seneschal::accountability
