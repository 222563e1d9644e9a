#include "replication/sql/content.hpp"

#include "base/check.hpp"
#include "crypto/digest.hpp"

namespace seneschal::replication::sql {

Content::Content(kv::Leaves entries) : entries_(std::move(entries)) {
  entries_.each_from({}, [&](const Bytes&, const kv::Stored& stored) {
    hash_.add(stored.hash);
    return true;
  });
}

Bytes Content::schema_key(std::size_t position) {
  Bytes key = schema_prefix();
  Writer(key).number(position, 4);
  return key;
}

// The zero ends the name: no statement contains one.
Bytes Content::table_prefix(std::string_view table) {
  Bytes key{2};
  append(key, as_span(table));
  key.push_back(0);
  return key;
}

Bytes Content::row_key(std::string_view table, std::int64_t rowid) {
  Bytes key = table_prefix(table);
  // Bytes in the order of the numbers: the sign bit turned over.
  Writer(key).number(static_cast<std::uint64_t>(rowid) ^ (std::uint64_t{1} << 63), 8);
  return key;
}

Bytes Content::row_key(std::string_view table, const Bytes& encoded_row) {
  Bytes key = table_prefix(table);
  append(key, crypto::sha256(encoded_row).bytes);
  return key;
}

std::string Content::describe(const Bytes& key) {
  if (key == version_key()) return "library";
  if (as_text(key).starts_with(as_text(schema_prefix()))) return "table or index " + to_hex(Span(key).subspan(1));
  const auto end = std::ranges::find(key, Byte{0});
  const std::string table(as_text(Span(key).subspan(1, static_cast<std::size_t>(end - key.begin()) - 1)));
  const Span row = end == key.end() ? Span{} : Span(key).subspan(static_cast<std::size_t>(end - key.begin()) + 1);
  if (row.size() != sizeof(std::int64_t))
    return table + ", row " + to_hex(row.first(std::min<std::size_t>(4, row.size())));
  std::uint64_t turned = 0;
  for (const Byte byte : row) turned = turned << 8 | byte;
  return table + ", row " + std::to_string(static_cast<std::int64_t>(turned ^ std::uint64_t{1} << 63));
}

const Bytes* Content::find(const Bytes& key) const {
  const kv::Stored* stored = entries_.find(key);
  return stored == nullptr ? nullptr : &stored->value;
}

void Content::erase(const Bytes& key) {
  CHECK(entries_.find(key) != nullptr);
  change(key, std::nullopt);
}

void Content::change(const Bytes& key, std::optional<Bytes> value) {
  std::optional<kv::Stored> stored;
  if (value) {
    Digest hash = kv::entry_hash(key, *value);
    stored = kv::Stored{std::move(*value), hash};
  }
  std::optional<kv::Stored> before = replace(key, std::move(stored));
  changes_.push_back({key, std::move(before)});
}

std::optional<kv::Stored> Content::replace(const Bytes& key, std::optional<kv::Stored> value) {
  if (value) hash_.add(value->hash);
  std::optional<kv::Stored> before = entries_.set(key, std::move(value));
  if (before) hash_.remove(before->hash);
  return before;
}

void Content::take_back(std::size_t mark) {
  CHECK(mark <= changes_.size());
  while (changes_.size() > mark) {
    Change change = std::move(changes_.back());
    changes_.pop_back();
    replace(change.key, std::move(change.before));
  }
}

void Content::settle() {
  std::vector<const Bytes*> keys;
  keys.reserve(changes_.size());
  for (const Change& change : changes_) keys.push_back(&change.key);
  entries_.settle(keys);
  changes_.clear();
}

}  // namespace seneschal::replication::sql
