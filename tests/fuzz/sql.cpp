// Statements and states of the sql application: whatever is thrown at it, servers stay equal and undo takes back all.
#include "replication/sql/sql.hpp"
#include "replication/kv.hpp"
#include "tests/fuzz/round_trip.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace seneschal;
  using namespace seneschal::replication;
  Span input(data, size);
  fuzz::round_trip_one_of<sql::Outcome>(input);
  CHECK(!sql::print_result(input).empty());

  const sql::Limits limits{.max_bytes = 100'000, .max_entries = 500, .max_schema = 8, .max_steps = 5000};
  sql::SqlApplication one(limits), other(limits);
  const auto both = [&](Span statement) {
    const Bytes result = one.apply(ClientId(1), statement);
    CHECK(sql::parse_result(result).has_value() && result.size() <= kMaxResult);
    CHECK(other.apply(ClientId(1), statement) == result);
  };
  both(as_span("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT UNIQUE, c)"));
  both(as_span("CREATE TABLE w(k TEXT PRIMARY KEY, v) WITHOUT ROWID"));
  both(as_span("INSERT INTO t(b, c) VALUES('x', 1), ('y', x'00'), ('z', NULL)"));
  both(as_span("INSERT INTO w VALUES('k', 'v'), ('l', 2)"));
  one.settle();
  other.settle();
  // Statements are separated by zero bytes, which no statement contains.
  for (std::size_t from = 0, count = 0; from < size && count < 8; ++count) {
    const std::size_t end = std::min(size, as_text(input).find('\0', from));
    const Span statement = input.subspan(from, end - from);
    from = end + 1;
    const Digest before = one.digest();
    one.apply(ClientId(2), statement);
    const Footprint print = one.footprint(statement);
    CHECK(print.writes.size() < 4000 && (one.digest() == before || !print.writes.empty()));
    one.undo();
    CHECK(one.digest() == before);
    both(statement);
    CHECK(sql::parse_result(one.query(statement)).has_value());
    one.settle();
    other.settle();
  }
  CHECK(one.digest() == other.digest() && one.consistent() && other.consistent());

  // A state in one chunk: what is taken freezes to the same bytes and is what it seems.
  sql::SqlApplication thawed(limits);
  std::vector<SharedBytes> chunks{share(Bytes(input.begin(), input.end()))};
  if (thawed.thaw(chunks)) CHECK(equal(*thawed.freeze()->chunk(0), input) && thawed.consistent());
  if (thawed.restore(input)) CHECK(equal(thawed.snapshot(), input) && thawed.consistent());
  sql::SqlApplication copy(limits);
  CHECK(copy.restore(one.snapshot()).has_value() && copy.digest() == one.digest());
  return 0;
}
