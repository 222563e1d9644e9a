// What a database holds, kept a second time outside of SQLite: one entry per row, table and index, in leaves that are
// copied on write. Digest, frozen states and undo come from here, so that none of them depends on SQLite's pages,
// whose layout is nobody's promise. Internal to this folder.
#pragma once
#include "replication/kv_leaves.hpp"
#include "replication/multiset_hash.hpp"
#include "replication/sql/sql.hpp"

namespace seneschal::replication::sql {

/// Longest encoded row, and longest statement that creates a table or index: what one entry holds.
inline constexpr std::size_t kMaxEntry = 8000;
inline constexpr std::size_t kMaxTableName = 64;

class Content {
 public:
  Content() = default;
  /// Takes over entries that were settled elsewhere.
  explicit Content(kv::Leaves entries);

  // Keys: the library's version, then tables and indexes by position, then rows by table.
  static Bytes version_key() { return {0}; }
  static Bytes schema_prefix() { return {1}; }
  static Bytes schema_key(std::size_t position);
  static Bytes row_key(std::string_view table, std::int64_t rowid);
  /// Of a table WITHOUT ROWID: its rows differ in their primary key, so their digests differ.
  static Bytes row_key(std::string_view table, const Bytes& encoded_row);
  /// What the keys of all rows of a table begin with.
  static Bytes table_prefix(std::string_view table);

  const Bytes* find(const Bytes& key) const;
  void put(const Bytes& key, Bytes value) { change(key, std::move(value)); }
  /// The entry must exist (CHECKed).
  void erase(const Bytes& key);
  /// Calls `visit(key, value)` for all entries whose keys begin so, in order, until it returns false.
  template <class F>
  void each(const Bytes& prefix, F&& visit) const {
    entries_.each_from(prefix, [&](const Bytes& key, const kv::Stored& stored) {
      return as_text(key).starts_with(as_text(prefix)) && visit(key, stored.value);
    });
  }

  /// The same for all entries from `from` on.
  template <class F>
  void each_from(const Bytes& from, F&& visit) const {
    entries_.each_from(from, [&](const Bytes& key, const kv::Stored& stored) { return visit(key, stored.value); });
  }
  /// What an entry is, for people: "table account", "account, row 17".
  static std::string describe(const Bytes& key);

  /// How far `take_back` goes back.
  std::size_t mark() const { return changes_.size(); }
  /// What changed since `mark`, in order: `visit(key, value before)`, null if there was none. An entry that changed
  /// twice comes twice.
  template <class F>
  void each_change(std::size_t mark, F&& visit) const {
    for (std::size_t i = mark; i < changes_.size(); ++i)
      visit(changes_[i].key, changes_[i].before ? &changes_[i].before->value : nullptr);
  }
  void take_back(std::size_t mark);
  void settle();

  Digest digest() const { return hash_.value(); }
  std::size_t size() const { return entries_.size(); }
  std::size_t bytes() const { return entries_.bytes(); }
  std::shared_ptr<const Frozen> freeze() const { return entries_.freeze(); }

 private:
  struct Change {
    Bytes key;
    std::optional<kv::Stored> before;
  };
  void change(const Bytes& key, std::optional<Bytes> value);
  std::optional<kv::Stored> replace(const Bytes& key, std::optional<kv::Stored> value);

  kv::Leaves entries_;
  MultisetHash hash_;
  std::vector<Change> changes_;  // since `settle`
};

}  // namespace seneschal::replication::sql
