// The `kv` application: an ordered map from byte strings to byte strings.
#pragma once
#include "base/codec.hpp"
#include "replication/application.hpp"
#include "replication/kv_leaves.hpp"
#include "replication/messages.hpp"
#include "replication/multiset_hash.hpp"

namespace seneschal::replication::kv {

inline constexpr std::size_t kMaxKey = 256;
/// Two values (compare-and-set) and a key fit into one operation.
inline constexpr std::size_t kMaxValue = 8000;
inline constexpr std::size_t kMaxScan = 1024;
/// A scan's entries, encoded; the rest is fetched with another scan.
inline constexpr std::size_t kMaxScanBytes = kMaxResult - 1024;

using Key = BoundedBytes<kMaxKey>;
using Value = BoundedBytes<kMaxValue>;

struct Put {
  Key key;
  Value value;
  auto fields() { return std::tie(key, value); }
  bool operator==(const Put&) const = default;
};
struct Get {
  Key key;
  auto fields() { return std::tie(key); }
  bool operator==(const Get&) const = default;
};
struct Delete {
  Key key;
  auto fields() { return std::tie(key); }
  bool operator==(const Delete&) const = default;
};
/// Writes `desired` (or deletes, if absent) when the present value is `expected` (absent: the key must not exist).
struct CompareAndSet {
  Key key;
  std::optional<Value> expected;
  std::optional<Value> desired;
  auto fields() { return std::tie(key, expected, desired); }
  bool operator==(const CompareAndSet&) const = default;
};
/// Entries with `first <= key`, and `key < last` unless `last` is absent; at most `limit`.
struct Scan {
  Key first;
  std::optional<Key> last;
  std::uint32_t limit = kMaxScan;
  auto fields() { return std::tie(first, last, limit); }
  bool operator==(const Scan&) const = default;
};
using Operation = std::variant<Put, Get, Delete, CompareAndSet, Scan>;

enum class Problem : std::uint8_t { Malformed, WouldWrite, Full, kLast = Full };

/// A write happened; `existed` tells whether the key had a value before.
struct Written {
  bool existed = false;
  auto fields() { return std::tie(existed); }
  bool operator==(const Written&) const = default;
};
struct Found {
  std::optional<Value> value;
  auto fields() { return std::tie(value); }
  bool operator==(const Found&) const = default;
};
/// A compare-and-set; `present` is the value found if it did not match.
struct Swapped {
  bool done = false;
  std::optional<Value> present;
  auto fields() { return std::tie(done, present); }
  bool operator==(const Swapped&) const = default;
};
struct Entry {
  Key key;
  Value value;
  auto fields() { return std::tie(key, value); }
  auto operator<=>(const Entry&) const = default;
};
/// `more`: the limit cut the scan short; go on after the last key.
struct Entries {
  SortedList<Entry, kMaxScan> entries;
  bool more = false;
  auto fields() { return std::tie(entries, more); }
  bool operator==(const Entries&) const = default;
};
struct Refused {
  Problem problem = Problem::Malformed;
  auto fields() { return std::tie(problem); }
  bool operator==(const Refused&) const = default;
};
using Outcome = std::variant<Written, Found, Swapped, Entries, Refused>;

// Encoded operations. A key or value beyond its maximum makes an operation that is refused as malformed.
Bytes put(std::string_view key, Span value);
Bytes get(std::string_view key);
Bytes remove(std::string_view key);
Bytes compare_and_set(std::string_view key, std::optional<Bytes> expected, std::optional<Bytes> desired);
Bytes scan(std::string_view first, std::optional<std::string_view> last, std::uint32_t limit = kMaxScan);

/// True if a server may answer the operation as a query.
bool is_read_only(Span operation);
std::expected<Outcome, Reject> parse_result(Span result);
/// One line for people, values as text where printable.
std::string print_result(Span result);
std::string print_operation(Span operation);

struct Limits {
  std::size_t max_entries = std::size_t{1} << 20;
  std::size_t max_bytes = std::size_t{1} << 28;  // of keys and values
};

class KvApplication final : public Application {
 public:
  explicit KvApplication(Limits limits = {}) : limits_(limits) {}
  Bytes apply(ClientId client, Span operation) override;
  /// Keys. A compare-and-set reads its key, a blind write does not.
  Footprint footprint(Span operation) const override;
  void undo() override;
  void settle() override;
  Bytes query(Span operation) const override;
  Digest digest() const override { return hash_.value(); }
  Bytes snapshot() const override;
  Status restore(Span snapshot) override;
  /// One pointer per 16 KiB of state; writes copy a leaf the first time they touch it afterwards.
  std::shared_ptr<const Frozen> freeze() const override { return entries_.freeze(); }
  Status thaw(std::span<const SharedBytes> chunks) override;
  void each_part(const Bytes& from, const std::function<bool(const Part&)>& visit) const override;
  std::size_t size() const { return entries_.size(); }

 private:
  struct Undo {
    bool changed = false;
    Bytes key;
    std::optional<Stored> old;
  };
  Outcome run(Put& put);
  Outcome run(Delete& gone);
  Outcome run(CompareAndSet& swap);
  Outcome run(const Get& get) const;
  Outcome run(const Scan& scan) const;
  bool fits(const Bytes& key, const Bytes& value) const;
  /// Sets or deletes, keeps hash and sizes, and remembers how to take it back. Returns whether the key had a value.
  bool write(Bytes key, std::optional<Bytes> value);
  void replace(const Bytes& key, std::optional<Stored> value, std::optional<Stored>* old);

  Limits limits_;
  Leaves entries_;
  MultisetHash hash_;
  std::vector<Undo> undo_;
};

}  // namespace seneschal::replication::kv
