// The `sql` application: an SQLite database in memory as the replicated state machine. An operation is the text of
// one statement, executed whole or not at all.
//
// Deterministic by rule, not by hope: only what is listed in rules.cpp may be used; everything else is refused, the
// same everywhere. No clock, no randomness, no counters of the connection, no real numbers in tables or results (the
// same text gives different bits on different processors), no other database, no layout of pages. Work is limited by
// counting steps of SQLite's virtual machine, never by time. Only ORDER BY promises an order of rows; without it the
// order is that of the plan, which depends on schema and statement alone, and is equal wherever the library's version
// is. The version is part of the digest, so that servers with different libraries disagree at once, not when a plan
// first differs.
#pragma once
#include "base/codec.hpp"
#include "replication/application.hpp"
#include "replication/kv_leaves.hpp"
#include "replication/messages.hpp"

#include <memory>

namespace seneschal::replication::sql {

inline constexpr std::size_t kMaxStatement = kMaxOperation;
inline constexpr std::size_t kMaxCell = 8 * 1024;  // bytes of one text or blob
inline constexpr std::size_t kMaxColumns = 64;
inline constexpr std::size_t kMaxPattern = 256;  // of LIKE and GLOB
inline constexpr std::size_t kMaxRows = 1024;    // of one result
/// A result's rows, encoded; the rest is fetched with another statement.
inline constexpr std::size_t kMaxRowBytes = kMaxResult - 8 * 1024;
inline constexpr std::size_t kMaxReason = 512;

struct Null {
  auto fields() { return std::tie(); }
  bool operator==(const Null&) const = default;
};
struct Integer {
  std::uint64_t bits = 0;  // two's complement
  std::int64_t value() const { return static_cast<std::int64_t>(bits); }
  auto fields() { return std::tie(bits); }
  bool operator==(const Integer&) const = default;
};
struct Text {
  BoundedBytes<kMaxCell> bytes;
  auto fields() { return std::tie(bytes); }
  bool operator==(const Text&) const = default;
};
struct Blob {
  BoundedBytes<kMaxCell> bytes;
  auto fields() { return std::tie(bytes); }
  bool operator==(const Blob&) const = default;
};
using Cell = std::variant<Null, Integer, Text, Blob>;

struct Row {
  List<Cell, kMaxColumns> cells;
  auto fields() { return std::tie(cells); }
  bool operator==(const Row&) const = default;
};

enum class Problem : std::uint8_t {
  Malformed,    // not one statement: empty, too long, two of them, a zero byte
  Forbidden,    // outside the deterministic subset
  Failed,       // SQLite's own error: syntax, no such table, a constraint
  RealNumber,   // would store or return one
  TooMuchWork,  // too many steps of the virtual machine
  Full,         // the database would be larger than its limits
  WouldWrite,   // a query must not
  kLast = WouldWrite
};

/// The statement was executed: what it returned, and how many rows it wrote.
struct Done {
  List<BoundedBytes<256>, kMaxColumns> columns;
  List<Row, kMaxRows> rows;
  bool more = false;  // the result was cut at a limit
  std::uint64_t changed = 0;
  auto fields() { return std::tie(columns, rows, more, changed); }
  bool operator==(const Done&) const = default;
};
/// Nothing was changed.
struct Refused {
  Problem problem = Problem::Malformed;
  BoundedBytes<kMaxReason> reason;
  auto fields() { return std::tie(problem, reason); }
  bool operator==(const Refused&) const = default;
};
using Outcome = std::variant<Done, Refused>;

std::expected<Outcome, Reject> parse_result(Span result);
/// For people: a line per row, columns separated by tabs, blobs in hex.
std::string print_result(Span result);

struct Limits {
  std::size_t max_bytes = std::size_t{1} << 26;    // of all rows, encoded, with their keys
  std::size_t max_entries = std::size_t{1} << 18;  // rows, tables, indexes, and one
  std::size_t max_schema = 64;                     // tables and indexes
  std::uint32_t max_steps = 50'000;                // per statement, of the virtual machine
};

class SqlApplication final : public Application {
 public:
  explicit SqlApplication(Limits limits = {});
  ~SqlApplication() override;
  Bytes apply(ClientId client, Span operation) override;
  /// Rows written, by name; of tables read, all rows, unless the statement changed one row that it found by its key.
  /// docs/sql.md
  Footprint footprint(Span operation) const override;
  void undo() override;
  void settle() override;
  Bytes query(Span operation) const override;
  Digest digest() const override;
  /// Canonical: equal databases give equal bytes, however they came about.
  Bytes snapshot() const override;
  Status restore(Span snapshot) override;
  /// One pointer per 16 KiB of state; writes copy a leaf the first time they touch it afterwards.
  std::shared_ptr<const Frozen> freeze() const override;
  Status thaw(std::span<const SharedBytes> chunks) override;
  void each_part(const Bytes& from, const std::function<bool(const Part&)>& visit) const override;
  /// What SQLite holds is what is kept for digest and snapshots: true unless there is a defect. Reads everything.
  bool consistent() const;

 private:
  Status take_over(kv::Leaves entries);

  std::unique_ptr<class Database> database_;  // never null
  Limits limits_;
};

}  // namespace seneschal::replication::sql
