#include "replication/sql/sql.hpp"

#include "replication/kv.hpp"
#include "replication/sql/database.hpp"

namespace seneschal::replication::sql {

namespace {
constexpr std::string_view kSnapshotTag = "seneschal/sql/1";

std::string printable(Span bytes) {
  std::string text;
  for (Byte b : bytes)
    text += b >= 0x20 && b != 0x7f ? std::string(1, static_cast<char>(b)) : "\\x" + to_hex(Span(&b, 1));
  return text;
}

std::string print(const Cell& cell) {
  if (const auto* integer = std::get_if<Integer>(&cell)) return std::to_string(integer->value());
  if (const auto* text = std::get_if<Text>(&cell)) return printable(text->bytes.value);
  if (const auto* blob = std::get_if<Blob>(&cell)) return "x'" + to_hex(blob->bytes.value) + "'";
  return "NULL";
}

std::string_view name(Problem problem) {
  switch (problem) {
    case Problem::Malformed: return "malformed";
    case Problem::Forbidden: return "not in the deterministic subset";
    case Problem::Failed: return "failed";
    case Problem::RealNumber: return "real numbers are not replicated";
    case Problem::TooMuchWork: return "too much work";
    case Problem::Full: return "full";
    case Problem::WouldWrite: return "would write";
  }
  return "refused";
}
}  // namespace

std::expected<Outcome, Reject> parse_result(Span result) {
  return decode<Outcome>(result);
}

std::string print_result(Span result) {
  const auto outcome = parse_result(result);
  if (!outcome) return "unreadable result (" + std::string(to_string(outcome.error())) + ")";
  if (const auto* no = std::get_if<Refused>(&*outcome))
    return "refused, " + std::string(name(no->problem)) + ": " + printable(no->reason.value);
  const Done& done = std::get<Done>(*outcome);
  std::string text;
  for (const Row& row : done.rows) {
    for (std::size_t i = 0; i < row.cells.size(); ++i) text += (i == 0 ? "" : "\t") + print(row.cells.items[i]);
    text += "\n";
  }
  if (done.columns.empty()) return "done, " + std::to_string(done.changed) + " rows written";
  return text + std::to_string(done.rows.size()) + " rows" + (done.more ? ", more are not shown" : "");
}

void SqlApplication::each_part(const Bytes& from, const std::function<bool(const Part&)>& visit) const {
  database_->content().each_from(from, [&](const Bytes& key, const Bytes& value) {
    std::string text;
    const auto row =
        key[0] == 2 ? decode<Row>(value) : std::expected<Row, Reject>(std::unexpected(Reject::Malformed));
    if (row)
      for (const Cell& cell : row->cells) text += (text.empty() ? "" : " | ") + print(cell);
    return visit({key, value, Content::describe(key), row ? text : printable(value)});
  });
}

SqlApplication::SqlApplication(Limits limits) : database_(std::make_unique<Database>(limits)), limits_(limits) {}
SqlApplication::~SqlApplication() = default;

Bytes SqlApplication::apply(ClientId, Span operation) {
  return encode(database_->execute(as_text(operation)));
}
Footprint SqlApplication::footprint(Span operation) const {
  return database_->footprint(as_text(operation));
}
void SqlApplication::undo() {
  database_->undo();
}
void SqlApplication::settle() {
  database_->settle();
}
Bytes SqlApplication::query(Span operation) const {
  return encode(database_->query(as_text(operation)));
}
Digest SqlApplication::digest() const {
  return database_->content().digest();
}
std::shared_ptr<const Frozen> SqlApplication::freeze() const {
  return database_->content().freeze();
}
bool SqlApplication::consistent() const {
  return database_->consistent();
}

Bytes SqlApplication::snapshot() const {
  Bytes bytes;
  Writer out(bytes);
  out.raw(as_span(kSnapshotTag));
  out.number(database_->content().size(), 4);
  database_->content().each({}, [&](const Bytes& key, const Bytes& value) {
    encode_to(out, kv::Entry{{key}, {value}});
    return true;
  });
  return bytes;
}

Status SqlApplication::restore(Span snapshot) {
  Reader in(snapshot);
  Span tag;
  std::size_t count = 0;
  if (!in.raw(tag, kSnapshotTag.size()) || as_text(tag) != kSnapshotTag)
    return failure("sql snapshot: does not start with \"" + std::string(kSnapshotTag) +
                   "\"; is it a snapshot of another application?");
  if (!in.count(count, limits_.max_entries, 8))
    return failure("sql snapshot: its number of entries is missing or too large");
  kv::Leaves entries;
  Bytes last;
  for (std::size_t i = 0; i < count; ++i) {
    kv::Entry entry;
    if (!decode_from(in, entry) || !kv::ByBytes{}(last, entry.key.value))
      return failure("sql snapshot: entry " + std::to_string(i) + " is damaged or out of order");
    last = entry.key.value;
    const Digest hash = kv::entry_hash(entry.key.value, entry.value.value);
    entries.append_entry(std::move(entry.key.value), {std::move(entry.value.value), hash});
  }
  if (in.remaining() != 0)
    return failure("sql snapshot: " + std::to_string(in.remaining()) + " bytes too many at its end");
  return take_over(std::move(entries));
}

Status SqlApplication::thaw(std::span<const SharedBytes> chunks) {
  kv::Leaves entries;
  for (std::size_t i = 0; i < chunks.size(); ++i)
    if (!entries.append_leaf(*chunks[i], limits_.max_bytes))
      return failure("sql state: chunk " + std::to_string(i) + " of " + std::to_string(chunks.size()) +
                     " is damaged, out of order or beyond the limits");
  return take_over(std::move(entries));
}

Status SqlApplication::take_over(kv::Leaves entries) {
  auto fresh = std::make_unique<Database>(limits_);
  if (Status good = fresh->load(std::move(entries)); !good) return good;
  database_ = std::move(fresh);
  return {};
}

}  // namespace seneschal::replication::sql
