// Statements that mean harm: memory and work stay bounded, and whoever refuses does so by counting.
#include "replication/sql/sql.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

namespace seneschal::replication::sql {
namespace {

std::string told(SqlApplication& app, const std::string& statement) {
  std::string shown = print_result(app.apply(ClientId(1), as_span(statement)));
  app.settle();
  return shown;
}

std::string repeat(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

/// Ten thousand numbers and twenty long texts.
void fill(SqlApplication& app) {
  told(app, "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c TEXT)");
  told(app, "CREATE TABLE n(i INTEGER PRIMARY KEY)");
  for (int i = 0; i < 20; ++i)
    told(app, "INSERT INTO t(b, c) VALUES(replace(hex(zeroblob(3900)), '0', 'a'), '" + std::string(60, 'a') + "b')");
  for (int block = 0; block < 10; ++block) {
    std::string statement = "INSERT INTO n VALUES(" + std::to_string(block * 1000) + ")";
    for (int i = 1; i < 1000; ++i) statement += ",(" + std::to_string(block * 1000 + i) + ")";
    ASSERT_EQ(told(app, statement), "done, 1000 rows written");
  }
}

class Peak {
 public:
  Peak() : before_(sqlite3_memory_used()) { sqlite3_memory_highwater(1); }
  std::int64_t bytes() const { return sqlite3_memory_highwater(0) - before_; }

 private:
  std::int64_t before_;
};

// Each doubles something with every few bytes: a compiler that copies needs gigabytes, or says that it has no memory,
// which would stop every server.
TEST(SqlHostile, CompilingNeedsMemoryInProportionToTheText) {
  SqlApplication app;
  told(app, "CREATE TABLE t(x, y)");
  std::vector<std::string> bombs;
  for (std::string_view kind : {"SELECT ", "SELECT DISTINCT "}) {
    std::string nested = std::string(kind) + "x + x AS x FROM t";
    for (int i = 0; i < 14; ++i) nested = std::string(kind) + "x + x AS x FROM (" + nested + ")";
    bombs.push_back(nested + " WHERE x > 5");
  }
  std::string tree = "x";
  for (int i = 0; i < 10; ++i) tree = "(" + tree + "+" + tree + ")";
  bombs.push_back("SELECT " + tree + " FROM (SELECT " + tree + " AS x FROM t)");
  std::string unions = "SELECT 1 AS x", names = "WITH a0 AS (SELECT 1 AS x)";
  for (int i = 1; i <= 40; ++i) {
    const std::string before = "a" + std::to_string(i - 1);
    names += ", a" + std::to_string(i) + " AS (SELECT x FROM " + before + " UNION ALL SELECT x FROM " + before + ")";
  }
  bombs.push_back(names + " SELECT * FROM a40");
  std::string stars = "SELECT x, y FROM t";
  for (int i = 0; i < 12; ++i) stars = "SELECT *, * FROM (" + stars + ")";
  bombs.push_back(stars);
  bombs.push_back("SELECT 1 FROM t" + repeat(", t", 63));
  bombs.push_back(repeat("SELECT * FROM (", 900) + "SELECT 1" + repeat(")", 900));
  bombs.push_back("SELECT " + repeat("(", 8000) + "1" + repeat(")", 8000));
  bombs.push_back("SELECT " + repeat("-", 8000) + "1");
  bombs.push_back("SELECT 1" + repeat(" UNION ALL SELECT 1", 800));
  bombs.push_back("SELECT 1 WHERE 1" + repeat(" AND 1", 2000));
  bombs.push_back("SELECT * FROM t WHERE x IN (" + repeat("1,", 8000) + "1)");
  for (const std::string& bomb : bombs) {
    const Peak peak;
    ASSERT_LE(bomb.size(), kMaxStatement);
    const std::string shown = told(app, bomb);
    EXPECT_LT(peak.bytes(), 8 << 20) << bomb.substr(0, 80) << " .. " << shown.substr(0, 100);
  }
  EXPECT_EQ(told(app, "SELECT count(*) FROM t"), "0\n1 rows");
}

TEST(SqlHostile, FunctionsThatCompareManyBytesCountThem) {
  SqlApplication app;
  fill(app);
  for (std::string_view condition :
       {"b LIKE '%' || c || '%'", "b GLOB '*' || c || '*'", "instr(b, substr(b, 1, 3000) || 'b')",
        "replace(b, substr(b, 1, 3000) || 'b', '') = ''", "trim(b, substr(b, 1, 3000)) = 'x'"}) {
    const std::string once = "SELECT count(*) FROM t WHERE a <= 1 AND " + std::string(condition);
    EXPECT_NE(told(app, "SELECT count(*) FROM t, n WHERE (b || i <> '') AND " + std::string(condition))
                  .find("too much work"),
              std::string::npos)
        << condition;
    EXPECT_EQ(told(app, once).find("refused, failed"), std::string::npos) << condition;
  }
}

TEST(SqlHostile, SortingAndCollectingStayFarBelowTheHeapsCap) {
  SqlApplication app;
  fill(app);
  for (std::string_view statement :
       {"SELECT count(*) FROM (SELECT DISTINCT substr(b, 1, 7000) || i FROM t, n)",
        "SELECT substr(b, 1, 7000) || i AS x FROM t, n ORDER BY x DESC",
        "SELECT max(b) OVER (ORDER BY i ROWS BETWEEN 500 PRECEDING AND 500 FOLLOWING) FROM n, t",
        "SELECT group_concat(b) FROM t, n", "SELECT substr(b, 1, 7000) || i AS x FROM t, n GROUP BY x",
        "SELECT 1 FROM t x, n y WHERE substr(x.b, 1, 7000) || y.i IN (SELECT substr(b, 1, 7000) || i FROM t, n)"}) {
    const Peak peak;
    EXPECT_NE(told(app, std::string(statement)).find("refused"), std::string::npos) << statement;
    EXPECT_LT(peak.bytes(), 128 << 20) << statement;
  }
}

TEST(SqlHostile, ATableWithManyRowsIsEmptiedInStepsBeforeItIsDropped) {
  SqlApplication app;
  fill(app);
  const Digest before = app.digest();
  EXPECT_NE(told(app, "DROP TABLE n").find("too much work"), std::string::npos);
  EXPECT_EQ(app.digest(), before);
  EXPECT_TRUE(app.consistent());
  for (int block = 0; block < 10; ++block)
    EXPECT_EQ(told(app, "DELETE FROM n WHERE i >= " + std::to_string(9000 - block * 1000)),
              "done, 1000 rows written");
  EXPECT_EQ(told(app, "DROP TABLE n"), "done, 0 rows written");
  EXPECT_TRUE(app.consistent());
}

}  // namespace
}  // namespace seneschal::replication::sql
