// Random statements, good and bad, on several servers of which some undo, restore and settle at other times: equal
// results, digests and snapshots, and a digest that is that of the rows.
#include "base/prng.hpp"
#include "replication/sql/sql.hpp"

#include <gtest/gtest.h>

namespace seneschal::replication::sql {
namespace {

class Statements {
 public:
  explicit Statements(std::uint64_t seed) : prng_(seed) {}

  std::string next() {
    switch (prng_.below(20)) {
      case 0: return create();
      case 1: return "DROP TABLE " + table();
      case 2:
        return "CREATE " + pick({"", "UNIQUE "}) + "INDEX i" + number(3) + " ON " + table() + "(" + column() + ")";
      case 3: return "DROP INDEX i" + number(3);
      case 4: return "DELETE FROM " + table() + where();
      case 5:
        return "UPDATE " + pick({"", "OR REPLACE ", "OR IGNORE ", "OR ROLLBACK "}) + table() + " SET " + column() +
               " = " + value() + where();
      case 6: return "UPDATE " + table() + " SET a = a + 1" + where();
      case 7: return "INSERT INTO " + table() + "(b, c) SELECT c, b FROM " + table() + where();
      case 8: return "SELECT * FROM " + table() + where();  // order of the plan
      case 9:
        return "SELECT x.a, y.b FROM " + table() + " x JOIN " + table() + " y ON x." + column() + " = y." + column() +
               " ORDER BY 1 DESC LIMIT 7";
      case 10: return "SELECT b, count(*), sum(a), group_concat(c) FROM " + table() + " GROUP BY b";
      case 11: return "SELECT count(*) FROM " + table() + " x, " + table() + " y, " + table() + " z";
      case 12: return "DELETE FROM " + table();
      case 13: return pick({"SELECT random()", "BEGIN", "nonsense", "ROLLBACK", "PRAGMA user_version", "SELECT 1.5"});
      default:
        return "INSERT " + pick({"", "", "OR REPLACE ", "OR IGNORE ", "OR FAIL ", "OR ROLLBACK "}) + "INTO " +
               table() + "(a, b, c) VALUES(" + value() + ", " + value() + ", " + value() + "), (NULL, " + value() +
               ", " + value() + ")" + pick({"", "", " RETURNING *"});
    }
  }

 private:
  std::string number(std::uint64_t bound) { return std::to_string(prng_.below(bound)); }
  std::string pick(std::initializer_list<const char*> choices) {
    return choices.begin()[prng_.below(choices.size())];
  }
  std::string table() { return "t" + number(3); }
  std::string column() { return pick({"a", "b", "c"}); }
  std::string value() {
    switch (prng_.below(8)) {
      case 0: return "NULL";
      case 1: return "'" + std::string(prng_.below(30), 'x') + number(5) + "'";
      case 2: return "x'" + number(10) + "0'";
      case 3: return "'" + number(9) + "'";
      case 4: return "-" + number(100000);
      default: return number(12);
    }
  }
  std::string where() {
    return prng_.chance(1, 4) ? "" : " WHERE " + column() + pick({" > ", " = ", " < ", " IS NOT "}) + value();
  }
  std::string create() {
    const std::string name = "CREATE TABLE " + pick({"", "IF NOT EXISTS "}) + table();
    return name +
           pick({"(a INTEGER PRIMARY KEY, b, c TEXT)", "(a, b INTEGER, c BLOB)", "(a INTEGER, b TEXT UNIQUE, c)",
                 "(c TEXT, b, a INTEGER, PRIMARY KEY(a, b)) WITHOUT ROWID", "(a PRIMARY KEY DESC, b, c NOT NULL)",
                 "(rowid, a INTEGER, b UNIQUE ON CONFLICT REPLACE, c CHECK(c IS NOT 3))",
                 "(b ANY, c ANY, a INTEGER PRIMARY KEY) STRICT"});
  }
  Prng prng_;
};

std::vector<SharedBytes> chunks(const Frozen& state) {
  std::vector<SharedBytes> all;
  for (std::size_t i = 0; i < state.chunks(); ++i) all.push_back(state.chunk(i));
  return all;
}

constexpr Limits kLimits{.max_bytes = 100'000, .max_entries = 400, .max_schema = 6, .max_steps = 4000};

TEST(SqlProperty, ServersThatUndoRestoreAndSettleAtOtherTimesStayEqual) {
  std::size_t done = 0, refused = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Statements statements(seed), noise(seed + 1000);
    Prng prng(seed * 7);
    SqlApplication plain(kLimits), undoing(kLimits);
    auto restored = std::make_unique<SqlApplication>(kLimits);
    for (int i = 0; i < 400; ++i) {
      const std::string statement = statements.next();
      // One server tries other orders first and takes them back.
      const std::uint64_t tries = prng.below(4);
      for (std::uint64_t t = 0; t < tries; ++t) undoing.apply(ClientId(2), as_span(noise.next()));
      for (std::uint64_t t = 0; t < tries; ++t) undoing.undo();
      const Bytes result = plain.apply(ClientId(1), as_span(statement));
      plain.settle();
      ASSERT_EQ(undoing.apply(ClientId(1), as_span(statement)), result) << seed << "/" << i << ": " << statement;
      ASSERT_EQ(restored->apply(ClientId(1), as_span(statement)), result) << seed << "/" << i << ": " << statement;
      ASSERT_EQ(undoing.digest(), plain.digest()) << seed << "/" << i << ": " << statement;
      ASSERT_EQ(restored->digest(), plain.digest()) << seed << "/" << i << ": " << statement;
      if (prng.chance(1, 5)) undoing.settle();
      if (prng.chance(1, 10)) {
        const Bytes snapshot = plain.snapshot();
        ASSERT_EQ(undoing.snapshot(), snapshot) << seed << "/" << i;
        restored = std::make_unique<SqlApplication>(kLimits);
        const Status taken =
            prng.chance(1, 2) ? restored->restore(snapshot) : restored->thaw(chunks(*plain.freeze()));
        ASSERT_TRUE(taken.has_value()) << taken.error().message;
        ASSERT_EQ(restored->digest(), plain.digest()) << seed << "/" << i;
        for (const SqlApplication* app : {&plain, &undoing, restored.get()}) ASSERT_TRUE(app->consistent()) << seed;
      }
      ++(std::holds_alternative<Done>(*parse_result(result)) ? done : refused);
    }
  }
  EXPECT_GT(done, 1500u);
  EXPECT_GT(refused, 500u);
}

// A server that fetched the state goes on with the same chunks as those that executed everything; and what was frozen
// stays as it was.
TEST(SqlProperty, WhoTookOverAFrozenStateFreezesTheSameChunks) {
  for (std::uint64_t seed = 200; seed < 206; ++seed) {
    Statements statements(seed);
    Prng prng(seed);
    const Limits limits{.max_bytes = 400'000, .max_entries = 2000, .max_steps = 20'000};
    SqlApplication old(limits);
    auto late = std::make_unique<SqlApplication>(limits);
    for (auto* app : {&old, late.get()}) {
      app->apply(ClientId(1), as_span("CREATE TABLE big(a INTEGER PRIMARY KEY, b)"));
      app->settle();
    }
    // Large enough for several chunks, growing and shrinking; the others come and go beside it.
    const auto next = [&] {
      if (prng.chance(1, 3)) return statements.next();
      const std::string row = std::to_string(prng.below(400));
      if (prng.chance(1, 8)) return "DELETE FROM big WHERE a BETWEEN " + row + " AND 40 + " + row;
      return "REPLACE INTO big VALUES(" + row + ", '" + std::string(prng.below(900), 'x') + "')";
    };
    std::size_t most = 0;
    for (int batch = 0; batch < 150; ++batch) {
      for (std::uint64_t i = prng.below(20); i > 0; --i) {
        const std::string statement = next();
        const Bytes result = old.apply(ClientId(1), as_span(statement));
        ASSERT_EQ(late->apply(ClientId(1), as_span(statement)), result) << seed << ": " << statement;
      }
      old.settle();
      late->settle();
      const auto frozen = old.freeze();
      ASSERT_EQ(frozen->chunks(), late->freeze()->chunks()) << seed << "/" << batch;
      for (std::size_t i = 0; i < frozen->chunks(); ++i)
        ASSERT_EQ(frozen->leaf(i), late->freeze()->leaf(i)) << seed << "/" << batch;
      most = std::max(most, frozen->chunks());
      if (!prng.chance(1, 10)) continue;
      late = std::make_unique<SqlApplication>(limits);
      const Status taken = late->thaw(chunks(*frozen));
      ASSERT_TRUE(taken.has_value()) << seed << "/" << batch << ": " << taken.error().message;
      const Digest then = frozen->leaf(0);
      for (int i = 0; i < 20; ++i) {
        const std::string statement = next();
        old.apply(ClientId(1), as_span(statement));
        late->apply(ClientId(1), as_span(statement));
      }
      old.settle();
      late->settle();
      ASSERT_EQ(frozen->leaf(0), then);
      ASSERT_TRUE(old.consistent() && late->consistent());
    }
    EXPECT_GT(most, 3u) << "hardly more than one chunk: nothing was tested";
  }
}

TEST(SqlProperty, UndoTakesEverythingBack) {
  for (std::uint64_t seed = 50; seed < 60; ++seed) {
    Statements statements(seed);
    SqlApplication app(kLimits);
    std::vector<Bytes> snapshots{app.snapshot()};
    std::vector<Digest> digests{app.digest()};
    for (int i = 0; i < 80; ++i) {
      app.apply(ClientId(1), as_span(statements.next()));
      snapshots.push_back(app.snapshot());
      digests.push_back(app.digest());
    }
    while (snapshots.size() > 1) {
      snapshots.pop_back();
      digests.pop_back();
      app.undo();
      ASSERT_EQ(app.snapshot(), snapshots.back()) << seed << "/" << snapshots.size();
      ASSERT_EQ(app.digest(), digests.back()) << seed << "/" << snapshots.size();
    }
  }
}

}  // namespace
}  // namespace seneschal::replication::sql
