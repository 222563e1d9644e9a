#include "replication/kv.hpp"

#include "base/check.hpp"

namespace seneschal::replication::kv {
namespace {

constexpr std::string_view kSnapshotTag = "seneschal/kv/1";

Bytes encode_outcome(const Outcome& outcome) {
  return encode(outcome);
}

std::string readable(Span bytes) {
  std::string text;
  for (const Byte b : bytes) text += b >= 0x20 && b < 0x7f ? static_cast<char>(b) : '.';
  return text;
}
std::string quoted(Span bytes) {
  std::string text = "\"";
  for (Byte b : bytes) {
    if (text.size() > 80) return text + "..\" (" + std::to_string(bytes.size()) + " bytes)";
    if (b >= 0x20 && b < 0x7f && b != '"' && b != '\\')
      text.push_back(static_cast<char>(b));
    else
      text += "\\x" + to_hex(Span(&b, 1));
  }
  return text + "\"";
}

template <class T>
std::string quoted(const std::optional<T>& value) {
  return value ? quoted(value->value) : "nothing";
}

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

std::optional<Value> optional_value(std::optional<Bytes> bytes) {
  if (!bytes) return std::nullopt;
  return Value{std::move(*bytes)};
}

}  // namespace

Bytes put(std::string_view key, Span value) {
  return encode(Operation(Put{{to_bytes(key)}, {to_bytes(value)}}));
}
Bytes get(std::string_view key) {
  return encode(Operation(Get{{to_bytes(key)}}));
}
Bytes remove(std::string_view key) {
  return encode(Operation(Delete{{to_bytes(key)}}));
}
Bytes compare_and_set(std::string_view key, std::optional<Bytes> expected, std::optional<Bytes> desired) {
  return encode(Operation(
      CompareAndSet{{to_bytes(key)}, optional_value(std::move(expected)), optional_value(std::move(desired))}));
}
Bytes scan(std::string_view first, std::optional<std::string_view> last, std::uint32_t limit) {
  Scan scan{{to_bytes(first)}, std::nullopt, limit};
  if (last) scan.last = Key{to_bytes(*last)};
  return encode(Operation(std::move(scan)));
}

bool is_read_only(Span operation) {
  auto op = decode<Operation>(operation);
  return op && (std::holds_alternative<Get>(*op) || std::holds_alternative<Scan>(*op));
}

std::expected<Outcome, Reject> parse_result(Span result) {
  return decode<Outcome>(result);
}

std::string print_result(Span result) {
  auto outcome = parse_result(result);
  if (!outcome) return "unreadable result (" + std::string(to_string(outcome.error())) + ")";
  return std::visit(Overloaded{
                        [](const Written& w) { return std::string(w.existed ? "done (replaced)" : "done (new)"); },
                        [](const Found& f) { return f.value ? quoted(f.value->value) : std::string("no such key"); },
                        [](const Swapped& s) {
                          return s.done ? std::string("swapped") : "not swapped, present: " + quoted(s.present);
                        },
                        [](const Entries& e) {
                          std::string text;
                          for (const Entry& entry : e.entries)
                            text += quoted(entry.key.value) + " = " + quoted(entry.value.value) + "\n";
                          return text + std::to_string(e.entries.size()) + " entries" +
                                 (e.more ? ", more follow" : "");
                        },
                        [](const Refused& r) {
                          switch (r.problem) {
                            case Problem::Malformed: return std::string("refused: malformed operation");
                            case Problem::WouldWrite: return std::string("refused: a query must not write");
                            case Problem::Full: return std::string("refused: the store is full");
                          }
                          return std::string("refused");
                        },
                    },
                    *outcome);
}

std::string print_operation(Span operation) {
  auto op = decode<Operation>(operation);
  if (!op) return "unreadable operation (" + std::string(to_string(op.error())) + ")";
  return std::visit(Overloaded{
                        [](const Put& p) { return "put " + quoted(p.key.value) + " " + quoted(p.value.value); },
                        [](const Get& g) { return "get " + quoted(g.key.value); },
                        [](const Delete& d) { return "delete " + quoted(d.key.value); },
                        [](const CompareAndSet& c) {
                          return "cas " + quoted(c.key.value) + " " + quoted(c.expected) + " -> " + quoted(c.desired);
                        },
                        [](const Scan& s) {
                          return "scan " + quoted(s.first.value) + " to " +
                                 (s.last ? quoted(s.last->value) : "the end") + " limit " + std::to_string(s.limit);
                        },
                    },
                    *op);
}

Bytes KvApplication::apply(ClientId, Span operation) {
  std::size_t before = undo_.size();
  auto op = decode<Operation>(operation);
  Outcome outcome = op ? std::visit([this](auto& o) { return run(o); }, *op) : Outcome(Refused{Problem::Malformed});
  if (undo_.size() == before) undo_.push_back({});  // every apply can be taken back, also one that changed nothing
  return encode_outcome(outcome);
}

Footprint KvApplication::footprint(Span operation) const {
  Footprint print;
  // The usual case without reading the operation once more: `apply` has just written its key down.
  static const Byte kPut = put("", {})[0];
  CHECK(!undo_.empty());
  const Undo& undo = undo_.back();
  if (undo.changed) {
    // A write hides the one before it, so what left the value as it was is none: its last writer is who made it so.
    const Stored* const now = entries_.find(undo.key);
    const bool same = now == nullptr ? !undo.old : undo.old && undo.old->hash == now->hash;
    if (!same) print.writes.push_back(undo.key);
    if (!operation.empty() && operation[0] == kPut) return print;
  }
  const auto op = decode<Operation>(operation);
  if (!op) return print;
  if (const auto* get = std::get_if<Get>(&*op)) print.reads = {get->key.value};
  // What there was no room for read everything: anybody may have taken it.
  const bool refused = std::holds_alternative<Put>(*op) && !undo.changed;
  if (refused) print.ranges.push_back({Bytes{}, std::nullopt});
  if (const auto* swap = std::get_if<CompareAndSet>(&*op)) {
    print.reads = {swap->key.value};
    const Stored* const present = entries_.find(swap->key.value);
    const bool matches =
        present == nullptr ? !swap->expected : swap->expected && swap->expected->value == present->value;
    if (!undo.changed && matches) print.ranges.push_back({Bytes{}, std::nullopt});
  }
  if (const auto* scan = std::get_if<Scan>(&*op)) {
    Footprint::Range range{scan->first.value, std::nullopt};
    if (scan->last) range.last = scan->last->value;
    // A scan that was cut short has read as far as the entry behind its last: that there is one it says.
    const Outcome outcome = run(*scan);
    if (const auto* found = std::get_if<Entries>(&outcome); found != nullptr && found->more) {
      Bytes after = scan->first.value;
      if (!found->entries.items.empty()) {
        after = found->entries.items.back().key.value;
        after.push_back(0);
      }
      entries_.each_from(after, [&](const Bytes& key, const Stored&) {
        range.last = key;
        range.last->push_back(0);
        return false;
      });
    }
    print.ranges.push_back(std::move(range));
  }
  return print;
}

void KvApplication::each_part(const Bytes& from, const std::function<bool(const Part&)>& visit) const {
  entries_.each_from(from, [&](const Bytes& key, const Stored& stored) {
    return visit({key, stored.value, readable(key), readable(stored.value)});
  });
}

void KvApplication::undo() {
  CHECK(!undo_.empty());
  Undo undo = std::move(undo_.back());
  undo_.pop_back();
  if (undo.changed) replace(undo.key, std::move(undo.old), nullptr);
}

Bytes KvApplication::query(Span operation) const {
  auto op = decode<Operation>(operation);
  if (!op) return encode_outcome(Refused{Problem::Malformed});
  if (auto* get = std::get_if<Get>(&*op)) return encode_outcome(run(*get));
  if (auto* scan = std::get_if<Scan>(&*op)) return encode_outcome(run(*scan));
  return encode_outcome(Refused{Problem::WouldWrite});
}

void KvApplication::settle() {
  std::vector<const Bytes*> keys;
  keys.reserve(undo_.size());
  for (const Undo& undo : undo_)
    if (undo.changed) keys.push_back(&undo.key);
  entries_.settle(keys);
  undo_.clear();
}

bool KvApplication::fits(const Bytes& key, const Bytes& value) const {
  const Stored* old = entries_.find(key);
  std::size_t freed = old == nullptr ? 0 : key.size() + old->value.size();
  std::size_t entries = entries_.size() + (old == nullptr ? 1 : 0);
  return entries <= limits_.max_entries && entries_.bytes() - freed + key.size() + value.size() <= limits_.max_bytes;
}

void KvApplication::replace(const Bytes& key, std::optional<Stored> value, std::optional<Stored>* old) {
  if (value) hash_.add(value->hash);
  std::optional<Stored> before = entries_.set(key, std::move(value));
  if (before) hash_.remove(before->hash);
  if (old != nullptr) *old = std::move(before);
}

bool KvApplication::write(Bytes key, std::optional<Bytes> value) {
  std::optional<Stored> stored;
  if (value) {
    Digest hash = entry_hash(key, *value);
    stored = Stored{std::move(*value), hash};
  }
  Undo undo{true, std::move(key), std::nullopt};
  replace(undo.key, std::move(stored), &undo.old);
  undo_.push_back(std::move(undo));
  return undo_.back().old.has_value();
}

Outcome KvApplication::run(Put& put) {
  if (!fits(put.key.value, put.value.value)) return Refused{Problem::Full};
  return Written{write(std::move(put.key.value), std::move(put.value.value))};
}

Outcome KvApplication::run(Delete& gone) {
  return Written{write(std::move(gone.key.value), std::nullopt)};
}

Outcome KvApplication::run(CompareAndSet& swap) {
  const Stored* present = entries_.find(swap.key.value);
  bool matches = present == nullptr ? !swap.expected : swap.expected && swap.expected->value == present->value;
  if (!matches) return Swapped{false, present == nullptr ? std::nullopt : std::optional(Value{present->value})};
  if (swap.desired && !fits(swap.key.value, swap.desired->value)) return Refused{Problem::Full};
  std::optional<Bytes> desired;
  if (swap.desired) desired = std::move(swap.desired->value);
  write(std::move(swap.key.value), std::move(desired));
  return Swapped{true, std::nullopt};
}

Outcome KvApplication::run(const Get& get) const {
  const Stored* stored = entries_.find(get.key.value);
  if (stored == nullptr) return Found{};
  return Found{Value{stored->value}};
}

Outcome KvApplication::run(const Scan& scan) const {
  Entries found;
  std::size_t limit = std::min<std::size_t>(scan.limit, kMaxScan);
  std::size_t size = 0;
  entries_.each_from(scan.first.value, [&](const Bytes& key, const Stored& stored) {
    if (scan.last && !ByBytes{}(key, scan.last->value)) return false;
    size += 8 + key.size() + stored.value.size();
    if (found.entries.size() >= limit || size > kMaxScanBytes) {
      found.more = true;
      return false;
    }
    found.entries.items.push_back({{key}, {stored.value}});
    return true;
  });
  return found;
}

Bytes KvApplication::snapshot() const {
  Bytes bytes;
  bytes.reserve(kSnapshotTag.size() + 8 + entries_.size() * 8 + entries_.bytes());
  Writer out(bytes);
  out.raw(as_span(kSnapshotTag));
  out.number(entries_.size(), 8);
  entries_.each_from({}, [&](const Bytes& key, const Stored& stored) {
    out.number(key.size(), 4);
    out.raw(key);
    out.number(stored.value.size(), 4);
    out.raw(stored.value);
    return true;
  });
  return bytes;
}

Status KvApplication::restore(Span snapshot) {
  Reader in(snapshot);
  Span tag;
  std::uint64_t count = 0;
  if (!in.raw(tag, kSnapshotTag.size()) || as_text(tag) != kSnapshotTag)
    return failure("kv snapshot: does not start with \"" + std::string(kSnapshotTag) +
                   "\"; is it a snapshot of another application?");
  if (!in.number(count, 8) || count > limits_.max_entries)
    return failure("kv snapshot: its number of entries is missing or above the limit of " +
                   std::to_string(limits_.max_entries));
  KvApplication fresh(limits_);
  Bytes last;
  for (std::uint64_t i = 0; i < count; ++i) {
    Entry entry;
    if (!decode_from(in, entry))
      return failure("kv snapshot: entry " + std::to_string(i) + " is damaged (" +
                     std::string(to_string(in.reason())) + ")");
    if (i > 0 && !ByBytes{}(last, entry.key.value))
      return failure("kv snapshot: entry " + std::to_string(i) + " is not in ascending order of keys");
    Digest hash = entry_hash(entry.key.value, entry.value.value);
    fresh.hash_.add(hash);
    last = entry.key.value;
    fresh.entries_.append_entry(std::move(entry.key.value), Stored{std::move(entry.value.value), hash});
    if (fresh.entries_.bytes() > limits_.max_bytes)
      return failure("kv snapshot: larger than the limit of " + std::to_string(limits_.max_bytes) + " bytes");
  }
  if (in.remaining() != 0)
    return failure("kv snapshot: " + std::to_string(in.remaining()) + " bytes too many at its end");
  *this = std::move(fresh);
  return {};
}

Status KvApplication::thaw(std::span<const SharedBytes> chunks) {
  KvApplication fresh(limits_);
  for (std::size_t i = 0; i < chunks.size(); ++i)
    if (!fresh.entries_.append_leaf(*chunks[i], limits_.max_bytes))
      return failure("kv state: chunk " + std::to_string(i) + " of " + std::to_string(chunks.size()) +
                     " is damaged, out of order or beyond the limits");
  if (fresh.entries_.size() > limits_.max_entries) return failure("kv state: too many entries");
  fresh.entries_.each_from({}, [&](const Bytes&, const Stored& stored) {
    fresh.hash_.add(stored.hash);
    return true;
  });
  *this = std::move(fresh);
  return {};
}

}  // namespace seneschal::replication::kv
